"""Writes a zip again with new content for some entries, and without others. All else stays: other entries, headers, comments.

References are to APPNOTE.TXT, the specification of the format.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import zip_longest
from typing import BinaryIO, NamedTuple

from veritensor_ray.formats.archives.members import scratch
from veritensor_ray.formats.archives.zip.structure import (
    DEFLATED,
    DESCRIPTOR,
    STREAMED,
    Directory,
    Local,
    ZipEntry,
    contradiction,
    local_header,
)
from veritensor_ray.formats.common.file_ranges import copy_range, length, pieces
from veritensor_ray.formats.compressed import packing
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.masking.redaction import name_safe

_LOCAL, _CENTRAL, _END = 30, 46, 22  # bytes of the fixed fields of headers and end record
_LOCATOR = 20
_UNSET = b"\xff\xff\xff\xff"  # the value stands in a wider field
_WIDE, _UNICODE_COMMENT = 1, 0x6375  # extra fields: values of more than 32 bits (4.5.3), the comment again in UTF-8 (4.6.8)
_LZMA, _END_MARKED = 14, 2  # a flag of LZMA entries: the data marks its end (4.4.4)
_LEVELS = (6, 9, 2, 1)  # what the flags of a deflated entry say about how hard the program tried (4.4.4)
_PACKERS: dict[int, packing.Packer] = {
    0: lambda head, content, size: iter(content),
    12: packing.bzipped,
    _LZMA: lambda head, content, size: packing.lzma_entry(content),
    20: packing.zstd_frame,
    93: packing.zstd_frame,
    95: packing.xzipped,
}


class _Extent(NamedTuple):
    """Where an entry stands in the old archive: the offsets of its local header, its data and the end of both, and its descriptor.

    The descriptor has `sizes` bytes for each size (0 if there is none) and may begin with a signature (4.3.9).
    """

    start: int
    data: int
    packed_end: int
    signed: bool = False
    sizes: int = 0

    def descriptor(self, entry: ZipEntry) -> bytes:
        """Return the descriptor in this form."""
        if not self.sizes:
            return b""
        fields = (entry.crc.to_bytes(4, "little"), entry.packed.to_bytes(self.sizes, "little"), entry.size.to_bytes(self.sizes, "little"))
        return b"".join((DESCRIPTOR if self.signed else b"", *fields))


class ZipRewriter:
    """Writes a zip again, in one pass over its entries in the order of their bytes. `entries` are all of its directory.

    `comment` returns what becomes of the comment of an entry, or of the archive (the name is empty then); None leaves it as it is.
    `gap` is told of each gap behind an entry that is left out; without it, gaps stay.
    """

    def __init__(
        self,
        directory: Directory,
        entries: Sequence[ZipEntry],
        pulse: Callable[[], None],
        comment: Callable[[str, bytes], bytes | None] = lambda name, comment: None,
        gap: Callable[[], None] | None = None,
    ) -> None:
        self._directory, self._entries, self._pulse, self._comment, self._gap = directory, entries, pulse, comment, gap
        self._file = directory.file
        self._shift = 0  # by how many bytes everything that follows moves
        self._reach = 0  # where the entries so far end, going by what they say
        self._places: dict[int, int] = {}  # the new offset of each entry, by its number in the directory
        self._new: dict[int, ZipEntry] = {}  # entries with new data, likewise

    def write(self, out: BinaryIO, content: Callable[[int], BinaryIO | None], removed: Collection[int] = ()) -> None:
        """Write the archive without the `removed` entries. `content` returns the new content of an entry, or None if it stays.

        Entries go by their number in the directory. The bytes of one that changes must not belong to another. Raises CannotRewriteError.
        """
        self._removed = removed
        entries = self._entries
        order = sorted(range(len(entries)), key=lambda number: entries[number].offset)
        at = 0
        for number, following in zip_longest(order, order[1:]):
            entry = entries[number]
            limit = self._directory.start if following is None else min(entries[following].offset, self._directory.start)
            self._places[number] = entry.offset + self._shift
            found = None if number in removed else content(number)
            if found is not None or number in removed:
                with contextlib.closing(found or scratch()) as new:
                    extent = self._extent(entry, self._reach, limit)
                    copy_range(self._file, out, at, extent.start, self._pulse)
                    at = extent.packed_end + len(extent.descriptor(entry))
                    self._shift += (0 if number in removed else self._written(number, extent, new, out)) - (at - extent.start)
            if (local := local_header(self._file, entry.offset)) is not None:
                self._reach = max(self._reach, local.data + entry.packed)
            at = self._behind_gap(entry, local, out, at, limit)
        copy_range(self._file, out, at, self._directory.start, self._pulse)
        self._ending(out)
        copy_range(self._file, out, self._directory.after, None, self._pulse)

    def _behind_gap(self, entry: ZipEntry, local: Local | None, out: BinaryIO, at: int, limit: int) -> int:
        """Leave out what stands between an entry and the next one, at `limit`. Returns up to where the archive has been dealt with."""
        if self._gap is None or local is None:
            return at
        forms = self._with_descriptor(entry, local)  # several may fit an empty entry: then the longest counts
        end = max([at, self._reach, *(form.packed_end + len(form.descriptor(entry)) for form in forms)])
        if not forms or end >= limit:
            return at
        copy_range(self._file, out, at, end, self._pulse)
        self._shift -= limit - end
        self._gap()
        return limit

    def _local(self, entry: ZipEntry) -> Local:
        local = local_header(self._file, entry.offset)
        if local is None or entry.encrypted or contradiction(entry, local):
            raise refusal(entry, "its two headers contradict each other")
        return local

    def _extent(self, entry: ZipEntry, least: int, most: int) -> _Extent:
        """Return where an entry stands, if that is between `least` and `most`."""
        extent = next(iter(self._with_descriptor(entry, self._local(entry))), None)
        if extent is None:
            raise refusal(entry, "its data descriptor is damaged")
        if extent.start < least or extent.packed_end + len(extent.descriptor(entry)) > most:
            raise refusal(entry, "it shares its bytes with another entry")
        return extent

    def _with_descriptor(self, entry: ZipEntry, local: Local) -> list[_Extent]:
        """Return where an entry stands, in the forms that its descriptor may have; nothing if it must have one and has none."""
        extent = _Extent(entry.offset, local.data, local.data + entry.packed)
        if not (local.flags | entry.flags) & STREAMED:
            return [extent]
        self._file.seek(extent.packed_end)
        behind = self._file.read(24)
        forms = (extent._replace(signed=signed, sizes=sizes) for signed in (True, False) for sizes in (4, 8))
        found = [form for form in forms if _fits(entry, form.sizes) and behind.startswith(form.descriptor(entry))]
        return found or ([extent] if local.packed else [])

    def _written(self, number: int, extent: _Extent, content: BinaryIO, out: BinaryIO) -> int:
        """Write an entry with new content. Returns how many bytes it takes."""
        entry, size = self._entries[number], length(content)
        crc = packed = 0
        for piece in pieces(content, 0, size, self._pulse):
            crc = zlib.crc32(piece, crc)
        with contextlib.closing(scratch()) as data:
            for piece in self._packed(entry, extent, content, size):
                data.write(piece)
                packed += len(piece)
            flags = entry.flags | (_END_MARKED if entry.method == _LZMA else 0)
            new = self._new[number] = entry._replace(flags=flags, crc=crc, packed=packed, size=size)
            head = self._local_head(entry, extent, new)
            out.write(head)
            copy_range(data, out, 0, packed, self._pulse)
            try:
                descriptor = extent.descriptor(new)
            except OverflowError:
                raise _too_large() from None
            out.write(descriptor)
        return len(head) + packed + len(descriptor)

    def _packed(self, entry: ZipEntry, extent: _Extent, content: BinaryIO, size: int) -> Iterator[bytes]:
        """Yield the content in the compression of the entry."""
        made = pieces(content, 0, size, self._pulse)
        if entry.method == DEFLATED:
            return packing.deflated(made, _LEVELS[entry.flags >> 1 & 3])
        if entry.method not in _PACKERS:
            raise refusal(entry, f"compression method {entry.method} can be read, but not written")
        self._file.seek(extent.data)
        return _PACKERS[entry.method](self._file.read(packing.HEAD), made, size)

    def _local_head(self, entry: ZipEntry, extent: _Extent, new: ZipEntry) -> bytes:
        """Return the local header with the new checksum and sizes, unless they follow the data (4.4.4)."""
        local = self._local(entry)
        self._file.seek(extent.start)
        head = bytearray(self._file.read(extent.data - extent.start))
        if entry.method == _LZMA:
            head[6:8] = (local.flags | _END_MARKED).to_bytes(2, "little")
        if not (local.flags & STREAMED) or local.crc or local.packed or local.size:
            head[14:18] = new.crc.to_bytes(4, "little")
            _resize(head, _LOCAL + len(local.raw), ((22, new.size), (18, new.packed)))
        return bytes(head)

    def _ending(self, out: BinaryIO) -> None:
        """Write the directory and the end records with the new offsets, sizes and comments."""
        old = self._directory
        self._file.seek(old.start)
        data, tail = self._file.read(old.end - old.start), self._file.read(old.after - old.end)
        central, at = self._central(data)
        comment = self._comment("", old.comment)
        if central == data[:at] and not self._shift and comment is None:
            out.write(data + tail)
            return
        if at != len(data) or len(tail) != old.after - old.end:
            raise CannotRewriteError("there are bytes between its central directory and its end record")
        if self._reach > old.start:
            raise CannotRewriteError("an entry reaches into its central directory")
        out.write(central)
        out.write(self._end(tail, len(central) - len(data), comment))

    def _central(self, data: bytes) -> tuple[bytes, int]:
        """Return the directory with the new offsets, sizes and comments, and where the entries of the old one end."""
        records, at = [], 0
        for number, entry in enumerate(self._entries):
            name, extra, size = (int.from_bytes(data[at + i : at + i + 2], "little") for i in (28, 30, 32))
            record = bytearray(data[at : at + _CENTRAL + name + extra])
            comment = data[at + len(record) : at + len(record) + size]
            at += len(record) + len(comment)
            if number in self._removed:
                continue
            changed = self._comment(entry.name, comment)
            if changed is not None:
                record = _without(record, _CENTRAL + name, _UNICODE_COMMENT)
                record[32:34], comment = _length(changed), changed
            if (new := self._new.get(number)) is not None:
                record[8:10], record[16:20] = new.flags.to_bytes(2, "little"), new.crc.to_bytes(4, "little")
            place = self._places[number] - self._directory.shift
            sizes = new or entry
            if new is not None or place != entry.offset - self._directory.shift:
                _resize(record, _CENTRAL + name, ((24, sizes.size), (20, sizes.packed), (42, place)))
            records.append(bytes(record) + comment)
        return b"".join(records), at

    def _end(self, tail: bytes, longer: int, comment: bytes | None) -> bytes:
        """Return the end records for a directory that is `longer` than before (4.3.14 to 4.3.16)."""
        end, at = bytearray(tail), len(tail) - _END - len(self._directory.comment)
        fewer = -len(self._removed)
        changes = [(at + 8, 2, fewer), (at + 10, 2, fewer), (at + 12, 4, longer), (at + 16, 4, self._shift)]
        changes = [change for change in changes if end[change[0] : change[0] + change[1]] != _UNSET[: change[1]]]
        if at > _LOCATOR:  # a wide end record, and its locator
            changes += [(24, 8, fewer), (32, 8, fewer), (40, 8, longer), (48, 8, self._shift), (at - 12, 8, self._shift + longer)]
        for place, width, more in changes:
            _add(end, place, width, more)
        if comment is not None:
            end[at + 20 :] = _length(comment) + comment
        return bytes(end)


def refusal(entry: ZipEntry, why: str) -> CannotRewriteError:
    return CannotRewriteError(f"{name_safe(entry.name)}: {why}")


def _too_large() -> CannotRewriteError:
    return CannotRewriteError("it would become too large for its headers")


def _fits(entry: ZipEntry, width: int) -> bool:
    return max(entry.packed, entry.size) < 1 << 8 * width


def _length(comment: bytes) -> bytes:
    if len(comment) > 0xFFFF:
        raise CannotRewriteError("a comment would become too long")
    return len(comment).to_bytes(2, "little")


def _add(record: bytearray, at: int, width: int, more: int) -> None:
    value = int.from_bytes(record[at : at + width], "little") + more
    if not 0 <= value < (1 << 8 * width) - (width < 8):
        raise _too_large()
    record[at : at + width] = value.to_bytes(width, "little")


def _resize(record: bytearray, extra: int, values: Sequence[tuple[int, int]]) -> None:
    """Set fields of 32 bits, or those of 64 bits that stand for them in the extra field 1 of a record, which begin at `extra`.

    They stand there in the order of `values`, and only those that the record leaves unset (4.5.3).
    """
    slot, end = next(((start, end) for kind, start, end in _extra_fields(record, extra) if kind == _WIDE), (0, 0))
    for at, value in values:
        if record[at : at + 4] == _UNSET and end - slot >= 8:
            record[slot : slot + 8] = value.to_bytes(8, "little")
            slot += 8
        elif 0 <= value < 0xFFFFFFFF:
            record[at : at + 4] = value.to_bytes(4, "little")
        else:
            raise _too_large()


def _without(record: bytearray, extra: int, unwanted: int) -> bytearray:
    """Return a record of the directory without an extra field."""
    for kind, start, end in _extra_fields(record, extra):
        if kind == unwanted:
            del record[start - 4 : end]
            record[30:32] = (len(record) - extra).to_bytes(2, "little")
            break
    return record


def _extra_fields(record: bytearray, at: int) -> Iterator[tuple[int, int, int]]:
    """Yield the kind of each extra field and where its content begins and ends."""
    while at + 4 <= len(record):
        end = at + 4 + int.from_bytes(record[at + 2 : at + 4], "little")
        yield int.from_bytes(record[at : at + 2], "little"), at + 4, min(end, len(record))
        at = end
