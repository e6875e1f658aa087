"""Joins non-empty segments into one buffer of characters, and keeps the columns to which they belong."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from veritensor_ray.core.config import Severity
from veritensor_ray.core.media_types import MAILBOX, MESSAGE, OUTLOOK
from veritensor_ray.engines.joined import JoinedText, Lengths, buffer_of, cuts, text_lengths
from veritensor_ray.engines.pii.clusters import Codes, Positions, codes_of, digits_in

BUFFER = 1 << 20  # characters: a single one outside the BMP makes all of them take four bytes
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ESCAPE = re.compile(r"\\([nrt])(?![a-z])")  # commands of LaTeX and folders go on in lower case
_ESCAPED = {"n": " \n", "r": " \n", "t": " \t"}
_RESIDUE = "residue"  # the view of text outside of what programs show
_SENTENCE = re.compile(r"\b[^\W\d_]{1,20},? (?:[^\W\d_]{1,20}[,;:]? ){3}[^\W\d_]{2,20}\b")  # five words in a row
_MAIL = frozenset((MESSAGE, MAILBOX, OUTLOOK))
_MAIL_TEXT = frozenset(("body", "subject", "preamble", "epilogue", "comments", "keywords"))


class Column(NamedTuple):
    """The column of a text: its name in a table or, if `header`, the name of an email header field."""

    name: str
    header: bool = False


class PiiSpan(NamedTuple):
    """A finding at [start, end) in a buffer. `detail` specifies its kind; `severity` is set if it differs from the rule's."""

    rule: str
    start: int
    end: int
    score: float
    detail: str = ""
    severity: Severity | None = None


class JoinedBatch(JoinedText):
    """A buffer of texts. `rows` are their numbers in the batch, and `columns` their columns in a table or email, if any."""

    def __init__(self, text: str, lengths: Lengths, rows: Sequence[int], columns: Sequence[Column | None]) -> None:
        super().__init__(text, lengths)
        self.rows = rows
        self.columns = columns

    @functools.cached_property
    def codes(self) -> Codes:
        """The code of each character."""
        return codes_of(self.text)

    @functools.cached_property
    def digits(self) -> Positions:
        """The positions of the buffer's digits."""
        return digits_in(self.codes)

    @functools.cached_property
    def headed(self) -> bool:
        """Whether any of the texts is an email header field."""
        return any(column is not None and column.header for column in self.columns)

    @staticmethod
    def of(text: str, column: Column | None) -> JoinedBatch:
        """Return a buffer of one text."""
        return JoinedBatch(text, np.array([len(text)]), [0], [column])

    def column_words(self, position: int) -> tuple[str, ...]:
        """Return the words of the column's name for a position, in lower case."""
        column = self.columns[self.index(position)]
        return words_of_name(column.name) if column else ()

    def header(self, position: int) -> str | None:
        """Return the name of the email header field that contains a position, or None."""
        column = self.columns[self.index(position)]
        return column.name if column and column.header else None


@functools.lru_cache(1024)
def words_of_name(column: str) -> tuple[str, ...]:
    """Return the words of the last part of a column's name, in lower case."""
    return tuple(words_of(_CAMEL.sub(" ", column.rpartition(".")[2][-80:])))


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return _WORD.findall(text.lower())


def listed(text: str) -> frozenset[str]:
    """Split a text into a set of words."""
    return frozenset(text.split())


def pieces(batch: pa.RecordBatch) -> Iterator[JoinedBatch]:
    """Yield the non-empty texts of a batch in buffers of about a million characters."""
    batch = batch.select(["text", "column", "media_type"])
    lengths = text_lengths(batch.column("text"))
    rows = np.flatnonzero(lengths)
    if len(rows) < batch.num_rows:
        batch, lengths = batch.take(pa.array(rows)), lengths[rows]
    for start, end in cuts(lengths, BUFFER):
        some = batch.slice(start, end - start)
        text = unescaped(str(buffer_of(some.column("text")), "utf-8"))
        yield JoinedBatch(text, lengths[start:end], rows[start:end].tolist(), _columns(some))


def unescaped(text: str) -> str:
    """Return a text with escaped line breaks and tabs, as strings in YAML, JSON and programs have them, as what they stand for, with a space."""
    return _ESCAPE.sub(lambda found: _ESCAPED[found[1]], text) if "\\" in text else text


def names_alone(batch: pa.RecordBatch) -> frozenset[int]:
    """Return the rows of the residue that hold no sentence: most strings in dead bytes are names in programs, which look like other names."""
    views = batch.column("view")
    if _RESIDUE not in views.dictionary.to_pylist():
        return frozenset()
    texts = batch.column("text")
    rows = (row for row, view in enumerate(views.to_pylist()) if view == _RESIDUE)
    return frozenset(row for row in rows if not _SENTENCE.search(texts[row].as_py() or ""))


def _columns(batch: pa.RecordBatch) -> Sequence[Column | None]:
    names, kinds = batch.column("column"), batch.column("media_type")
    if names.null_count == len(names):
        return [None] * len(names)
    if not _MAIL.intersection(kinds.dictionary.to_pylist()):
        known = [Column(name) for name in names.dictionary.to_pylist()]
        return [None if at is None else known[at] for at in names.indices.to_pylist()]
    pairs = zip(names.to_pylist(), kinds.to_pylist(), strict=True)
    return [None if name is None else Column(name, kind in _MAIL and name not in _MAIL_TEXT) for name, kind in pairs]
