"""Reads MPEG-4, M4A, 3GPP and QuickTime: names, tags, pictures, chapters, and subtitles that are text. What is in other boxes stays unclaimed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.media.media_texts import UNHEARD, Cues, MediaTexts
from veritensor_ray.formats.media.mp4.mp4_fragments import FRAGMENT_BOXES, Mp4Fragments
from veritensor_ray.formats.media.mp4.mp4_samples import SAMPLE_TABLES, Mp4Track, merged, read_sample
from veritensor_ray.formats.media.mp4.mp4_tags import Mp4Tags
from veritensor_ray.formats.media.mp4.structure import Mp4Box, Mp4Boxes

# Boxes of numbers.
_TABLES = frozenset(
    b"mvhd mdhd vmhd smhd nmhd elst stts ctts stss sdtp sgpd sbgp cslg mehd mfhd tfdt sidx tfra mfro saiz saio senc".split()
)


def read_mp4(source: Source) -> Iterator[Item]:
    """Yield texts, pictures and subtitles. Raises ReadError if the file is cut off or has no index, and LimitExceeded."""
    texts, cues = MediaTexts(source), Cues()
    yield UNHEARD
    film = Mp4Film(texts)
    try:
        for box in film.boxes.all():
            film.take(box)
            yield from texts.full()
    except LimitExceeded:
        yield from texts.take()
        raise
    film.claim_sound()
    try:
        for track in film.tracks:
            for start, end in film.samples(track):
                read_sample(track, start, end, texts, cues)
                yield from texts.full()
                yield from cues.full()
    except LimitExceeded as error:
        texts.tell(Gap.of(error))
    yield from texts.take()
    yield from cues.take()
    if film.boxes.end > texts.size:
        raise ReadError(f"the file ends early: {film.boxes.end - texts.size} bytes are missing")
    if not film.has_index:
        raise ReadError("the file has no index of its contents, which may have been cut off")
    yield from behind(source, film.boxes.end)


class Mp4Film:
    """Takes the boxes of one file in order, and knows its tracks at the end."""

    def __init__(self, texts: MediaTexts) -> None:
        self.boxes = Mp4Boxes(texts)
        self.tracks: list[Mp4Track] = []
        self.has_index = False
        self._texts, self._tags = texts, Mp4Tags(texts, self.boxes)
        self._contents: list[Mp4Box] = []
        self._fragments = Mp4Fragments(texts)
        self._copies = Copies(texts.source.budget, texts.size)

    def take(self, box: Mp4Box) -> None:
        """Take a box."""
        if self._tags.read(box):
            return
        self.has_index |= box.kind == b"moov"
        if box.kind in FRAGMENT_BOXES:
            self._fragments.take(box)
        elif box.kind == b"trak":
            self.tracks.append(Mp4Track(len(self.tracks) + 1))
        elif box.kind == b"tkhd" and self.tracks:
            self._texts.claim(box.start, box.end, "values")
            at = box.start + (20 if self._texts.data(box.start, box.start + 1, "a header") == b"\x01" else 12)
            self._fragments.by_id[int.from_bytes(self._texts.data(at, at + 4, "a header"), "big")] = self.tracks[-1]
        elif box.kind == b"mdat":
            self._contents.append(box)
        elif box.kind in SAMPLE_TABLES and self.tracks:
            self.tracks[-1].take(box, self._texts)
        elif box.kind in _TABLES:
            self._texts.claim(box.start, box.end, "values")

    def samples(self, track: Mp4Track) -> Iterator[tuple[int, int]]:
        """Yield the ranges of the samples of a track, if they are texts. Raises LimitExceeded."""
        if not track.is_text:
            return
        starts, ends = track.samples()
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            self._copies.add(max(0, min(end, self._texts.size) - min(start, self._texts.size)))
            yield start, min(end, self._texts.size)

    def claim_sound(self) -> None:
        """Claim the chunks of all tracks except those of text, where they stand in boxes for them."""
        chunks = list(merged([track for track in self.tracks if not track.is_text]))
        for start, end in _common([(box.start, box.end) for box in self._contents], chunks):
            self._texts.claim(start, end, "packed")


def _common(some: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what two lists of ranges, both ascending, have in common."""
    found, at, other = list[tuple[int, int]](), 0, 0
    while at < len(some) and other < len(others):
        start, end = max(some[at][0], others[other][0]), min(some[at][1], others[other][1])
        if start < end:
            found.append((start, end))
        if some[at][1] < others[other][1]:
            at += 1
        else:
            other += 1
    return found
