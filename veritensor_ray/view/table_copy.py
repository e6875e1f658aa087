"""Copy the tables of an output into a DuckDB file that answers within seconds, whatever their size. It does not depend on the server.

Opening the page of ten million findings takes a minute, and the page then does not change if a new run replaces the results. The file lies
in a folder that only this user can read, and is removed at the end.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from veritensor_ray.api import Audit
from veritensor_ray.core.errors import StoreError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.findings.schema import ALL_TABLES
from veritensor_ray.findings.summary import NUMBER
from veritensor_ray.results.grouping import key_of
from veritensor_ray.results.severities import RANK, TYPE, typed
from veritensor_ray.results.shared_places import SAME, islands, places
from veritensor_ray.view.copied_files import take_manifest
from veritensor_ray.view.database import connected
from veritensor_ray.view.row_conditions import Conditions

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_PATTERN = re.compile(r"[*?\[\]{}]")
_LIMITS = {"memory_limit": "2GB"}
# A column for each thing that the page filters, groups and sorts by, as numbers where there are many values. `n` is the row in findings; the
# rows are stored in the order of the page: worst first, then by name and position. `o` is the number of a row in this order.
_SLIM = f"""CREATE TABLE slim AS SELECT row_number() OVER () - 1 AS o, * FROM (
    SELECT f.rowid AS n, names.a, names.d, severity_rank(severity)::TINYINT AS rank, rule_id, engine, state, suppressed_by IS NOT NULL AS hidden,
    {NUMBER} AS number, count, confidence, first_seen, ('0x' || {key_of("evidence")})::UHUGEINT AS e, placed.place
    FROM findings f JOIN names USING (artifact) JOIN placed ON placed.n = f.rowid
    ORDER BY rank DESC, names.a, coalesce(location.page, 0), coalesce(location.row, 0), coalesce(location.start, 0), f.rowid)"""  # noqa: S608
# Names are compared as text only once each.
_NAMES = f"""CREATE TABLE names AS SELECT artifact, (row_number() OVER (ORDER BY artifact))::INTEGER AS a,
    (dense_rank() OVER (ORDER BY folder))::INTEGER AS d, folder
    FROM (SELECT artifact, {key_of("folder")} AS folder FROM (SELECT DISTINCT artifact FROM findings))"""  # noqa: S608  # constants
_FOLDERS = "CREATE TABLE folders AS SELECT DISTINCT d, folder FROM names"
# Only what decides about places, because windows over wide rows take minutes.
_AT = """SELECT f.rowid AS n, f.finding_id, names.a AS artifact, member, severity_rank(severity) AS rank, confidence, suppressed_by,
    CASE WHEN location IS NOT NULL THEN struct_pack(line := location.line, row := location.row, "column" := location."column",
    page := location.page, part := location.part, byte_offset := location.byte_offset, start := location.start, "end" := location."end") END
    AS location FROM findings f JOIN names USING (artifact)"""
_PLACED = f"""CREATE TABLE placed AS SELECT n, first_value(n) OVER (
    PARTITION BY {SAME} ORDER BY rank DESC, confidence DESC NULLS LAST, finding_id) AS place FROM ({islands(f"({_AT})")})"""  # noqa: S608


@dataclass(frozen=True, repr=False)
class Copy(Audit):
    """An audit or sweep whose queries run on the copy.

    Besides its tables there are `slim`, `names` and `folders`, and `numbered`, which is findings with their row number `n`. `hidden_now` has
    the rows that decisions have hidden since the results were written, with the name of the entry; it is also a table.
    """

    database: Any
    conditions: Conditions
    hidden_now: dict[int, str] = field(default_factory=dict)
    _open: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)

    def connection(self) -> Any:
        """Returns a connection that sees the tables and cannot change them, or see anything else."""
        cursor = self.database.cursor()
        if self.hidden_now:
            cursor.register("hidden_now", pa.table({"n": pa.array(list(self.hidden_now), pa.int64())}))
        self._open.add(cursor)
        return cursor

    def chosen(self, cursor: Any, where: str) -> str:
        """Makes the findings that meet a condition, which a user wrote, known to a connection of `connection`. Returns a query with their `n`.

        Raises UsageError; ConditionEnded.
        """
        cursor.register("chosen", self.conditions.rows(where, cursor))
        return "SELECT n FROM chosen"

    def interrupt(self, cursor: Any | None = None) -> None:
        """Ends what runs on a connection, or on all of them."""
        with Guard():
            import duckdb

        for one in list(self._open) if cursor is None else [cursor]:
            self.conditions.end(one)
            with contextlib.suppress(duckdb.ConnectionException):  # it is closed
                one.interrupt()


@contextlib.contextmanager
def copied(audit: Audit) -> Iterator[Copy]:
    """Copy an output for the time of this block. Raises StoreError if a table is lost or damaged."""
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-view-") as folder:
        file = Path(folder) / "copy.duckdb"
        with connected(file, read_only=False, limits=_LIMITS) as connection:
            _fill(connection, audit)
        with connected(file, read_only=True, limits=_LIMITS) as connection, contextlib.closing(Conditions(file)) as conditions:
            yield Copy(audit.store, audit.run, connection, conditions)


def _fill(connection: Any, audit: Audit) -> None:
    connection.execute(TYPE)
    for name in audit.tables:
        _take(connection, name, audit.dataset(name))
    connection.execute(RANK)
    connection.execute(f"CREATE VIEW places AS {places()}")
    connection.execute("CREATE VIEW numbered AS SELECT *, rowid AS n FROM findings")
    take_manifest(connection, audit)
    for statement in (_NAMES, _FOLDERS, _PLACED, _SLIM, "DROP TABLE placed"):
        connection.execute(statement)


def _take(connection: Any, name: str, table: ds.Dataset) -> None:
    """Copy a table. DuckDB reads local files by itself, in half the time and a fifth of the memory; it would take some names for patterns."""
    import duckdb

    files, made = list(getattr(table, "files", ())), typed(ALL_TABLES[name].names)
    try:
        if files and all(file.startswith("/") and Path(file).is_file() and not _PATTERN.search(file) for file in files):
            connection.register("given", ALL_TABLES[name].empty_table())
            connection.execute(f"CREATE TABLE {name} AS SELECT {made} FROM given")  # noqa: S608  # names of the schema
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM read_parquet(?, union_by_name := true)", [files])  # noqa: S608
        else:
            connection.register("given", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT {made} FROM given")  # noqa: S608
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        said = str(error).partition("\n")[0]
        raise StoreError(f"the table {name} cannot be read ({said}); restore the output, or scan again with --fresh") from None
    connection.unregister("given")
