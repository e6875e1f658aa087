"""Mask in a passage what results mask: forms of secrets, values of other findings, and repetitions of those values.

It does not depend on any reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from veritensor_ray.core.origins import Array, Mapped
from veritensor_ray.masking.evidence import masked_around
from veritensor_ray.masking.redaction import INNER, PERSONAL, SECRET, stars
from veritensor_ray.masking.sensitive_values import SHORTEST, Values, without_values


@dataclass(frozen=True, slots=True)
class Span:
    """The range a finding covers.

    `[start, end)` counts characters of the unit. If the finding lies in the segment `number`, `[first, last)` counts that segment's
    characters.
    """

    kind: str
    unit: tuple[Any, ...]
    start: int
    end: int
    number: int | None = None
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters of the segment `number`, starting at `first`.

    `starts` and `ends` map each character to its range in the unit.
    """

    text: str
    unit: tuple[Any, ...]
    starts: Array
    ends: Array
    number: int
    first: int

    @classmethod
    def of(cls, text: str) -> Stretch:
        """Wrap a text that belongs to no unit: a name, or a separator between two texts."""
        nowhere = np.full(len(text), -1, np.int64)
        return cls(text, (), nowhere, nowhere, -1, 0)

    @classmethod
    def within(cls, mapped: Mapped, unit: tuple[Any, ...], number: int, first: int, last: int) -> Stretch:
        """Take a range of a text whose characters are mapped back to their unit."""
        part = mapped.part(first, last)
        return cls(part.text, unit, part.starts, part.ends, number, first)

    def covered(self, span: Span) -> slice | Array:
        """Return which of the characters a span covers."""
        if span.number == self.number:
            return slice(max(0, span.first - self.first), max(0, span.last - self.first))
        return np.flatnonzero((self.starts < span.end) & (self.ends > span.start))


@dataclass(slots=True)
class Sensitive:
    """Values that must not be shown. Values too short to search for in every spelling are hidden as whole words only."""

    values: Values = field(default_factory=Values)
    short: dict[str, str] = field(default_factory=dict)

    def note(self, kind: str, value: str) -> None:
        """Remember a value that a finding covers."""
        for one in {value, " ".join(value.split())}:  # finding IDs ignore white space too
            self.values.note(kind, one)
        if 1 < len(value.strip()) < SHORTEST:
            self.short[value.strip()] = kind


@dataclass(frozen=True, slots=True)
class PassageMask:
    """What must be hidden in all passages of an artifact."""

    sensitive: Sensitive
    spans: Sequence[Span]

    def over(self, stretches: Sequence[Stretch], start: int, end: int, category: str) -> str:
        """Return the joined text of the stretches with everything sensitive masked; its length does not change.

        `[start, end)` is the hit, and `category` its category.
        """
        text = "".join(one.text for one in stretches)
        masked = masked_around(text, start, end, category, self.sensitive.values.note, bool(stretches[0].first))
        for kind, hide in ((PERSONAL, initials), (SECRET, stars)):
            flags = self._flags(stretches, kind)
            if category == SECRET:
                flags[start:end] = False  # already masked, except for the part that shows its kind
            masked = _replaced(masked, flags, hide)
        masked = _without(_without(masked, range(len(masked)), self.sensitive.values), _single_spaced(masked), self.sensitive.values)
        for value, kind in self.sensitive.short.items():
            hide = initials if kind == PERSONAL else stars
            masked = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", lambda found, hide=hide: hide(found.group()), masked)  # type: ignore[misc]
        return masked

    def _flags(self, stretches: Iterable[Stretch], kind: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Mark the characters of the joined text that findings of a kind cover."""
        parts = []
        for stretch in stretches:
            flags = np.zeros(len(stretch.text), bool)
            for span in self.spans:
                if span.kind == kind and span.unit == stretch.unit:
                    flags[stretch.covered(span)] = True
            parts.append(flags)
        return np.concatenate(parts)


def _single_spaced(text: str) -> list[int]:
    """Return the positions of the characters that remain when runs of white space are collapsed."""
    return [at for at, character in enumerate(text) if not (at and character.isspace() and text[at - 1].isspace())]


def _without(text: str, places: Sequence[int], values: Values) -> str:
    """Mask sensitive values in the text formed by the characters at `places`. The length does not change."""
    said = "".join(text[at] for at in places)
    shown = list(text)
    for at, character in zip(places, without_values([said], values).get(said, said), strict=True):
        shown[at] = character if character == "*" else shown[at]
    return "".join(shown)


def initials(text: str) -> str:
    """Mask every word except its first characters."""
    return INNER.sub("*", text)


def _replaced(text: str, flags: np.ndarray[Any, np.dtype[np.bool_]], hide: Callable[[str], str]) -> str:
    """Mask each run of flagged characters."""
    if not flags.any():
        return text
    edges = [0, *(np.flatnonzero(np.diff(flags)) + 1).tolist(), len(text)]
    return "".join(hide(text[begin:end]) if flags[begin] else text[begin:end] for begin, end in pairwise(edges))
