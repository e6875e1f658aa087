"""The numbers of a cleaned copy for run.json, counted from the rows of its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.cleaning.copy_manifest import Result

_SAMPLES, _ALIKE = 200, 5  # changes that are shown, and of these with one rule and action


@dataclass
class CopyCounts:
    """The numbers for run.json."""

    results: Counter[str] = field(default_factory=Counter)
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    not_copied: Counter[str] = field(default_factory=Counter)
    samples: list[dict[str, Any]] = field(default_factory=list)
    shown: Counter[tuple[str, str]] = field(default_factory=Counter)  # rule and action of these

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

    def add_samples(self, samples: Iterable[dict[str, Any]]) -> None:
        """Keep the first few changes of each kind."""
        for one in samples:
            kind = one["rule"], one["action"]
            if self.shown[kind] < _ALIKE and len(self.samples) < _SAMPLES:
                self.shown[kind] += 1
                self.samples.append({name: value for name, value in one.items() if value is not None})

    def summary(self) -> dict[str, Any]:
        return {
            "results": {result.value: self.results[result.value] for result in Result if self.results[result.value]},
            "not_copied": {name: count for name, count in sorted(self.not_copied.items()) if count},
            "actions": [{"rule": rule, "action": action, "count": count} for (rule, action), count in self.actions.most_common()],
            "changes": self.numbers["changes"],
            "rows_dropped": self.numbers["rows_dropped"],
            "bytes": self.numbers["clean_size"],
            "rounds": 0,
            "samples": self.samples,
        }
