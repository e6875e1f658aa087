"""Places in files of numbers and their names: NumPy arrays, safetensors, GGUF and TFRecord."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from bench.account.canary import FORMS, Place, Sample, forms, in_all_forms, number_role, put_all, role
from bench.account.records import proto_places
from tests.formats.model_files.building import GGUF_ARRAY, GGUF_STRING, gguf
from tests.formats.records.test_read import example, file_of

_QUIET = "nothing to see here"


def _octets(form: str, text: str) -> Any:
    return np.array([np.void(forms(text)[form])])


_ARRAYS: dict[str, Callable[[str], Any]] = {
    "text": lambda text: np.array([text, "a"]),
    "text in bytes": lambda text: np.array([text.encode(), b"a"]),
    "name of a field": lambda text: np.zeros(1, [(text, "i4")]),
    "title of a field": lambda text: np.zeros(1, np.dtype([((text, "a"), "i4")])),
    "text in a field": lambda text: np.array([(1, text)], [("n", "i4"), ("t", f"U{len(text)}")]),
    "text of an object": lambda text: np.array([{"a": text}, None], object),
    "numbers whose bytes are text": lambda text: np.frombuffer(text.encode(), "u1"),
    "numbers that are letters": lambda text: np.array([ord(letter) for letter in text], "<u4"),
    "text in the other byte order": lambda text: np.array([text], f">U{len(text)}"),
    **{f"bytes{form}": partial(_octets, form) for form in FORMS},
}  # fmt: skip


def array_samples() -> Iterator[Sample]:
    """Yield an array, tensors, a model and records, with their places."""
    yield Sample("a.npy", _npy(lambda _: np.arange(9), ""), _npy_places)
    yield Sample("b.safetensors", _tensors({}, b""), _tensor_places)
    yield Sample("b.gguf", gguf([("a", GGUF_STRING, _QUIET)], ["t"]), _gguf_places)
    record = example(t=[_QUIET])
    yield Sample("b.tfrecord", file_of(record), partial(_record_places, record))


def _npy(make: Callable[[str], Any], text: str) -> bytes:
    out, array = io.BytesIO(), make(text)
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def _npy_places() -> Iterator[Place]:
    for kind, make in _ARRAYS.items():
        yield from role(kind, partial(_npy, make))
    yield from number_role("number", lambda number: _npy(lambda _: np.array([number]), ""))
    yield from number_role("number in the other byte order", lambda number: _npy(lambda _: np.array([number], ">i8"), ""))
    base = _npy(lambda _: np.arange(9), "")
    end = 10 + int.from_bytes(base[8:10], "little")
    head = base[10:end].rstrip(b" \n")

    def headed(new: bytes) -> bytes:
        padded = new.ljust(-(-(len(new) + 11) // 64) * 64 - 11) + b"\n"
        return base[:8] + struct.pack("<H", len(padded)) + padded + base[end:]

    yield from in_all_forms("behind the header, in its padding", "", lambda raw: headed(head + b"  " + raw))
    yield from role("comment in the header", lambda text: headed(head + b" # " + text.encode()))
    yield from role("new key of the header", lambda text: headed(head[:-1] + f"'note': '{text}', }}".encode()))
    yield from role("name of a new key of the header", lambda text: headed(head[:-1] + f"'{text}': 1, }}".encode()))
    yield from put_all("behind the data", "", base, len(base))


def _tensors(header: dict[str, Any], data: bytes, padding: bytes = b"") -> bytes:
    text = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}} | header).encode() + padding
    return struct.pack("<Q", len(text)) + text + bytes(8) + data


def _of_bytes(raw: bytes, hole: int = 0) -> bytes:
    """Return tensors of which the last one consists of these bytes, or begins behind them."""
    begins = 8 + hole
    tensor = {"dtype": "U8", "shape": [len(raw) - hole], "data_offsets": [begins, 8 + len(raw)]}
    return _tensors({"b": tensor}, raw)


def _tensor_places() -> Iterator[Place]:
    yield from role("metadata", lambda text: _tensors({"__metadata__": {"note": text}}, b""))
    yield from role("key of the metadata", lambda text: _tensors({"__metadata__": {text: "note"}}, b""))
    yield from role("JSON in the metadata", lambda text: _tensors({"__metadata__": {"note": json.dumps({"a": [text]})}}, b""))
    yield from role("name of a tensor", lambda text: _tensors({text: {"dtype": "U8", "shape": [1], "data_offsets": [8, 9]}}, b"\0"))
    yield from role(
        "unknown key of a tensor", lambda text: _tensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], "note": text}}, b"")
    )
    yield from in_all_forms("padding of the header", "", lambda raw: _tensors({}, b"", b"  " + raw))
    yield from in_all_forms("tensor of bytes", "", _of_bytes)
    yield from in_all_forms("gap before a tensor", "", lambda raw: _of_bytes(raw + bytes(8), len(raw)))
    yield from in_all_forms("behind the last tensor", "", lambda raw: _tensors({}, raw))


def _gguf_places() -> Iterator[Place]:
    pairs: list[tuple[str, int, Any]] = [("a", GGUF_STRING, _QUIET)]
    yield from role("value", lambda text: gguf([("a", GGUF_STRING, text)]))
    yield from role("key", lambda text: gguf([(text, GGUF_STRING, "a")]))
    yield from role("key of a number", lambda text: gguf([(text, 4, 1)]))
    yield from role("item of an array", lambda text: gguf([("a", GGUF_ARRAY, ["b", text])]))
    yield from role("chat template", lambda text: gguf([("tokenizer.chat_template", GGUF_STRING, f"{{# {text} #}}")]))
    yield from role("token", lambda text: gguf([("tokenizer.ggml.tokens", GGUF_ARRAY, ["b", text])]))
    yield from role("name of a tensor", lambda text: gguf(pairs, [text]))
    base = gguf(pairs, ["t"])
    yield from in_all_forms("data of a tensor", "", lambda raw: base[: -len(raw)] + raw)
    yield from in_all_forms("behind the last tensor", "", lambda raw: base + bytes(32) + raw)


def _record_places(record: bytes) -> Iterator[Place]:
    yield from proto_places(record, file_of)
    yield from in_all_forms("record that is not a message", "", lambda raw: file_of(record, raw))
    yield from in_all_forms("between records", "", lambda raw: file_of(record) + raw + file_of(record))
    yield from in_all_forms("record with a wrong checksum", "", lambda raw: file_of(record, raw)[:-1] + b"\xff")
    yield from role("text", lambda text: file_of(example(t=[text])))
    yield from number_role("number", lambda number: file_of(example(t=[number])))
    yield from role("name of a feature", lambda text: file_of(example(**{text: [1]})))
