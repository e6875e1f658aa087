"""Maps characters of a decoded or assembled text back to the original; it does not depend on any encoding or identifier."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain, groupby
from typing import Any, NamedTuple, overload

import numpy as np

Array = np.ndarray[Any, np.dtype[np.int64]]


class Origin(NamedTuple):
    """The characters from `at` up to the next origin come from `[start, end)` of the original, which begins in `line`.

    If both ranges are equally long, they correspond character by character; otherwise each character stands for the whole range.
    """

    at: int
    start: int
    end: int
    line: int | None = None

    def straight(self, until: int) -> bool:
        """Whether its characters, which end at `until`, correspond to the original one by one."""
        return until - self.at == self.end - self.start

    def back(self, until: int, at: int) -> tuple[int, int]:
        """Returns start and end, in the original, of its character `at`."""
        if not self.straight(until):
            return self.start, self.end
        start = self.start + at - self.at
        return start, start + 1


class Origins(Sequence[Origin]):
    """The origins of one text, ordered by `at` and stored as columns: a heavily changed text has one for each character.

    `ats`, `starts` and `ends` hold the fields of an Origin; a negative entry of `lines` means that there is no line.
    """

    def __init__(self, ats: Array, starts: Array, ends: Array, lines: Array) -> None:
        self.ats, self.starts, self.ends, self.lines = ats, starts, ends, lines

    @classmethod
    def of(cls, origins: Sequence[Origin]) -> Origins:
        """Builds the columns from single origins."""
        if isinstance(origins, Origins):
            return origins
        columns = zip(*origins, strict=True) if len(origins) else ((), (), (), ())
        ats, starts, ends, lines = columns
        numbers = [-1 if line is None else line for line in lines]
        return cls(*(np.array(column, np.int64) for column in (ats, starts, ends, numbers)))

    @classmethod
    def joined(cls, texts: Sequence[Sequence[Origin]]) -> Origins:
        """Concatenates the origins of several texts; each `at` counts from the beginning of its own text."""
        parts: list[Origins] = []
        for as_columns, group in groupby(texts, key=lambda origins: isinstance(origins, Origins)):
            some = list(group)
            parts += map(cls.of, some) if as_columns else [cls.of([*chain.from_iterable(some)])]
        columns = zip(*((one.ats, one.starts, one.ends, one.lines) for one in parts or [cls.of([])]), strict=True)
        return cls(*map(np.concatenate, columns))

    @overload
    def __getitem__(self, index: int) -> Origin: ...
    @overload
    def __getitem__(self, index: slice) -> Origins: ...
    def __getitem__(self, index: int | slice) -> Origin | Origins:
        if isinstance(index, slice):
            return Origins(self.ats[index], self.starts[index], self.ends[index], self.lines[index])
        line = int(self.lines[index])
        return Origin(int(self.ats[index]), int(self.starts[index]), int(self.ends[index]), None if line < 0 else line)

    def __len__(self) -> int:
        return len(self.ats)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # unhashable, like a list

    def number(self, at: int) -> int:
        """Returns the number of the origin of character `at` of the text."""
        return max(0, int(np.searchsorted(self.ats, at, "right")) - 1)

    def until(self, number: int, length: int) -> int:
        """Returns where the characters of an origin end, in a text of `length` characters."""
        return int(self.ats[number + 1]) if number + 1 < len(self) else length

    def back(self, length: int, at: int) -> tuple[int, int]:
        """Returns start and end, in the original, of character `at` of a text of `length` characters."""
        number = self.number(at)
        return self[number].back(self.until(number, length), at)

    def all_back(self, length: int, at: Array) -> tuple[Array, Array]:
        """Does the same for many characters at once."""
        of = np.maximum(0, np.searchsorted(self.ats, at, "right") - 1)
        straight = np.append(self.ats, length)[of + 1] - self.ats[of] == self.ends[of] - self.starts[of]
        starts = self.starts[of] + np.where(straight, at - self.ats[of], 0)
        return starts, np.where(straight, starts + 1, self.ends[of])

    def lines_at(self, at: Array, length: int, line_ends: Array) -> Array:
        """Returns the line of each character in `at`, in a text of `length` characters whose lines end at `line_ends`; negative for none."""
        of = np.maximum(0, np.searchsorted(self.ats, at, "right") - 1)
        straight = np.append(self.ats[1:], length)[of] - self.ats[of] == self.ends[of] - self.starts[of]
        below = np.searchsorted(line_ends, at) - np.searchsorted(line_ends, self.ats[of])
        return self.lines[of] + np.where(straight & (self.lines[of] >= 0), below, 0)

    def cut(self, text: str, first: int, last: int) -> Origins:
        """Returns the origins of `text[first:last]`."""
        begin, end = self.number(first), int(np.searchsorted(self.ats, last, "left"))
        if first >= last or not len(self) or end <= begin:
            return self[:0]
        found = Origins(*(column[begin:end].copy() for column in (self.ats, self.starts, self.ends, self.lines)))
        head, tail = self[begin], self[end - 1]
        if tail.straight(until := self.until(end - 1, len(text))):
            found.ends[-1] -= max(0, until - last)
        if head.at < first and head.straight(self.until(begin, len(text))):
            found.starts[0] += first - head.at
            if head.line is not None:
                found.lines[0] += text.count("\n", head.at, first)
        found.ats[:] = np.maximum(found.ats - first, 0)
        return found


def cut_origins(origins: Sequence[Origin], text: str, first: int, last: int) -> list[Origin]:
    """Returns the origins of `text[first:last]`."""
    return list(Origins.of(origins).cut(text, first, last))


class Mapped:
    """A text with, for each character, the range of the original that it stands for (`starts`, `ends`); initially that is itself."""

    def __init__(self, text: str, starts: Array | None = None, ends: Array | None = None) -> None:
        self.text = text
        self.starts: Array = np.arange(len(text), dtype=np.int64) if starts is None else starts
        self.ends: Array = self.starts + 1 if ends is None else ends

    def sub(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str | None]) -> None:
        """Replaces matches; None leaves a match unchanged. Every character of a replacement stands for the whole match."""
        found = ((match, replace(match)) for match in pattern.finditer(self.text))
        self.put([(*match.span(), new) for match, new in found if new is not None and new != match.group()])

    def put(self, changes: Sequence[tuple[int, int, str]]) -> None:
        """Replaces the ranges `[start, end)`, which ascend and do not overlap.

        A replacement of equal length maps character by character; any other maps each of its characters to the whole range.
        """
        if not changes:
            return
        begins, ends = (np.fromiter((change[i] for change in changes), np.int64, len(changes)) for i in (0, 1))
        sizes = np.fromiter((len(change[2]) for change in changes), np.int64, len(changes))
        firsts = _alternating(np.append(0, ends), begins)  # alternately of kept and replaced ranges
        lengths = _alternating(np.append(begins, len(self.text)) - np.append(0, ends), sizes)
        lasts = _alternating(np.append(0, ends), ends - 1)
        steady = _alternating(np.ones(len(changes) + 1, bool), sizes == ends - begins)
        pieces = [self.text[a:b] for a, b in zip([0, *ends.tolist()], [*begins.tolist(), len(self.text)], strict=True)]
        self.text = "".join(chain.from_iterable(zip(pieces, [*(change[2] for change in changes), ""], strict=True)))
        within = np.where(np.repeat(steady, lengths), np.arange(len(self.text)) - np.repeat(np.cumsum(lengths) - lengths, lengths), 0)
        self.starts = self.starts[np.repeat(firsts, lengths) + within]
        self.ends = self.ends[np.repeat(np.where(steady, firsts, lasts), lengths) + within]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Returns the range of the original text behind a range of this one."""
        return int(self.starts[start:end].min()), int(self.ends[start:end].max())

    def part(self, start: int, end: int) -> Mapped:
        """Returns a range of this text, with its map."""
        return Mapped(self.text[start:end], self.starts[start:end], self.ends[start:end])

    def on(self, parent: Mapped) -> Mapped:
        """Returns the same text mapped to the original of `parent`, where `parent` is the original of this one."""
        if not len(self.starts):
            return self
        return Mapped(self.text, parent.starts[self.starts], parent.ends[self.ends - 1])

    def origins(self, lines_of: Callable[[Array], Array] | None = None) -> Origins:
        """Returns the map as origins; `lines_of` returns the line of each of some characters of this text, negative for none."""
        if not len(self.starts):
            return Origins.of(())
        single = self.ends - self.starts == 1
        steps = self.starts[1:] - self.starts[:-1]
        goes_on = (steps == 1) & single[1:] & single[:-1]  # character by character
        same = (steps == 0) & (self.ends[1:] == self.ends[:-1])  # several characters for one range
        kind = goes_on + 2 * same
        breaks = kind == 0
        breaks[1:] |= (kind[1:] != kind[:-1]) & (kind[:-1] != 0)
        firsts = np.concatenate(([0], np.flatnonzero(breaks) + 1))
        lasts = np.append(firsts[1:], len(self.starts)) - 1
        lines = np.full(len(firsts), -1, np.int64) if lines_of is None else lines_of(firsts)
        return Origins(firsts, self.starts[firsts], self.ends[lasts], lines)


def from_origins(text: str, origins: Sequence[Origin]) -> Mapped:
    """Returns the map that a reader gave for a text."""
    found, some = Mapped(text), Origins.of(origins)
    if not len(some):
        return found
    counts = np.append(some.ats[1:], len(text)) - some.ats
    straight = np.repeat(counts == some.ends - some.starts, counts)
    first = int(some.ats[0])
    starts = np.repeat(some.starts, counts)
    found.starts[first:] = np.where(straight, starts + np.arange(first, len(text)) - np.repeat(some.ats, counts), starts)
    found.ends[first:] = np.where(straight, found.starts[first:] + 1, np.repeat(some.ends, counts))
    return found


def _alternating(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Interleaves the items of two arrays; the first has one more."""
    both = np.empty(len(one) + len(other), one.dtype)
    both[::2], both[1::2] = one, other
    return both
