"""CSV and TSV: every cell that is not empty, with row, line and column name; quoted line ends stay inside their cell."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator

from veritensor_ray.errors import ReadError
from veritensor_ray.extract.readers.formulas import cell_notices
from veritensor_ray.extract.readers.text import read_text
from veritensor_ray.extract.source import Source
from veritensor_ray.extract.streams import Undecodable
from veritensor_ray.segments import Block, Gap

_CELLS = 4096
_CHARS = 4 << 20
_FIELD = 256 << 20


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
    if source.kind.media_type == "text/tab-separated-values":
        return "\t"
    if not head and source.file.seekable():
        at = source.file.tell()
        head = source.file.read(8192)
        source.file.seek(at)
    first = head.decode(encoding, "ignore").partition("\n")[0]
    return max(",;\t|", key=first.count)


def _is_header(row: list[str]) -> bool:
    """Names: short, distinct, not empty, no numbers."""
    return len(set(row)) == len(row) and all(
        0 < len(cell) <= 80 and "\n" not in cell and not cell.replace(".", "").isdigit() for cell in row
    )


def _cells(reader: Iterator[list[str]], source: Source) -> Iterator[Block]:
    names: list[str] = []
    texts: list[str] = []
    columns: list[str] = []
    rows: list[int] = []
    lines: list[int] = []
    size, count, line = 0, 0, 1
    damage: ReadError | csv.Error | None = None
    while True:
        try:
            cells = next(reader, None)
        except (ReadError, csv.Error) as error:  # the cells before it are read all the same
            damage = error
            break
        if cells is None:
            break
        if line == 1 and _is_header(cells):
            names = cells
            yield Block(cells, column=names, line=1, part="header", decoded_via=source.via, notice=cell_notices(cells))
        else:
            if len(names) < len(cells):
                names = [*names, *map(str, range(len(names), len(cells)))]
            if reader.line_num == line and all(cells):  # type: ignore[attr-defined]  # most rows: a line without empty cells
                width = len(cells)
                texts += cells
                columns += names if width == len(names) else names[:width]
                rows += [count] * width
                lines += [line] * width
                size += sum(map(len, cells))
            else:
                here = line
                for name, cell in zip(names, cells, strict=False):
                    if cell:
                        texts.append(cell)
                        columns.append(name)
                        rows.append(count)
                        lines.append(here)
                        size += len(cell)
                        here += cell.count("\n")
            count += 1
        line = reader.line_num + 1  # type: ignore[attr-defined]  # csv's reader has it, its protocol does not
        if len(texts) >= _CELLS or size >= _CHARS:
            yield Block(texts, row=rows, column=columns, line=lines, decoded_via=source.via, notice=cell_notices(texts))
            texts, columns, rows, lines, size = [], [], [], [], 0
    source.counts.rows += count
    source.counts.lines += line - 1
    if texts and not (isinstance(damage, csv.Error) and source.file.seekable()):  # or all of it is read again, as text
        yield Block(texts, row=rows, column=columns, line=lines, decoded_via=source.via, notice=cell_notices(texts))
    if damage:
        raise damage
