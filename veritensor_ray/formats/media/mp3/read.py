"""Reads MP3: the tags before and behind the sound. Bytes between the frames of the sound stay unclaimed, as do tags of other kinds."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.media.id3_tags import OLD, read_id3, read_old_id3, tag_at
from veritensor_ray.formats.media.media_texts import UNHEARD, MediaTexts
from veritensor_ray.formats.media.mp3.structure import FrameRun, frame_runs, told_bytes

_TAGS = 16  # in front of the sound, where there is one


def read_mp3(source: Source) -> Iterator[Item]:
    """Yield texts and pictures. Raises ReadError if the file ends within a tag or a frame, or has fewer bytes of sound than it says."""
    texts = MediaTexts(source)
    yield UNHEARD
    at = 0
    for _ in range(_TAGS):
        if (end := tag_at(texts, at)) is None:
            break
        read_id3(texts, at, end)
        yield from texts.take()
        at = end
    last = texts.size - OLD
    has_old = last >= at and Window(source.file, last, 3).read(3) == b"TAG"
    if has_old:
        read_old_id3(texts, last)
    yield from texts.take()
    if at > texts.size:
        raise ReadError(f"the file ends within a tag: {at - texts.size} bytes are missing")
    runs = _claimed(texts, at, last if has_old else texts.size)
    yield from _cut_off(texts, runs)


def _claimed(texts: MediaTexts, start: int, end: int) -> tuple[FrameRun, FrameRun] | None:
    """Claim the sound, and return its first and its last run of frames."""
    first = last = None
    for run in frame_runs(texts.source.file, start, end):
        texts.claim(run.start, min(run.end, end), "packed")
        first, last = first or run, run
    return (first, last) if first and last else None


def _cut_off(texts: MediaTexts, runs: tuple[FrameRun, FrameRun] | None) -> Iterator[Gap]:
    """Yield a gap if there is no sound. Raises ReadError if some of it is missing."""
    if runs is None:
        yield Gap("there is no frame of sound in the file")
        return
    first, last = runs
    told = told_bytes(texts.source.file, first.start)
    missing = last.end - texts.size if told is None else first.start + told - texts.size
    if missing > 0:
        raise ReadError(f"the sound ends early: {missing} bytes are missing")
