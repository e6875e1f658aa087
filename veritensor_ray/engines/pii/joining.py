"""Many segments as one buffer of characters, with the words around a place; it knows no pattern and no rule."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

SEPARATOR = "\n\x1e\n"  # no pattern crosses it, and words end at it
BUFFER = 1 << 20
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Found:
    """Something at [start, end) of a buffer; `detail` says which kind of it."""

    rule: str
    start: int
    end: int
    score: float
    detail: str = ""


@dataclass(frozen=True)
class Joined:
    """Consecutive texts as one buffer; `columns` names where each stands in a table, if it does."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    columns: Sequence[str | None]
    rows: Sequence[int]
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @staticmethod
    def of(texts: Sequence[str], columns: Sequence[str | None], rows: Sequence[int]) -> Joined:
        """One buffer; `rows` are the numbers by which the caller knows the texts."""
        starts, ends, at = [], [], 0
        for text in texts:
            starts.append(at)
            ends.append(at + len(text))
            at += len(text) + len(SEPARATOR)
        return Joined(SEPARATOR.join(texts), starts, ends, columns, rows)

    def index(self, position: int) -> int:
        """Which text a position is in."""
        return bisect.bisect_right(self.starts, position) - 1

    def before(self, start: int, width: int) -> str:
        """What stands before a place, in the same text."""
        return self.text[max(self.starts[self.index(start)], start - width) : start]

    def after(self, end: int, width: int) -> str:
        """What stands behind a place, in the same text."""
        return self.text[end : min(self.ends[self.index(max(end - 1, 0))], end + width)]

    def line(self, start: int, end: int, width: int = 160) -> str:
        """The line around a place, cut to a bounded width."""
        left, right = self.before(start, width), self.after(end, width)
        return left[left.rfind("\n") + 1 :] + self.text[start:end] + right.partition("\n")[0]

    def column_words(self, position: int) -> tuple[str, ...]:
        """The words of the column's name, in lower case."""
        column = self.columns[self.index(position)]
        if not column:
            return ()
        if column not in self.words:
            self.words[column] = tuple(words_of(_CAMEL.sub(" ", column.rpartition(".")[2][-80:])))
        return self.words[column]


def words_of(text: str) -> list[str]:
    """Words in lower case."""
    return _WORD.findall(text.lower())


def listed(text: str) -> frozenset[str]:
    """A list of words, written as one text."""
    return frozenset(text.split())


def pieces(texts: Sequence[str | None], columns: Sequence[str | None]) -> Iterator[Joined]:
    """The texts of a batch in buffers of about a million characters."""
    first, size = 0, 0
    for end, text in enumerate(texts, 1):
        size += len(text or "")
        if size >= BUFFER or end == len(texts):
            rows = [row for row in range(first, end) if texts[row]]
            if rows:
                yield Joined.of([texts[row] or "" for row in rows], [columns[row] for row in rows], rows)
            first, size = end, 0
