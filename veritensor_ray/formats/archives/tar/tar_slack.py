"""Finds what no program reads in the headers of tar archives: text behind the end of names, in place of numbers, and under unknown keys."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.formats.archives.tar.structure import BLOCK, RECORD

_Range = tuple[int, int]
_NUMBER = re.compile(rb"[0-7 \0]*|[\x80\xff].*", re.DOTALL)
_USER = re.compile(rb"[a-z_][a-z0-9_.-]{0,31}\$?\0*|\0*")
_NAMES, _USERS = ((0, 100), (157, 257)), ((265, 297), (297, 329))
_NUMBERS = ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148), (148, 156))
_DEVICES = ((329, 337), (337, 345))
_MAGIC, _PREFIX = slice(257, 263), (345, 500)
_DIGITS = b"01234567 \0"
# Keys of extended headers: names of files (which are not given as text) and comments (which are); numbers; users.
_NAMED = {"path", "linkpath", "comment", "GNU.sparse.name", "GNU.sparse.map"}
_COUNTED = {"size", "mtime", "atime", "ctime", "uid", "gid", "SCHILY.dev", "SCHILY.ino", "SCHILY.nlink", "LIBARCHIVE.creationtime"}
_OWNERS = {"uname", "gname"}
_COUNT = re.compile(rb"[0-9.+-]{0,40}")


def in_header(block: bytes) -> Iterator[_Range]:
    """Yield the ranges of a header block that may hold text that nobody reads, in ascending order."""
    found = [one for one in (_behind_name(block, *place) for place in _NAMES) if one]
    found += [place for place in _NUMBERS if not _NUMBER.fullmatch(block, *place)]
    if block[_MAGIC] in (b"ustar\0", b"ustar "):
        found += [place for place in _USERS if not _USER.fullmatch(block, *place)]
        found += [place for place in _DEVICES if not _NUMBER.fullmatch(block, *place)]
        if block[_MAGIC] == b"ustar\0":
            found += [one for one in (_behind_name(block, *_PREFIX), (_PREFIX[1], BLOCK)) if one]
        else:  # numbers of GNU, among them the parts of a sparse file
            found += [(_PREFIX[0], BLOCK)] if in_numbers(block[_PREFIX[0] :]) else []
    else:
        found.append((_MAGIC.start, BLOCK))
    yield from sorted(found)


def in_numbers(data: bytes) -> bool:
    """Return whether there is more than octal numbers."""
    return bool(data.translate(None, _DIGITS))


def _behind_name(block: bytes, start: int, end: int) -> _Range | None:
    zero = block.find(b"\0", start, end)
    return (zero, end) if zero >= 0 and block[zero:end].strip(b"\0") else None


def in_name(data: bytes) -> Iterator[_Range]:
    """Yield the range behind the end of a long name."""
    if found := _behind_name(data, 0, len(data)):
        yield found


def in_records(data: bytes) -> Iterator[_Range]:
    """Yield the records of an extended header whose values are not read. If a key stands there twice, the last one counts."""
    records: list[tuple[int, int, str, bytes]] = []
    at = 0
    while at < len(data) and (length := RECORD.match(data, at)):
        end = min(at + max(1, int(length[1])), len(data))
        key, _, value = data[length.end() : end - 1].partition(b"=")
        records.append((at, end, key.decode("utf-8", "replace"), value))
        at = end
    last = {name: start for start, _, name, _ in records}
    for start, end, name, value in records:
        if not _is_read(name, value) or (last[name] > start and not name.startswith("GNU.sparse.")):
            yield start, end


def _is_read(name: str, value: bytes) -> bool:
    counted = name in _COUNTED or name.startswith("GNU.sparse.")
    return name in _NAMED or bool((counted and _COUNT.fullmatch(value)) or (name in _OWNERS and _USER.fullmatch(value)))
