"""Writes OLE files (compound file binary, version 3) from streams, for formats that nothing on the test machine writes."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_SECTOR, _MINI, _FREE, _END = 512, 64, 0xFFFFFFFF, 0xFFFFFFFE
_CUTOFF = 4096


class _Entry:
    def __init__(self, name: str, kind: int, data: bytes = b"") -> None:
        self.name, self.kind, self.data = name, kind, data
        self.children: dict[str, _Entry] = {}
        self.start, self.left, self.right, self.child = _END, _FREE, _FREE, _FREE


def write(streams: Mapping[str, bytes]) -> bytes:
    """A file of these streams; slashes in their names are storages."""
    root = _Entry("Root Entry", 5)
    for path, data in streams.items():
        at, parts = root, path.split("/")
        for part in parts[:-1]:
            at = at.children.setdefault(part, _Entry(part, 1))
        at.children[parts[-1]] = _Entry(parts[-1], 2, data)
    entries = [root]
    _link(root, entries)
    sectors: list[bytes] = []
    chain: list[int] = []
    mini = bytearray()
    mini_chain: list[int] = []
    for entry in entries[1:]:
        if entry.kind == 2 and len(entry.data) >= _CUTOFF:
            entry.start = _store(entry.data, sectors, chain, _SECTOR)
        elif entry.kind == 2 and entry.data:
            entry.start = _add_mini(entry.data, mini, mini_chain)
    root.data = bytes(mini)
    root.start = _store(root.data, sectors, chain, _SECTOR) if mini else _END
    mini_start = _store(b"".join(struct.pack("<I", link) for link in mini_chain), sectors, chain, _SECTOR, b"\xff") if mini else _END
    directory = _store(b"".join(map(_directory_entry, entries)), sectors, chain, _SECTOR)
    count = 1
    while count * (_SECTOR // 4) < len(sectors) + count:
        count += 1
    places = list(range(len(sectors), len(sectors) + count))
    table = chain + [0xFFFFFFFD] * count
    table += [_FREE] * (count * (_SECTOR // 4) - len(table))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, count, directory, 0, _CUTOFF, mini_start, (len(mini_chain) + 127) // 128, _END, 0)
    header += b"".join(struct.pack("<I", place) for place in places + [_FREE] * (109 - count))
    return header + b"".join(sectors) + b"".join(struct.pack("<I", link) for link in table)


def _link(storage: _Entry, entries: list[_Entry]) -> None:
    """The children of a storage as a tree that only goes to the right."""
    children = sorted(storage.children.values(), key=lambda entry: (len(entry.name), entry.name.upper()))
    before: _Entry | None = None
    for entry in children:
        number = len(entries)
        entries.append(entry)
        if before is None:
            storage.child = number
        else:
            before.right = number
        before = entry
        _link(entry, entries)


def _store(data: bytes, sectors: list[bytes], chain: list[int], size: int, fill: bytes = b"\x00") -> int:
    start = len(sectors)
    pieces = [data[i : i + size].ljust(size, fill) for i in range(0, len(data), size)]
    sectors += pieces
    chain += [*range(start + 1, start + len(pieces)), _END]
    return start


def _add_mini(data: bytes, mini: bytearray, chain: list[int]) -> int:
    start = len(chain)
    count = (len(data) + _MINI - 1) // _MINI
    mini += data.ljust(count * _MINI, b"\x00")
    chain += [*range(start + 1, start + count), _END]
    return start


def _directory_entry(entry: _Entry) -> bytes:
    name = entry.name.encode("utf-16-le") + b"\x00\x00"
    head = name.ljust(64, b"\x00") + struct.pack("<HBBIII", len(name), entry.kind, 1, entry.left, entry.right, entry.child)
    return head + bytes(36) + struct.pack("<IQ", entry.start, len(entry.data))
