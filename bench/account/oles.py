"""Places in OLE files: in each stream, in new ones, in names, in slack and in sectors that nothing uses."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from bench.account.canary import TOKEN, Place, in_all_forms, put_all, spliced
from tests.formats.office.building import ole

_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_STREAM, _STORAGE = 2, 1
_NONE = 0xFFFFFFF0  # and above: not a sector


@dataclass(frozen=True, slots=True)
class _Directory:
    """The entries of a file: names, kinds, first sectors, sizes, and neighbours in their tree."""

    entries: list[tuple[str, int, int, int, tuple[int, int, int]]]

    def paths(self) -> dict[str, int]:
        """Return the number of each stream by its path."""
        found: dict[str, int] = {}

        def walk(number: int, folder: str, seen: frozenset[int]) -> None:
            if number >= len(self.entries) or number in seen:
                return
            name, kind, _, _, (left, right, child) = self.entries[number]
            seen |= {number}
            walk(left, folder, seen)
            walk(right, folder, seen)
            if kind == _STREAM:
                found[folder + name] = number
            elif kind == _STORAGE:
                walk(child, f"{folder}{name}/", seen)

        walk(self.entries[0][4][2], "", frozenset())
        return found


def is_ole(data: bytes) -> bool:
    """Return whether it is an OLE file with sectors of 512 bytes."""
    return data.startswith(_MAGIC) and data[30:32] == b"\x09\0"


def ole_places(data: bytes) -> Iterator[Place]:
    """Yield the places in streams, whose file is written again, and those between streams."""
    streams, slack = _streams(data)
    for at in slack:
        yield from _over(data, at)
    for name, content in streams.items():
        yield from _of_stream(streams, name, content)
    yield from in_all_forms("ole: new stream", "", lambda raw: ole({**streams, "Note": raw}))
    yield from in_all_forms("ole: new stream in a storage", "", lambda raw: ole({**streams, "Notes/Note": raw}))
    yield Place("ole: name of a stream", "", lambda: ole({**streams, TOKEN: b"a"}))
    yield Place("ole: name of a storage", "", lambda: ole({**streams, f"{TOKEN}/Note": b"a"}))
    yield from in_all_forms("ole: sector that nothing uses", "", lambda raw: data + raw.ljust(_SECTOR, b"\0"))
    yield from put_all("ole: behind the last sector", "", data, len(data))


def _over(data: bytes, at: int) -> Iterator[Place]:
    return in_all_forms("ole: behind a stream, in its sector", "", lambda raw: spliced(data, at, raw, at + len(raw)))


def _of_stream(streams: dict[str, bytes], name: str, content: bytes) -> Iterator[Place]:
    def packed(new: bytes) -> bytes:
        return ole({**streams, name: new})

    where = "".join(letter for letter in name if letter.isprintable())
    yield from in_all_forms("ole: behind the content of a stream", where, lambda raw: packed(content + raw))
    yield from in_all_forms("ole: within a stream", where, lambda raw: packed(spliced(content, len(content) // 2, _apart(raw))))
    yield from in_all_forms("ole: over the end of a stream", where, lambda raw: packed(content[: -len(raw)] + raw))


def _apart(raw: bytes) -> bytes:
    """Return a value that is not a part of the words around it, in whatever encoding they are."""
    return b"\0\0" + raw + b"\0\0"


def _streams(data: bytes) -> tuple[dict[str, bytes], list[int]]:
    """Return the contents of streams by path, and the offsets behind those that do not fill their last sector."""
    table = _table(data)
    directory = _entries(b"".join(_sector(data, one) for one in _chain(table, struct.unpack_from("<I", data, 48)[0])))
    mini = b"".join(_sector(data, one) for one in _chain(table, directory.entries[0][2]))
    minis = struct.unpack_from("<I", data, 60)[0]
    fat = [one for sector in _chain(table, minis) for one in struct.unpack("<128I", _sector(data, sector))]
    streams, slack = {}, []
    for path, number in directory.paths().items():
        _, _, start, size, _ = directory.entries[number]
        if size < _CUTOFF:
            streams[path] = b"".join(mini[_MINI * one :][:_MINI] for one in _chain(fat, start))[:size]
            continue
        sectors = _chain(table, start)
        streams[path] = b"".join(_sector(data, one) for one in sectors)[:size]
        if -size % _SECTOR > 100 and sectors:
            slack.append((sectors[-1] + 2) * _SECTOR - (-size % _SECTOR) + 8)
    return streams, slack


def _entries(raw: bytes) -> _Directory:
    found = []
    for at in range(0, len(raw) - 127, 128):
        length = struct.unpack_from("<H", raw, at + 64)[0]
        name = raw[at : at + max(0, length - 2)].decode("utf-16-le", "replace")
        tree = struct.unpack_from("<III", raw, at + 68)
        found.append((name, raw[at + 66], *struct.unpack_from("<II", raw, at + 116), tree))
    return _Directory(found)


def _table(data: bytes) -> list[int]:
    count = struct.unpack_from("<I", data, 44)[0]
    places = struct.unpack_from("<109I", data, 76)[:count]
    return [one for place in places for one in struct.unpack("<128I", _sector(data, place))]


def _sector(data: bytes, number: int) -> bytes:
    return data[_SECTOR * (number + 1) :][:_SECTOR].ljust(_SECTOR, b"\0")


def _chain(table: list[int], start: int) -> list[int]:
    found: list[int] = []
    while start < min(len(table), _NONE) and len(found) < len(table):
        found.append(start)
        start = table[start]
    return found
