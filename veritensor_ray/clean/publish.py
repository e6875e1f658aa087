"""Puts the copies of a complete run in their places and writes the manifest.

A run leaves its copies in `_work/RUN/`. On a local disk, the folder of a first run becomes `corpus/` by one rename, so it appears whole.
Otherwise files are moved one by one. Every step can be repeated after an interruption; without run.json, which the caller writes last, the
destination counts as incomplete.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from itertools import groupby
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.clean.artifact import copied
from veritensor_ray.clean.cleaning import Cleaning
from veritensor_ray.clean.files import opened
from veritensor_ray.clean.manifest import (
    CLEANED,
    CORPUS,
    MANIFEST,
    MANIFEST_NAME,
    QUARANTINE,
    ROWS,
    ROWS_NAME,
    Cleaned,
    Result,
    file_name,
)
from veritensor_ray.clean.orders import Orders
from veritensor_ray.clean.shard import piece_key, table_key
from veritensor_ray.config import Settings
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.listing import Root
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.errors import ReadError
from veritensor_ray.findings.schema import LEDGER
from veritensor_ray.reasons import ReasonCode
from veritensor_ray.stores.outputs import OutputStore

RUN = "run.json"
SUMMARY = "summary.json"
_MOVERS = 16
_BATCH = 5_000
_SAMPLES = 20
_OF_LEDGER = ["artifact", "size", "status", "reason", "reason_code", "media_type"]
# What the plan decided: such an artifact does not belong to the corpus of this run.
_BY_PLAN = frozenset(
    (
        *(ReasonCode.NOT_INCLUDED, ReasonCode.EXCLUDED, ReasonCode.ABOVE_MAX_SIZE, ReasonCode.NOT_CHANGED_SINCE),
        *(ReasonCode.SAMPLED_OUT, ReasonCode.OWN_OUTPUT, ReasonCode.LINK, ReasonCode.NOT_A_FILE),
        *(ReasonCode.PERMISSION, ReasonCode.NOT_FOUND, ReasonCode.STORE_FAILED),
    )
)
_SEVERE = (Result.QUARANTINED, Result.HELD, Result.LEFT_OUT, Result.DROPPED)


def publish(cleaning: Cleaning, settings: Settings, roots: Sequence[Root], run: str, ledger: OutputStore) -> dict[str, Any]:
    """Publish the copies of a run. `ledger` is the output that holds its ledger. Returns counts for run.json."""
    return _Publication(cleaning, settings, roots, run, ledger).run()


class _Publication:
    def __init__(self, cleaning: Cleaning, settings: Settings, roots: Sequence[Root], run: str, ledger: OutputStore) -> None:
        self._cleaning, self._settings, self._roots, self._ledger = cleaning, settings, roots, ledger
        self._store, self._run = cleaning.store, run
        self._work = f"_work/{run}"
        self._results: Counter[str] = Counter()
        self._actions: Counter[tuple[str, str]] = Counter()
        self._rows = self._changes = self._bytes = 0
        self._samples: list[dict[str, str]] = []

    def run(self) -> dict[str, Any]:
        store = self._store
        store.delete(RUN)
        if not store.exists(f"{self._work}/{MANIFEST_NAME}"):
            self._write_tables()
        summary = store.read(f"{self._work}/{SUMMARY}")
        self._move()
        return dict(json.loads(summary or b"{}"))

    def _write_tables(self) -> None:
        """Assemble split artifacts, then write both tables beside the copies; the manifest comes last."""
        before = self._carried()
        seen: set[str] = set()
        with self._store.writer(f"{self._work}/{ROWS_NAME}") as file, pq.ParquetWriter(file, ROWS, compression="zstd") as dropped:
            manifest = io.BytesIO()
            with pq.ParquetWriter(manifest, MANIFEST, compression="zstd") as writer:
                for some in _batches(self._all(before, dropped, seen)):
                    writer.write_table(pa.Table.from_pylist(some, schema=MANIFEST))
        self._store.put(f"{self._work}/{SUMMARY}", json.dumps(self._summary()).encode())
        self._store.put(f"{self._work}/{MANIFEST_NAME}", manifest.getvalue())

    def _carried(self) -> dict[str, dict[str, Any]]:
        """Return the manifest of the copy that this run changes, by artifact; empty for a first run."""
        data = self._store.read(MANIFEST_NAME)
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist() if data else []
        return {row["artifact"]: row for row in rows}

    def _all(self, before: dict[str, dict[str, Any]], dropped: pq.ParquetWriter, seen: set[str]) -> Iterator[dict[str, Any]]:
        old_rows = self._old_rows()
        for cleaned in self._artifacts():
            seen.add(cleaned.artifact)
            if cleaned.rows:
                rows = [{"artifact": cleaned.artifact, **row} for row in cleaned.rows]
                dropped.write_table(pa.Table.from_pylist(rows, schema=ROWS))
            self._samples += cleaned.samples[: max(0, _SAMPLES - len(self._samples))]
            yield self._counted({name: getattr(cleaned, name) for name in MANIFEST.names} | {"result": cleaned.result.value})
        for batch in self._ledger.dataset("ledger", LEDGER).to_batches(columns=_OF_LEDGER):
            for entry in batch.to_pylist():
                name = entry["artifact"]
                if name in seen:
                    continue
                seen.add(name)
                if name in before and entry["reason_code"] not in _BY_PLAN:  # unchanged since the last sweep
                    yield self._counted(before[name])
                    if name in old_rows:
                        dropped.write_table(pa.Table.from_pylist(old_rows[name], schema=ROWS))
                    continue
                left = dict.fromkeys(MANIFEST.names) | {"artifact": name, "result": Result.LEFT_OUT.value, "reason": entry["reason"]}
                left |= {"media_type": entry["media_type"], "source_size": entry["size"], "actions": [], "changes": 0, "rows_dropped": 0}
                yield self._counted(left)

    def _old_rows(self) -> dict[str, list[dict[str, Any]]]:
        data = self._store.read(ROWS_NAME)
        found: dict[str, list[dict[str, Any]]] = {}
        for row in pq.read_table(io.BytesIO(data)).to_pylist() if data else ():
            found.setdefault(row["artifact"], []).append(row)
        return found

    def _counted(self, row: dict[str, Any]) -> dict[str, Any]:
        self._results[row["result"]] += 1
        for one in row["actions"] or ():
            self._actions[one["rule"], one["action"]] += one["count"]
        self._rows += row["rows_dropped"] or 0
        self._changes += row["changes"] or 0
        self._bytes += row["clean_size"] or 0
        return row

    def _summary(self) -> dict[str, Any]:
        actions = [{"rule": rule, "action": action, "count": count} for (rule, action), count in self._actions.most_common()]
        return {
            "results": {result.value: self._results[result.value] for result in Result if self._results[result.value]},
            "actions": actions,
            "changes": self._changes,
            "rows_dropped": self._rows,
            "bytes": self._bytes,
            "samples": self._samples,
        }

    def _artifacts(self) -> Iterator[Cleaned]:
        """Yield what became of every artifact of this run; the parts of a split one are put together first."""
        for _, parts in groupby(self._parts(), key=lambda one: one.artifact):
            some = list(parts)
            yield some[0] if some[0].parts == 1 else self._assembled(some)

    def _parts(self) -> Iterator[Cleaned]:
        names = [field.name for field in fields(Cleaned)]
        for name in self._store.names(f"{self._work}/cleaned"):
            data = self._store.read(table_key(self._run, int(name.partition(".")[0])))
            for row in pq.read_table(io.BytesIO(data or b""), schema=CLEANED).to_pylist():
                yield Cleaned(**{name: row[name] for name in names} | {"result": Result(row["result"])})

    def _assembled(self, parts: list[Cleaned]) -> Cleaned:
        """Put a split artifact together: the worst result of its parts counts for all of it."""
        whole = replace(parts[0], part=0, parts=1, clean_sha256=None, clean_size=None, source_sha256=None)
        whole.source_size = sum(part.source_size or 0 for part in parts) if parts[0].kind != "rowgroups" else parts[0].source_size
        whole.actions = _added([part.actions for part in parts])
        whole.changes = sum(part.changes for part in parts)
        worst = next((part for result in _SEVERE for part in parts if part.result is result), None)
        if worst is not None:
            whole.result, whole.reason, whole.rows, whole.rows_dropped = worst.result, worst.reason, [], 0
            whole.changes = 0
        else:
            whole.result = Result.CLEANED if any(part.result is Result.CLEANED for part in parts) else Result.COPIED
            whole.rows, first = [], 0
            for part in parts:
                shift = first if part.kind != "rowgroups" else 0
                whole.rows += [row | {"row": row["row"] + shift} for row in part.rows]
                first += part.row_count
            whole.rows_dropped = sum(part.rows_dropped for part in parts)
            whole.samples = [sample for part in parts for sample in part.samples]
        place = {Result.COPIED: CORPUS, Result.CLEANED: CORPUS, Result.QUARANTINED: QUARANTINE, Result.HELD: QUARANTINE}.get(whole.result)
        if place is None or self._cleaning.dry_run:
            return whole
        whole.path = f"{place}/{file_name(whole.artifact)}"
        try:
            with self._store.writer(f"{self._work}/{whole.path}") as out:
                self._join(whole, parts, out)
        except ReadError as error:
            return replace(whole, result=Result.LEFT_OUT, path=None, reason=str(error), clean_size=None, clean_sha256=None)
        return whole

    def _join(self, whole: Cleaned, parts: list[Cleaned], out: BinaryIO) -> None:
        """Write a split artifact: changed parts from what the shards left, the others from the source."""
        root = self._roots[whole.root]
        row = PlanRow(0, whole.artifact, whole.source_path, whole.root, self._size(whole.artifact), None, None)
        with closing(OpenArtifact(row, root, self._settings.stores)) as artifact:
            source = artifact.file()
            if whole.result is not Result.CLEANED:
                whole.clean_size, whole.clean_sha256 = copied(source, out)
                return
            hashing = _Hashing(out)
            with contextlib.ExitStack() as stack:
                if whole.kind == "rowgroups":
                    from veritensor_ray.clean.formats.columns import joined_parquet

                    pieces = [self._changed_piece(part, stack) or self._same_groups(part, source, stack) for part in parts]
                    joined_parquet(pieces, source, cast("BinaryIO", hashing))
                else:
                    self._join_bytes(source, parts, stack, cast("BinaryIO", hashing))
            whole.clean_size, whole.clean_sha256 = hashing.size, hashing.digest.hexdigest()

    def _size(self, artifact: str) -> int | None:
        import pyarrow.compute as pc

        table = self._ledger.dataset("ledger", LEDGER).to_table(columns=["size"], filter=pc.field("artifact") == artifact)
        return table["size"][0].as_py() if table.num_rows else None

    def _changed_piece(self, part: Cleaned, stack: contextlib.ExitStack) -> BinaryIO | None:
        """Return a part as its shard left it, or None if nothing was changed in it."""
        if part.result is not Result.CLEANED:
            return None
        return stack.enter_context(self._store.open(piece_key(self._run, part.artifact, part.part)))

    def _same_groups(self, part: Cleaned, source: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
        """Return unchanged row groups of a Parquet file as a file."""
        from veritensor_ray.clean.formats.columns import rewrite_parquet

        source.seek(0)
        groups = replace(opened(source, part.artifact, self._settings.limits), row_groups=(part.start or 0, part.end or 0))
        target = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115  # the stack closes it
        rewrite_parquet(groups, target, Orders((), frozenset(), self._cleaning.replace))
        target.seek(0)
        return target

    def _join_bytes(self, source: BinaryIO, parts: Sequence[Cleaned], stack: contextlib.ExitStack, out: BinaryIO) -> None:
        for part in parts:
            piece = self._changed_piece(part, stack)
            for data in _range(source, part.start or 0, part.source_size or 0) if piece is None else _range(piece, 0, 1 << 62):
                out.write(data)

    def _move(self) -> None:
        """Move copies to their places, and remove those of artifacts that left the source or went elsewhere."""
        store = self._store
        rows = pq.read_table(io.BytesIO(store.read(f"{self._work}/{MANIFEST_NAME}") or b""), columns=["path"])["path"].to_pylist()
        wanted = {path for path in rows if path}
        for place in (CORPUS, QUARANTINE):
            staged = f"{self._work}/{place}"
            if store.local is not None and store.exists(staged) and not store.exists(place):
                store.move(staged, place)
                continue
            present = list(store.below(place))
            with ThreadPoolExecutor(_MOVERS) as movers:
                list(movers.map(lambda name: store.move(name, name.removeprefix(f"{self._work}/")), list(store.below(staged))))
                list(movers.map(store.delete, [name for name in present if name not in wanted]))
        for name in (ROWS_NAME, MANIFEST_NAME):
            if store.exists(f"{self._work}/{name}"):
                data = store.read(f"{self._work}/{name}")
                store.put(name, data or b"")


class _Hashing(io.RawIOBase):
    """Passes bytes on and hashes them."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self.digest, self.size = out, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._out.write(data)
        self.digest.update(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size


def _range(file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    file.seek(start)
    while size and (data := file.read(min(size, 8 << 20))):
        size -= len(data)
        yield data


def _added(actions: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    counts: Counter[tuple[str, str]] = Counter()
    for some in actions:
        for one in some:
            counts[one["rule"], one["action"]] += one["count"]
    return [{"rule": rule, "action": action, "count": count} for (rule, action), count in sorted(counts.items())]


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    some: list[dict[str, Any]] = []
    for row in rows:
        some.append(row)
        if len(some) >= _BATCH:
            yield some
            some = []
    if some:
        yield some
