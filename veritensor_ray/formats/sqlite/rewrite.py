"""Rewrites SQLite databases: cells change, and rows go, in a copy that is then written anew, so that free pages and other remains are gone.

The original is read as in an audit, from a connection that can only read. No trigger, view or module of the database is run.
"""

from __future__ import annotations

import io
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from veritensor_ray.core.errors import told
from veritensor_ray.formats.archives.members import member
from veritensor_ray.formats.columnar.blobs import as_text
from veritensor_ray.formats.common.file_ranges import copy_range, length
from veritensor_ray.formats.common.personal_numbers import number_text
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import DroppedRow, Order, Orders, Unit
from veritensor_ray.formats.sqlite.read import BROKEN, SqliteTable, SqliteTables, opened_database, quoted
from veritensor_ray.masking.redaction import name_safe

_WITH_LOG = b"\x02\x02"  # the versions in the header of a database whose newest rows may stand in a log beside it
_PRAGMAS = ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "cache_size=-8000", "journal_mode=OFF", "secure_delete=ON")
_STEPS = 100_000  # steps of SQLite's virtual machine between two signs of life
_NUMBERS = (int, float)


def rewrite_sqlite(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the database with the ordered changes. Raises CannotRewriteError, ReadError."""
    source.file.seek(18)
    if source.file.read(2) == _WITH_LOG:
        raise CannotRewriteError(
            "it is in WAL mode, so that a log beside it may hold newer rows and would be applied to its copy; PRAGMA journal_mode=DELETE ends that"
        )
    with tempfile.TemporaryDirectory(prefix="veritensor-") as folder:
        path = Path(folder) / "copy.sqlite"
        with path.open("wb") as copy:
            copy_range(source.file, copy, 0, None, orders.pulse)
        source.file.seek(0)
        original, _, size = opened_database(source.file)
        with closing(original), closing(sqlite3.connect(path, isolation_level=None)) as changed:
            try:
                _DatabaseCopy(source, orders, SqliteTables(original, size, source.budget), changed, size).rewrite()
            except sqlite3.IntegrityError as error:
                raise CannotRewriteError(
                    f"with the changes, a constraint of it would be broken ({told(error)}); pseudonyms differ where masks do not"
                ) from None
            except BROKEN as error:
                raise CannotRewriteError(f"SQLite cannot rewrite it: {told(error)}") from None
        with path.open("rb") as made:
            copy_range(made, out, 0, length(made), orders.pulse)


class _DatabaseCopy:
    """One database on its way into the copy: `changed` is a connection to the copy."""

    def __init__(self, source: Source, orders: Orders, tables: SqliteTables, changed: sqlite3.Connection, size: int) -> None:
        self._source, self._orders, self._tables, self._changed = source, orders, tables, changed
        self._left = 10_000 + size // 100  # signs of life until the work is too much, as when the database is read
        for pragma in _PRAGMAS:
            changed.execute(f"PRAGMA {pragma}")
        changed.set_progress_handler(self._pulse, _STEPS)
        self._units: dict[tuple[str | None, int], list[Unit]] = {}
        for unit in orders.units if orders.rows else ():
            self._units.setdefault((unit.part, unit.row or 0), []).append(unit)
        self._rows: dict[tuple[str | None, int], list[Order]] = {}
        for row, some in orders.rows.items():
            for order in some:
                self._rows.setdefault((order.mark.part, row), []).append(order)

    def _pulse(self) -> bool:
        """Return whether SQLite has to stop."""
        self._orders.pulse()
        self._left -= 1
        return self._left < 0

    def rewrite(self) -> None:
        """Change the copy."""
        if self._tables.modules:
            raise CannotRewriteError(
                f"it has virtual tables ({', '.join(sorted(self._tables.modules))}), which may hold its texts once more"
            )
        broken = self._foreign()
        for _, name, sql in self._tables.entries:
            if self._tables.is_table(sql) and self._concerned(name):
                self._table(name)
        (free,) = self._changed.execute("PRAGMA freelist_count").fetchone()
        if free and self._orders.drop_residue:
            self._orders.drop_residue()
        self._changed.execute("VACUUM")
        if (found := self._changed.execute("PRAGMA integrity_check(1)").fetchone()) != ("ok",):
            raise CannotRewriteError(f"it is damaged: {name_safe(str(found))}")
        if self._foreign() - broken:
            raise CannotRewriteError("with the changes, rows would refer to rows that are not there; pseudonyms keep such references")

    def _foreign(self) -> set[tuple[Any, ...]]:
        """Return the tables and keys whose rows refer to nothing."""
        return {(row[0], row[1], row[2], row[3]) for row in self._changed.execute("PRAGMA foreign_key_check")}

    def _concerned(self, name: str) -> bool:
        part = name[:256]
        inside = f"{self._orders.member}!/{name}/" if self._orders.member else f"{name}/"
        return any(
            order.mark.part == part if order.mark.member == self._orders.member else (order.mark.member or "").startswith(inside)
            for order in self._orders
        )

    def _table(self, name: str) -> None:
        if name.lower() in self._tables.triggered:
            raise CannotRewriteError(f"its table {name_safe(name)} has triggers, which a change would run")
        table = self._tables.table(name)
        first = 0
        for some in self._tables.stored(table):
            self._orders.pulse()
            for row, (number, *values) in enumerate(some, first):
                self._row(table, row, number, values)
            first += len(some)

    def _row(self, table: SqliteTable, row: int, number: int | None, values: Sequence[Any]) -> None:
        """Change or remove a row of the copy. Its orders stay undone if it has no number."""
        part = table.name[:256]
        if dropped := self._rows.get((part, row)):
            if number is not None:
                self._changed.execute(f"DELETE FROM {quoted(table.name)} WHERE {table.rowid} = ?", (number,))  # noqa: S608  # quoted
                self._drop(part, row, dropped)
            return
        if number is None:
            return
        new = dict(self._cells(table, row, number, values))
        if new:
            set_ = ", ".join(f"{quoted(column)} = ?" for column in new)
            self._changed.execute(f"UPDATE {quoted(table.name)} SET {set_} WHERE {table.rowid} = ?", (*new.values(), number))  # noqa: S608  # quoted

    def _cells(self, table: SqliteTable, row: int, number: int, values: Sequence[Any]) -> Iterator[tuple[str, Any]]:
        """Yield the columns of a row whose values change, with the new ones."""
        for column, value in zip(table.columns, values, strict=True):
            called = f"{table.name}.{column}"[:256]
            unit = Unit(table.name[:256], None, row, called)
            if unit in self._orders.units:
                text = self._text(value, called)
                if text is not None and (new := self._orders.cell(unit, text)) != text:
                    yield column, new.encode() if isinstance(value, bytes) else new
            elif type(value) is bytes and any(inner := self._orders.member_orders(f"{table.name}/{number}/{column}")):
                content = member(f"{table.name}/{number}/{column}", io.BytesIO(value), self._source, inner)
                if content is not None:
                    with closing(content):
                        yield column, content.read()

    def _text(self, value: Any, column: str) -> str | None:
        """Return a value as the reader gives it, if it can be written again."""
        if isinstance(value, str):
            return value
        if isinstance(value, _NUMBERS):
            return number_text(value, column)
        text = as_text(value) if type(value) is bytes else None
        return text if text is not None and text.encode("utf-8", "replace") == value else None

    def _drop(self, part: str, row: int, dropped: Sequence[Order]) -> None:
        for order in dropped:
            self._orders.tick(order)
            self._orders.account.rows.append(DroppedRow(self._orders.member, row, order.mark.rule))
        for unit in self._units.get((part, row), ()):
            self._orders.account.done.update(order.number for order in self._orders.units[unit])


__all__ = ["rewrite_sqlite"]
