"""Reads VBA projects: the source of each module, decompressed as in [MS-OVBA] 2.4.1. It runs nothing and trusts no length."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.office.shared.macros import macro_blocks

_LARGEST = bounds.MACRO  # bytes of a module's source
_MODULES = bounds.MACROS
_TOTAL = 4 * bounds.MACRO
_CODEPAGE, _NAME, _STREAM, _OFFSET = 0x0003, 0x0019, 0x001A, 0x0031
_VERSION = 0x0009  # the only record whose length field is wrong
_SIGNATURE = b"\x00Attribut"  # the beginning of every module's compressed source

Open = Callable[[str], bytes]


def read_project(streams: dict[str, str], open_stream: Open, budget: Budget) -> Iterator[Block | Gap]:
    """Yield the modules of one VBA storage. `streams` maps lower-case names of streams to their paths."""
    modules: list[tuple[str, str]] = []
    total = 0
    for name, stream, offset, codec in _listed(streams, open_stream, budget):
        try:
            source = decompress(open_stream(streams[stream]), offset, budget).decode(codec, "replace")
        except LimitExceeded:
            raise
        except ReadError as error:
            yield Gap(f"a macro module cannot be read: {error}", location=stream)
            continue
        if len(source) >= _LARGEST:
            yield Gap("only the beginning of a macro module was read", location=stream, bound="macro_bytes")
        total += len(source)
        if total > _TOTAL or len(modules) >= _MODULES:
            yield Gap("the project has more macros than the limit allows", bound="macro_bytes")
            break
        modules.append((name, source))
    yield from macro_blocks(modules)


def _listed(streams: dict[str, str], open_stream: Open, budget: Budget) -> Iterator[tuple[str, str, int, str]]:
    """Yield the name, stream, offset and codec of each module. Modules missing from the directory are found by their first bytes."""
    codec, found = "cp1252", list[tuple[str, str, int]]()
    if "dir" in streams:
        try:
            codec, found = _directory(decompress(open_stream(streams["dir"]), 0, budget))
        except LimitExceeded:
            raise
        except ReadError:
            found = []
    seen = set()
    for name, stream, offset in found:
        if stream.lower() in streams:
            seen.add(stream.lower())
            yield name, stream.lower(), offset, codec
    for key in sorted(streams):
        if key in seen or key in ("dir", "_vba_project") or key.startswith("__srp_"):
            continue
        try:
            at = open_stream(streams[key]).find(_SIGNATURE)
        except ReadError:
            continue
        if at >= 3:
            yield key, key, at - 3, codec


def _directory(data: bytes) -> tuple[str, list[tuple[str, str, int]]]:
    """The codec, and the name, stream and offset of each module, from a `dir` stream."""
    codec, found = "cp1252", list[tuple[str, str, int]]()
    name, stream = "", ""
    at = 0
    while at + 6 <= len(data):
        kind, size = struct.unpack_from("<HI", data, at)
        size = size + 2 if kind == _VERSION else size
        body = data[at + 6 : at + 6 + size]
        at += 6 + size
        if kind == _CODEPAGE and len(body) >= 2:
            codec = _codec(int.from_bytes(body[:2], "little"))
        elif kind == _NAME:
            name = body.decode(codec, "replace")
        elif kind == _STREAM:
            stream = body.decode(codec, "replace")
        elif kind == _OFFSET and len(body) == 4 and len(found) < _MODULES:
            found.append((name, stream or name, int.from_bytes(body, "little")))
    return codec, found


def _codec(page: int) -> str:
    try:
        return codecs.lookup({10000: "mac_roman", 65001: "utf-8"}.get(page, f"cp{page}")).name
    except LookupError:
        return "cp1252"


def decompress(data: bytes, offset: int, budget: Budget) -> bytes:
    """Decompress the container at `offset`. Raises ReadError and LimitExceeded; data before a damaged chunk is kept."""
    if not 0 <= offset < len(data) or data[offset] != 1:
        raise ReadError("it does not contain compressed data")
    out = bytearray()
    at = offset + 1
    while at + 2 <= len(data) and len(out) < _LARGEST:
        header = int.from_bytes(data[at : at + 2], "little")
        end = min(len(data), at + (header & 0x0FFF) + 3)
        if (header >> 12) & 7 != 3:
            break
        if header & 0x8000:
            _chunk(data, at + 2, end, out)
        else:
            out += data[at + 2 : min(len(data), at + 2 + 4096)]
            end = at + 2 + 4096
        at = end
    budget.add(len(out))
    return bytes(out[:_LARGEST])


def _chunk(data: bytes, at: int, end: int, out: bytearray) -> None:
    """Decompress one chunk: each byte of flags precedes eight tokens, which are characters or copies of earlier ones."""
    start = len(out)
    while at < end:
        flags = data[at]
        at += 1
        for bit in range(8):
            if at >= end:
                return
            if not flags >> bit & 1:
                out.append(data[at])
                at += 1
                continue
            if at + 2 > end:
                return
            token = int.from_bytes(data[at : at + 2], "little")
            at += 2
            bits = max(4, (len(out) - start - 1).bit_length())
            length, back = (token & (0xFFFF >> bits)) + 3, (token >> (16 - bits)) + 1
            if back > len(out) - start or len(out) - start > 4096:
                return
            for _ in range(length):
                out.append(out[-back])
