"""The grammar of CSV and TSV: what separates cells, which record is a header, how columns are called, and where a cell's characters are.

Python's csv module reads faster, but does not say where a cell is, so a tokenizer says it to those who change cells. Both agree on every
text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.media_types import TSV
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.office.shared.formulas import cell_notice

_END = r"(?:\r\n|\r|\n)"  # of a line, as text files count them
LINE_END = re.compile(_END)
LINE = re.compile(rf"[^\r\n]*+{_END}|[^\r\n]+")


def delimiter_of(source: Source, encoding: str) -> str:
    """Return what separates the cells of a table, whose file is at its first line."""
    if source.kind.media_type == TSV:
        return "\t"
    head = source.file.peek(8192) if isinstance(source.file, io.BufferedReader) else b""
    if not head and source.file.seekable():
        at = source.file.tell()
        head = source.file.read(8192)
        source.file.seek(at)
    first = head.decode(encoding, "ignore").partition("\n")[0]
    best = max(",;\t|", key=first.count)
    other = max(",;\t", key=first.count)
    if best == "|" and any(cell_notice(cell.strip(' \r"')) for cell in first.split(other)):
        return other  # the bars belong to a formula
    return best


def is_header(row: list[str]) -> bool:
    """Return whether the row looks like names: short, distinct, not empty, no numbers."""
    return len(set(row)) == len(row) and all(
        0 < len(cell) <= 80 and "\n" not in cell and not cell.replace(".", "").isdigit() for cell in row
    )


def column_names(names: list[str], width: int) -> list[str]:
    """Return the names of so many columns: those of the header, and numbers for all beyond it."""
    return names if width <= len(names) else [*names, *map(str, range(len(names), width))]


class RawCell(NamedTuple):
    """A cell of a record: its raw characters from `start` to `end` of the record's text, and its value.

    The first `quoted` characters of the value were between quotes, if `has_quotes`; any others follow the closing one.
    """

    start: int
    end: int
    value: str
    quoted: int
    has_quotes: bool


class Tokenizer:
    """Splits text into records and cells as Python's csv module does."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        plain = rf"[^{re.escape(delimiter)}\r\n]*+"
        inner = r'[^"]*+(?:""[^"]*+)*+'
        rest = rf'(?:{re.escape(delimiter)}(?:"{inner}"{plain}|(?!"){plain}))*+{_END}?\Z'
        self._whole = re.compile(rf'(?:"{inner}"{plain}|(?!"){plain}){rest}')
        self._closed = re.compile(rf'{inner}"{plain}{rest}')
        self._cell = re.compile(rf'"(?P<inner>{inner})(?:"(?P<tail>{plain}))?|{plain}')

    def records(self, lines: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
        """Yield the text of each record with its line end, and its first character. Raises CannotRewriteError for one that is too long."""
        pending: list[str] = []
        first = size = 0
        for text, start in lines:
            if not pending:
                if '"' not in text or self._whole.match(text):
                    yield text, start
                    continue
                pending, first, size = [text], start, len(text)
                continue
            pending.append(text)
            size += len(text)
            if size > bounds.HELD:
                raise CannotRewriteError(f"a row of it has more than {bounds.HELD} characters (held_bytes)", ReasonCode.LIMIT)
            if '"' in text and self._closed.match(text):
                yield "".join(pending), first
                pending = []
        if pending:
            yield "".join(pending), first

    def cells(self, record: str) -> list[RawCell]:
        """Return the cells of a record; an empty line has none."""
        found: list[RawCell] = []
        at = 0
        while record[:1] not in "\r\n" and (match := self._cell.match(record, at)):  # it matches the empty text too
            inner, tail = match["inner"], match["tail"]
            if inner is None:
                found.append(RawCell(at, match.end(), match[0], 0, has_quotes=False))
            else:
                value = inner.replace('""', '"')
                found.append(RawCell(at, match.end(), value + (tail or ""), len(value), has_quotes=True))
            at = match.end() + 1
            if record[match.end() : at] != self._delimiter:
                break
        return found
