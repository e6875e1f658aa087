"""Finds the samples of a track (ISO 14496-12, 8.7), and the text in those of subtitles. Tables are arrays, because films have many samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.media.media_texts import Cues, MediaTexts, decoded
from veritensor_ray.formats.media.mp4.structure import Mp4Box

SAMPLE_TABLES = frozenset({b"stsd", b"stsz", b"stz2", b"stsc", b"stco", b"co64"})
_COUNTED, _PLAIN, _CUES, _DOCUMENTS = (b"tx3g", b"text"), (b"stxt", b"sbtt"), (b"wvtt",), (b"stpp",)
_MOST = bounds.MEDIA_PARTS
_PER_CHUNK = 1 << 28  # samples; so many, of any size, can still be added up
_TOO_MANY = f"a track has more than {_MOST} samples; the rest was not read"
_Numbers = npt.NDArray[np.int64]
_NONE = np.zeros(0, np.int64)


@dataclass(slots=True)
class Mp4Track:
    """The tables of a track. `same` is the size of each sample if all are of equal size; then there are no `sizes`."""

    number: int
    format: bytes = b""
    same: int = 0
    count: int = 0
    sizes: npt.NDArray[Any] = field(default_factory=lambda: _NONE)
    chunks: _Numbers = field(default_factory=lambda: _NONE)
    runs: _Numbers = field(default_factory=lambda: _NONE.reshape(0, 3))
    fragments: list[tuple[_Numbers, _Numbers]] = field(default_factory=list)

    @property
    def is_text(self) -> bool:
        """Whether the samples are subtitles or other texts."""
        return self.format in (*_COUNTED, *_PLAIN, *_CUES, *_DOCUMENTS)

    def take(self, box: Mp4Box, texts: MediaTexts) -> None:
        """Read a table, and claim its numbers."""
        if box.kind == b"stsd":
            self.format = texts.data(box.start + 12, box.start + 16, "a description")
            texts.claim(box.start, box.start + 16, "structure")
            return
        data = texts.data(box.start, min(box.end, texts.size), "a table")
        texts.claim(box.start, box.end, "values")
        if box.kind == b"stsz":
            self.same, self.count = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
            self.sizes = _NONE if self.same else _numbers(data[12:], ">u4")[: self.count]
        elif box.kind == b"stz2":
            bits = data[7] if data[7:8] in (b"\x04", b"\x10") else 8
            longest = _MOST * bits // 8
            if len(data) - 12 > longest:
                texts.tell(Gap(_TOO_MANY, f"byte {box.start}", bound="media_parts"))
            self.sizes = _small_numbers(data[12 : 12 + longest], bits)
        elif box.kind == b"stsc":
            found = _numbers(data[8:], ">u4")
            self.runs = found[: len(found) // 3 * 3].reshape(-1, 3)
        else:
            self.chunks = _numbers(data[8:], ">u4" if box.kind == b"stco" else ">i8")

    def add(self, starts: _Numbers, ends: _Numbers) -> None:
        """Add the samples of a fragment: each if they are texts, and all together if they are not."""
        if len(starts):
            self.fragments.append((starts, ends) if self.is_text else (starts[:1], ends[-1:]))

    def ranges(self) -> tuple[_Numbers, _Numbers]:
        """Return where the chunks of samples begin, and where they end."""
        ends = np.cumsum(self._per_chunk())
        if self.same:
            lengths = np.minimum(np.diff(ends, prepend=0) * self.same, 1 << 60)
        else:
            total = np.concatenate((_NONE, [0], np.cumsum(self.sizes, dtype=np.int64)))
            lengths = np.diff(total[np.clip(ends, 0, len(self.sizes))], prepend=0)
        return self._with_fragments(self.chunks, self.chunks + lengths)

    def samples(self) -> tuple[_Numbers, _Numbers]:
        """Return where the samples begin, and where they end. Raises LimitExceeded."""
        return self._with_fragments(*self._listed())

    def _with_fragments(self, starts: _Numbers, ends: _Numbers) -> tuple[_Numbers, _Numbers]:
        return np.concatenate([starts, *(one for one, _ in self.fragments)]), np.concatenate([ends, *(one for _, one in self.fragments)])

    def _listed(self) -> tuple[_Numbers, _Numbers]:
        """Return the samples that the tables list."""
        per_chunk = self._per_chunk()
        if int(per_chunk.sum()) > _MOST and (self.count if self.same else len(self.sizes)) > _MOST:
            raise LimitExceeded("media_parts", _TOO_MANY)
        sizes = np.full(min(self.count, _MOST), self.same, np.int64) if self.same else self.sizes
        lasts = np.clip(np.cumsum(per_chunk), 0, len(sizes))
        counts = np.diff(lasts, prepend=0)
        begun = np.concatenate((_NONE, [0], np.cumsum(sizes, dtype=np.int64)))
        firsts = begun[lasts - counts]
        starts = np.repeat(self.chunks - firsts, counts) + begun[: counts.sum()]
        return starts, starts + sizes[: counts.sum()]

    def _per_chunk(self) -> _Numbers:
        """Return how many samples each chunk has."""
        total = len(self.chunks)
        if not len(self.runs):
            return np.zeros(total, np.int64)
        firsts = np.clip(self.runs[:, 0] - 1, 0, total)
        lengths = np.diff(np.concatenate(([0], np.maximum.accumulate(firsts), [total])))
        return np.repeat(np.concatenate(([0], np.minimum(self.runs[:, 1], _PER_CHUNK))), lengths)  # those before the first run have none


def _numbers(data: bytes, kind: str) -> _Numbers:
    size = np.dtype(kind).itemsize
    return np.clip(np.frombuffer(data, kind, len(data) // size).astype(np.int64), 0, 1 << 60)


def _small_numbers(data: bytes, bits: int) -> npt.NDArray[Any]:
    """Return numbers of 4, 8 or 16 bits. They stay small, because the tables of all tracks are held together."""
    if bits == 4:
        found = np.frombuffer(data, np.uint8)
        return np.stack((found >> 4, found & 15), 1).ravel()
    return np.frombuffer(data, ">u2" if bits == 16 else ">u1", len(data) * 8 // bits)


def merged(tracks: list[Mp4Track]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of all chunks of these tracks, ascending and without overlaps."""
    found = [track.ranges() for track in tracks]
    starts, ends = (np.concatenate([_NONE, *(one[side][: len(one[1])] for one in found)]) for side in (0, 1))
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order]) if len(order) else ends
    breaks = np.flatnonzero(starts[1:] > ends[:-1])
    firsts, lasts = np.concatenate(([0], breaks + 1)), np.concatenate((breaks, [len(starts) - 1]))
    if len(starts):
        yield from zip(starts[firsts].tolist(), ends[lasts].tolist(), strict=True)


