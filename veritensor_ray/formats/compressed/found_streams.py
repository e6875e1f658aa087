"""Finds compressed streams anywhere in a file by their first bytes, whatever the file is: what a program skips is found too."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.archives.zip.structure import LOCAL, METHODS, STORED, Data, found_entry, local_header
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.decoders import BROKEN
from veritensor_ray.formats.common.file_ranges import length, occurrences
from veritensor_ray.formats.common.single_streams import MAGICS, PROBE, SingleStream, single_stream
from veritensor_ray.formats.common.streams import Window

_MAGIC = re.compile(b"|".join(map(re.escape, (LOCAL, *MAGICS))))
_LONGEST = max(map(len, MAGICS))


@dataclass
class FoundStream:
    """A compressed stream: where it begins, what it is (the name of an entry of a zip, or the kind), and its content, which is read once.

    Once the content has been read, `end` is where the stream ends; it stays None if the stream is damaged.
    """

    start: int
    kind: str
    name: str | None
    content: Iterator[bytes]
    end: int | None = None


def found_streams(file: BinaryIO, budget: Budget, pulse: Callable[[], None]) -> Iterator[FoundStream]:
    """Yield the streams of a seekable file in order. What lies inside a sound stream is not looked at: it is in the stream's content.

    The content of one has to be read before the next is asked for, and ends where the stream is damaged. It is counted, and reading it may
    raise LimitExceeded.
    """
    size, after = length(file), 0
    for at in occurrences(file, 0, _MAGIC, _LONGEST):
        pulse()
        if at < after:
            continue
        found = _opened(file, at, size, budget)
        if found is not None:
            yield found
            after = found.end or 0


def _opened(file: BinaryIO, at: int, size: int, budget: Budget) -> FoundStream | None:
    file.seek(at)
    head = file.read(PROBE)
    if head.startswith(LOCAL):
        return _entry(file, at, size, budget)
    stream = single_stream(head, Window(file, at, size - at), budget)
    if stream is None:
        return None
    found = FoundStream(at, stream.kind, None, iter(()))
    found.content = _content(found, stream, budget)
    return found


def _content(found: FoundStream, stream: SingleStream, budget: Budget) -> Iterator[bytes]:
    yield from stream.pieces(budget)
    found.end = stream.at if stream.is_whole else None


def _entry(file: BinaryIO, at: int, size: int, budget: Budget) -> FoundStream | None:
    """Return the compressed entry of a zip whose local header is there. A stored one is found as it is."""
    local = local_header(file, at)
    if local is None or local.method == STORED or local.method not in METHODS or local.data > size:
        return None
    entry = found_entry(local, at)
    found = FoundStream(at, "zip", entry.name, iter(()))
    window = Window(file, local.data, min(local.packed or size, size - local.data))
    data = Data(entry, window)

    def content() -> Iterator[bytes]:
        with contextlib.suppress(*BROKEN, ReadError):
            yield from data
            found.end = data.end

    def counted() -> Iterator[bytes]:
        yield from budget.pieces(content())
        if found.end is None or not data.size:
            budget.in_vain(max(PROBE, window.at - local.data))

    found.content = counted()
    return found
