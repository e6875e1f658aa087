"""Puts the copies of a complete run in their places and writes the manifest.

A run leaves its copies in `_work/RUN/`. On a local disk, the folder of a first run becomes `corpus/` by one rename, so it appears whole.
Otherwise files are moved one by one. Every step can be repeated after an interruption; without run.json, which the caller writes last, the
destination counts as incomplete.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.cleaning.assembly import Assembler
from veritensor_ray.cleaning.manifest import CLEANED, CORPUS, MANIFEST, MANIFEST_NAME, QUARANTINE, ROWS, ROWS_NAME, Cleaned, Result
from veritensor_ray.cleaning.places import check_way, clashing, object_name, paths_below, remove_empty, staged
from veritensor_ray.errors import StoreError
from veritensor_ray.findings.attestation import NAME as ATTESTATION
from veritensor_ray.findings.attestation import RUN
from veritensor_ray.findings.lifecycle import folders_above
from veritensor_ray.findings.redact import visible
from veritensor_ray.findings.schema import LEDGER
from veritensor_ray.reasons import ReasonCode
from veritensor_ray.stores.outputs import OutputStore
from veritensor_ray.uris import is_local

SUMMARY = "summary.json"
_MOVERS = 16
_CHUNK = 8 << 20
_SAMPLES = 20
_OF_LEDGER = ["artifact", "size", "status", "reason", "reason_code", "media_type"]
# What the plan or the listing decided: no shard has such an artifact.
_PLANNED = [
    code.value
    for code in (
        *(ReasonCode.NOT_INCLUDED, ReasonCode.EXCLUDED, ReasonCode.ABOVE_MAX_SIZE, ReasonCode.NOT_CHANGED_SINCE),
        *(ReasonCode.SAMPLED_OUT, ReasonCode.OWN_OUTPUT, ReasonCode.LINK, ReasonCode.NOT_A_FILE),
        *(ReasonCode.PERMISSION, ReasonCode.NOT_FOUND, ReasonCode.STORE_FAILED),
    )
]
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


def hold_back(assembler: Assembler, ledger: OutputStore, reasons: Mapping[str, str]) -> dict[str, Any]:
    """Move files of a published copy to the quarantine, and return new counts for run.json. `reasons` maps paths in the copy to reasons.

    They are copied to where copies wait, then the manifest is changed, then everything is moved as when it was published. So it can be
    repeated after an interruption, as publishing can.
    """
    return _Publication(assembler, ledger, one_by_one).hold_back(reasons)


@dataclass
class _Counts:
    """The numbers for run.json."""

    results: Counter[str] = field(default_factory=Counter)
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    not_copied: Counter[str] = field(default_factory=Counter)
    samples: list[dict[str, str]] = field(default_factory=list)

    def add(self, table: pa.Table) -> None:
        """Count rows of the manifest."""
        for one in table["result"].value_counts().to_pylist():
            self.results[one["values"]] += one["counts"]
        for name in ("changes", "rows_dropped", "clean_size"):
            self.numbers[name] += pc.sum(table[name]).as_py() or 0
        acted = table["actions"].filter(pc.greater(pc.list_value_length(table["actions"]), 0))
        for actions in acted.to_pylist():
            for one in actions:
                self.actions[one["rule"], one["action"]] += one["count"]

    def summary(self) -> dict[str, Any]:
        return {
            "results": {result.value: self.results[result.value] for result in Result if self.results[result.value]},
            "not_copied": {name: count for name, count in sorted(self.not_copied.items()) if count},
            "actions": [{"rule": rule, "action": action, "count": count} for (rule, action), count in self.actions.most_common()],
            "changes": self.numbers["changes"],
            "rows_dropped": self.numbers["rows_dropped"],
            "bytes": self.numbers["clean_size"],
            "samples": self.samples,
        }


class _Publication:
    def __init__(self, assembler: Assembler, ledger: OutputStore, assemble: Assemble) -> None:
        self._assembler, self._ledger, self._assemble = assembler, ledger, assemble
        self._store, self._dry_run = assembler.cleaning.store, assembler.cleaning.dry_run
        self._work = f"_work/{assembler.run}"
        self._counts = _Counts()

    def run(self) -> dict[str, Any]:
        store = self._store
        store.remove([RUN, ATTESTATION])  # first, so that half a copy is never taken for a whole one
        if not store.exists(f"{self._work}/{MANIFEST_NAME}"):
            self._write_tables()
        summary: dict[str, Any] = json.loads(store.read(f"{self._work}/{SUMMARY}") or b"{}")
        if not self._dry_run:
            self._move()
        return summary

    def hold_back(self, reasons: Mapping[str, str]) -> dict[str, Any]:
        store, counts = self._store, _Counts()
        tables = []
        for batch in pq.ParquetFile(io.BytesIO(store.read(f"{self._work}/{MANIFEST_NAME}") or b"")).iter_batches():
            table = pa.Table.from_batches([batch])
            if pc.any(pc.is_in(table["path"], pa.array(list(reasons), pa.string()))).as_py():
                table = pa.Table.from_pylist([self._held(row, reasons) for row in table.to_pylist()], schema=MANIFEST)
            counts.add(table)
            tables.append(table)
        manifest = io.BytesIO()
        pq.write_table(pa.concat_tables(tables), manifest, compression="zstd")
        summary = json.loads(store.read(f"{self._work}/{SUMMARY}") or b"{}")
        summary |= {name: value for name, value in counts.summary().items() if name not in ("not_copied", "samples")}
        store.put(f"{self._work}/{SUMMARY}", json.dumps(summary).encode())
        store.put(f"{self._work}/{MANIFEST_NAME}", manifest.getvalue())
        self._move()
        return dict(summary)

    def _held(self, row: dict[str, Any], reasons: Mapping[str, str]) -> dict[str, Any]:
        """Return the row of an artifact whose copy waits to be moved to the quarantine, if there is a reason for that.

        A copy with findings in it that the policy asks for (`unsupported: copy`) stays.
        """
        if row["path"] not in reasons or (row["result"] == Result.COPIED.value and row["reason"] is not None):
            return row
        path = f"{QUARANTINE}/{row['path'].removeprefix(f'{CORPUS}/')}"
        with (
            self._store.open(object_name(self._store, row["path"])) as copy,
            staged(self._store, self._work, path, lambda: None) as out,
        ):
            shutil.copyfileobj(copy, out, _CHUNK)
        return row | {"result": Result.HELD.value, "path": path, "reason": reasons[row["path"]]}

    def _write_tables(self) -> None:
        """Write both tables beside the copies; the manifest comes last."""
        manifest = io.BytesIO()
        clashing = self._clashing()
        with (
            self._store.writer(f"{self._work}/{ROWS_NAME}") as file,
            pq.ParquetWriter(file, ROWS, compression="zstd") as dropped,
            pq.ParquetWriter(manifest, MANIFEST, compression="zstd") as writer,
        ):
            for table in self._all(dropped):
                table = _without(table, clashing, self._counts) if clashing else table
                self._counts.add(table)
                writer.write_table(table)
        self._store.put(f"{self._work}/{SUMMARY}", json.dumps(self._counts.summary()).encode())
        self._store.put(f"{self._work}/{MANIFEST_NAME}", manifest.getvalue())

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
            if len(self._counts.samples) < _SAMPLES:
                samples = [one for some in table["samples"].to_pylist() for one in some or ()]
                self._counts.samples += samples[: _SAMPLES - len(self._counts.samples)]
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
                    folder = entry["size"] is None
                    self._counts.not_copied["unlisted" if folder else "unreadable"] += 1
                    unlisted |= {entry["artifact"]} if folder else set()
                row = dict.fromkeys(MANIFEST.names) | {"artifact": entry["artifact"], "result": Result.LEFT_OUT.value}
                row |= {"reason": entry["reason"], "media_type": entry["media_type"], "source_size": entry["size"]}
                left_out.append(row | {"actions": [], "changes": 0, "rows_dropped": 0})
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
            yield from (pa.Table.from_batches([batch]).cast(schema) for batch in pq.ParquetFile(io.BytesIO(data)).iter_batches())

    def _cleaned(self) -> Iterator[pa.Table]:
        """Yield what became of every artifact of this run; the parts of a split one are put together first."""
        for table in self._tables():
            whole = table.filter(pc.equal(table["parts"], 1))
            if whole.num_rows:
                yield whole
        for cleaned in self._assemble(self._assembler, self._split()):
            yield pa.Table.from_pylist([cleaned.as_row()], schema=CLEANED)

    def _tables(self) -> Iterator[pa.Table]:
        for name in self._store.names(f"{self._work}/cleaned"):
            data = self._store.read(f"{self._work}/cleaned/{name}")
            yield pq.read_table(io.BytesIO(data or b""), schema=CLEANED)

    def _split(self) -> Iterator[list[Cleaned]]:
        """Yield the parts of each split artifact."""
        names = [field.name for field in fields(Cleaned)]
        rows = (row for table in self._tables() for row in table.filter(pc.greater(table["parts"], 1)).to_pylist())
        parts = (Cleaned(**{name: row[name] for name in names} | {"result": Result(row["result"])}) for row in rows)
        for _, some in groupby(parts, key=lambda one: one.artifact):
            yield sorted(some, key=lambda one: one.part)

    def _move(self) -> None:
        """Move copies to their places, and remove those of artifacts that left the source or went elsewhere."""
        store = self._store
        tables = {name: store.read(f"{self._work}/{name}") or b"" for name in (ROWS_NAME, MANIFEST_NAME)}
        paths = pq.read_table(io.BytesIO(tables[MANIFEST_NAME]), columns=["path"])["path"].drop_null().to_pylist()
        for place in (CORPUS, QUARANTINE):
            self._move_place(place, {path for path in paths if path.startswith(f"{place}/")})
        for name, data in tables.items():
            store.put(name, data)
        if store.local is not None:
            os.sync()

    def _move_place(self, place: str, wanted: set[str]) -> None:
        store, stage = self._store, f"{self._work}/{place}"
        check_way(store, f"{place}/")
        staged = set(paths_below(self._under_work(), place))
        # what a killed process left, and copies of artifacts that changed while they were read
        self._remove([f"{self._work}/{object_name(store, path)}" for path in staged - wanted], stage)
        staged &= wanted
        if staged and store.local is not None and not os.path.lexists(store.local / place):
            if staged != wanted:
                raise self._missing(wanted - staged)
            store.move(stage, place)
            return
        present = set(paths_below(store, place))
        if gone := wanted - present - staged:
            raise self._missing(gone)
        self._remove([object_name(store, path) for path in present - wanted], place)
        with ThreadPoolExecutor(_MOVERS) as movers:
            for _ in movers.map(self._move_one, staged):
                pass

    def _under_work(self) -> OutputStore:
        return self._store.under(self._work)

    def _move_one(self, path: str) -> None:
        name = object_name(self._store, path)
        check_way(self._store, name)
        self._store.move(f"{self._work}/{name}", name)

    def _remove(self, names: list[str], place: str) -> None:
        """Remove files, and the folders that are empty then."""
        store = self._store
        for name in names:
            check_way(store, name)
        store.remove(names)
        if store.local is not None:
            for name in names:
                remove_empty(store.local, name, place)

    def _missing(self, paths: set[str]) -> StoreError:
        return StoreError(
            f"{len(paths):,} files that the manifest lists are not in {self._store.uri}, such as {visible(min(paths))}; "
            "repeat the command with --fresh"
        )


def _without(table: pa.Table, clashing: set[str], counts: _Counts) -> pa.Table:
    """Return rows of the manifest in which artifacts that cannot be files are left out."""
    rows = table.to_pylist()
    for row in rows:
        if row["artifact"] in clashing and row["path"] is not None:
            row |= {"result": Result.LEFT_OUT.value, "path": None, "reason": _CLASH, "actions": [], "changes": 0, "rows_dropped": 0}
            row |= {"clean_size": None, "clean_sha256": None}
            counts.not_copied["unreadable"] += 1
    return pa.Table.from_pylist(rows, schema=MANIFEST)
