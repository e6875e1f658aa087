"""Hide in a finding the personal data and secrets that other findings of the artifact cover.

It does not depend on engines or rules.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from veritensor_ray.core.detection import EVIDENCE
from veritensor_ray.masking.redaction import INNER, PERSONAL, SECRET, blanked, without_random

_ESCAPE = re.compile(r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}")
_ESCAPE_OR_WIDE = re.compile(_ESCAPE.pattern + r"|[^\x00-\x7f]")
_KEPT = re.compile(r"(?P<kept>[A-Za-z][A-Za-z0-9+.-]{0,20}://|@$)|\S")
_WORDS = re.compile(r"\w")


class Shown(NamedTuple):
    """Where the characters that a finding shows come from, as far as its location does not say so.

    Derived text (not the original's) has a number, `text`, in which the hit is `[start, end)`; `fields` then gives the characters of the
    original behind the text before the hit, the hit, and the text after it. `quoted` means that the evidence is text from there, not the
    engine's own words. `byte_end` belongs to the location's `byte_offset`.
    """

    category: str
    quoted: bool = True
    text: int | None = None
    start: int = 0
    end: int = 0
    fields: tuple[tuple[int, int], ...] = ()
    byte_end: int | None = None


Range = tuple[tuple[Any, ...], int, int, int | None]  # unit that offsets are counted in, start, end, and the text it was found in


@dataclass(slots=True)
class Covered:
    """The places that findings of personal data and secrets cover, by category and rule, as ranges."""

    places: dict[tuple[str, str], list[tuple[Range, ...]]] = field(default_factory=dict)

    def add(self, rule: str, member: str | None, location: Mapping[str, Any], shown: Shown) -> None:
        """Remember a place."""
        self.places.setdefault((shown.category, rule), []).append(tuple(_ranges(member, location, shown)))

    def merge(self, other: Covered, limit: int) -> None:
        """Merge what another stage found, up to what one stage remembers: `limit` facts per rule, and as many further places."""
        for key, found in other.places.items():
            known = self.places.setdefault(key, [])
            known += found[: max(0, 2 * limit - len(known))]


def conceal(rows: Sequence[Mapping[str, Any]], covered: Covered) -> Iterator[dict[str, Any]]:
    """Yield the findings of one artifact, each without the values that any of them found. Removes the key `shown`."""
    if not rows:
        return
    units = _Units(covered)
    for row in rows:
        rest = dict(row)
        shown = rest.pop("shown", None)
        if units and shown:
            rest |= _redacted(row, shown, units)
        yield rest


class _Spans:
    """Disjoint ranges of one unit, each with the text it was found in, or None if there are several."""

    def __init__(self, ranges: Iterable[tuple[int, int, int | None]]) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.texts: list[int | None] = []
        for start, end, text in sorted(ranges, key=lambda one: one[:2]):
            if self.ends and start <= self.ends[-1]:
                self.ends[-1] = max(end, self.ends[-1])
                self.texts[-1] = self.texts[-1] if text == self.texts[-1] else None
            else:
                self.starts.append(start)
                self.ends.append(end)
                self.texts.append(text)

    def within(self, first: int, last: int, but: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield the ranges that overlap `[first, last)`, except those of the text `but`."""
        for i in range(bisect_right(self.ends, first), bisect_left(self.starts, last)):
            if but is None or self.texts[i] != but:
                yield self.starts[i], self.ends[i]


_NOTHING = _Spans(())


@dataclass(frozen=True, slots=True)
class _Both:
    secret: _Spans = _NOTHING
    personal: _Spans = _NOTHING

    def exact(self, text: str, first: int, but: int | None = None) -> str:
        """Mask a text whose first character is at `first`."""
        return _replaced(_replaced(text, first, self.personal, _initials, but), first, self.secret, _solid, but)

    def led_back(self, text: str, first: int, last: int, but: int) -> str:
        """Mask a text derived from `[first, last)`; character by character if the lengths match."""
        return self.exact(text, first, but) if len(text) == last - first else self.blurred(text, first, last, but)

    def blurred(self, text: str, first: int, last: int, but: int | None = None) -> str:
        """Mask a text that comes from somewhere in `[first, last)`."""
        if text and any(self.secret.within(first, last, but)):
            return _WORDS.sub("*", text)
        return INNER.sub("*", text) if text and any(self.personal.within(first, last, but)) else text


def _initials(text: str) -> str:
    return INNER.sub("*", text)


def _solid(text: str) -> str:
    """Mask everything except white space. The syntax of credentials in a URI is kept."""
    if "://" not in text and not text.endswith("@"):
        return blanked(text)
    return _KEPT.sub(lambda found: found["kept"] or "*", text)


def _replaced(text: str, first: int, spans: _Spans, hide: Callable[[str], str], but: int | None) -> str:
    if not text or not spans.starts:
        return text
    pieces, at = [], 0
    for start, end in spans.within(first, first + len(text), but):
        start, end = start - first if start > first else 0, end - first  # a slice ends with the text
        pieces += [text[at:start], hide(text[start:end])]
        at = end
    return "".join(pieces) + text[at:] if pieces else text


class _Units:
    """Ranges grouped by the unit in which offsets are counted."""

    def __init__(self, covered: Covered) -> None:
        self._units: dict[tuple[Any, ...], _Both] = {}
        found: dict[str, dict[tuple[Any, ...], list[tuple[int, int, int | None]]]] = {SECRET: {}, PERSONAL: {}}
        for (category, _), places in covered.places.items():
            for unit, start, end, text in (one for place in places for one in place):
                found[category].setdefault(unit, []).append((start, end, text))
        for unit in found[SECRET].keys() | found[PERSONAL].keys():
            self._units[unit] = _Both(_Spans(found[SECRET].get(unit, ())), _Spans(found[PERSONAL].get(unit, ())))

    def __bool__(self) -> bool:
        return bool(self._units)

    def at(self, unit: tuple[Any, ...]) -> _Both:
        return self._units.get(unit, _EMPTY)


_EMPTY = _Both()


def _ranges(member: str | None, at: Mapping[str, Any], shown: Shown) -> Iterator[Range]:
    if shown.text is not None:
        yield _shown_text(member, shown), shown.start, shown.end, shown.text
    if at.get("start") is not None and at.get("end") is not None:
        yield _characters(member, at), at["start"], at["end"], shown.text
    if at.get("byte_offset") is not None and shown.byte_end is not None:
        yield _bytes(member), at["byte_offset"], shown.byte_end, shown.text


def _shown_text(member: str | None, shown: Shown) -> tuple[Any, ...]:
    return "text", member, shown.text


def _characters(member: str | None, at: Mapping[str, Any]) -> tuple[Any, ...]:
    return "characters", member, at.get("part"), at.get("row"), at.get("column"), at.get("page")


def _bytes(member: str | None) -> tuple[Any, ...]:
    return "bytes", member


def _redacted(row: Mapping[str, Any], shown: Shown, units: _Units) -> dict[str, Any]:
    """Return the fields that change."""
    changed: dict[str, Any] = {}
    own = shown.category in (SECRET, PERSONAL)
    if not own and _touched(row, shown, units):
        names = ("message",) if shown.quoted else ("message", "evidence")
        changed = {name: without_random(row[name]) for name in names if row[name]}
    if shown.quoted:
        parts = [row[name] or "" for name in _FIELDS]
        if shown.category == SECRET:
            parts[1] = ""  # already masked, except for the part that shows its kind
        hidden = _hidden(row, shown, units, parts)
        changed |= {name: text for name, part, text in zip(_FIELDS, parts, hidden, strict=True) if text != part}
    return changed


_FIELDS = ("evidence_before", "evidence", "evidence_after")


def _touched(row: Mapping[str, Any], shown: Shown, units: _Units) -> bool:
    return any(
        any(spans.within(start, max(end, start + 1)))
        for unit, start, end, _ in _ranges(row["member"], row["location"], shown)
        for spans in (units.at(unit).secret, units.at(unit).personal)
    )


def _hidden(row: Mapping[str, Any], shown: Shown, units: _Units, parts: list[str]) -> list[str]:
    member, at = row["member"], row["location"]
    if shown.text is not None:
        exact = _aligned(parts, shown.start, shown.end, units.at(_shown_text(member, shown)), _ESCAPE, len)
        original = units.at(_characters(member, at))
        return [original.led_back(part, *where, shown.text) for part, where in zip(exact, shown.fields, strict=True)]
    if at.get("start") is not None and at.get("end") is not None:
        return _aligned(parts, at["start"], at["end"], units.at(_characters(member, at)), _ESCAPE, len)
    if at.get("byte_offset") is not None and shown.byte_end is not None:
        unsure = _ESCAPE if at.get("line") is None else _ESCAPE_OR_WIDE  # bytes that are not text are shown one by one
        return _aligned(parts, at["byte_offset"], shown.byte_end, units.at(_bytes(member)), unsure, _size)
    return parts


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _aligned(parts: list[str], start: int, end: int, both: _Both, unsure: re.Pattern[str], size: Callable[[str], int]) -> list[str]:
    """Mask the text before the hit, the evidence, and the text after it.

    Masking is exact next to the known position and approximate beyond an escape, which shifts the following text. An escape is at least as
    long as what it stands for, so the length of a piece limits where it can come from.
    """
    before, evidence, after = parts
    cut = max([match.end() for match in unsure.finditer(before)], default=0)
    known = start - len(before) + cut
    hidden = both.exact(before[cut:], known)
    if cut:
        hidden = both.blurred(before[:cut], known - size(before[:cut]), known) + hidden
    behind = min(end, start + EVIDENCE)
    return [hidden, _onwards(evidence, start, both, unsure, size), _onwards(after, behind, both, unsure, size)]


def _onwards(text: str, first: int, both: _Both, unsure: re.Pattern[str], size: Callable[[str], int]) -> str:
    match = unsure.search(text)
    if match is None:
        return both.exact(text, first)
    cut, rest = match.start(), text[match.start() :]
    return both.exact(text[:cut], first) + both.blurred(rest, first + cut, first + cut + size(rest))
