"""What an export writes: findings, the run they come from, and the rules that explain them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.findings.unsuppressed import SUPPRESSED
from veritensor_ray.results.labels import Labels, labels
from veritensor_ray.results.results import Results

_WORST = f"{SUPPRESSED}, severity DESC, artifact, rule_id, finding_id"


@dataclass(frozen=True, slots=True)
class Selection:
    """The findings of `query`, which yields all columns of the table findings, in the order in which they are written.

    If `order` is given, it is the ORDER BY of the query. A format that counts or groups the findings uses the query without it.

    `rules` are those of the results by id. A finding of a rule that is not among them is explained by its own row.
    """

    results: Results
    query: str
    rules: Mapping[str, RuleText]
    order: str = ""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the findings, a few thousand at a time."""
        return self.results.rows(f"SELECT * FROM ({self.query}) ORDER BY {self.order}" if self.order else self.query)  # noqa: S608  # checked

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yields the findings one by one."""
        for batch in self.batches():
            yield from batch.to_pylist()

    def labels(self) -> Labels:
        """Returns what people have said of findings so far."""
        return labels(self.results.store)

    def worst(self, most: int) -> tuple[str, int]:
        """Returns a query with the `most` worst findings, worst first and suppressed ones last, and the number of rows that it leaves out."""
        (row,) = self.results.records(f"SELECT count(*) AS rows FROM ({self.query})")  # noqa: S608  # a checked query
        query = f"SELECT * FROM ({self.query}) ORDER BY {_WORST} LIMIT {most}"  # noqa: S608  # as above
        return query, max(0, row["rows"] - most)
