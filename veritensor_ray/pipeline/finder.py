"""Finds places of findings again in what readers make of an artifact, and keeps the passage around one of them; it opens no file.

It is an engine that reports nothing, so that it is shown the same bytes and segments as the engines that found something there. It runs
where hostile bytes are decoded, and what it answers is data.
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

from veritensor_ray.corpus.planning import BYTE_RANGES
from veritensor_ray.detection import FileInfo, Hit, Rule
from veritensor_ray.engines.base import Needs
from veritensor_ray.findings.concealment import EVIDENCE
from veritensor_ray.findings.evidence import MARGIN, evidence_of
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.findings.recorder import text_in_file
from veritensor_ray.findings.redact import PERSONAL, SECRET, TAGGED, tagged, visible
from veritensor_ray.media_types import is_text_type
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.origins import Array, Mapped, Origin, from_origins
from veritensor_ray.pipeline.cover import Cover, Sensitive, Span, Stretch, initials
from veritensor_ray.pipeline.passage import HIT, Amount

Unit = tuple[Any, ...]  # where characters are counted in: member, part, row, column, page
_STREAM, _CELLS, _CELL_CHARS, _NEAR = 200, 100, 400, 4
_BYTE = re.compile("[\udc80-\udcff]")
_ESCAPE = r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}"


@dataclass(frozen=True, slots=True)
class Sought:
    """A place of a finding, as its row has it. `around` is what the row shows before and behind it; None for any but the first place."""

    member: str | None
    location: dict[str, Any]
    category: str
    evidence: str
    around: tuple[str, str] | None

    @property
    def unit(self) -> Unit:
        """The text in which its characters are counted."""
        at = self.location
        return self.member, at.get("part"), at.get("row"), at.get("column"), at.get("page")

    @property
    def in_bytes(self) -> bool:
        """Whether an engine over bytes found it."""
        return self.location.get("start") is None

    def fits(self, text: str, start: int, end: int, sensitive: Sensitive, is_cut: bool = False) -> bool:
        """Whether what stands there is what the row shows of it. Values that must not be shown elsewhere are noted."""
        seen = evidence_of(text, start, end, self.category, sensitive.values.note, is_cut)
        if self.around == ("", "") and (seen.before or seen.after):
            return True  # the engine's own words, which no text can be compared with
        same = _alike(seen.shown, self.evidence)
        same = same and (self.around is None or all(map(_alike, (seen.before, seen.after), self.around)))
        if same and self.category in (SECRET, PERSONAL):
            sensitive.note(self.category, seen.raw)
        return same


def _alike(one: str, other: str) -> bool:
    """Equal but for white space, case and what is masked of either; finding ids know no more either."""
    one, other = (" ".join(text.split()).lower() for text in (one, other))
    return len(one) == len(other) and all(a == b or "*" in (a, b) for a, b in zip(one, other, strict=True))


@dataclass(slots=True)
class _Segment:
    """A text that a reader gave, and where its characters stand in their unit."""

    number: int
    unit: Unit
    column: str | None  # the name as the corpus has it
    view: str
    via: str | None
    text: str
    start: int
    owned: int
    origins: list[Origin]

    def mapped(self) -> Mapped:
        """For each character the range of the original that it stands for."""
        if self.origins:
            return from_origins(self.text, self.origins)
        mapped = Mapped(self.text)
        mapped.starts, mapped.ends = mapped.starts + self.start, mapped.ends + self.start
        return mapped

    def stretch(self, first: int, last: int) -> Stretch:
        """The characters `[first, last)`."""
        return Stretch.within(self.mapped(), self.unit, self.number, first, last)

    def extent(self) -> tuple[int, int]:
        """The range of the unit that all of it stands for."""
        if self.origins:
            return min(one.start for one in self.origins), max(one.end for one in self.origins)
        return self.start, self.start + len(self.text)


class Finder:
    """`others` are places of the same artifact whose values are hidden in the passage; without them it is shown as it is.

    `blind` says that there are more such values than places are known of: then of every word no more than its beginning is shown.
    """

    name = "finder"
    version = "1"
    needs = Needs()

    def __init__(self, wanted: Sought, others: Sequence[Sought], amount: Amount, key: bytes, reveal: bool, blind: bool = False) -> None:
        self._blind = blind
        self._wanted, self._others, self._amount, self._key, self._reveal = wanted, others, amount, key, reveal
        self._outcomes: Sequence[Outcome] = ()
        self._kind = "whole"
        self._sensitive = Sensitive()
        self._spans: list[Span] = []
        self._located: set[int] = set()
        self._names: dict[str, str] = {}
        # in this order: whatever looks like a name of the wanted place is taken for it, and where there are two, it is not shown
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
        """Hear of the parts of an artifact, which count from their own beginnings where it was split into parts of that kind."""
        self._outcomes, self._kind = outcomes, kind

    def applies(self, about: FileInfo) -> bool:
        """To everything."""
        return True

    def load(self, models: ModelStore) -> None:
        """Nothing to load."""

    def rules(self) -> Sequence[Rule]:
        """None: it reports nothing."""
        return ()

    def fingerprint(self) -> str:
        """Of no finding."""
        return f"{self.name}-{self.version}"

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterator[Hit]:
        """Look at the bytes of a file for places that were found in bytes."""
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
            piece = data[begin:end].decode(encoding, "surrogateescape")  # which makes one character of each byte that is no text
            lengths = np.fromiter((1 if not is_text or _BYTE.match(c) else len(c.encode()) for c in piece), np.int64, len(piece))
            starts.append(np.cumsum(lengths) - lengths + begin)
            texts.append(_BYTE.sub("\ufffd", piece))
        where = np.concatenate(starts) + first + about.offset
        unit = ("bytes", one.member)
        before, text, after = texts
        stretch = Stretch(before + text + after, unit, where, where + 1, -1, first)
        self._bytes = stretch, len(before), len(before + text), is_text

    def _size(self, file: BinaryIO, one: Sought, at: int, encoding: str) -> int | None:
        """How many bytes the hit has: a row does not say it, but shows what they are. None where they are not there any more."""
        for size in range(EVIDENCE + 1):
            text, start, end = text_in_file(file, Hit("", at, at + size), encoding)
            if one.fits(text, start, end, self._sensitive, at > start):
                return size
        return None

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Look at texts for places that were found in texts."""
        for segment in self._segments(texts):
            self._look(segment)
        return []

    def _segments(self, texts: pa.RecordBatch) -> Iterator[_Segment]:
        """Those texts of a batch that matter."""
        names = ("artifact", "member", "part", "row", "column", "page", "view", "decoded_via", "start")
        for at, (part, member, inside, row, column, page, view, via, start) in enumerate(
            zip(*(texts.column(name).to_pylist() for name in names), strict=True)
        ):
            self._count += 1
            rows, chars = self._shift(part)
            unit = (self._shown(member), self._shown(inside), None if row is None else row + rows, self._shown(column), page)
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
        """Rows and characters in the parts before this one."""
        if self._kind not in BYTE_RANGES:
            return 0, 0
        before = self._outcomes[:part]
        return sum(one.rows for one in before), sum(one.chars for one in before) if self._kind == "lines" else 0

    def _shown(self, name: str | None) -> str | None:
        """What results show of a name."""
        if name is None or not self._masked:
            return name
        if name not in self._names:
            self._names[name] = next((shown for shown in self._masked if self._is_name(shown, name)), name)
        return self._names[name]

    def ambiguous(self) -> str | None:
        """A masked name of the wanted place that stands for several in the artifact, which only the site key tells apart."""
        shown = list(self._names.values())
        return next((name for name in _names(self._wanted) if shown.count(name) > 1), None)

    def _is_name(self, shown: str, name: str) -> bool:
        bare = TAGGED.sub("", shown)
        alike = len(bare) == len(name) and all(a in ("*", b) for a, b in zip(bare, name, strict=True))
        return alike and (not self._key or shown == tagged(bare, name, self._key))

    def _beside(self, unit: Unit) -> bool:
        """Whether it is another cell of the row; where there are no rows, a text with a name beside one with a name."""
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
        """Those that may stand in a segment."""
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
        """Where in a segment a place is. None where it is not there, or where something else stands there."""
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
        """A place among characters that all stand for the same range, as those under base64 do: by what the row shows of it."""
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
        """The passage; None where its place was not found. To be asked when all of the artifact has been read."""
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
        """The text around a hit, over the edges of segments, and where the hit begins in it."""
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
        """The lines that are shown."""
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
        cover = Cover(self._sensitive, [*self._spans, *self._unfound()])
        text = cover.over(stretches, start, end, category)
        return initials(text) if self._blind else text

    def _unfound(self) -> Iterator[Span]:
        """Places of which only their row tells where they are."""
        for one in self._others:
            if one.category in (SECRET, PERSONAL) and id(one) not in self._located:
                if one.in_bytes:
                    offset = one.location["byte_offset"]
                    size = 4 * len(one.evidence) if len(one.evidence) < EVIDENCE else 1 << 40
                    yield Span(one.category, ("bytes", one.member), offset, offset + size)
                else:
                    yield Span(one.category, one.unit, *_range(one))


def _names(one: Sought) -> list[str]:
    """The names in its place that the corpus gave."""
    return [name for name in (one.member, one.location.get("part"), one.location.get("column")) if name]


def _range(one: Sought) -> tuple[int, int]:
    return one.location["start"], one.location["end"]


def _between(one: _Segment, following: _Segment) -> str:
    """What stands between two texts of a unit: nothing where one goes on in the other."""
    goes_on = one.owned < len(one.text) or (not one.origins and not following.origins and one.start + len(one.text) == following.start)
    return "" if goes_on else "\n"


def _wildcard(shown: str) -> str:
    """A pattern of what is shown, where a star stands for whatever is behind it. Atomic, so that no text makes it slow."""
    return "".join(rf"(?>{_ESCAPE}|.)" if character == "*" else re.escape(character) for character in shown)
