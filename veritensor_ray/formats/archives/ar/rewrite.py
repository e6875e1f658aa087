"""Rewrites files inside an ar. Everything else is copied as it is: other entries, names and padding, and of a header all except the size."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import BinaryIO, cast

from veritensor_ray.formats.archives.ar.structure import HEADER, SIZE, ArArchive, ArEntry
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.archives.members import ambiguous, member
from veritensor_ray.formats.common.file_ranges import copy_range, length
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.masking.redaction import name_safe


def rewrite_ar(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite the members that have orders, under the names that the reader gives them. Raises CannotRewriteError, ReadError."""
    entries = [*ArArchive(source, ArchiveReport()).entries()]
    counts = Counter(entry.name for entry in entries if not entry.is_names)
    has_symbols = any(entry.is_symbols for entry in entries)
    at = 0
    for entry in entries:
        orders.pulse()
        new = _content(entry, counts, source, orders)
        if new is None:
            continue
        with contextlib.closing(new):
            size = length(new)
            if size != entry.size and has_symbols:
                raise CannotRewriteError(f"{name_safe(entry.name)}: files after it would move, and a table says where their symbols are")
            copy_range(source.file, out, at, entry.at, orders.pulse)
            out.write(_header(source.file, entry, size))
            copy_range(source.file, out, entry.at + HEADER, entry.start, orders.pulse)
            copy_range(new, out, 0, size, orders.pulse)
            out.write(_padding(source.file, entry, size))
            at = entry.end
    copy_range(source.file, out, at, None, orders.pulse)


def _content(entry: ArEntry, counts: Counter[str], source: Source, orders: Orders) -> BinaryIO | None:
    """Return the new content of an entry, or None if it stays as it is."""
    inner = orders.member_orders(entry.name)
    if not inner or entry.is_names or entry.is_symbols or entry.damage:
        return None
    if any(inner) and (counts[entry.name] > 1 or ambiguous(entry.name, counts)):
        raise CannotRewriteError(f"{name_safe(entry.name)}: the archive has more than one file of that name")
    return member(entry.name, cast("BinaryIO", Pieces(entry.content(source.file).pieces())), source, inner)


def _header(file: BinaryIO, entry: ArEntry, size: int) -> bytes:
    """Return the header of a file with its new size, which includes a long name before the content."""
    header = bytearray(Window(file, entry.at, HEADER).read(HEADER))
    field = header[SIZE]
    digits = b"%d" % (entry.start - entry.at - HEADER + size)
    if len(digits) > len(field):
        raise CannotRewriteError(f"{name_safe(entry.name)}: it would become too large for its header")
    header[SIZE] = digits.rjust(len(field)) if field.startswith(b" ") else digits.ljust(len(field))
    return bytes(header)


def _padding(file: BinaryIO, entry: ArEntry, size: int) -> bytes:
    """Return the byte after content of an odd length: the one that is there, or a line end. None is there if the file ends without it."""
    if (entry.start + size) % 2 == 0:
        return b""
    end = entry.start + entry.size
    return Window(file, end, 1).read(1) if end < entry.end else b"\n"
