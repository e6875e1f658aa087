"""Recognizes valid UTF-8, and repairs Arrow strings that are not."""

from __future__ import annotations

import pyarrow as pa


def utf8(texts: pa.Array) -> tuple[pa.Array, int]:
    """The repaired texts, and how many had to be repaired: Parquet does not guarantee that its strings are valid UTF-8."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        raw = texts.cast(pa.binary()).to_pylist()
        mended = [value.decode("utf-8", "replace") for value in raw]
        return pa.array(mended, pa.string()), sum(value != text.encode() for value, text in zip(raw, mended, strict=True))
    return texts, 0


def is_utf8(data: bytes) -> bool:
    """Return whether data is valid UTF-8, which compressed and encrypted data hardly ever is."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
