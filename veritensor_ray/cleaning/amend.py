"""Changes a published copy after its audit: files that still have findings are replaced by what that audit made of them, or held back.

The audit of the copy cleans too: it leaves rewritten files in `_work/again-RUN/`. A model may see more in a changed text than in the
original, so this takes one round more, seldom two. In the same way, references follow to names that were known only at the end of the run.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.cleaning.artifact_cleaner import copied
from veritensor_ray.cleaning.clean_shard import left, split
from veritensor_ray.cleaning.cleaning_context import AGAIN
from veritensor_ray.cleaning.copied_tables.table_logs import TableLogs
from veritensor_ray.cleaning.copy_counts import CopyCounts
from veritensor_ray.cleaning.copy_manifest import CORPUS, MANIFEST, MANIFEST_NAME, QUARANTINE, ROWS, ROWS_NAME, Result
from veritensor_ray.cleaning.copy_places import object_name, staged
from veritensor_ray.cleaning.copy_publishing import Assemble, one_by_one
from veritensor_ray.cleaning.part_assembly import Assembler, added
from veritensor_ray.cleaning.staged_copies import Waiting
from veritensor_ray.core.reasons import CopyCode
from veritensor_ray.formats.editing.marks import REFERENCE

ROUNDS = 3
_Row = dict[str, Any]


def amend(
    assembler: Assembler, copies: Assembler, reasons: Mapping[str, str], number: int, assemble: Assemble = one_by_one
) -> dict[str, Any] | None:
    """Clean files of a published copy again, and return new counts for run.json; None if nothing can be done.

    `assembler` belongs to the run that was published, `copies` to the audits of the copy. `reasons` maps the paths of files with findings to
    why they would be held back, which happens if they cannot be rewritten, or after `ROUNDS` rounds, unless the policy says to leave them.
    `number` is that of the round, from 1: if its tables are complete, because this task is repeated, only its copies are moved.
    """
    return _Amendment(assembler, copies, reasons, number).run(assemble)


class _Amendment:
    def __init__(self, assembler: Assembler, copies: Assembler, reasons: Mapping[str, str], number: int) -> None:
        self._copies, self._reasons = copies, reasons
        self._store, policy = assembler.cleaning.store, assembler.cleaning.policy
        self._holding, self._copying = policy.remaining == "hold", policy.unsupported == "copy"
        self._waiting = Waiting(self._store, assembler.work)
        self._number = number
        self._changed = 0
        self._stuck: dict[tuple[str, str], str] = {}  # why references in a file cannot be changed, by path and digest
        self._dropped: list[_Row] = []

    def run(self, assemble: Assemble) -> dict[str, Any] | None:
        if (self._waiting.number or 0) >= self._number:  # the reasons are about the copy as it was before
            self._waiting.move()
            return self._waiting.summary()
        self._store.delete(self._waiting.stage(self._number))  # copies of an interrupted round, which may have been another one
        rewritten = self._rewritten(assemble) if self._number <= ROUNDS else {}
        dropped = pq.read_table(io.BytesIO(self._waiting.read(ROWS_NAME)), schema=ROWS)
        counts, tables, logs = CopyCounts(), [], TableLogs(self._store, self._waiting.work)
        concerned = pa.array({*self._reasons, *(path for path, _ in (*rewritten, *self._stuck))}, pa.string())
        for batch in pq.ParquetFile(io.BytesIO(self._waiting.read(MANIFEST_NAME))).iter_batches():
            table = pa.Table.from_batches([batch])
            if pc.any(pc.is_in(table["path"], concerned)).as_py():
                rows = [self._amended(row, rewritten, dropped, logs) for row in table.to_pylist()]
                table = pa.Table.from_pylist(rows, schema=MANIFEST)
            logs.add(table)
            tables.append(table)
        if not self._changed:
            return None
        changed = self._with_logs(pa.concat_tables(tables), logs)
        counts.add(changed)
        data = io.BytesIO()
        pq.write_table(pa.concat_tables([dropped, pa.Table.from_pylist(self._dropped, schema=ROWS)]), data, compression="zstd")
        self._store.put(f"{self._waiting.tables(self._number)}/{ROWS_NAME}", data.getvalue())
        manifest = io.BytesIO()
        pq.write_table(changed, manifest, compression="zstd")
        fresh = {name: value for name, value in counts.summary().items() if name not in ("not_copied", "samples")}
        self._waiting.complete(self._number, self._waiting.summary() | fresh | {"rounds": self._number}, manifest.getvalue())
        self._waiting.move()
        return self._waiting.summary()

    def _with_logs(self, manifest: pa.Table, logs: TableLogs) -> pa.Table:
        """Return the manifest with new logs for tables whose data files are others now. A log that was held back stays where it is."""
        for made in logs.made():
            same = pc.equal(manifest["artifact"], made.row["artifact"])
            old = manifest.filter(same).to_pylist()
            if made.data is None:
                is_other = any((one["path"] or "").startswith(f"{CORPUS}/") for one in old)
            else:
                is_other = [(one["path"], one["clean_sha256"] == made.row["clean_sha256"]) for one in old] == [(made.row["path"], False)]
            if is_other:
                row = logs.written(made, self._waiting.stage(self._number))
                manifest = pa.concat_tables([manifest.filter(pc.invert(same)), pa.Table.from_pylist([row], schema=MANIFEST)])
        return manifest

    def _rewritten(self, assemble: Assemble) -> dict[tuple[str, str], tuple[str, _Row]]:
        """Return what the audits of the copy rewrote: the folder and the row for each path and digest of what was rewritten."""
        found: dict[tuple[str, str], tuple[str, _Row]] = {}
        for name in self._store.names("_work"):
            if name.startswith(AGAIN):
                for row in self._rows(replace(self._copies, run=name.removeprefix(AGAIN)), assemble):
                    found[f"{CORPUS}/{row['artifact']}", row["source_sha256"]] = f"_work/{name}", row
        return found

    def _rows(self, copies: Assembler, assemble: Assemble) -> Iterator[_Row]:
        """Yield the rows of the files that an audit of the copy rewrote, of those that have findings."""
        for table in left(self._store, copies.work):
            wanted = pc.and_(pc.equal(table["parts"], 1), pc.greater(pc.list_value_length(table["actions"]), 0))
            for row in table.filter(wanted).to_pylist():
                if row["result"] == Result.CLEANED.value and self._concerns(row["artifact"], row["actions"]):
                    yield row
                elif _refers(row["actions"]):
                    self._stuck[f"{CORPUS}/{row['artifact']}", row["source_sha256"]] = row["reason"]
        # an audit that was given up may have left only some parts of a file
        whole = (some for some in split(self._store, copies.work) if len(some) == some[0].parts)
        parts = (some for some in whole if any(self._concerns(one.artifact, one.actions) for one in some))
        wholes = (one.as_row() for one in assemble(copies, parts))
        yield from (row for row in wholes if row["result"] == Result.CLEANED.value)

    def _concerns(self, artifact: str, actions: Iterable[_Row]) -> bool:
        return f"{CORPUS}/{artifact}" in self._reasons or _refers(actions)

    def _amended(self, row: _Row, rewritten: Mapping[tuple[str, str], tuple[str, _Row]], dropped: pa.Table, logs: TableLogs) -> _Row:
        """Return the new row of an artifact, whose new copy then waits to be moved.

        A copy that cannot be rewritten stays if the policy asks for that (`unsupported: copy`).
        """
        path, key = row["path"], (row["path"], row["clean_sha256"])
        work, again = rewritten.get(key, (None, None))
        reason, code = self._reasons.get(path), CopyCode.FOUND_AGAIN
        if reason is None and again is None and not self._copying:
            reason, code = self._stuck.get(key), CopyCode.REFERENCE_LEFT
        if (reason, again) == (None, None) or (self._copying and row["result"] == Result.COPIED.value and row["reason"] is not None):
            return row
        if work is None or again is None:
            if not self._holding and code is CopyCode.FOUND_AGAIN:
                return row
            aside = f"{QUARANTINE}/{path.removeprefix(f'{CORPUS}/')}"
            self._stage(object_name(self._store, path), aside)
            return row | {
                "result": Result.HELD.value,
                "path": aside,
                "reason": reason,
                "reason_code": code.value,
            }
        self._stage(f"{work}/{object_name(self._store, again['path'])}", path)
        gone = dropped.filter(pc.equal(dropped["artifact"], row["artifact"])).to_pylist() if again["rows"] else []
        deleted = logs.deleted(row["artifact"]) if again["rows"] else b""
        self._dropped += [{"artifact": row["artifact"]} | one for one in _of_source(again["rows"], gone, deleted)]
        return row | {
            "result": Result.CLEANED.value,
            "clean_size": again["clean_size"],
            "clean_sha256": again["clean_sha256"],
            "actions": added((row["actions"], again["actions"])),
            "changes": row["changes"] + again["changes"],
            "rows_dropped": row["rows_dropped"] + again["rows_dropped"],
        }

    def _stage(self, name: str, path: str) -> None:
        """Copy an object to where the copies of this change wait, for `path`."""
        self._changed += 1
        with self._store.open(name) as copy, staged(self._store, self._waiting.stage(self._number), path, lambda: None) as out:
            copied(copy, out)


def _refers(actions: Iterable[_Row]) -> bool:
    """Return whether a file has references to files with other names."""
    return any(one["rule"] == REFERENCE for one in actions)


def _of_source(rows: Iterable[_Row], gone: Iterable[_Row], deleted: bytes) -> list[_Row]:
    """Return rows of a copy with the numbers that they have in its source.

    The rows `gone` of the source are not in the copy, nor are those that its table had `deleted`, as in `TableView.deleted`.
    """
    before: dict[str | None, list[int]] = defaultdict(list)
    before[None] = np.flatnonzero(np.unpackbits(np.frombuffer(deleted, np.uint8), bitorder="little")).tolist()
    for one in gone:
        before[one["member"]].append(one["row"])
    # for each row that is not in the copy, the number in the copy of the next one that is
    following = {member: (ordered := np.unique(numbers)) - np.arange(len(ordered)) for member, numbers in before.items()}
    found = []
    for one in rows:
        earlier = () if one["stays"] else following.get(one["member"], ())
        found.append(one | {"row": one["row"] + int(np.searchsorted(earlier, one["row"], side="right"))})
    return found
