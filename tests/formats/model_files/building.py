"""Small GGUF files for tests."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

GGUF_STRING, GGUF_ARRAY = 8, 9


def text(value: str) -> bytes:
    """A text with its length."""
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf(pairs: Sequence[tuple[str, int, Any]], tensors: Sequence[str] = ()) -> bytes:
    """Metadata of texts, arrays of texts and 32-bit numbers, and tensors of one byte."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    for key, kind, value in pairs:
        out += text(key) + struct.pack("<I", kind)
        if kind == GGUF_STRING:
            out += text(value)
        elif kind == GGUF_ARRAY:
            out += struct.pack("<IQ", GGUF_STRING, len(value)) + b"".join(map(text, value))
        else:
            out += struct.pack("<I", value)
    for number, name in enumerate(tensors):
        out += text(name) + struct.pack("<IQIQ", 1, 1, 0, 32 * number)
    return out + bytes(32 * (1 + len(tensors)) if tensors else 0)
