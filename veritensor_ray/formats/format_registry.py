"""Finds the reader and the rewriter of a kind of file, which its row in the table of formats names.

They are imported when the first file of their kind comes: importing all of them takes as long as everything else that a worker needs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from veritensor_ray.core import plugins
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.format_table import add, format_of, rows
from veritensor_ray.core.media_types import Format
from veritensor_ray.core.reasons import CopyCode
from veritensor_ray.formats.common.file_ranges import copy_range
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Reader, Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.encoded_text.files_in_text import TextWithFiles
from veritensor_ray.formats.first_bytes import KNOWN
from veritensor_ray.formats.opened_files import opened
from veritensor_ray.formats.residue.erase import erased

# A rewriter reads a file and writes it again with the ordered changes, and nothing else changed. It raises CannotRewriteError if the format
# cannot express an order. Orders that it leaves undone make the caller hold the file back. Files without orders never come here.
Rewriter = Callable[[Source, BinaryIO, Orders], None]
ENTRY_POINTS = "veritensor_ray.formats"
_READ_TEXT, _REWRITE_TEXT = ".text.read:read_text", ".text.rewrite:rewrite_text"


def use(settings: Settings) -> dict[str, str]:
    """Make the formats of plug-ins known to this process, and return their versions by media type. Raises UsageError.

    They stay known, because files of other runs may be read in other threads.
    """
    found = plugins.rows(ENTRY_POINTS, Format, settings)
    for spec, row in found:
        try:
            register(row)
        except UsageError as error:
            raise UsageError(f"plug-in {spec!r}: {error}") from None
    return {row.media_type: row.version for _, row in found}


def register(row: Format) -> None:
    """Make a format known to this process. Raises UsageError if it contradicts another one."""
    if format_of(row.media_type) != row:
        add(row)
        KNOWN.learn(rows())


def has_own_reader(media_type: str) -> bool:
    """Whether files of this type are not read as plain text, even if they are text."""
    row = format_of(media_type)
    return row is not None and row.read is not None


def reader_for(kind: Kind) -> Reader | None:
    """The reader for a kind of file. Every kind of text has one."""
    row = format_of(kind.media_type)
    found = (row and row.read) or (_READ_TEXT if kind.is_text else None)
    return cast("Reader", _imported(found)) if found else None


def rewrite(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the file with the ordered changes to `out`. Raises CannotRewriteError, ReadError."""
    row = format_of(source.kind.media_type)
    found = row and row.rewrite
    if found is None and source.kind.is_text and not has_own_reader(source.kind.media_type):
        found = _REWRITE_TEXT
    source = erased(source, orders, written_anew=row is not None and row.written_anew)
    if found is None and any(orders) and not orders.undone:
        source.file.seek(0)
        copy_range(source.file, out, 0, None, orders.pulse)
    elif found is None:
        raise CannotRewriteError(f"files of type {source.kind.media_type} are not rewritten", CopyCode.TYPE_NOT_REWRITTEN)
    else:
        rewriter, reader = cast("Rewriter", _imported(found)), reader_for(source.kind)
        if source.kind.is_text and reader is not None and orders.encoded_files:
            rewriter = TextWithFiles(reader, rewriter, _opened_inside, rewrite).rewrite
        rewriter(source, out, orders)


def _opened_inside(file: BinaryIO, name: str, source: Source) -> Source:
    """Return a file inside another one."""
    return opened(file, name, source.limits, source.budget)


def import_all() -> None:
    """Import every reader, and the rewriters of plug-ins, so that what is missing or misspelled is reported before the first file.

    Raises ImportError, or UsageError for a plug-in.
    """
    brought = {row.rewrite for row in rows() if row.rewrite and not row.rewrite.startswith(".")}
    for path in {_READ_TEXT, *brought, *(row.read for row in rows() if row.read)}:
        _imported(path)


@functools.cache
def _imported(path: str) -> Any:
    return plugins.imported(path, __package__)
