"""Reads ar archives of every dialect (GNU, BSD, System V, Windows), static libraries and Debian packages: every file is a member."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import DEB
from veritensor_ray.formats.archives.ar.structure import ArArchive
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces


def read_ar(source: Source) -> Iterator[Item]:
    """Yield the members in order, and tables of symbols, in which no text is expected. Bytes after a damaged header are a member too.

    Raises ReadError if the archive ends in the middle of a file.
    """
    report = ArchiveReport()
    error: ReadError | None = None
    has_data = False
    try:
        for entry in ArArchive(source, report).entries():
            if entry.damage:
                report.gap(entry.damage)
            elif not entry.is_names and not entry.is_symbols:
                report.name(entry.name)
                has_data |= entry.name.startswith("data.tar")
            if not entry.is_names:
                yield Member(entry.name, cast("BinaryIO", Pieces(entry.content(source.file).pieces())), opaque=entry.is_symbols)
            yield from report.take()
    except ReadError as problem:
        error = problem
    if not error and not has_data and source.kind.media_type == DEB:
        report.gap("the package has no data.tar: it may be cut off")
    yield from report.rest()
    if error:
        raise error
