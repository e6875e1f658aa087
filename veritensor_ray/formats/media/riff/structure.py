"""The chunks of RIFF files, lists included. No content is read, except for the sizes of a file that is larger than 4 GB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.media.media_texts import MediaTexts

HEAD = 8
_LISTS = (b"RIFF", b"RF64", b"LIST")
_MAX32 = 0xFFFFFFFF  # of a file that is larger than this number can say
_MOST = bounds.MEDIA_PARTS
_DEPTH = 8


class RiffChunk(NamedTuple):
    """A chunk: its content is from `start` to `end`. `form` is that of the innermost list around it."""

    name: bytes
    form: bytes
    start: int
    end: int


class RiffFile:
    """The chunks of one file. `end` is where the file ends according to its headers, once all chunks were read."""

    def __init__(self, texts: MediaTexts) -> None:
        self._texts, self._count, self._sound = texts, 0, 0
        head = Window(texts.source.file, 0, 12).read(12)
        size = int.from_bytes(head[4:8], "little")
        self.form = head[8:12]
        texts.claim(0, 12, "structure")
        if head[:4] == b"RF64":
            size, self._sound = self._sizes()
        self.end = HEAD + size + size % 2

    def _sizes(self) -> tuple[int, int]:
        """Return the size of the file and of its sound, which stand in the first chunk."""
        first = Window(self._texts.source.file, 12, 24).read(24)
        if first[:4] != b"ds64":
            return self._texts.size - HEAD, 0
        return int.from_bytes(first[8:16], "little"), int.from_bytes(first[16:24], "little")

    def chunks(self) -> Iterator[RiffChunk]:
        """Yield the chunks except for lists, and claim the headers of all. Raises LimitExceeded."""
        yield from self._within(12, min(self.end, self._texts.size), self.form, 0)
        while self.form == b"AVI " and (size := self._more()):
            begin, self.end = self.end, self.end + HEAD + size + size % 2
            yield from self._within(begin, min(self.end, self._texts.size), b"", 0)

    def _more(self) -> int:
        """Return the size of the next part of a large film (OpenDML), which has a header like a file of its own, or 0."""
        head = Window(self._texts.source.file, self.end, 12).read(12)
        return int.from_bytes(head[4:8], "little") if head[:4] == b"RIFF" and head[8:] == b"AVIX" else 0

    def _within(self, at: int, end: int, form: bytes, depth: int) -> Iterator[RiffChunk]:
        while at + HEAD <= end:
            self._count += 1
            if self._count > _MOST:
                raise LimitExceeded("media_parts", f"the file has more than {_MOST} chunks; the rest was not read")
            head = Window(self._texts.source.file, at, 12).read(12)
            size = int.from_bytes(head[4:8], "little")
            size = self._sound if size == _MAX32 and head[:4] == b"data" and self._sound else size
            behind = at + HEAD + size
            self._texts.claim(at, at + HEAD, "structure")
            if head[:4] in _LISTS and size >= 4 and depth < _DEPTH:
                self._texts.claim(at + HEAD, at + 12, "structure")
                yield from self._within(at + 12, min(behind, end), head[8:12], depth + 1)
            else:
                yield RiffChunk(head[:4], form, at + HEAD, min(behind, end))
            at = behind + size % 2
