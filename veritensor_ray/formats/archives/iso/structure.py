"""The volumes, folders and files of an ISO 9660 image (ECMA-119), with the extensions of Joliet and Rock Ridge. No content is read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import Window

SECTOR = 2048
FIRST = 16  # sectors before the first volume
_PRIMARY, _SUPPLEMENTARY, _END = 1, 2, 255
_JOLIET = (b"%/@", b"%/C", b"%/E")
_UDF = (b"NSR02", b"NSR03")
_VOLUMES = 64
_LARGEST = bounds.HELD
_RECORD = 33  # bytes of a record before the name
_FOLDER, _MORE = 2, 0x80
_TEXTS = (
    ("system", 8, 40), ("volume", 40, 72), ("volume set", 190, 318), ("publisher", 318, 446), ("preparer", 446, 574),
    ("application", 574, 702), ("copyright", 702, 739), ("abstract", 739, 776), ("bibliography", 776, 813),
)  # fmt: skip
_NUMBERS = (0, 8), (80, 88), (120, 140)
_DATES, _DATE = (813, 830, 847, 864), 17
_CONTINUATIONS = 32  # of the fields of one record
_PATH = 4096  # characters of a path; systems allow so many bytes


class IsoVolume(NamedTuple):
    """A tree of folders: its root is at `start`, in bytes. `wide` says that names are in UTF-16, and `full` that Rock Ridge has more of them."""

    start: int
    size: int
    block: int
    wide: bool
    full: bool


@dataclass(slots=True)
class IsoEntry:
    """A file: the ranges of its content, its mode if Rock Ridge has it, and the target of a symbolic link."""

    name: str
    ranges: list[tuple[int, int]] = field(default_factory=list)
    mode: int = 0
    target: str = ""
    interleaved: bool = False

    @property
    def size(self) -> int:
        """The bytes of the content."""
        return sum(end - start for start, end in self.ranges)

    @property
    def is_device(self) -> bool:
        """Whether it is a device, a pipe or a socket."""
        return stat.S_IFMT(self.mode) in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)


class IsoImage:
    """The volumes of one image. `end` is where it ends according to its first volume, and `has_udf` says that there is another file system."""

    def __init__(self, source: Source, report: ArchiveReport) -> None:
        self._file, self._account, self._report = source.file, source.account, report
        self._size, self._most = length(source.file), source.limits.members
        self._left = 2 * self._size  # bytes of folders that may be read: two volumes may have the same
        self.texts: list[tuple[str, str]] = []
        self.end, self.has_udf = 0, False
        self.volumes = list(self._volumes())

    def _read(self, start: int, size: int) -> bytes:
        return Window(self._file, start, size).read(size)

    def _in_folder(self, start: int, size: int) -> bytes:
        """Return bytes of a folder, or of the fields of its records. Raises ReadError if that is more than the image can have."""
        data = self._read(start, size)
        self._left -= len(data)
        if self._left < 0:
            raise ReadError("the folders of the image overlap")
        return data

    def _volumes(self) -> Iterator[IsoVolume]:
        """Yield the volumes that have folders. Raises ReadError if there is none."""
        is_ended, found = False, 0
        for number in range(FIRST, FIRST + _VOLUMES):
            at = number * SECTOR
            head = self._read(at, SECTOR)
            if len(head) < SECTOR or head[1:6] not in (b"CD001", b"BEA01", b"TEA01", *_UDF):
                break
            self._account.claim(at, at + 7, "structure")
            self.has_udf |= head[1:6] in _UDF
            if head[1:6] == b"CD001" and head[0] in (_PRIMARY, _SUPPLEMENTARY) and not is_ended:
                found += 1
                yield self._volume(head, at)
            is_ended |= head[0] == _END
        if not found:
            raise ReadError("the image ends before its first volume")

    def _volume(self, head: bytes, at: int) -> IsoVolume:
        wide = head[0] == _SUPPLEMENTARY and head[88:91] in _JOLIET
        for column, start, end in _TEXTS:
            text = head[start : end - (end - start) % 2 * wide].decode("utf-16-be" if wide else "latin-1", "replace").strip(" \0")
            self._account.claim(at + start, at + end, "text")
            if text:
                self.texts.append((column, text))
        dates = [(start, start + _DATE) for start in _DATES if head[start : start + _DATE - 1].isdigit()]
        for start, end in (*_NUMBERS, *dates):
            self._account.claim(at + start, at + end, "structure")
        self._account.claim(at + 156, at + 190, "structure")
        block = int.from_bytes(head[128:130], "little") or SECTOR
        self.end = self.end or block * int.from_bytes(head[80:84], "little")
        start = block * int.from_bytes(head[158:162], "little")
        is_full = self._read(start + _RECORD + 1, 2) == b"SP"  # in the first record, which is that of the folder itself
        return IsoVolume(start, int.from_bytes(head[166:170], "little"), block, wide, is_full)

    def files(self, volume: IsoVolume) -> Iterator[IsoEntry]:
        """Yield the files of a volume, folder by folder. Raises LimitExceeded."""
        ahead, seen, count, held = [("", volume.start, volume.size)], set[int](), 0, 0
        while ahead:
            path, start, size = ahead.pop()
            held -= len(path)
            if start in seen:
                continue
            seen.add(start)
            entry: IsoEntry | None = None
            for flags, extent, inner in self._folder(path, start, size, volume):
                count += 1
                if count > self._most:
                    raise LimitExceeded("members", f"the image has more than {self._most} files and folders")
                if len(inner.name) > _PATH:
                    self._report.gap(f"a path has more than {_PATH} characters, and what is there was not read", inner.name[:_PATH])
                    continue
                if flags & _FOLDER:
                    ahead.append((inner.name, *extent))
                    held += len(inner.name)
                    if held > _LARGEST:
                        raise LimitExceeded("held_bytes", f"the paths of the folders in the image have more than {_LARGEST} characters")
                    continue
                entry = entry or inner
                entry.ranges.append((extent[0], extent[0] + extent[1]))
                if not flags & _MORE:
                    yield entry
                    entry = None
            if entry:
                yield entry

    def _folder(self, path: str, start: int, size: int, volume: IsoVolume) -> Iterator[tuple[int, tuple[int, int], IsoEntry]]:
        """Yield the records of a folder: flags, the place and the size of the content, and the entry without them."""
        if size > _LARGEST or start + size > self._size:
            reason = f"has more than {_LARGEST} bytes" if size > _LARGEST else "is not in the image"
            self._report.gap(f"a folder {reason}, and was not read", path or "/", "held_bytes" if size > _LARGEST else None)
            return
        data, at = self._in_folder(start, size), 0
        while at < len(data):
            width = data[at]
            if not width:  # the rest of the sector is empty
                at = (at // SECTOR + 1) * SECTOR
                continue
            record = data[at : at + width]
            if len(record) < _RECORD + 1 or _RECORD + record[32] > len(record):
                self._report.gap("a folder is damaged, and the rest of it was not read", path or "/")
                return
            self._account.claim(start + at, start + at + _RECORD + record[32], "structure")
            raw = record[33 : 33 + record[32]]
            if raw not in (b"\0", b"\1"):  # the folder itself, and the one above
                place = volume.block * (int.from_bytes(record[2:6], "little") + record[1])
                yield record[25], (place, int.from_bytes(record[10:14], "little")), self._entry(path, raw, record, start + at, volume)
            at += width

    def _entry(self, path: str, raw: bytes, record: bytes, at: int, volume: IsoVolume) -> IsoEntry:
        name = raw.decode("utf-16-be" if volume.wide else "latin-1", "replace").removesuffix(";1").removesuffix(".")
        entry = IsoEntry(name, interleaved=bool(record[26] or record[27]))
        used = 33 + len(raw) + (1 - len(raw) % 2)
        if not volume.wide:
            self._rock_ridge(record[used:], at + used, volume, entry)
        if path:
            entry.name = f"{path}/{entry.name}"
        return entry

    def _rock_ridge(self, fields: bytes, at: int, volume: IsoVolume, entry: IsoEntry) -> None:
        """Take the name, the mode and the target of a link from the fields behind a record, which may go on elsewhere."""
        name, target = b"", list[str]()
        for _ in range(_CONTINUATIONS):
            following: tuple[int, int] | None = None
            place = 0
            while place + 4 <= len(fields) and 4 <= (width := fields[place + 2]) <= len(fields) - place:
                kind, body = fields[place : place + 2], fields[place + 4 : place + width]
                if kind in (b"NM", b"SL", b"PX", b"TF", b"RR", b"SP", b"ST", b"CE", b"PN", b"CL", b"PL", b"RE"):
                    self._account.claim(at + place, at + place + width, "structure")
                if kind == b"NM":
                    name += body[1:]
                elif kind == b"PX":
                    entry.mode = int.from_bytes(body[:4], "little")
                elif kind == b"SL":
                    target += _components(body[1:])
                elif kind == b"CE" and len(body) >= 20:
                    block, offset, size = (int.from_bytes(body[start : start + 4], "little") for start in (0, 8, 16))
                    following = block * volume.block + offset, size
                place += width
            if following is None or following[1] > SECTOR:
                break
            at, fields = following[0], self._in_folder(*following)
        if name:
            entry.name = name.decode("utf-8", "replace")
        entry.target = "/".join(target).replace("//", "/")


def _components(data: bytes) -> Iterator[str]:
    """Yield the parts of a path."""
    at = 0
    while at + 2 <= len(data):
        flags, size = data[at], data[at + 1]
        known = {2: ".", 4: "..", 8: "/"}.get(flags & 0x0E)
        yield known or data[at + 2 : at + 2 + size].decode("utf-8", "replace")
        at += 2 + size


def udf_gap() -> Gap:
    """Return what is said of an image that has UDF too."""
    return Gap("the image also has a file system in UDF, which was not read", coverage="no-reader")
