"""Which artifacts are not in the copy, and why: a few examples for each reason, from the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veritensor_ray.cleaning.copy_manifest import MANIFEST_NAME, Result
from veritensor_ray.cleaning.levers import lever
from veritensor_ray.stores.outputs import OutputStore

_EXAMPLES = 3
_COPIED = pa.array([Result.COPIED.value, Result.CLEANED.value])


@dataclass(slots=True)
class NotCopied:
    """Artifacts with the same result and the same reason. `examples` are the first of them; their names come from the corpus."""

    result: str
    reason: str
    artifacts: int = 0
    examples: list[str] = field(default_factory=list)
    code: str | None = None

    def add(self, artifact: str) -> None:
        """Count one artifact more."""
        self.artifacts += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(artifact)


def not_copied(store: OutputStore) -> list[NotCopied]:
    """Return the reasons of a copy's manifest, the most frequent first."""
    found: dict[tuple[str, str], NotCopied] = {}
    with store.open(MANIFEST_NAME) as file:
        for batch in pq.ParquetFile(file).iter_batches(columns=["artifact", "result", "reason", "reason_code"]):
            counted_reasons(found, batch)
    return most_frequent(found)


def most_frequent(found: Mapping[tuple[str, str], NotCopied]) -> list[NotCopied]:
    """Return reasons, the most frequent first."""
    return sorted(found.values(), key=lambda one: -one.artifacts)


def counted_reasons(found: dict[tuple[str, str], NotCopied], rows: pa.RecordBatch) -> None:
    """Count rows of a manifest, by result and reason, that are about artifacts which are not in the copy."""
    for row in rows.filter(pc.invert(pc.is_in(rows["result"], _COPIED))).to_pylist():
        _entry(found, row).add(row["artifact"])


def _entry(found: dict[tuple[str, str], NotCopied], row: dict[str, Any]) -> NotCopied:
    result, reason = row["result"], row["reason"] or ""
    return found.setdefault((result, reason), NotCopied(result, reason, code=row.get("reason_code")))  # earlier versions wrote no code


def released_by(found: Sequence[NotCopied]) -> list[tuple[int, str, str]]:
    """Return what releases files, for each reason code: their number, the code, and the lever; the most frequent first."""
    counts: Counter[str] = Counter()
    for one in found:
        if one.code is not None and lever(one.code):
            counts[one.code] += one.artifacts
    return [(number, code, lever(code) or "") for code, number in counts.most_common()]
