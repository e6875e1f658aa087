"""Finds the samples of films that are written in fragments (ISO 14496-12, 8.8): each has a list of its samples in front of them."""

from __future__ import annotations

import numpy as np

from veritensor_ray.formats.media.media_texts import MediaTexts
from veritensor_ray.formats.media.mp4.mp4_samples import Mp4Track
from veritensor_ray.formats.media.mp4.structure import Mp4Box

FRAGMENT_BOXES = frozenset({b"moof", b"trex", b"tfhd", b"trun"})
_BASE, _DESCRIPTION, _DURATION, _SIZE = 0x1, 0x2, 0x8, 0x10  # what a header of a fragment has
_FARTHEST = 1 << 60  # no file is as large, and numbers of this size can be added up
_OFFSET, _FIRST_FLAGS, _SIZES, _EACH = 0x1, 0x4, 0x200, (0x100, 0x200, 0x400, 0x800)  # what a list of samples has


class Mp4Fragments:
    """Takes the boxes of fragments in order, and adds their samples to the tracks. `by_id` are the tracks by the number in the file."""

    def __init__(self, texts: MediaTexts) -> None:
        self.by_id: dict[int, Mp4Track] = {}
        self._texts = texts
        self._usual: dict[int, int] = {}  # the size of samples of a track that do not say theirs
        self._track, self._base, self._next, self._size = 0, 0, 0, 0

    def take(self, box: Mp4Box) -> None:
        """Take a box."""
        if box.kind == b"moof":
            self._base = self._next = box.at
            return
        self._texts.claim(box.start, box.end, "values")
        data = self._texts.data(box.start, min(box.end, self._texts.size), "a table")
        flags, numbers = int.from_bytes(data[1:4], "big"), data[4:]
        if box.kind == b"trex":
            self._usual[int.from_bytes(numbers[:4], "big")] = int.from_bytes(numbers[12:16], "big")
        elif box.kind == b"tfhd":
            self._header(flags, numbers)
        else:
            self._samples(flags, numbers)

    def _header(self, flags: int, numbers: bytes) -> None:
        self._track, at = int.from_bytes(numbers[:4], "big"), 4
        self._size = self._usual.get(self._track, 0)
        if flags & _BASE:
            self._base = self._next = min(int.from_bytes(numbers[at : at + 8], "big"), _FARTHEST)
            at += 8
        at += 4 * (bool(flags & _DESCRIPTION) + bool(flags & _DURATION))
        if flags & _SIZE:
            self._size = int.from_bytes(numbers[at : at + 4], "big")

    def _samples(self, flags: int, numbers: bytes) -> None:
        count, at = int.from_bytes(numbers[:4], "big"), 4
        if flags & _OFFSET:
            self._next = self._base + int.from_bytes(numbers[at : at + 4], "big", signed=True)
            at += 4
        at = min(at + 4 * bool(flags & _FIRST_FLAGS), len(numbers))
        width = sum(bool(flags & one) for one in _EACH)
        if width:
            rows = np.frombuffer(numbers, ">u4", (len(numbers) - at) // 4, at)[: count * width].astype(np.int64)
            rows = rows[: len(rows) // width * width].reshape(-1, width)
            count = len(rows)
        # without sizes, they count as one sample, since nobody knows where a text would end in it
        sizes = rows[:, int(bool(flags & _EACH[0]))] if flags & _SIZES else np.array([min(count * self._size, _FARTHEST)], np.int64)
        track = self.by_id.get(self._track)
        ends = self._next + np.cumsum(sizes)
        if track is not None and self._next >= 0:
            track.add(ends - sizes, ends)
        self._next = min(int(ends[-1]), _FARTHEST) if len(ends) else self._next
