"""Segments with something in them as one buffer of characters, and the names of their columns; it knows no pattern and no rule."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from veritensor_ray.engines.joined import JoinedText, Lengths, buffer_of, cuts, text_lengths

BUFFER = 1 << 20  # characters: a single one beyond the BMP makes each of them take four bytes
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class PiiSpan:
    """Something at [start, end) of a buffer; `detail` says which kind of it, and `severity` how bad it is where that is not the rule's own."""

    rule: str
    start: int
    end: int
    score: float
    detail: str = ""
    severity: str | None = None


class JoinedBatch(JoinedText):
    """A buffer of texts; `rows` are their numbers in the batch, and `columns` name where each stands in a table, if it does."""

    def __init__(self, text: str, lengths: Lengths, rows: Sequence[int], columns: Sequence[str | None]) -> None:
        super().__init__(text, lengths)
        self.rows = rows
        self.columns = columns

    @staticmethod
    def of(text: str, column: str | None) -> JoinedBatch:
        """A buffer of one text."""
        return JoinedBatch(text, np.array([len(text)]), [0], [column])

    def column_words(self, position: int) -> tuple[str, ...]:
        """The words of the column's name, in lower case."""
        column = self.columns[self.index(position)]
        return _words_of_name(column) if column else ()


@functools.lru_cache(1024)
def _words_of_name(column: str) -> tuple[str, ...]:
    return tuple(words_of(_CAMEL.sub(" ", column.rpartition(".")[2][-80:])))


def words_of(text: str) -> list[str]:
    """Words in lower case."""
    return _WORD.findall(text.lower())


def listed(text: str) -> frozenset[str]:
    """A list of words, written as one text."""
    return frozenset(text.split())


def pieces(texts: pa.Array, columns: pa.DictionaryArray) -> Iterator[JoinedBatch]:
    """The texts of a batch in buffers of about a million characters, without those that are empty."""
    lengths = text_lengths(texts)
    rows = np.flatnonzero(lengths)
    if len(rows) < len(texts):
        texts, columns, lengths = texts.take(pa.array(rows)), columns.take(pa.array(rows)), lengths[rows]
    for start, end in cuts(lengths, BUFFER):
        some = slice(start, end)
        yield JoinedBatch(str(buffer_of(texts[some]), "utf-8"), lengths[some], rows[some].tolist(), columns[some].to_pylist())
