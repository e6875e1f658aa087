"""Writes the manifest of a complete run and puts its copies in their places.

Every step can be repeated after an interruption; without run.json, which the caller writes last, the destination counts as incomplete.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.cleaning.clean_shard import left, split
from veritensor_ray.cleaning.copied_tables.table_logs import TableLogs
from veritensor_ray.cleaning.copy_counts import CopyCounts
from veritensor_ray.cleaning.copy_manifest import CLEANED, MANIFEST, MANIFEST_NAME, ROWS, ROWS_NAME, Cleaned, Result
from veritensor_ray.cleaning.copy_places import clashing
from veritensor_ray.cleaning.not_copied import NotCopied, counted_reasons, most_frequent
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.cleaning.staged_copies import Waiting
from veritensor_ray.core.errors import StoreError
from veritensor_ray.core.reasons import LEFT_OUT, CopyCode, ReasonCode
from veritensor_ray.core.uris import is_local
from veritensor_ray.findings.lifecycle import folders_above
from veritensor_ray.findings.schema import LEDGER
from veritensor_ray.results.attestation import NAME as ATTESTATION
from veritensor_ray.results.attestation import RUN
from veritensor_ray.stores.outputs import OutputStore

_OF_LEDGER = ["artifact", "size", "status", "reason", "reason_code", "media_type"]
# What the plan or the listing decided: no shard has such an artifact.
_PLANNED = sorted({*LEFT_OUT, ReasonCode.PERMISSION, ReasonCode.NOT_FOUND, ReasonCode.STORE_FAILED, ReasonCode.TABLE_NOT_READ})
_REASONS = 100  # that a dry run names
_CLASH = "it cannot be a file in the destination, because its name is also that of a folder"
Assemble = Callable[[Assembler, Iterable[list[Cleaned]]], Iterator[Cleaned]]


def one_by_one(assembler: Assembler, split: Iterable[list[Cleaned]]) -> Iterator[Cleaned]:
    """Assemble split artifacts in this process."""
    return (assembler.assembled(parts) for parts in split)


def publish(assembler: Assembler, ledger: OutputStore, assemble: Assemble = one_by_one) -> dict[str, Any]:
    """Publish the copies of a run, and return counts for run.json. `ledger` is the output that holds the run's ledger.

    `assemble` puts split artifacts together. Raises StoreError if copies are missing, and whatever the destination raises.
    """
    return _Publication(assembler, ledger, assemble).run()


class _Publication:
    def __init__(self, assembler: Assembler, ledger: OutputStore, assemble: Assemble) -> None:
        self._assembler, self._ledger, self._assemble = assembler, ledger, assemble
        self._store, self._dry_run = assembler.cleaning.store, assembler.cleaning.dry_run
        self._waiting = Waiting(self._store, assembler.work)
        self._counts = CopyCounts()
        self._reasons: dict[tuple[str, str], NotCopied] = {}  # of a dry run, whose manifest nobody sees

    def run(self) -> dict[str, Any]:
        store = self._store
        store.remove([RUN, ATTESTATION])  # first, so that half a copy is never taken for a whole one
        if self._waiting.number is None:
            self._write_tables()
        if not self._dry_run:
            self._waiting.move()
        return self._waiting.summary()

    def _write_tables(self) -> None:
        """Write both tables beside the copies; the manifest comes last."""
        manifest = io.BytesIO()
        clashing, logs = self._clashing(), TableLogs(self._store, self._assembler.work)
        replaced = pa.array([] if self._dry_run else list(logs.artifacts), pa.string())
        with (
            self._store.writer(f"{self._waiting.tables(0)}/{ROWS_NAME}") as file,
            pq.ParquetWriter(file, ROWS, compression="zstd") as dropped,
            pq.ParquetWriter(manifest, MANIFEST, compression="zstd") as writer,
        ):
            for table in self._all(dropped):
                table = _without(table, clashing, self._counts) if clashing else table
                table = table.filter(pc.invert(pc.is_in(table["artifact"], replaced))) if len(replaced) else table
                logs.add(table)
                self._counts.add(table)
                for batch in table.to_batches() if self._dry_run else ():
                    counted_reasons(self._reasons, batch)
                writer.write_table(table)
            for made in () if self._dry_run else logs.made():  # without copies, no log can say which files it would name
                table = pa.Table.from_pylist([logs.written(made, self._assembler.work)], schema=MANIFEST)
                self._counts.add(table)
                writer.write_table(table)
        reasons = [asdict(one) for one in most_frequent(self._reasons)[:_REASONS]]
        self._waiting.complete(0, self._counts.summary() | ({"reasons": reasons} if self._dry_run else {}), manifest.getvalue())

    def _clashing(self) -> set[str]:
        """Return the artifacts that cannot be files on a disk, since their names are also those of folders. Only stores have them."""
        if self._store.local is None or all(is_local(root.uri) for root in self._assembler.roots):
            return set()
        batches = self._ledger.dataset("ledger", LEDGER).to_batches(columns=["artifact"])
        return clashing(name for batch in batches for name in batch["artifact"].to_pylist())

    def _all(self, dropped: pq.ParquetWriter) -> Iterator[pa.Table]:
        """Yield the rows of the manifest, and write those of the dropped rows."""
        seen = [pa.array([], pa.string())]
        for table in self._cleaned():
            seen += table["artifact"].chunks
            rows = table.filter(pc.greater(pc.list_value_length(table["rows"]), 0)).select(["artifact", "rows"]).to_pylist()
            if flat := [{"artifact": one["artifact"]} | row for one in rows for row in one["rows"]]:
                dropped.write_table(pa.Table.from_pylist(flat, schema=ROWS))
            self._counts.add_samples(one for some in table["samples"].to_pylist() for one in some or ())
            self._counts.not_copied["unreadable"] += pc.sum(pc.equal(table["result"], Result.LEFT_OUT.value)).as_py() or 0
            yield table.select(MANIFEST.names).cast(MANIFEST)
        expected, unlisted, left_out = self._unseen(pa.concat_arrays(seen))
        if left_out:
            yield pa.Table.from_pylist(left_out, schema=MANIFEST)
        yield from self._carried(expected, unlisted, dropped)

    def _unseen(self, seen: pa.Array) -> tuple[pa.Array, set[str], list[dict[str, Any]]]:
        """Return, of the artifacts that this run did not clean: those that have not changed, the folders that could not be listed, and rows
        for those that are not part of the copy.
        """
        expected, unlisted, left_out = [pa.array([], pa.string())], set[str](), []
        for batch in self._ledger.dataset("ledger", LEDGER).to_batches(columns=_OF_LEDGER):
            rest = batch.filter(pc.invert(pc.is_in(batch["artifact"], seen)))
            planned = pc.fill_null(pc.is_in(rest["reason_code"], pa.array(_PLANNED)), False)
            expected.append(rest.filter(pc.invert(planned))["artifact"])
            for entry in rest.filter(planned).to_pylist():
                if entry["status"] == "unreadable":
                    folder = entry["size"] is None and entry["reason_code"] != ReasonCode.TABLE_NOT_READ
                    self._counts.not_copied["unlisted" if folder else "unreadable"] += 1
                    unlisted |= {entry["artifact"]} if folder else set()
                row = dict.fromkeys(MANIFEST.names) | {"artifact": entry["artifact"], "result": Result.LEFT_OUT.value}
                row |= {name: entry[name] for name in ("reason", "reason_code", "media_type")}
                left_out.append(row | {"source_size": entry["size"], "actions": [], "changes": 0, "rows_dropped": 0})
        return pa.concat_arrays(expected), unlisted, left_out

    def _carried(self, expected: pa.Array, unlisted: set[str], dropped: pq.ParquetWriter) -> Iterator[pa.Table]:
        """Yield the manifest's rows that have not changed since the last sweep. Raises StoreError if there are not as many as expected.

        Nothing is known about what lies in folders that could not be listed, so their copies stay.
        """
        listed = self._listed() if unlisted else pa.array([], pa.string())
        kept, found = [expected], 0
        for table in self._earlier(MANIFEST_NAME, MANIFEST):
            wanted = pc.is_in(table["artifact"], expected)
            found += pc.sum(wanted).as_py() or 0
            if unlisted:
                absent = table.filter(pc.invert(pc.is_in(table["artifact"], listed)))["artifact"].to_pylist()
                there = pa.array([name for name in absent if any(one in unlisted for one in folders_above(name))], pa.string())
                kept.append(there)
                wanted = pc.or_(wanted, pc.is_in(table["artifact"], there))
            if (some := table.filter(wanted)).num_rows:
                yield some
        if found < len(expected):
            raise StoreError(
                f"the copies of {len(expected) - found:,} artifacts that have not changed since run {self._assembler.run} are not in "
                f"{self._store.uri}; repeat the command with --fresh"
            )
        names = pa.concat_arrays(kept)
        for table in self._earlier(ROWS_NAME, ROWS):
            if (some := table.filter(pc.is_in(table["artifact"], names))).num_rows:
                dropped.write_table(some)

    def _listed(self) -> pa.Array:
        batches = self._ledger.dataset("ledger", LEDGER).to_batches(columns=["artifact"])
        return pa.concat_arrays([pa.array([], pa.string()), *(batch["artifact"] for batch in batches)])

    def _earlier(self, name: str, schema: pa.Schema) -> Iterator[pa.Table]:
        """Yield a table of the copy that this run changes, piece by piece; nothing in a first run."""
        if (data := self._store.read(name)) is not None:
            yield from (_of_schema(pa.Table.from_batches([batch]), schema) for batch in pq.ParquetFile(io.BytesIO(data)).iter_batches())

    def _cleaned(self) -> Iterator[pa.Table]:
        """Yield what became of every artifact of this run; the parts of a split one are put together first."""
        for table in left(self._store, self._assembler.work):
            whole = table.filter(pc.equal(table["parts"], 1))
            if whole.num_rows:
                yield whole
        for cleaned in self._assemble(self._assembler, split(self._store, self._assembler.work)):
            yield pa.Table.from_pylist([cleaned.as_row()], schema=CLEANED)


def _of_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table in this schema. A column that an earlier version did not write is null."""
    for name in set(schema.names) - set(table.column_names):
        table = table.append_column(schema.field(name), pa.nulls(table.num_rows, schema.field(name).type))
    return table.select(schema.names).cast(schema)


def _without(table: pa.Table, clashing: set[str], counts: CopyCounts) -> pa.Table:
    """Return rows of the manifest in which artifacts that cannot be files are left out."""
    rows = table.to_pylist()
    for row in rows:
        if row["artifact"] in clashing and row["path"] is not None:
            row |= {"result": Result.LEFT_OUT.value, "path": None, "reason": _CLASH, "reason_code": CopyCode.NAME_TAKEN.value}
            row |= {"actions": [], "changes": 0, "rows_dropped": 0, "clean_size": None, "clean_sha256": None}
            counts.not_copied["unreadable"] += 1
    return pa.Table.from_pylist(rows, schema=MANIFEST)
