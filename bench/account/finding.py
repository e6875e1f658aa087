"""Finds the places in a file by what the file is, and in the files inside it. Nothing here knows a particular file."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from bench.account.canary import Place
from bench.account.chunks import chunked
from bench.account.headers import header_places, is_headed
from bench.account.jsons import json_places, parsed
from bench.account.markup import is_markup, markup_places
from bench.account.oles import is_ole, ole_places
from bench.account.pdfs import pdf_places
from bench.account.raw import byte_places
from bench.account.records import is_pickle, pickle_places, proto_places
from bench.account.rtfs import rtf_places
from bench.account.streams import codec_of, stream_places
from bench.account.tables import table_places
from bench.account.tars import tar_places
from bench.account.texts import encoding_of, text_places
from bench.account.zips import Inner, zip_places

_DEPTH = 3  # files in files in files


def places(name: str, data: bytes, depth: int = _DEPTH) -> Iterator[Place]:
    """Yield the places in a file. The name decides only where bytes do not."""
    if not data:
        return
    if (encoding := encoding_of(data)) is not None:
        yield from _in_text(name, data, encoding, depth)
        return
    yield from byte_places(data)
    if depth:
        yield from _in_bytes(name, data, lambda inner_name, inner: places(inner_name, inner, depth - 1))


def _in_text(name: str, data: bytes, encoding: str, depth: int) -> Iterator[Place]:
    if data.startswith(b"{\\rtf"):
        yield from rtf_places(data)
        return
    yield from text_places(data, encoding)
    if encoding != "utf-8":
        plain = data.decode(encoding).encode()
        yield from (
            one.within("", lambda new: new.decode("utf-8", "replace").encode(encoding)) for one in _in_structure(name, plain, depth)
        )
    else:
        yield from _in_structure(name, data, depth)


def _in_structure(name: str, data: bytes, depth: int) -> Iterator[Place]:
    """Yield the places in the structure of a text in UTF-8."""
    if (value := parsed(data)) is not None:
        yield from json_places(value)
    elif is_markup(data):
        yield from markup_places(data)
    elif is_headed(data):
        yield from header_places(data, lambda inner_name, inner: places(inner_name, inner, depth - 1) if depth else iter(()))
    elif name.endswith((".csv", ".tsv")):
        yield from table_places(data, b"\t" if name.endswith(".tsv") else b",")
    else:
        yield from _in_lines(data)


def _in_lines(data: bytes) -> Iterator[Place]:
    """Yield the places in the first, the last and a middle line, if they are JSON."""
    lines = data.splitlines(keepends=True)
    for number in sorted({0, len(lines) // 2, len(lines) - 1}):
        if (value := parsed(lines[number])) is not None:
            yield from _in_line(b"".join(lines[:number]), value, b"".join(lines[number + 1 :]))


def _in_line(head: bytes, value: Any, tail: bytes) -> Iterator[Place]:
    return json_places(value, lambda text: head + text.encode() + b"\n" + tail)


def _in_bytes(name: str, data: bytes, inner: Inner) -> Iterator[Place]:
    if data.startswith(b"PK\x03\x04") and zipfile.is_zipfile(io.BytesIO(data)):
        yield from zip_places(data, inner)
    elif data[257:262] == b"ustar":
        yield from tar_places(data, inner)
    elif is_ole(data):
        yield from ole_places(data)
    elif data.startswith(b"%PDF-"):
        yield from pdf_places(data, inner)
    elif is_pickle(data):
        yield from pickle_places(data)
    elif in_chunks := chunked(data):
        yield from in_chunks(data)
    elif codec := codec_of(data):
        yield from stream_places(data, codec, inner)
    elif name.endswith(".safetensors"):
        yield from _in_safetensors(data)
    elif name.endswith(".onnx"):
        yield from proto_places(data)
    elif is_headed(data):
        yield from header_places(data, inner)


def _in_safetensors(data: bytes) -> Iterator[Place]:
    size = int.from_bytes(data[:8], "little")

    def written(text: str) -> bytes:
        return struct.pack("<Q", len(text.encode())) + text.encode() + data[8 + size :]

    if (value := parsed(data[8 : 8 + size])) is not None:
        yield from json_places(value, written)


def chosen(found: Iterable[Place], per_place: int, per_kind: int) -> list[Place]:
    """Return places of each kind, evenly spread: at most a given number of equal words, and at most a given number of a kind."""
    kinds: dict[str, dict[str, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        alike = kinds[one.kind][one.where]
        if len(alike) < per_place:
            alike.append(one)
    return [one for alike in kinds.values() for one in _spread([place for places in alike.values() for place in places], per_kind)]


def _spread(found: list[Place], most: int) -> list[Place]:
    count = min(len(found), most)
    return [found[len(found) * number // count] for number in range(count)]
