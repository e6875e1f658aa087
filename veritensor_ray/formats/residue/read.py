"""Reads what no reader claims: files and compressed streams that begin there, and readable strings with their places.

Numbers are searched too, for long texts and whole streams, which do not occur there by chance. What remains of the unclaimed ranges is a gap
if it is as varied as packed or encrypted data.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO, NamedTuple, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.format_table import rows
from veritensor_ray.core.origins import Origin
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.common.budget import SHARED, Budget
from veritensor_ray.formats.common.decoders import PIECE
from veritensor_ray.formats.common.single_streams import LEAST, MAGICS, PROBE, SingleStream, single_stream
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.residue.among_numbers import streams_among_numbers, texts_among_numbers
from veritensor_ray.formats.residue.legacy_strings import LegacyStrings
from veritensor_ray.formats.residue.raw_deflate import deflate_beginnings
from veritensor_ray.formats.residue.strings import SHORTEST, VIEW, FoundString, strings
from veritensor_ray.formats.residue.unknown_bytes import UnknownBytes

_OVERLAP = 4096  # bytes of a piece that are read again with the next one, so that few strings are cut
_BACK = 16  # bytes before a range, where a stream may begin that goes on in the range
_MAGIC = 4  # bytes without which the beginning of a file is often chance


def read_residue(source: Source, size: int, unknown: UnknownBytes | None = None) -> Iterator[Item]:
    """Yield the strings, the streams and the files in the ranges of a seekable file of `size` bytes that nobody has claimed, and in numbers.

    With `unknown`, a gap follows for bytes that are none of these.
    """
    search = _Residue(source.file, size, source.budget, source.account, unknown)
    before = 0
    for start, end in source.account.unclaimed(size):
        yield from search.entered(max(before, start - _BACK), start)
        yield from search.unclaimed(start, end)
        before = end
    search.behind = 0
    for start, end, packed in source.account.values:
        yield from search.numbers(start, min(end, size), packed)
    if unknown is not None:
        yield from unknown.gap()


def read_streams(source: Source, size: int) -> Iterator[Item]:
    """Yield the streams in a seekable text of `size` bytes. Encodings in which any byte is a letter show them as text."""
    yield from _Residue(source.file, size, source.budget, source.account, None).streams_alone()


class _Beginning(NamedTuple):
    """Where something may begin, and whether it is deflate, which has no magic."""

    at: int
    is_raw: bool = False


@dataclass(slots=True)
class _Residue:
    """A search in ranges of a file, which ascend. Pieces overlap, and what begins in the overlap comes with the next piece.

    `behind` is the end of the last stream or file, and `streams` has those streams that were read up to their ends. Up to `decoded`, the
    content of a stream has been read, even if it is damaged there.
    """

    file: BinaryIO
    size: int
    budget: Budget
    account: ByteAccount
    unknown: UnknownBytes | None
    behind: int = 0
    decoded: int = 0
    streams: list[tuple[int, int]] = field(default_factory=list)
    legacy: LegacyStrings = field(init=False)

    def __post_init__(self) -> None:
        self.legacy = LegacyStrings(self.budget)

    def entered(self, first: int, start: int) -> Iterator[Item]:
        """Yield streams whose first bytes stand before `start`, at the end of what was claimed, such as the content of another stream."""
        self.file.seek(first)
        head = self.file.read(start - first + PROBE)
        yield from self.begun(first, start - first, self.size, head, _of_streams(head))

    def streams_alone(self) -> Iterator[Item]:
        """Yield the streams in the whole file."""
        for at, data, own in self._pieces(0, self.size):
            yield from self.begun(at, own, self.size, data, _of_streams(data))

    def unclaimed(self, start: int, end: int) -> Iterator[Item]:
        """Yield what stands in a range that nobody claimed."""
        for at, data, own in self._pieces(start, end):
            yield from self.begun(at, own, end, data, _places(data) if self.budget.may_try else _of_files(data))
            other = list(self.legacy.among(data))
            yield from (one for one in other if isinstance(one, Gap))
            found = (*strings(data), *(one for one in other if isinstance(one, FoundString)))
            some = sorted(one for one in found if one.at < own)
            self.account.bytes["residue"] += _size(some, own)
            yield from _blocks(some, at)
            if self.unknown is not None:
                self.streams = [stream for stream in self.streams if stream[1] > at]
                known = [(one.at, one.at + one.size) for one in some] + [(first - at, last - at) for first, last in self.streams]
                self.unknown.add(data[:own], at, known)

    def numbers(self, start: int, end: int, packed: bool) -> Iterator[Item]:
        """Yield long texts that stand among numbers, and whole streams, if the numbers themselves are not packed in streams."""
        for at, data, own in self._pieces(start, end):
            yield from _blocks([one for one in texts_among_numbers(data) if one.at < own], at)
            for item in self.begun(at, own, end, data, () if packed else map(_Beginning, streams_among_numbers(data)), only_whole=True):
                yield replace(item, values=True) if isinstance(item, Member) else item

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, bytes, int]]:
        """Yield pieces that are not all zeros: the place, the bytes, and how many of them do not come again."""
        while start < end:
            self.file.seek(start)
            data = self.file.read(min(PIECE + _OVERLAP, end - start))
            own = len(data) if start + len(data) >= end else PIECE
            if data.count(0) < len(data):
                yield start, data, own
            start += own if data else end

    def begun(self, start: int, own: int, end: int, data: bytes, places: Iterable[_Beginning], only_whole: bool = False) -> Iterator[Item]:
        """Yield the streams and files that begin at some of the places in a piece."""
        for at, is_raw in places:
            if start + at < (self.decoded if is_raw else self.behind) or at >= own:
                continue
            found = _found(self.file, start + at, end, self.size, data[at : at + PROBE], self.budget, is_raw)
            self.decoded = max(self.decoded, found.behind, found.decoded)
            if found.is_whole:
                self.streams.append((start + at, found.behind))
            if found.is_whole or not only_whole:
                self.behind = max(self.behind, found.behind)
                yield from found.items


def streams_in(data: bytes, name: str, budget: Budget) -> Iterator[Item]:
    """Yield the compressed streams in bytes whose strings have been read. `name` says where the bytes stand."""
    return _streams_in(data, name, budget, _of_streams(data))


def whole_streams_in(data: bytes, name: str, budget: Budget) -> Iterator[Item]:
    """Yield the compressed streams in bytes of another kind that go up to their ends. `name` says where the bytes stand."""
    return _streams_in(data, name, budget, () if data.isascii() else map(_Beginning, streams_among_numbers(data)), only_whole=True)


def _streams_in(data: bytes, name: str, budget: Budget, places: Iterable[_Beginning], only_whole: bool = False) -> Iterator[Item]:
    size, search = len(data), _Residue(io.BytesIO(data), len(data), budget, ByteAccount(), None)
    for item in search.begun(0, size, size, data, places, only_whole):
        yield replace(item, name=f"{name}: {item.name}") if isinstance(item, Member) else item


def _size(some: Iterable[FoundString], own: int) -> int:
    """Return how many of the first `own` bytes belong to strings, which are in order. Some are parts of others."""
    size = end = 0
    for one in some:
        last = min(one.at + one.size, own)
        size, end = size + max(0, last - max(one.at, end)), max(end, last)
    return size


def _blocks(some: Sequence[FoundString], start: int) -> Iterator[Block]:
    """Yield the strings of a piece whose first byte is at `start`. Their `start` and `end` are bytes of the file."""
    if plain := [one for one in some if one.via is None and one.size == len(one.text)]:
        places = [start + one.at for one in plain]
        yield Block([one.text for one in plain], byte_offset=places, start=places, view=VIEW)
    for via in {one.via for one in some}:  # where a character has several bytes, each stands for the whole range
        wide = [one for one in some if one.via == via and (via or one.size != len(one.text))]
        origins = [[Origin(0, start + one.at, start + one.at + one.size)] for one in wide]
        yield Block([one.text for one in wide], origins=origins, view=VIEW, decoded_via=via)


def _beginnings(data: bytes) -> Iterator[int]:
    return (found.start() for found in _begins().finditer(data))


def _places(data: bytes) -> list[_Beginning]:
    """Return where files and streams may begin, in order."""
    return sorted([*map(_Beginning, _beginnings(data)), *(_Beginning(at, is_raw=True) for at in deflate_beginnings(data))])


def _of_streams(data: bytes) -> Iterator[_Beginning]:
    return (_Beginning(at) for at in _beginnings(data) if data.startswith(MAGICS, at))


def _of_files(data: bytes) -> Iterator[_Beginning]:
    return (_Beginning(at) for at in _beginnings(data) if not data.startswith(MAGICS, at))


def _begins() -> re.Pattern[bytes]:
    return _pattern(frozenset(magic for row in rows() if row.is_read for place, magic in row.magics if not place and len(magic) >= _MAGIC))


@functools.cache
def _pattern(known: frozenset[bytes]) -> re.Pattern[bytes]:
    """Return a pattern of the first bytes of streams, and of files that are recognized by these."""
    return re.compile(b"|".join(map(re.escape, sorted({*known, *MAGICS}, key=len, reverse=True))))


class _Found(NamedTuple):
    """A stream or a file, where the search goes on behind it, whether it is a stream that was read up to its end, and how far it was read."""

    items: list[Item]
    behind: int
    is_whole: bool = False
    decoded: int = 0


def _found(file: BinaryIO, at: int, end: int, size: int, head: bytes, budget: Budget, is_raw: bool = False) -> _Found:
    """Return the stream or the file that begins at `at`, if there is one. Only a stream, which tells its end, may go beyond the range."""
    if not is_raw and not head.startswith(MAGICS):
        file_there = cast("BinaryIO", Pieces(Window(file, at, end - at).pieces()))
        return _Found([Member(f"bytes from {at}", file_there, opaque=True, guessed=True)], end)
    if not budget.may_try:
        return _Found([], at)
    try:
        return _stream(single_stream(head, Window(file, at, size - at), budget, is_raw), at, budget)
    except LimitExceeded as error:
        if error.bound in SHARED:
            raise
        return _Found([Gap.of(error)], at)


def _stream(stream: SingleStream | None, at: int, budget: Budget) -> _Found:
    content = _content(stream, budget) if stream else bytearray()
    is_known = stream is not None and (stream.is_whole or len(content) > bounds.HELD)  # whether it is known how far the stream goes
    if stream is None or len(content) < (SHORTEST if is_known else LEAST):
        return _Found([], at)
    cut = [Gap(f"a stream at byte {at} holds more than {bounds.HELD} bytes; the rest was not read", bound="held_bytes")]
    found = Member(f"bytes from {at}", io.BytesIO(content[: bounds.HELD]), opaque=True, guessed=True)
    return _Found([found, *(cut if len(content) > bounds.HELD else [])], stream.at if is_known else at + 1, is_known, stream.at)


def _content(stream: SingleStream, budget: Budget) -> bytearray:
    """Return what a stream holds, up to a damaged place or a little more than is kept."""
    made = bytearray()
    for piece in stream.pieces(budget):
        made += piece
        if len(made) > bounds.HELD:
            break
    return made