def read_sample(track: Mp4Track, start: int, end: int, texts: MediaTexts, cues: Cues) -> None:
    """Collect the text of a sample."""
    name = f"subtitles {track.number}"
    if track.format in _DOCUMENTS:
        texts.file(f"{name} at byte {start}", start, end)
        return
    data = texts.data(start, end, "a subtitle")
    if track.format in _CUES:
        texts.claim(start, end, "text")
        cues.add(name, "\n".join(_cue_texts(data, texts, start)))
        return
    at = 0
    if track.format in _COUNTED:
        at, data = 2, data[2 : 2 + int.from_bytes(data[:2], "big")]
        texts.claim(start, start + at, "structure")
    is_wide = data[:2] in (b"\xfe\xff", b"\xff\xfe")
    text, is_sure = decoded(data, "utf-16" if is_wide else "utf-8")
    if is_sure:
        texts.claim(start + at, start + at + len(data), "text")
    cues.add(name, text)


def _cue_texts(data: bytes, texts: MediaTexts, start: int) -> Iterator[str]:
    """Yield the texts in the boxes of WebVTT, whose cues are boxes around others."""
    at = 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind in (b"vttc", b"vttx"):
            at += 8
            continue
        if not 8 <= size <= len(data) - at:
            texts.tell(Gap("a subtitle is damaged", f"byte {start + at}"))
            return
        yield decoded(data[at + 8 : at + size], "utf-8")[0]
        at += size
