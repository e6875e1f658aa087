"""Reads what no reader claims: files and compressed streams that begin there, and readable strings with their places."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.format_table import rows
from veritensor_ray.core.origins import Origin
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.decoders import PIECE
from veritensor_ray.formats.common.single_streams import LEAST, MAGICS, PROBE, SingleStream, single_stream
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.residue.strings import SHORTEST, VIEW, strings

_OVERLAP = 4096  # bytes of a piece that are read again with the next one, so that few strings are cut
_MAGIC = 4  # bytes without which the beginning of a file is often chance


def read_residue(source: Source, size: int) -> Iterator[Item]:
    """Yield the strings, the streams and the files in the ranges of a seekable file of `size` bytes that nobody has claimed."""
    for start, end in source.account.unclaimed(size):
        yield from _range(source.file, start, end, source.budget, source.account)


def _range(file: BinaryIO, start: int, end: int, budget: Budget, account: ByteAccount) -> Iterator[Item]:
    """Yield what stands in one range. Pieces of it overlap, and strings that begin in the overlap come with the next piece."""
    behind = start  # the end of the last stream or file
    while start < end:
        file.seek(start)
        data = file.read(min(PIECE + _OVERLAP, end - start))
        if not data:
            return
        last = start + len(data) >= end
        if data.count(0) < len(data):
            for at in _beginnings(data):
                if start + at >= behind and (last or at < PIECE):
                    found, behind = _found(file, start + at, end, data[at : at + PROBE], budget, behind)
                    yield from found
            yield from _strings(data, start, len(data) if last else PIECE, account)
        start += len(data) if last else PIECE


def streams_in(data: bytes, name: str, budget: Budget) -> Iterator[Item]:
    """Yield the compressed streams in bytes whose strings have been read. `name` says where the bytes stand."""
    behind = 0
    for at in _beginnings(data):
        if at >= behind and data.startswith(MAGICS, at):
            found, behind = _found(io.BytesIO(data), at, len(data), data[at : at + PROBE], budget, behind)
            yield from (replace(item, name=f"{name}: {item.name}") if isinstance(item, Member) else item for item in found)


def _strings(data: bytes, start: int, until: int, account: ByteAccount) -> Iterator[Block]:
    """Yield the strings of a piece whose first byte is at `start`. Their `start` and `end` are bytes of the file."""
    some = [one for one in strings(data) if one.at < until]
    account.bytes["residue"] += sum(min(one.at + one.size, until) - one.at for one in some)
    if plain := [one for one in some if one.size == len(one.text)]:
        places = [start + one.at for one in plain]
        yield Block([one.text for one in plain], byte_offset=places, start=places, view=VIEW)
    for via in {one.via for one in some}:  # where a character has several bytes, each stands for the whole range
        wide = [one for one in some if one.via == via and one.size != len(one.text)]
        origins = [[Origin(0, start + one.at, start + one.at + one.size)] for one in wide]
        yield Block([one.text for one in wide], origins=origins, view=VIEW, decoded_via=via)


def _beginnings(data: bytes) -> Iterator[int]:
    return (found.start() for found in _begins().finditer(data))


def _begins() -> re.Pattern[bytes]:
    return _pattern(frozenset(magic for row in rows() if row.is_read for place, magic in row.magics if not place and len(magic) >= _MAGIC))


@functools.cache
def _pattern(known: frozenset[bytes]) -> re.Pattern[bytes]:
    """Return a pattern of the first bytes of streams, and of files that are recognized by these."""
    return re.compile(b"|".join(map(re.escape, sorted({*known, *MAGICS}, key=len, reverse=True))))


def _found(file: BinaryIO, at: int, end: int, head: bytes, budget: Budget, behind: int) -> tuple[list[Item], int]:
    """Return a stream or a file that begins at `at`, if there is one, and where the last one so far ends."""
    window = Window(file, at, end - at)
    if not head.startswith(MAGICS):
        return [Member(f"bytes from {at}", cast("BinaryIO", Pieces(window.pieces())), opaque=True, guessed=True)], end
    stream = single_stream(head, window)
    if stream is None:
        return [], behind
    content = _content(stream, budget)
    is_known = stream.is_whole or len(content) > bounds.HELD  # whether it is known how far the stream goes
    if len(content) < (SHORTEST if is_known else LEAST):
        return [], behind
    cut = [Gap(f"a stream at byte {at} holds more than {bounds.HELD} bytes; the rest was not read", bound="held_bytes")]
    found = Member(f"bytes from {at}", io.BytesIO(content[: bounds.HELD]), opaque=True, guessed=True)
    return [found, *(cut if len(content) > bounds.HELD else [])], stream.at if is_known else at + 1


def _content(stream: SingleStream, budget: Budget) -> bytearray:
    """Return what a stream holds, up to a damaged place or a little more than is kept."""
    made = bytearray()
    for piece in stream.pieces(budget):
        made += piece
        if len(made) > bounds.HELD:
            break
    return made
