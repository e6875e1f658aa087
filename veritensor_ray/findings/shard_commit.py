"""The commit of a shard: one Parquet object under a deterministic key.

It is written only when every planned artifact has an outcome.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import VeritensorError
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.findings.outcome_row import outcome_row
from veritensor_ray.findings.schema import COMMIT
from veritensor_ray.stores.outputs import OutputStore


def commit_key(run: str, shard: int) -> str:
    """Return the key of a shard's object, relative to the output."""
    return f"_work/{run}/commits/{shard:07d}.parquet"


def commit_table(rows: Sequence[PlanRow], outcomes: Sequence[Outcome], fingerprints: Mapping[str, str], site_key: bytes) -> pa.Table:
    """Return the outcomes in the order of the plan's rows, with nothing secret in them.

    Raises VeritensorError if an outcome is missing or duplicated.
    """
    by_place = {(outcome.artifact, outcome.part): outcome for outcome in outcomes}
    if len(by_place) != len(outcomes) or set(by_place) != {(row.artifact, row.part) for row in rows}:
        raise VeritensorError(f"shard {rows[0].shard}: {len(outcomes)} outcomes for {len(rows)} planned artifacts; not committed")
    ordered = [by_place[row.artifact, row.part] for row in rows]
    for outcome in ordered:
        outcome.settle()
    committed = [outcome_row(outcome, fingerprints, site_key, row.parts) for row, outcome in zip(rows, ordered, strict=True)]
    return pa.Table.from_pylist(committed, schema=COMMIT)


def write_commit(store: OutputStore, run: str, shard: int, table: pa.Table) -> dict[str, Any]:
    """Write the object and return the counts that a progress display shows."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    store.put(commit_key(run, shard), buffer.getvalue())
    return {
        "shard": shard,
        "artifacts": table.num_rows,
        "bytes": sum(table.column("bytes_scanned").to_pylist()),
        "severities": _severities(table),
    }


def _severities(table: pa.Table) -> dict[str, int]:
    """Count the findings of each severity: rows, plus places without a row."""
    rows, lines = (pc.list_flatten(table.column(name)) for name in ("findings", "rollup"))
    found = Counter(pc.struct_field(rows, "severity").to_pylist())
    for severity, count in zip(pc.struct_field(lines, "severity").to_pylist(), pc.struct_field(lines, "count").to_pylist(), strict=True):
        found[severity] += count
    for counts in pc.struct_field(rows, "counts").to_pylist():
        found.subtract(dict(zip(SEVERITIES, counts, strict=True)))
    return {severity: count for severity, count in found.items() if count}


def read_commit(store: OutputStore, run: str, shard: int) -> list[dict[str, Any]]:
    """Return the rows of a shard's commit."""
    data = store.read(commit_key(run, shard))
    if data is None:
        raise VeritensorError(f"shard {shard} is not committed")
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data), schema=COMMIT).to_pylist()
    return rows


def committed(store: OutputStore, run: str) -> set[int]:
    """Return the shards that need not be scanned again."""
    return {int(name.partition(".")[0]) for name in store.parquet_names(f"_work/{run}/commits")}
