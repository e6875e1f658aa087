"""Hides in a passage what results hide: forms of secrets, what other findings cover, and their values wherever one stands; it knows no reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from veritensor_ray.findings.evidence import masked_around
from veritensor_ray.findings.redact import INNER, PERSONAL, SECRET, stars
from veritensor_ray.findings.sensitive_values import SHORTEST, Values, without_values
from veritensor_ray.origins import Array, Mapped


@dataclass(frozen=True, slots=True)
class Span:
    """What a finding covers: `[start, end)` of a unit; of the segment `number`, where it was found in one, the characters `[first, last)`."""

    kind: str
    unit: tuple[Any, ...]
    start: int
    end: int
    number: int | None = None
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """The characters of the segment `number` from `first` on; `starts` and `ends` have the range of the unit that each stands for."""

    text: str
    unit: tuple[Any, ...]
    starts: Array
    ends: Array
    number: int
    first: int

    @classmethod
    def of(cls, text: str) -> Stretch:
        """A text that stands in no unit: a name, or what is put between two texts."""
        nowhere = np.full(len(text), -1, np.int64)
        return cls(text, (), nowhere, nowhere, -1, 0)

    @classmethod
    def within(cls, mapped: Mapped, unit: tuple[Any, ...], number: int, first: int, last: int) -> Stretch:
        """A range of a text whose characters are led back to their unit."""
        part = mapped.part(first, last)
        return cls(part.text, unit, part.starts, part.ends, number, first)

    def covered(self, span: Span) -> slice | Array:
        """Which of its characters a span covers."""
        if span.number == self.number:
            return slice(max(0, span.first - self.first), max(0, span.last - self.first))
        return np.flatnonzero((self.starts < span.end) & (self.ends > span.start))


@dataclass(slots=True)
class Sensitive:
    """Values that must not be shown. Of those too short to be looked for in every spelling, whole words are hidden."""

    values: Values = field(default_factory=Values)
    short: dict[str, str] = field(default_factory=dict)

    def note(self, kind: str, value: str) -> None:
        """Remember what a finding covers."""
        for one in {value, " ".join(value.split())}:  # finding ids know no more of white space either
            self.values.note(kind, one)
        if 1 < len(value.strip()) < SHORTEST:
            self.short[value.strip()] = kind


@dataclass(frozen=True, slots=True)
class Cover:
    """What is hidden of all passages of an artifact."""

    sensitive: Sensitive
    spans: Sequence[Span]

    def over(self, stretches: Sequence[Stretch], start: int, end: int, category: str) -> str:
        """The text of some stretches, in which a hit of that category is `[start, end)`; as long as it was."""
        text = "".join(one.text for one in stretches)
        masked = masked_around(text, start, end, category, self.sensitive.values.note, bool(stretches[0].first))
        for kind, hide in ((PERSONAL, initials), (SECRET, stars)):
            flags = self._flags(stretches, kind)
            if category == SECRET:
                flags[start:end] = False  # covered already, but for what tells its kind
            masked = _replaced(masked, flags, hide)
        masked = _without(_without(masked, range(len(masked)), self.sensitive.values), _single_spaced(masked), self.sensitive.values)
        for value, kind in self.sensitive.short.items():
            hide = initials if kind == PERSONAL else stars
            masked = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", lambda found, hide=hide: hide(found.group()), masked)  # type: ignore[misc]
        return masked

    def _flags(self, stretches: Iterable[Stretch], kind: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which characters of the joined text findings of a kind cover."""
        parts = []
        for stretch in stretches:
            flags = np.zeros(len(stretch.text), bool)
            for span in self.spans:
                if span.kind == kind and span.unit == stretch.unit:
                    flags[stretch.covered(span)] = True
            parts.append(flags)
        return np.concatenate(parts)


def _single_spaced(text: str) -> list[int]:
    """Places of the characters that are left where several of white space become one."""
    return [at for at, character in enumerate(text) if not (at and character.isspace() and text[at - 1].isspace())]


def _without(text: str, places: Sequence[int], values: Values) -> str:
    """The text without the values that its characters at those places make up; as long as it was."""
    said = "".join(text[at] for at in places)
    shown = list(text)
    for at, character in zip(places, without_values([said], values).get(said, said), strict=True):
        shown[at] = character if character == "*" else shown[at]
    return "".join(shown)


def initials(text: str) -> str:
    """A text of which every word is hidden but for its beginning."""
    return INNER.sub("*", text)


def _replaced(text: str, flags: np.ndarray[Any, np.dtype[np.bool_]], hide: Callable[[str], str]) -> str:
    """The text with each run of flagged characters hidden."""
    if not flags.any():
        return text
    edges = [0, *(np.flatnonzero(np.diff(flags)) + 1).tolist(), len(text)]
    return "".join(hide(text[begin:end]) if flags[begin] else text[begin:end] for begin, end in pairwise(edges))
