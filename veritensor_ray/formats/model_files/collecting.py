"""Gathers short strings from binary files into blocks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from veritensor_ray.core.segments import Block

_ROWS = 4096
_CHARS = 4 << 20
_JOINED = 65_536


def in_blocks(texts: pa.Array, rows: Any, column: str) -> Iterator[Block]:
    """Yield blocks for many non-empty strings at once, with the row of each."""
    for at in range(0, len(texts), _ROWS):
        yield Block(texts.slice(at, _ROWS), row=pa.array(rows[at : at + _ROWS]), column=column[:256])


class Gathered:
    """Strings with their columns and, if they are numbered, rows."""

    def __init__(self, view: str = "visible") -> None:
        self._view = view
        self._clear()

    def _clear(self) -> None:
        self._texts: list[str] = []
        self._columns: list[str] = []
        self._rows: list[int | None] = []
        self._chars = 0

    def add(self, text: str, column: str, row: int | None = None) -> Iterator[Block]:
        """Add a string. Yields a block once enough have been gathered."""
        if not text:
            return
        self._texts.append(text)
        self._columns.append(column[:256])
        self._rows.append(row)
        self._chars += len(text)
        if len(self._texts) >= _ROWS or self._chars >= _CHARS:
            yield from self.take()

    def take(self) -> Iterator[Block]:
        """Yield everything gathered so far."""
        if self._texts:
            yield Block(self._texts, row=self._rows, column=self._columns, view=self._view)
        self._clear()


class Names:
    """Names, tokens and the like: a great many short ones become the lines of a few long strings; long ones stay separate."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._lines: list[str] = []
        self._chars = 0

    def add(self, name: str) -> Iterator[Block]:
        """Add a name. Yields a block once enough have been gathered."""
        self._lines.append(name)
        self._chars += len(name) + 1
        if self._chars >= _JOINED:
            yield from self.take()

    def take(self) -> Iterator[Block]:
        """Yield everything gathered so far."""
        if self._lines:
            yield Block(["\n".join(self._lines)], column=self._column, view="metadata")
        self._lines, self._chars = [], 0
