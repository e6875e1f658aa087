"""Places in text that is a table: each cell, more cells than columns, and quotes."""

from __future__ import annotations

from collections.abc import Iterator

from bench.account.canary import RAW, Place

_ROWS = 3  # the first rows
_CELLS = {
    "cell": RAW,
    "quoted cell": b'"' + RAW + b'"',
    "quoted cell of several lines": b'"first\n' + RAW + b'\nlast"',
    "cell behind a quote": b'"a"' + RAW,
    "formula": b'"=HYPERLINK(""http://a.example/' + RAW + b'"")"',
}


def table_places(data: bytes, separator: bytes) -> Iterator[Place]:
    """Yield places in the first rows."""
    rows = data.splitlines(keepends=True)
    for number, row in enumerate(rows[:_ROWS]):
        cells = row.rstrip(b"\r\n").split(separator)
        where = "header" if number == 0 else "row"
        for column in range(len(cells)):
            for kind, cell in _CELLS.items():
                new = separator.join([*cells[:column], cell, *cells[column + 1 :]])
                yield _place(rows, number, new, f"table: {kind}", f"{where}, column {column}")
        yield _place(rows, number, separator.join([*cells, RAW]), "table: cell without a column", where)
        yield _place(rows, number, separator.join([*cells, *[b""] * 50, RAW]), "table: cell far behind the last column", where)
        yield _place(rows, number, row.rstrip(b"\r\n") + b"\n# " + RAW, "table: comment", where)
    yield Place("table: quote that does not end", "", lambda: data + b'"' + RAW)


def _place(rows: list[bytes], number: int, new: bytes, kind: str, where: str) -> Place:
    return Place(kind, where, lambda: b"".join([*rows[:number], new + b"\n", *rows[number + 1 :]]))
