"""Reads CSV and TSV: every non-empty cell, with row, line and column name. Quoted line ends stay inside their cell."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, compress, islice
from typing import Any

import numpy as np
import pyarrow as pa

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError, told
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.columnar.keyed_rows import keyed
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.streams import Undecodable
from veritensor_ray.formats.common.undecoded import undecoded
from veritensor_ray.formats.csv.grammar import LINE_END, column_names, delimiter_of, is_header
from veritensor_ray.formats.office.shared.formulas import cell_notices
from veritensor_ray.formats.text.read import read_text

_CELLS = 4096
_CHARS = 4 << 20
_FIELD = bounds.CSV_FIELD
_STEP = 16  # rows read at once; any of them may be long


def read_csv(source: Source) -> Iterator[Item]:
    """Yield cells in file order. Rows of irregular width are read too; their extra cells are named by number."""
    source.file.read(source.kind.bom)
    encoding = source.kind.encoding or "utf-8"
    bad = Undecodable()
    stream = io.TextIOWrapper(source.file, encoding, errors=bad.errors, newline="")
    csv.field_size_limit(_FIELD)
    try:
        reader = csv.reader(stream, delimiter=delimiter_of(source, encoding))
        yield from _cells(reader, source)
        yield from undecoded(bad.count, encoding)
    except csv.Error as error:
        yield Gap(f"the table cannot be read beyond line {reader.line_num}: {told(error)}")
        if source.file.seekable():
            stream.detach()
            source.file.seek(0)
            yield from read_text(source)
    finally:
        with contextlib.suppress(ValueError):  # already closed or detached
            stream.detach()  # otherwise the wrapper would close the file


def _cells(reader: Any, source: Source) -> Iterator[Item]:
    names: list[str] = []
    count, edges = 0, [0]
    damage: ReadError | csv.Error | None = None
    more = True
    while more:
        rows: list[list[str]] = []
        texts: list[str] = []
        edges, size = edges[-1:], 0
        while more and len(texts) < _CELLS and size < _CHARS:
            some: list[list[str]] = []
            try:
                some.extend(islice(reader, _STEP))
            except (ReadError, csv.Error) as error:  # the cells before it are still read
                damage = error
            edges += _ends(some, edges[-1], reader.line_num)
            rows += some
            known = len(texts)
            texts += chain.from_iterable(some)
            size += len("".join(texts[known:]))
            more = bool(some) and not damage
        if rows and not edges[0] and not count and is_header(rows[0]):
            names = rows.pop(0)
            del texts[: len(names)], edges[0]
            for part in _parts(names):
                yield Block(part, column=part, line=1, part="header", decoded_via=source.via, notice=cell_notices(part))
        if not (isinstance(damage, csv.Error) and source.file.seekable()):  # otherwise the whole file is read again as text
            widest = max(map(len, rows), default=0)
            names = column_names(names, widest)
            cells = _blocks(texts, [*map(len, rows)], count, edges, names, source.via)
            yield from keyed(cells, range(count, count + len(rows)), *_keys(source.key, names, rows))
        count += len(rows)
    source.counts.rows += count
    source.counts.lines += edges[-1]
    if damage:
        raise damage


def _keys(wanted: Sequence[str], names: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str | None]]]:
    """Return those of the key columns that the table has, and their values. The first of several columns with one name counts."""
    at = {name: names.index(name) for name in dict.fromkeys(wanted) if name in names}
    return [*at], [[row[place] if place < len(row) else None for row in rows] for place in at.values()]


def _ends(rows: list[list[str]], line: int, now: int) -> Iterable[int]:
    """The line at the end of each row after `line`. At the end of all rows it is `now`, unless reading them failed."""
    if now - line == len(rows):
        return range(line + 1, now + 1)
    # the last cell of the file may end with a line end that no further line follows
    return [line := min(now, line + 1 + sum(len(LINE_END.findall(cell)) for cell in row)) for row in rows]


def _parts(values: list[Any]) -> Iterator[list[Any]]:
    """Cut a block's values into pieces: a block with 100,000 columns would repeat all their names in every batch cut from it."""
    if len(values) <= 2 * _CELLS:
        yield values
    else:
        yield from (values[at : at + _CELLS] for at in range(0, len(values), _CELLS))


def _blocks(texts: list[str], widths: list[int], first: int, edges: list[int], names: list[str], via: str | None) -> Iterator[Block]:
    """Yield the non-empty cells.

    `widths` are the cell counts of the rows, `edges` the lines before the first row and at the end of each.
    """
    if not widths:
        return
    even = widths.count(widths[0]) == len(widths)
    columns = names[: widths[0]] * len(widths) if even else [*chain.from_iterable(names[:width] for width in widths)]
    numbers = np.repeat(np.arange(first, first + len(widths)), widths)
    lines = (np.repeat(edges[:-1], widths) + 1).tolist()
    if edges[-1] - edges[0] > len(widths):
        _place_breaks(texts, widths, edges, lines)
    if not all(texts):
        numbers = numbers[[*map(bool, texts)]]
        columns, lines, texts = ([*compress(every, texts)] for every in (columns, lines, texts))
    at = 0
    for part in _parts(texts) if texts else ():
        end = at + len(part)
        yield Block(
            part, row=pa.array(numbers[at:end]), column=columns[at:end], line=lines[at:end], decoded_via=via, notice=cell_notices(part)
        )
        at = end


def _place_breaks(texts: list[str], widths: list[int], edges: list[int], lines: list[int]) -> None:
    """Correct the lines of cells that follow a cell with line ends."""
    at = np.cumsum(widths) - widths
    for i in np.flatnonzero(np.diff(edges) > 1):
        here = edges[i] + 1
        for place in range(at[i], at[i] + widths[i]):
            lines[place] = here
            here += texts[place].count("\n")
