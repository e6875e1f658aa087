"""The boxes of ISO base media files (ISO 14496-12) and QuickTime. No content is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.media.media_texts import MediaTexts

_MOST = bounds.MEDIA_PARTS
_DEPTH = 16
_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"ilst", b"moof", b"traf", b"mvex", b"mfra", b"edts", b"dinf", b"gmhd")


class Mp4Box(NamedTuple):
    """A box: `at` is the offset of its header, and its content is from `start` to `end`. `above` are the boxes around it."""

    kind: bytes
    at: int
    start: int
    end: int
    above: tuple[bytes, ...] = ()

    @property
    def within(self) -> bytes:
        """The box around it."""
        return self.above[-1] if self.above else b""


class Mp4Boxes:
    """The boxes of one file, with their number. `end` is where the file ends according to its boxes, once all were read."""

    def __init__(self, texts: MediaTexts) -> None:
        self._texts, self._count = texts, 0
        self.end = 0

    def all(self) -> Iterator[Mp4Box]:
        """Yield the boxes in order, those around others too. Raises LimitExceeded."""
        at, size = 0, self._texts.size
        while at < size:
            box = self._box(at, size, ())
            if box is None or (at and not box.kind.replace(b"\xa9", b"").isascii()):
                break  # what follows is no part of the file
            yield from self._with_children(box, 0)
            at = box.end
        self.end = at

    def within(self, box: Mp4Box, skipped: int = 0) -> Iterator[Mp4Box]:
        """Yield the boxes right inside another one, behind some bytes."""
        at, end = box.start + skipped, min(box.end, self._texts.size)
        while at + 8 <= end and (inner := self._box(at, end, (*box.above, box.kind))):
            if inner.end > box.end:
                self._texts.tell(Gap("a box extends beyond the one around it, and was read up to there", f"byte {at}"))
                inner = inner._replace(end=box.end)
            yield inner
            at = inner.end

    def _with_children(self, box: Mp4Box, depth: int) -> Iterator[Mp4Box]:
        yield box
        if depth >= _DEPTH:
            return
        if box.kind in _PARENTS:
            for inner in self.within(box):
                yield from self._with_children(inner, depth + 1)
        elif box.kind == b"meta":
            head = Window(self._texts.source.file, box.start, 8).read(8)
            skipped = 0 if head[4:] == b"hdlr" else 4  # QuickTime has no version
            self._texts.claim(box.start, box.start + skipped, "structure")
            for inner in self.within(box, skipped):
                yield from self._with_children(inner, depth + 1)

    def _box(self, at: int, end: int, above: tuple[bytes, ...]) -> Mp4Box | None:
        """Return the box at this place, whose header is claimed, or None if there is none."""
        self._count += 1
        if self._count > _MOST:
            raise LimitExceeded("media_parts", f"the file has more than {_MOST} boxes; the rest was not read")
        head = Window(self._texts.source.file, at, 16).read(16)
        size, start = int.from_bytes(head[:4], "big"), at + 8
        if size == 1:
            size, start = int.from_bytes(head[8:16], "big"), at + 16
        behind = end if size == 0 else at + size
        if len(head) < 8 or behind < start:
            return None
        self._texts.claim(at, start, "structure")
        return Mp4Box(head[4:8], at, start, behind, above)
