"""Rewrites files inside a zip, and the comments of the archive and its entries."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from collections import Counter
from functools import partial
from typing import BinaryIO, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.archives.archive_comments import changed_comment
from veritensor_ray.formats.archives.members import ambiguous, member, scratch
from veritensor_ray.formats.archives.wheels import RecordLine, is_record, updated
from veritensor_ray.formats.archives.zip.zip_entries import ZipArchive
from veritensor_ray.formats.archives.zip.zip_writer import ZipRewriter, refusal
from veritensor_ray.formats.common.file_ranges import length, pieces
from veritensor_ray.formats.common.source import Member, Source
from veritensor_ray.formats.common.streams import Pieces
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders


def rewrite_zip(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite the members that have orders, under the names that the reader gives them, and the comments."""
    archive = ZipArchive(source)
    directory = archive.directory
    if directory is None or archive.more or len(archive.entries) % 0x10000 != directory.count % 0x10000:
        raise CannotRewriteError("its central directory is damaged or has too many entries")
    if directory.rival:
        raise CannotRewriteError("it has two central directories")
    ghosts = (item.name for item in ZipArchive(source).rest() if isinstance(item, Member)) if any(orders) else ()
    if any(any(orders.member_orders(name)) for name in ghosts):
        raise CannotRewriteError("it holds files that its central directory does not list")
    comment = partial(changed_comment, orders)
    ZipRewriter(directory, archive.entries, orders.pulse, comment, orders.drop_residue).write(
        out, _Contents(source, archive, orders).content
    )


class _Contents:
    """The new contents of the entries of an archive."""

    def __init__(self, source: Source, archive: ZipArchive, orders: Orders) -> None:
        self._source, self._archive, self._orders = source, archive, orders
        self._counts = Counter(entry.name for entry in archive.entries)
        self._record = next((number for number, entry in enumerate(archive.entries) if is_record(entry.name)), None)
        self._changed: dict[str, RecordLine] = {}  # the files of a wheel with new contents so far
        self._recorded = False  # whether its RECORD has been written

    def content(self, number: int) -> BinaryIO | None:
        """Return the new content of an entry, or None if it stays as it is. Raises CannotRewriteError, ReadError."""
        found = self._cleaned(number)
        if number == self._record:
            self._recorded = True
            return self._new_record(number, found) if self._changed else found
        if found is not None and self._record is not None:
            entry = self._archive.entries[number]
            if self._recorded:
                found.close()
                raise refusal(entry, "it stands after the RECORD of the wheel, which lists its digest")
            size = length(found)
            digest = hashlib.sha256()
            for piece in pieces(found, 0, size, self._orders.pulse):
                digest.update(piece)
            self._changed[entry.name] = RecordLine(digest.digest(), size)
            found.seek(0)
        return found

    def _new_record(self, number: int, found: BinaryIO | None) -> BinaryIO:
        """Return the RECORD of a wheel, in which `found` are the changes so far, with the digests of the new contents."""
        entry = self._archive.entries[number]
        if entry.size > bounds.HELD:
            raise refusal(entry, f"it has more than {bounds.HELD:,} bytes")
        with contextlib.closing(found or scratch()) as record:
            if found is None:
                data = self._archive.data(entry)
                for piece in data.counted(self._archive.copies):
                    record.write(piece)
                if data.verdict():
                    raise refusal(entry, "its data contradicts its headers")
            record.seek(0)
            made = scratch()
            made.write(updated(record.read(), self._changed))
        made.seek(0)
        return made

    def _cleaned(self, number: int) -> BinaryIO | None:
        """Return the content of an entry with its orders carried out, or None if it stays as it is."""
        entry = self._archive.entries[number]
        inner = self._orders.member_orders(entry.name)
        if not inner or (entry.name.endswith("/") and not entry.size) or stat.S_ISLNK(entry.mode):
            return None
        ordered = any(inner)
        if ordered and (self._counts[entry.name] > 1 or ambiguous(entry.name, self._counts)):
            raise refusal(entry, "it has more than one file of that name")
        try:
            data = self._archive.data(entry)
        except ReadError as error:
            if ordered:
                raise refusal(entry, str(error)) from error
            return None
        start = data.end  # nothing has been read yet
        found = member(entry.name, cast("BinaryIO", Pieces(data.counted(self._archive.copies))), self._source, inner)
        if found is not None and (data.verdict() or data.end < start + entry.packed):
            found.close()
            raise refusal(entry, "its data contradicts its headers")
        return found
