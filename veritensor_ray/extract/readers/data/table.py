"""CSV and TSV: every cell that is not empty, with row, line and column name; quoted line ends stay inside their cell."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from itertools import chain, compress, islice
from typing import Any

import numpy as np
import pyarrow as pa

from veritensor_ray import bounds
from veritensor_ray.errors import ReadError
from veritensor_ray.extract.readers.formulas import cell_notice, cell_notices
from veritensor_ray.extract.readers.text import read_text
from veritensor_ray.extract.source import Source
from veritensor_ray.extract.streams import Undecodable
from veritensor_ray.media_types import TSV
from veritensor_ray.segments import Block, Gap

_CELLS = 4096
_CHARS = 4 << 20
_FIELD = bounds.CSV_FIELD
_STEP = 16  # rows read at once: any of them may be long


def read_csv(source: Source) -> Iterator[Block | Gap]:
    """Cells in file order. Rows of another width are read too: surplus cells are named by their number."""
    source.file.read(source.kind.bom)
    encoding = source.kind.encoding or "utf-8"
    bad = Undecodable()
    stream = io.TextIOWrapper(source.file, encoding, errors=bad.errors, newline="")
    csv.field_size_limit(_FIELD)
    try:
        head = source.file.peek(8192) if isinstance(source.file, io.BufferedReader) else b""
        reader = csv.reader(stream, delimiter=_delimiter(source, head, encoding))
        yield from _cells(reader, source)
        if bad.count:
            yield Gap(f"{bad.count} places do not decode as {encoding} and were replaced")
    except csv.Error as error:
        yield Gap(f"the table cannot be read beyond line {reader.line_num}: {error}")
        if source.file.seekable():
            stream.detach()
            source.file.seek(0)
            yield from read_text(source)
    finally:
        with contextlib.suppress(ValueError):  # closed, or detached before
            stream.detach()  # or the wrapper closes the file with itself


def _delimiter(source: Source, head: bytes, encoding: str) -> str:
    if source.kind.media_type == TSV:
        return "\t"
    if not head and source.file.seekable():
        at = source.file.tell()
        head = source.file.read(8192)
        source.file.seek(at)
    first = head.decode(encoding, "ignore").partition("\n")[0]
    best = max(",;\t|", key=first.count)
    other = max(",;\t", key=first.count)
    if best == "|" and any(cell_notice(cell.strip(' \r"')) for cell in first.split(other)):
        return other  # the bars are those of a formula
    return best


def _is_header(row: list[str]) -> bool:
    """Names: short, distinct, not empty, no numbers."""
    return len(set(row)) == len(row) and all(
        0 < len(cell) <= 80 and "\n" not in cell and not cell.replace(".", "").isdigit() for cell in row
    )


def _cells(reader: Any, source: Source) -> Iterator[Block]:
    names: list[str] = []
    count = line = 0
    damage: ReadError | csv.Error | None = None
    more = True
    while more:
        cells: list[str] = []
        ends, widths, size = [line], list[int](), 0
        try:
            while more and len(cells) < _CELLS and size < _CHARS:
                known, rows = len(cells), len(widths)
                for row in islice(reader, _STEP):
                    cells += row
                    widths.append(len(row))
                    ends.append(reader.line_num)
                size += len("".join(cells[known:]))
                more = len(widths) > rows
        except (ReadError, csv.Error) as error:  # the cells before it are read all the same
            damage, more = error, False
        if not line and widths and _is_header(cells[: widths[0]]):
            names = cells[: widths[0]]
            yield Block(names, column=names, line=1, part="header", decoded_via=source.via, notice=cell_notices(names))
            del cells[: widths[0]], widths[0], ends[0]
        if not (isinstance(damage, csv.Error) and source.file.seekable()):  # or all of it is read again, as text
            names = [*names, *map(str, range(len(names), max(widths, default=0)))]
            yield from _block(cells, widths, count, ends, names, source.via)
        count, line = count + len(widths), ends[-1]
    source.counts.rows += count
    source.counts.lines += line
    if damage:
        raise damage


def _block(texts: list[str], widths: list[int], first: int, edges: list[int], names: list[str], via: str | None) -> Iterator[Block]:
    """The cells that are not empty; `widths` are the rows' cells, `edges` the lines before the first row and at the end of each."""
    if not widths:
        return
    even = widths.count(widths[0]) == len(widths)
    columns = names[: widths[0]] * len(widths) if even else [*chain.from_iterable(names[:width] for width in widths)]
    rows = np.repeat(np.arange(first, first + len(widths)), widths)
    lines = (np.repeat(edges[:-1], widths) + 1).tolist()
    at = np.cumsum(widths) - widths
    for i in np.flatnonzero(np.diff(edges) > 1):  # line ends within cells
        here = edges[i] + 1
        for place in range(at[i], at[i] + widths[i]):
            lines[place] = here
            here += texts[place].count("\n")
    if not all(texts):
        rows = rows[[*map(bool, texts)]]
        columns, lines, texts = ([*compress(every, texts)] for every in (columns, lines, texts))
    if texts:
        yield Block(texts, row=pa.array(rows), column=columns, line=lines, decoded_via=via, notice=cell_notices(texts))
