"""Query the tables of a complete output, read-only. It does not depend on a terminal, a notebook or the corpus."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.errors import CannotRunError, StoreError, UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.wording import nearest
from veritensor_ray.findings.run_file import check
from veritensor_ray.findings.schema import ALL_TABLES, OF_AUDIT, SCHEMA_VERSION, SINCE, TABLES
from veritensor_ray.findings.summary import CHECKED, database
from veritensor_ray.findings.sweep_state import night, results
from veritensor_ray.results.attestation import check_unchanged
from veritensor_ray.results.place_names import shortened
from veritensor_ray.results.run_text import FullyChecked, fully_checked
from veritensor_ray.results.severities import RANK, TYPE, compared, typed, words
from veritensor_ray.results.shared_places import places
from veritensor_ray.results.table_check import check_rows
from veritensor_ray.stores.filesystems import Stores, absolute
from veritensor_ray.stores.outputs import OutputStore

if TYPE_CHECKING:
    from types import FrameType

    import pyarrow.dataset as ds

_ID = re.compile("[0-9a-fA-F]{6,32}")
_NUMBER = re.compile("[0-9]{1,9}")
_IDS = "`veritensor-ray findings OUTPUT --no-group` lists ids"
EVERY_LOCATION = "scan again with `--locations all` to keep every location"
_LISTED = 5
_BATCH = 10_000  # rows
_QUERY = 400  # characters of a query in a message
# Short names for the columns that people filter by; they exist only in conditions.
_SHORT = "rule_id AS rule, location.line AS line, location.row AS row, location.part AS part, location.view AS view"


@dataclass(frozen=True, repr=False)
class Results:
    """The tables of a complete audit or sweep. `run` is the content of run.json; `store` is the folder that contains it.

    In SQL, each table has its own name, and severities are of the ordered type `severity`, which has a word in quotes too when they are
    compared with it. There are also the view `places` (see `results/shared_places.py`) and the function `severity_rank(severity)`, which is 1 for
    info and 5 for critical.
    """

    store: OutputStore
    run: Mapping[str, Any]

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the available tables. An output of an earlier schema lacks those that have come since."""
        names, schema = TABLES if self.run.get("job") == "sweep" else OF_AUDIT, _schema(self.run)
        optional = ("locations",) if self.run.get("locations") == "all" else ()
        return (*(name for name in names if SINCE.get(name, 0) <= schema), *optional)

    @cached_property
    def checked(self) -> FullyChecked:
        """How many artifacts were fully checked. If run.json is of a version that did not count them, the ledger is counted."""
        return fully_checked(self.run) if self.run.get("checked") else FullyChecked(**self.records(CHECKED)[0])

    def dataset(self, name: str) -> ds.Dataset:
        """Returns a table without reading it yet: findings, ledger, rollup or rules; for a sweep also resolved, unverified, known and trends; with
        `locations: all` also locations.

        A column that an earlier version did not write is null. Raises UsageError for an unknown name, StoreError if the table is lost.
        """
        if name not in self.tables:
            raise UsageError(_unknown(name, self.tables, self.run))
        if not self.store.names(name):  # even a table without rows has a file
            raise StoreError(f"{self.store.uri} has lost its table {name}; restore the output, or scan again with --fresh")
        return self.store.dataset(name, ALL_TABLES[name])

    def rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]:
        """Runs a DuckDB query over the tables and yields record batches, with a few thousand rows in memory at a time.

        The query cannot reach any other file, or the network. `values` fill its `?` in order. Raises UsageError for a query that is not
        valid, with DuckDB's explanation.
        """
        with self.reader(query, values) as reader:
            yield from reader

    def records(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Returns all rows of a small result as dictionaries."""
        return [row for batch in self.rows(query, values) for row in batch.to_pylist()]

    @contextlib.contextmanager
    def reader(self, query: str, values: Sequence[Any] = ()) -> Iterator[pa.RecordBatchReader]:
        """Runs a query like `rows`, and gives its result as a reader of record batches, which has the schema.

        Raises UsageError, with DuckDB's explanation, if the query is not valid or fails within the block.
        """
        with self.relation(query, values) as result:
            if len({*result.columns}) < len(result.columns):
                raise UsageError(f"several columns of the query {query!r} have the same name; rename them with AS")
            reader = result.to_arrow_reader(_BATCH)
            schema = words(reader.schema)
            yield pa.RecordBatchReader.from_batches(schema, (_readable(batch.cast(schema)) for batch in reader))

    @contextlib.contextmanager
    def relation(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Gives the result of a query as a DuckDB relation, whose rows are computed within the block. Raises UsageError as `reader` does."""
        with Guard():
            import duckdb

        _check_text([query, *values])
        with self.connection() as connection:
            try:
                result = connection.sql(compared(connection, query), params=list(values))
                if result is None:
                    raise UsageError(f"{query!r} is not a query that returns rows; an example is 'select * from ledger'")  # noqa: S608
                yield result
            except (duckdb.Error, pa.ArrowException) as error:
                tables = f"{', '.join(self.tables)} and places"
                raise UsageError(
                    f"the query {shortened(query, _QUERY)!r} is not valid: {_first_line(error)}. The tables are {tables}"
                ) from None

    def matching(self, where: str, source: str = "findings") -> str:
        """Returns a subquery with the findings of `source`, a table or a subquery, that meet a SQL condition, to be used after FROM.

        The condition may use all columns of findings, and `rule`, `line`, `row`, `part` and `view` as short names. Raises UsageError, with
        DuckDB's explanation, for a condition that is not valid.
        """
        with self.connection() as connection:
            return meeting(connection, where, source)

    @contextlib.contextmanager
    def connection(self) -> Iterator[Any]:
        """Opens a DuckDB connection that sees the tables and nothing else. Large sorts and groups go to a temporary folder."""
        with Guard():
            import duckdb  # noqa: F401  # not from the working directory

        with database() as connection:
            connection.execute(TYPE)
            for name in self.tables:
                connection.register(f"stored_{name}", self.dataset(name))
                connection.execute(f"CREATE VIEW {name} AS SELECT {typed(ALL_TABLES[name].names)} FROM stored_{name}")  # noqa: S608  # names of the schema
            connection.execute(RANK)
            connection.execute(f"CREATE VIEW places AS {places()}")
            connection.execute("SET enable_external_access = false; SET lock_configuration = true")
            try:
                with _stopped_by_ctrl_c(connection):
                    yield connection
            except RuntimeError as error:
                if str(error) != "Query interrupted":  # DuckDB's word for Ctrl-C
                    raise
                raise KeyboardInterrupt from None

    def finding(self, finding: str) -> dict[str, Any]:
        """Returns the row of the only finding whose id begins with `finding`. Raises UsageError if there is none, or more than one."""
        if not _ID.fullmatch(finding):
            raise UsageError(f"{finding!r} is neither the id of a finding nor at least six of its first digits; {_IDS}")
        found = self.records(
            f"SELECT * FROM findings WHERE starts_with(finding_id, ?) ORDER BY finding_id LIMIT {_LISTED + 1}",  # noqa: S608  # a constant
            [finding.lower()],
        )
        if not found:
            raise UsageError(f"no finding in {self.store.uri} has an id that begins with {finding}; {_IDS}")
        if len(found) > 1:
            ids = ", ".join(row["finding_id"] for row in found[:_LISTED]) + (", …" if len(found) > _LISTED else "")
            raise UsageError(f"several findings have ids that begin with {finding}: {ids}; give more digits")
        return found[0]

    def check(self) -> None:
        """Compare signed results with their list of digests, whoever signed it, and refuse rows that no audit writes.

        Call it before results are handed on to other people or programs. Raises SignatureError or StoreError, with the remedy.
        """
        check_unchanged(self.store)
        check_rows(self)


@contextlib.contextmanager
def _stopped_by_ctrl_c(connection: Any) -> Iterator[None]:
    """Interrupt the query of a connection on Ctrl-C. By itself, DuckDB may wait for threads that it did not tell to stop."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        connection.interrupt()
        handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def meeting(connection: Any, where: str, source: str) -> str:
    """Return the subquery of `Results.matching` for the tables of a connection."""
    import duckdb

    _check_text([where])
    named = f"(SELECT *, {_SHORT} FROM {source})"  # noqa: S608  # a subquery of ours
    try:
        duckdb.SQLExpression(where)  # refuses anything but one expression
        where = compared(connection, f"SELECT (\n{where}\n)")[len("SELECT (\n") : -len("\n)")]
        met = f"(SELECT * EXCLUDE (rule, line, row, part, view) FROM {named} WHERE (\n{where}\n))"  # noqa: S608
        kind = connection.execute(f"DESCRIBE SELECT (\n{where}\n) FROM {named}").fetchall()[0][1]  # noqa: S608  # it only reads
        if kind == "BOOLEAN":
            connection.execute(f"DESCRIBE FROM {met}").fetchall()  # refuses an aggregate, which is true or false but no condition
    except duckdb.Error as error:
        raise UsageError(_invalid(where, _first_line(error))) from None
    if kind != "BOOLEAN":
        raise UsageError(_invalid(where, f"it is of type {kind}, not true or false"))
    return met


def _check_text(values: Iterable[Any]) -> None:
    """Raise UsageError for text with surrogates, such as bytes of a command line that are not UTF-8, which DuckDB does not take."""
    for value in values:
        if isinstance(value, list):
            _check_text(value)
        elif isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise UsageError("a query, condition or filter has bytes that are not UTF-8; results have \\xNN in their place") from None


def _readable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch, whose rows can then become Python values. Raises UsageError for a time that Python does not have, or broken text."""
    try:
        batch.validate(full=True)
        for column in batch.columns:
            for times in _times(column):
                pc.min_max(times).as_py()
    except OverflowError:
        raise UsageError(
            "the result has a time outside the years 1 to 9999; cast it to VARCHAR in a query of your own, or copy the output again"
        ) from None
    except pa.ArrowInvalid:
        raise UsageError("the result has text that is not UTF-8, which no audit writes; copy the output again from its origin") from None
    return batch


def _times(array: pa.Array) -> Iterator[pa.Array]:
    """Yield the times in a column, in whatever structs and lists."""
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        yield array
    elif pa.types.is_struct(kind):
        for one in array.flatten():
            yield from _times(one)
    elif pa.types.is_map(kind):
        for one in (array.keys, array.items):
            yield from _times(one)
    elif pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _times(array.flatten())


def _invalid(where: str, why: str) -> str:
    example = "\"rule glob 'pii.*' and artifact glob 'hr/*'\""
    return f"the condition {where!r} is not valid: {why}. Conditions are SQL over the columns of findings, for example {example}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _schema(run: Mapping[str, Any]) -> int:
    """Return the schema version of an output, whose run.json may come from anyone; 0 if it does not say."""
    version = str(run.get("schema_version"))
    return int(version) if _NUMBER.fullmatch(version) else 0


def _unknown(name: object, tables: Sequence[str], run: Mapping[str, Any]) -> str:
    if isinstance(name, str) and _schema(run) < SINCE.get(name, 0):
        return f"results of an earlier version have no table {name!r}, which came with schema {SINCE[name]}; these have {', '.join(tables)}"
    if name == "locations":
        return f"this run kept only the first locations of each finding, so it has no table {name!r}; {EVERY_LOCATION}"
    if name in TABLES:
        return f"only the results of a sweep have the table {name!r}; these have {', '.join(tables)}"
    near = nearest(str(name), tables)
    return f"there is no table {name!r}; " + (f"did you mean {near!r}?" if near else f"choose from {', '.join(tables)}")


def find(output: str, stores: Stores, sweep: str | None = None) -> tuple[OutputStore, dict[str, Any]]:
    """Return the folder and the run.json of a complete audit, of a state's last complete sweep, or of the sweep with this id.

    Raises IncompleteOutput, UsageError for a sweep that does not exist, CannotRunError for results of a newer version,
    or StoreError for a run.json that is damaged.
    """
    store = OutputStore(absolute(output), stores)
    if sweep is not None:
        chosen = night(store, sweep)
        store, run = chosen.store, dict(chosen.run)
    else:
        store, run = results(store, output)
    if _schema(run) > int(SCHEMA_VERSION):
        raise CannotRunError(
            f"{output} was written by a newer version ({run.get('package_version', 'unknown')}): its tables have schema {_schema(run)}, and this "
            f"version reads schemas up to {SCHEMA_VERSION}. Install that version or a later one"
        )
    check(run, store.uri)
    return store, run
