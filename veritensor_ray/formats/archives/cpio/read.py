"""Reads cpio archives (newc, newc with checksums, odc): regular files become members, links and devices notices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.archives.cpio.structure import CpioArchive, CpioEntry
from veritensor_ray.formats.archives.entry_names import link_hazard
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.archives.tar.structure import text
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.json.value_tree import may_be_value


def read_cpio(source: Source) -> Iterator[Item]:
    """Yield the members in order. Bytes after a damaged header are one too, and so is what follows the end marker, such as another archive.

    Raises ReadError if the archive ends in the middle of a file.
    """
    report = ArchiveReport()
    archive = CpioArchive(source, report)
    error: ReadError | None = None
    try:
        for entry in archive.entries():
            yield from _shown(entry, source.file, report)
            yield from report.take()
    except ReadError as problem:
        error = problem
    yield from report.rest()
    if error:
        raise error
    yield from behind(source, archive.end)


def _shown(entry: CpioEntry, file: BinaryIO, report: ArchiveReport) -> Iterator[Member]:
    """Yield the entry if it is a file, and report what is odd about it."""
    if entry.damage:
        report.gap(entry.damage)
    else:
        report.name(entry.name)
    if entry.is_link:
        _link(entry, text(entry.content(file).read(entry.size)), report)
        return
    if entry.is_device:
        report.notice("device-file", entry.name)
    if entry.is_file:
        yield Member(entry.name, cast("BinaryIO", Pieces(entry.content(file).pieces())), stray=bool(entry.damage))


def _link(entry: CpioEntry, target: str, report: ArchiveReport) -> None:
    if may_be_value(target):
        report.name(target)
    if notice := link_hazard(entry.name, target):
        report.notice(notice, f"{entry.name} -> {target}")
