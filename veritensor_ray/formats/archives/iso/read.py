"""Reads ISO 9660 images: the files of all volumes, under the names of Rock Ridge or Joliet if there are any, and the texts of the volumes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.archives.entry_names import link_hazard
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.archives.iso.structure import IsoEntry, IsoImage, udf_gap
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.json.value_tree import may_be_value


def read_iso(source: Source) -> Iterator[Item]:
    """Yield the files, each once, however many volumes have it. Raises ReadError if the image is cut off, and LimitExceeded."""
    report, size = ArchiveReport(), length(source.file)
    image = IsoImage(source, report)
    if image.texts:
        yield Block([text for _, text in image.texts], column=[column for column, _ in image.texts], view="metadata")
    if image.has_udf:
        yield udf_gap()
    files, seen = IsoFiles(source, report, size), set[tuple[tuple[int, int], ...]]()
    problem: ReadError | None = None
    try:
        for number, volume in enumerate(sorted(image.volumes, key=lambda one: (not one.full, not one.wide))):
            for entry in image.files(volume):
                if number and not entry.target and (not entry.size or tuple(entry.ranges) in seen):
                    report.name(entry.name)
                    continue
                seen.add(tuple(entry.ranges))
                yield from files.shown(entry)
                yield from report.take()
    except ReadError as error:
        problem = error
    yield from report.rest()
    if problem:
        raise problem
    if image.end > size:
        raise ReadError(f"the image ends early: {image.end - size} bytes are missing")


class IsoFiles:
    """Turns entries into members."""

    def __init__(self, source: Source, report: ArchiveReport, size: int) -> None:
        self._source, self._report = source, report
        self._copies = Copies(source.budget, size)

    def shown(self, entry: IsoEntry) -> Iterator[Member]:
        """Yield a file, and report what is odd about it."""
        self._report.name(entry.name)
        if entry.target:
            if may_be_value(entry.target):
                self._report.name(entry.target)
            if notice := link_hazard(entry.name, entry.target):
                self._report.notice(notice, f"{entry.name} -> {entry.target}")
            return
        if entry.is_device:
            self._report.notice("device-file", entry.name)
        if entry.interleaved:
            self._report.gap("a file whose content is interleaved was not read", entry.name)
            return
        for start, end in entry.ranges:
            self._source.account.claim(start, end, "members")
        yield Member(entry.name, cast("BinaryIO", Pieces(self._copies.pieces(self._pieces(entry)))))

    def _pieces(self, entry: IsoEntry) -> Iterator[bytes]:
        for start, end in entry.ranges:
            yield from Window(self._source.file, start, end - start).pieces()
