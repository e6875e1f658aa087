"""The tar format: a header, extended headers and maps of sparse files, all validated before they are trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.streams import Window

BLOCK = 512
_PARTS = bounds.SPARSE_PARTS
RECORD = re.compile(rb"(\d{1,7}) ")


class TarError(ReadError):
    """The rest of the archive cannot be read."""


class TarHeader(NamedTuple):
    """One header block: a file, a link, or a description of the next entry. `kind` is its type flag."""

    name: str
    kind: str
    size: int
    link: str
    real_size: int = 0
    block: bytes = b""


def text(raw: bytes) -> str:
    """A name, decoded as UTF-8 or, if it is not valid, as Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def number(field: bytes) -> int | None:
    """A number in octal digits or in base 256; None for anything else."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.replace(b"\x00", b" ").strip()
    if not digits:
        return 0
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else None


def header(block: bytes) -> TarHeader | None:
    """The header in a block; None if its checksum or numbers are invalid."""
    if len(block) < BLOCK:
        return None
    size, told = number(block[124:136]), number(block[148:156])
    if size is None or told is None or not checked(block, told):
        return None
    name = block[:100].partition(b"\x00")[0]
    prefix = block[345:500].partition(b"\x00")[0]
    kind = chr(block[156]) if block[156] else "0"
    if prefix and block[257:263] == b"ustar\x00":
        name = prefix + b"/" + name
    real = number(block[483:495]) or 0 if kind == "S" else 0
    return TarHeader(text(name), kind, size, text(block[157:257].partition(b"\x00")[0]), real, block if kind == "S" else b"")


def checked(block: bytes, told: int) -> bool:
    """Whether the checksum is right. Some old programs summed signed bytes."""
    rest = block[:148] + b" " * 8 + block[156:BLOCK]
    total = sum(rest)
    return total == told or total - 256 * sum(byte > 127 for byte in rest) == told


def pax_records(data: bytes) -> tuple[dict[str, str], list[tuple[int, int]]]:
    """The records of an extended header, each of which begins with its length, and the map of a sparse file if they contain one."""
    found: dict[str, str] = {}
    sparse: list[tuple[int, int]] = []
    offset = at = 0
    while at < len(data) and (length := RECORD.match(data, at)):
        end = at + int(length[1])
        key, sign, value = data[length.end() : end - 1].partition(b"=")
        if end <= length.end() or end > len(data) or not sign:
            raise TarError("an extended header is damaged")
        name, at = text(key), end
        if name == "GNU.sparse.offset" and value.isdigit():
            offset = int(value[:20])
        elif name == "GNU.sparse.numbytes" and value.isdigit():
            sparse.append((offset, int(value[:20])))
        else:
            found[name] = text(value)
    if data[at:].strip(b"\x00"):
        raise TarError("an extended header is damaged")
    return found, sparse


def sparse_map(records: Mapping[str, str], window: Window) -> list[tuple[int, int]]:
    """The offsets and sizes of the parts of a sparse file, from a record or from lines before its data, which fill whole blocks."""
    if (listed := records.get("GNU.sparse.map")) is not None:
        values = listed.split(",")
        _few(len(values) // 2)
        return _pairs(values)
    blocks = [window.read(BLOCK)]
    first = blocks[0].partition(b"\n")[0]
    if not first.isdigit() or len(first) > 7:
        raise ReadError("the map of a sparse file is damaged")
    _few(int(first))
    lines = 1 + 2 * int(first)
    seen = blocks[0].count(b"\n")
    while seen < lines and blocks[-1]:
        blocks.append(window.read(BLOCK))
        seen += blocks[-1].count(b"\n")
    return _pairs([line.decode("latin-1") for line in b"".join(blocks).split(b"\n")[1:lines]])


def _few(parts: int) -> None:
    if parts > _PARTS:
        raise LimitExceeded("sparse_parts", f"a sparse file has more than {_PARTS} parts")


def _pairs(values: list[str]) -> list[tuple[int, int]]:
    if any(not value.isdigit() or len(value) > 19 for value in values if value):
        raise ReadError("the map of a sparse file is damaged")
    numbers = [int(value) for value in values if value]
    return list(zip(numbers[::2], numbers[1::2], strict=False))


def old_sparse(file: BinaryIO, found: TarHeader, at: int) -> tuple[list[tuple[int, int]], int]:
    """The sparse map in a GNU header and the blocks after it, and the offset of the data."""
    parts = _slots(found.block, 386, 4)
    more = found.block[482]
    file.seek(at)
    while more:
        _few(len(parts))
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise TarError("the archive ends in the middle of the map of a sparse file")
        at += BLOCK
        parts += _slots(block, 0, 21)
        more = block[504]
    return parts, at


def _slots(block: bytes, at: int, count: int) -> list[tuple[int, int]]:
    found = [(number(block[i : i + 12]) or 0, number(block[i + 12 : i + 24]) or 0) for i in range(at, at + 24 * count, 24)]
    return [part for part in found if part != (0, 0)]
