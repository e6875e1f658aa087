"""The headers of RPM packages: an index of tags and a store of their values. A value is a range of the file, which is not read yet."""

from __future__ import annotations

import re
import struct
from itertools import groupby
from typing import BinaryIO, NamedTuple

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.streams import Window

LEAD = 96
_START, _ENTRY = struct.Struct(">4s4xII"), struct.Struct(">IIII")
_MAGIC = b"\x8e\xad\xe8\x01"
_MOST = 0xFFFF  # entries; rpm itself accepts no more
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}  # bytes of a character, of integers and of a byte
_TEXTS = (6, 8, 9)  # a string, a list of strings, and a string in several languages
_DIGESTS = re.compile(rb"(?:[0-9a-fA-F]{32,}(?:\0|\Z)|\0)*")

TAGS = {
    1000: "name", 1001: "version", 1002: "release", 1004: "summary", 1005: "description", 1007: "build host", 1010: "distribution",
    1011: "vendor", 1014: "license", 1015: "packager", 1016: "group", 1018: "source", 1019: "patch", 1020: "url", 1021: "os", 1022: "arch",
    1023: "before installation", 1024: "after installation", 1025: "before removal", 1026: "after removal", 1035: "digests", 1036: "link targets",
    1039: "owners", 1040: "groups", 1044: "source package", 1047: "provides", 1049: "requires", 1054: "conflicts", 1065: "triggers",
    1079: "verification", 1081: "changelog names", 1082: "changelog", 1090: "obsoletes", 1117: "file names", 1118: "folders",
    1122: "compiler flags", 1124: "payload format", 1125: "payload compressor", 1132: "platform", 1151: "before transaction",
    1152: "after transaction",
}  # fmt: skip
COMPRESSOR, SIZE, LONG_SIZE = 1125, 1000, 270  # the sizes are in the header of the signature: of everything behind it


class RpmValue(NamedTuple):
    """The value of a tag, as a range of the file. A text extends up to the next value; numbers and bytes end where their count says."""

    tag: int
    is_text: bool
    start: int
    end: int

    def read(self, file: BinaryIO) -> bytes:
        """Return the bytes of the value, of which there may be many."""
        return Window(file, self.start, self.end - self.start).read(self.end - self.start)


class RpmHeader(NamedTuple):
    """A header. `store` is the offset of the values and `end` that of what follows."""

    at: int
    store: int
    end: int
    entries: list[tuple[int, int, int, int]]

    def values(self) -> list[RpmValue]:
        """Return the values in the order of the file, without overlaps, so that no header is more work than its size."""
        known = sorted(
            (place, kind not in _TEXTS, tag, kind, count) for tag, kind, place, count in self.entries if self._is_valid(kind, place)
        )
        end = self.end - self.store
        found: list[RpmValue] = []
        for place, group in groupby(reversed(known), lambda one: one[0]):
            *_, (_, is_numbers, tag, kind, count) = group  # of several at one place, the first one counts, which is a text if there is one
            length = min(end - place, count * _WIDTHS[kind]) if is_numbers else end - place
            found.append(RpmValue(tag, not is_numbers, self.store + place, self.store + place + length))
            end = place
        return found[::-1]

    def _is_valid(self, kind: int, place: int) -> bool:
        return place < self.end - self.store and (kind in _TEXTS or kind in _WIDTHS)


def header_at(file: BinaryIO, at: int, size: int) -> RpmHeader:
    """Return the header at this place of a file of `size` bytes. Raises ReadError if it is missing or incomplete."""
    start = Window(file, at, _START.size).read(_START.size)
    if len(start) < _START.size:
        raise ReadError(f"the package ends before its header at byte {at} is complete")
    magic, count, length = _START.unpack(start)
    if magic != _MAGIC or count > _MOST:
        raise ReadError(f"no RPM header at byte {at}")
    index = Window(file, at + _START.size, count * _ENTRY.size).read(count * _ENTRY.size)
    store = at + _START.size + count * _ENTRY.size
    if store + length > size:
        raise ReadError(f"the package ends before its header at byte {at} is complete")
    return RpmHeader(at, store, store + length, list(_ENTRY.iter_unpack(index)))


def is_digests(value: bytes) -> bool:
    """Whether a text consists of nothing but digests."""
    return _DIGESTS.fullmatch(value) is not None
