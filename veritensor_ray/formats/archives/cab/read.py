"""Reads cabinets: files that are stored or compressed by MSZIP. Of files that are compressed by LZX or Quantum, only the names are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.archives.cab.structure import CONTINUED, METHODS, MSZIP, STORED, CabFile, CabFolder, Cabinet
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.common.decoders import PIECE
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces
from veritensor_ray.formats.common.trailing import behind


def read_cab(source: Source) -> Iterator[Item]:
    """Yield the files, folder by folder. Raises ReadError if the cabinet is cut off, and LimitExceeded."""
    report = ArchiveReport()
    cabinet, problem = Cabinet(source, report), None
    if cabinet.is_part:
        report.gap("other cabinets belong to this one, and files that go on there are not read", code=ReasonCode.ELSEWHERE)
    of_folder: dict[int, list[CabFile]] = defaultdict(list)
    try:
        for file in cabinet.files():
            report.name(file.name)
            of_folder[file.folder].append(file)
    except ReadError as error:
        problem = error
    for number in range(len(cabinet.folders)):
        yield from _folder(cabinet, number, of_folder.pop(number, []), source, report)
    for number, files in of_folder.items():
        for file in files:
            reason = "it is in another cabinet, wholly or in part" if number >= CONTINUED else "its folder does not exist"
            report.gap(reason, file.name, code=ReasonCode.ELSEWHERE if number >= CONTINUED else None)
    yield from report.rest()
    if problem:
        raise problem
    size = length(source.file)
    if cabinet.size > size:
        raise ReadError(f"the cabinet ends early: {cabinet.size - size} bytes are missing")
    yield from behind(source, cabinet.size)


def _folder(cabinet: Cabinet, number: int, files: list[CabFile], source: Source, report: ArchiveReport) -> Iterator[Item]:
    """Yield the files of a folder, which is unpacked once, and what belongs to none of them."""
    folder = cabinet.folders[number]
    is_read = folder.method in (STORED, MSZIP)
    size = cabinet.claim(folder, source.file, is_read)
    if not is_read:
        method = METHODS.get(folder.method, f"method {folder.method}")
        for one in files:
            report.gap(f"compressed by {method}, for which there is no reader", one.name, code=ReasonCode.NO_READER)
        yield from report.take()
        return
    content, known = CabContent(source, cabinet, folder), 0
    ordered: list[CabFile | None] = [*sorted(files, key=lambda one: one.start), None]
    for file in ordered:
        start = min(size, file.start) if file else size
        if start > known and content.is_whole:
            name = f"bytes {known}-{start} of folder {number}"
            yield Member(name, cast("BinaryIO", Pieces(content.part(known, start))), opaque=True, stray=True)
        if file and file.start < content.at:
            report.gap("it begins within another file of its folder, and was not read", file.name)
        elif file:
            end = file.start + file.size
            known = max(known, end)
            yield Member(file.name, cast("BinaryIO", Pieces(content.part(file.start, end))))
        yield from report.take()


class CabContent:
    """The content of a folder, of which `at` bytes were read."""

    def __init__(self, source: Source, cabinet: Cabinet, folder: CabFolder) -> None:
        self._whole = Pieces(source.budget.pieces(cabinet.content(folder)), "the folder that holds it")
        self.at = 0

    @property
    def is_whole(self) -> bool:
        """Whether it had no damage so far."""
        return self._whole.error is None

    def part(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end`. Those before are lost if nobody has read them."""
        for place, is_shown in ((start, False), (end, True)):
            while self.at < place:
                piece = self._whole.read1(min(place - self.at, PIECE))
                if not piece:
                    raise EOFError("the folder that holds it ends early")
                self.at += len(piece)
                if is_shown:
                    yield piece
