"""Find the locations of findings again in an artifact as readers present it, and keep the passage around one of them.

The finder is an engine that reports nothing, so it sees the same bytes and segments as the engines that made the findings. It runs where
hostile bytes are decoded, and its answer is plain data. It opens no file.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from veritensor_ray.core.detection import EVIDENCE, FileInfo, Hit
from veritensor_ray.core.format_table import is_text_type
from veritensor_ray.core.origins import Array, Mapped, Origin, from_origins
from veritensor_ray.corpus.planning import BYTE_RANGES
from veritensor_ray.engines.base import Onlooker
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.findings.recorder import text_in_file
from veritensor_ray.masking.evidence import MARGIN, evidence_of
from veritensor_ray.masking.redaction import PERSONAL, SECRET, TAGGED, tagged, visible
from veritensor_ray.pipeline.passages.masked_passage import PassageMask, Sensitive, Span, Stretch, initials
from veritensor_ray.pipeline.passages.passage import HIT, Amount

Unit = tuple[Any, ...]  # what characters are counted in: member, part, row, column, page
_STREAM, _CELLS, _CELL_CHARS, _NEAR = 200, 100, 400, 4
_BYTE = re.compile("[\udc80-\udcff]")
_ESCAPE = r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}"


@dataclass(frozen=True, slots=True)
class Sought:
    """A location of a finding, as its row records it.

    `around` is the text that the row shows before and after the hit; None for all but the first location.
    """

    member: str | None
    location: dict[str, Any]
    category: str
    evidence: str
    around: tuple[str, str] | None

    @property
    def unit(self) -> Unit:
        """The unit in which its characters are counted."""
        at = self.location
        return self.member, at.get("part"), at.get("row"), at.get("column"), at.get("page")

    @property
    def in_bytes(self) -> bool:
        """Whether an engine that reads bytes found it."""
        return self.location.get("start") is None

    def fits(self, text: str, start: int, end: int, sensitive: Sensitive, is_cut: bool = False) -> bool:
        """Return whether the text there matches what the row shows. Notes values that must not be shown elsewhere."""
        seen = evidence_of(text, start, end, self.category, sensitive.values.note, is_cut)
        if self.around == ("", "") and (seen.before or seen.after):
            return True  # the engine's own words, which cannot be compared with any text
        same = _alike(seen.shown, self.evidence)
        same = same and (self.around is None or all(map(_alike, (seen.before, seen.after), self.around)))
        if same and self.category in (SECRET, PERSONAL):
            sensitive.note(self.category, seen.raw)
        return same


def _alike(one: str, other: str) -> bool:
    """Compare two texts, ignoring white space, case and masked characters, as finding IDs do."""
    one, other = (" ".join(text.split()).lower() for text in (one, other))
    return len(one) == len(other) and all(a == b or "*" in (a, b) for a, b in zip(one, other, strict=True))


@dataclass(slots=True)
class _Segment:
    """A text from a reader, with the position of its characters in their unit."""

    number: int
    unit: Unit
    column: str | None  # the name as it stands in the corpus
    view: str
    via: str | None
    text: str
    start: int
    owned: int
    origins: list[Origin]

    def mapped(self) -> Mapped:
        """Map each character to the range of the original that it stands for."""
        if self.origins:
            return from_origins(self.text, self.origins)
        mapped = Mapped(self.text)
        mapped.starts, mapped.ends = mapped.starts + self.start, mapped.ends + self.start
        return mapped

    def stretch(self, first: int, last: int) -> Stretch:
        """Return the characters `[first, last)`."""
        return Stretch.within(self.mapped(), self.unit, self.number, first, last)

    def extent(self) -> tuple[int, int]:
        """Return the range of the unit that the segment covers."""
        if self.origins:
            return min(one.start for one in self.origins), max(one.end for one in self.origins)
        return self.start, self.start + len(self.text)


class Finder(Onlooker):
    """Searches an artifact for one location, and for `others` whose values must be hidden in the passage.

    Without `others` the passage is shown unmasked. If `blind` is true, there are more such values than recorded locations, so only the
    beginning of each word is shown.
    """

    name = "finder"

    def __init__(
        self, wanted: Sought, others: Sequence[Sought], amount: Amount, key: bytes, reveal: bool, blind: bool = False, samples: bool = False
    ) -> None:
        self._blind = blind
        # in an archive of samples, a text without a row is in that of its sample, which all texts of a file share
        self._rows = {one.member: one.location.get("row") for one in (*others, wanted)} if samples else {}
        self._wanted, self._others, self._amount, self._key, self._reveal = wanted, others, amount, key, reveal
        self._outcomes: Sequence[Outcome] = ()
        self._kind = "whole"
        self._sensitive = Sensitive()
        self._spans: list[Span] = []
        self._located: set[int] = set()
        self._names: dict[str, str] = {}
        # the order matters: a name that looks like one in the wanted location is taken for it, and if two do, nothing is shown
        self._masked = dict.fromkeys(name for one in (wanted, *others) for name in _names(one) if TAGGED.search(name))
        self._sought: dict[Unit, tuple[list[int], list[Sought]]] = {}
        for one in sorted((one for one in others if not one.in_bytes), key=lambda one: one.location["start"]):
            starts, several = self._sought.setdefault(one.unit, ([], []))
            starts.append(one.location["start"])
            several.append(one)
        self._count = 0
        self._hit: tuple[_Segment, int, int] | None = None
        self._bytes: tuple[Stretch, int, int, bool] | None = None
        self._before: deque[_Segment] = deque(maxlen=_STREAM)
        self._after: list[_Segment] = []
        self._cells: list[_Segment] = []
        self._recent: deque[_Segment] = deque(maxlen=_NEAR)
        self._near = 0

    def begin(self, outcomes: Sequence[Outcome], kind: str) -> None:
        """Receive the parts of an artifact that was split into parts of `kind`. Each part counts from its own beginning."""
        self._outcomes, self._kind = outcomes, kind

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterator[Hit]:
        """Search the bytes of a file for locations that were found in bytes."""
        if self._bytes is None and self._wanted.in_bytes and self._wanted.member == self._shown(about.member):
            self._in_bytes(file, about, self._wanted)
        yield from ()

    def _in_bytes(self, file: BinaryIO, about: FileInfo, one: Sought) -> None:
        at = one.location["byte_offset"] - about.offset
        if not 0 <= at <= (about.size or 0):
            return
        is_text = is_text_type(about.media_type)
        encoding = "utf-8" if is_text else "latin-1"
        size = self._size(file, one, at, encoding)
        if size is None:
            return
        reach = self._amount.chars + MARGIN
        first = max(0, at - reach)
        file.seek(first)
        data = file.read(at - first + size + reach)
        texts, starts = list[str](), list[Array]()
        for begin, end in pairwise((0, at - first, at - first + size, len(data))):
            piece = data[begin:end].decode(encoding, "surrogateescape")  # turns each byte that is not text into one character
            lengths = np.fromiter((1 if not is_text or _BYTE.match(c) else len(c.encode()) for c in piece), np.int64, len(piece))
            starts.append(np.cumsum(lengths) - lengths + begin)
            texts.append(_BYTE.sub("\ufffd", piece))
        where = np.concatenate(starts) + first + about.offset
        unit = ("bytes", one.member)
        before, text, after = texts
        stretch = Stretch(before + text + after, unit, where, where + 1, -1, first)
        self._bytes = stretch, len(before), len(before + text), is_text

    def _size(self, file: BinaryIO, one: Sought, at: int, encoding: str) -> int | None:
        """Return the length of the hit in bytes, or None if it is no longer there.

        The row does not record the length but shows the bytes.
        """
        for size in range(EVIDENCE + 1):
            text, start, end = text_in_file(file, Hit("", at, at + size), encoding)
            if one.fits(text, start, end, self._sensitive, at > start):
                return size
        return None

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Search texts for locations that were found in texts."""
        for segment in self._segments(texts):
            self._look(segment)
        return []

    def _segments(self, texts: pa.RecordBatch) -> Iterator[_Segment]:
        """Yield the relevant texts of a batch."""
        names = ("artifact", "member", "part", "row", "column", "page", "view", "decoded_via", "start")
        for at, (part, member, inside, row, column, page, view, via, start) in enumerate(
            zip(*(texts.column(name).to_pylist() for name in names), strict=True)
        ):
            self._count += 1
            rows, chars = self._shift(part)
            shown = self._shown(member)
            unit = (shown, self._shown(inside), self._rows.get(shown) if row is None else row + rows, self._shown(column), page)
            if unit in self._sought or unit == self._wanted.unit or self._beside(unit):
                text = texts.column("text")[at].as_py()
                owned = texts.column("owned")[at].as_py()
                origins = [
                    Origin(one["at"], one["start"] + chars, one["end"] + chars, one["line"])
                    for one in texts.column("origins")[at].as_py() or ()
                ]
                whole = len(text) if owned is None else min(owned, len(text))
                yield _Segment(self._count, unit, column, view, via, text, (start or 0) + chars, whole, origins)

    def _shift(self, part: int) -> tuple[int, int]:
        """Return the number of rows and characters in the parts before this one."""
        if self._kind not in BYTE_RANGES:
            return 0, 0
        before = self._outcomes[:part]
        return sum(one.rows for one in before), sum(one.chars for one in before) if self._kind == "lines" else 0

    def _shown(self, name: str | None) -> str | None:
        """Return a name as results show it."""
        if name is None or not self._masked:
            return name
        if name not in self._names:
            self._names[name] = next((shown for shown in self._masked if self._is_name(shown, name)), name)
        return self._names[name]

    def ambiguous(self) -> str | None:
        """Return a masked name of the wanted location that matches several names, which only the site key can distinguish."""
        shown = list(self._names.values())
        return next((name for name in _names(self._wanted) if shown.count(name) > 1), None)

    def _is_name(self, shown: str, name: str) -> bool:
        bare = TAGGED.sub("", shown)
        alike = len(bare) == len(name) and all(a in ("*", b) for a, b in zip(bare, name, strict=True))
        return alike and (not self._key or shown == tagged(bare, name, self._key))

    def _beside(self, unit: Unit) -> bool:
        """Return whether the unit is another cell of the same row or, where there are no rows, a named text next to another."""
        wanted = self._wanted.unit
        return not self._wanted.in_bytes and wanted[3] is not None and unit[3] is not None and unit[:3] == wanted[:3]

    def _look(self, segment: _Segment) -> None:
        for one in self._others_in(segment):
            self._find(segment, one)
        if self._wanted.in_bytes:
            return
        ours = segment.unit == self._wanted.unit
        if ours and self._hit is None and (found := self._at(segment, self._wanted)) is not None:
            self._hit = segment, *found
        elif ours and segment.unit[3] is None and segment.view == self._wanted.location["view"] != "decoded":
            if self._hit is None:
                self._before.append(segment)
                while sum(len(one.text) for one in self._before) - len(self._before[0].text) > self._amount.chars + MARGIN:
                    self._before.popleft()
            elif len(self._after) < _STREAM and sum(len(one.text) for one in self._after) <= self._amount.chars + MARGIN:
                self._after.append(segment)
        elif self._beside(segment.unit) and not ours and segment.view != "decoded":
            self._keep_cell(segment)

    def _keep_cell(self, segment: _Segment) -> None:
        if self._wanted.unit[2] is not None:
            if len(self._cells) < _CELLS:
                self._cells.append(segment)
        elif self._hit is None:
            self._recent.append(segment)
        elif self._near < _NEAR:
            self._near += 1
            self._recent = deque([*self._recent, segment])

    def _others_in(self, segment: _Segment) -> Sequence[Sought]:
        """Return the other locations that may lie in a segment."""
        starts, several = self._sought.get(segment.unit, ((), ()))
        first, last = segment.extent()
        return several[bisect_left(starts, first) : bisect_left(starts, last + 1)]

    def _find(self, segment: _Segment, one: Sought) -> None:
        if one.category in (SECRET, PERSONAL) and (found := self._at(segment, one)) is not None:
            self._located.add(id(one))
            self._spans.append(Span(one.category, segment.unit, *_range(one), segment.number, *found))
            if (offset := one.location.get("byte_offset")) is not None:
                size = len(segment.text[slice(*found)].encode("utf-8", "replace"))
                self._spans.append(Span(one.category, ("bytes", one.member), offset, offset + size))

    def _at(self, segment: _Segment, one: Sought) -> tuple[int, int] | None:
        """Return the position of a location in a segment, or None if it is not there or other text stands there."""
        at = one.location
        if (segment.view, segment.via) != (at["view"], at["decoded_via"]):
            return None
        if not segment.origins:
            first, last = at["start"] - segment.start, at["end"] - segment.start
            inside = 0 <= first <= last <= len(segment.text) and (first < segment.owned or first == last == 0)
            return (first, last) if inside and one.fits(segment.text, first, last, self._sensitive) else None
        mapped = segment.mapped()
        begins, ends = np.flatnonzero(mapped.starts == at["start"]), np.flatnonzero(mapped.ends == at["end"])
        if not len(begins) or not len(ends):
            return None
        first, last = int(begins[0]), int(ends[-1]) + 1
        if one.fits(segment.text, first, last, self._sensitive):
            return first, last
        return self._among(segment.text, first, last, one)

    def _among(self, text: str, first: int, last: int, one: Sought) -> tuple[int, int] | None:
        """Locate a hit among characters that all map to the same range (base64, for example), using what the row shows."""
        pieces = [visible(character) for character in text]
        edges = np.concatenate(([0], np.cumsum([len(piece) for piece in pieces])))
        before, after = one.around or ("", "")
        after = after if len(one.evidence) < EVIDENCE else ""
        pattern = f"{_wildcard(before)}(?P<hit>{_wildcard(one.evidence)}){_wildcard(after)}"
        for found in re.compile(pattern, re.DOTALL).finditer("".join(pieces), max(0, int(edges[first]) - len(before)), int(edges[-1])):
            start, end = (int(np.searchsorted(edges, edge)) for edge in found.span("hit"))
            if first <= start <= end <= last:
                one.fits(text, start, end, self._sensitive)
                return start, end
        return None

    def answer(self) -> dict[str, Any] | None:
        """Return the passage, or None if its location was not found. Call it after the whole artifact has been read."""
        if self._bytes is not None:
            stretch, start, end, is_text = self._bytes
            return self._cut([stretch], start, end, "text" if is_text else "bytes")
        if self._hit is None:
            return None
        segment, first, last = self._hit
        stretches, before = self._stretches(segment, first, last)
        numbered = not segment.origins and segment.column is None and segment.unit[2] is None
        return self._cut(stretches, before, before + last - first, "text") | {
            "numbered": numbered,
            "cells": [[self._column(one), self._whole(one)] for one in self._row()],
        }

    def _row(self) -> Sequence[_Segment]:
        return self._cells or list(self._recent)

    def _column(self, segment: _Segment) -> str:
        return str(segment.column if self._reveal else self._hidden([Stretch.of(str(segment.column))], 0, 0, ""))

    def _whole(self, segment: _Segment) -> str:
        text = self._hidden([segment.stretch(0, min(len(segment.text), _CELL_CHARS + MARGIN))], 0, 0, "")
        return text if len(text) <= _CELL_CHARS else f"{text[:_CELL_CHARS]}…"

    def _stretches(self, segment: _Segment, first: int, last: int) -> tuple[list[Stretch], int]:
        """Return the text around a hit, across segment borders, and the offset of the hit in it."""
        reach = self._amount.chars + MARGIN
        left, right = max(0, first - reach), min(len(segment.text), last + reach)
        found, before = [segment.stretch(left, right)], first - left
        behind, room = segment, reach - before
        while room > 0 and self._before:
            one = self._before.pop()
            between = _between(one, behind)
            found[:0] = [one.stretch(max(0, one.owned - room), one.owned), *([Stretch.of(between)] if between else [])]
            before += len(found[0].text) + len(between)
            room -= one.owned
            behind = one
        ahead, room = segment, reach - (right - last)
        for one in self._after if right == len(segment.text) else ():
            between, skipped = _between(ahead, one), len(ahead.text) - ahead.owned
            found += [
                *([Stretch.of(between)] if between else []),
                one.stretch(min(skipped, len(one.text)), min(len(one.text), skipped + room)),
            ]
            room -= len(one.text)
            ahead = one
            if room <= 0:
                break
        return found, before

    def _cut(self, stretches: Sequence[Stretch], start: int, end: int, kind: str) -> dict[str, Any]:
        """Return the lines to show."""
        text = self._hidden(stretches, start, end, self._wanted.category)
        first, last = self._amount.edges(text, start, end, kind)
        within = first > 0 and text[first - 1] != "\n", end - start > HIT, last < len(text) and text[last] != "\n"
        return {
            "kind": kind,
            "before": text[first:start],
            "text": text[start : min(end, start + HIT)],
            "after": text[end:last],
            "cut": list(within) if kind == "text" else [False] * 3,
        }

    def _hidden(self, stretches: Sequence[Stretch], start: int, end: int, category: str) -> str:
        if self._reveal:
            return "".join(one.text for one in stretches)
        cover = PassageMask(self._sensitive, [*self._spans, *self._unfound()])
        text = cover.over(stretches, start, end, category)
        return initials(text) if self._blind else text

    def _unfound(self) -> Iterator[Span]:
        """Yield the ranges of sensitive locations that were not found, as their rows record them."""
        for one in self._others:
            if one.category in (SECRET, PERSONAL) and id(one) not in self._located:
                if one.in_bytes:
                    offset = one.location["byte_offset"]
                    size = 4 * len(one.evidence) if len(one.evidence) < EVIDENCE else 1 << 40
                    yield Span(one.category, ("bytes", one.member), offset, offset + size)
                else:
                    yield Span(one.category, one.unit, *_range(one))


def _names(one: Sought) -> list[str]:
    """Return the names in its location that come from the corpus."""
    return [name for name in (one.member, one.location.get("part"), one.location.get("column")) if name]


def _range(one: Sought) -> tuple[int, int]:
    return one.location["start"], one.location["end"]


def _between(one: _Segment, following: _Segment) -> str:
    """Return the separator between two texts of a unit: empty if the second continues the first."""
    goes_on = one.owned < len(one.text) or (not one.origins and not following.origins and one.start + len(one.text) == following.start)
    return "" if goes_on else "\n"


def _wildcard(shown: str) -> str:
    """Return a pattern for masked text, in which a star stands for any character. Atomic groups keep it fast on any text."""
    return "".join(rf"(?>{_ESCAPE}|.)" if character == "*" else re.escape(character) for character in shown)
