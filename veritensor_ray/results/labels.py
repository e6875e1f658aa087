"""Labels of findings, true or false, as people judged them. The last label of a finding, or of equal content, is the one that counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import pyarrow as pa

from veritensor_ray.core.errors import UsageError
from veritensor_ray.results.journal import Journal
from veritensor_ray.results.new_suppressions import Scope, chosen
from veritensor_ray.results.results import Results
from veritensor_ray.stores.outputs import OutputStore

LOG = Journal("labels.jsonl", "labels")
_COLUMNS = "finding_id, content_fingerprint, artifact, rule_id, content_id, confidence, location IS NULL AS counted"
_ENTRY = {"finding": "finding_id", "fingerprint": "content_fingerprint", "rule": "rule_id", "confidence": "confidence"}
_SCHEMA = pa.schema([("key", pa.string()), ("label", pa.bool_())])


@dataclass(frozen=True, slots=True)
class Judgment:
    """A label of a finding, with what is needed to evaluate it after the finding is gone."""

    label: bool
    rule: str
    confidence: float | None


@dataclass(slots=True)
class Labels:
    """The labels that count: judgments by finding_id, and labels by content_fingerprint."""

    by_finding: dict[str, Judgment] = field(default_factory=dict)
    by_content: dict[str, bool] = field(default_factory=dict)

    def of(self, finding: Mapping[str, Any]) -> bool | None:
        """Return the label of a row of findings: its own, else that of equal content, or None."""
        judged = self.by_finding.get(finding["finding_id"])
        return judged.label if judged else self.by_content.get(finding["content_fingerprint"])

    def take(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Add the entries of a log, oldest first. A label of null removes the earlier one; a damaged entry is skipped."""
        for entry in entries:
            finding, content, rule = (entry.get(name) for name in ("finding", "fingerprint", "rule"))
            if not (_is_name(finding) and _is_name(content) and _is_name(rule)):
                continue
            label, confidence = entry.get("label", ""), entry.get("confidence")
            if label is None:
                self.by_finding.pop(finding, None)
                self.by_content.pop(content, None)
            elif isinstance(label, bool):
                self.by_finding[finding] = Judgment(label, rule, float(confidence) if _is_share(confidence) else None)
                self.by_content[content] = label

    def tables(self) -> dict[str, pa.Table]:
        """Return tables of keys and labels, to be registered with DuckDB."""
        judged = {finding: one.label for finding, one in self.by_finding.items()}
        pairs = (("by_finding", judged), ("by_content", self.by_content))
        return {name: pa.table([list(known), list(known.values())], schema=_SCHEMA) for name, known in pairs}


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value.isprintable()  # which excludes surrogates


def _is_share(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0 <= value <= 1


def put_labels(results: Results, scope: Scope, label: bool | None) -> int:
    """Label the findings of a scope, or remove their labels, and return their number.

    Rows that only count further matches are left out, because nobody has seen what they stand for. Raises StoreError on failure.
    """
    entries = [
        {"label": label} | {name: row[column] for name, column in _ENTRY.items()}
        for part in chosen(results, scope, _COLUMNS)
        for row in part.to_pylist()
        if not row["counted"]
    ]
    if entries:
        LOG.append(results.store, entries, "nothing was labelled")
    return len(entries)


def labels_of(results: Results, others: Sequence[Results]) -> Labels:
    """Return the labels of these results and of others with the same site key; where they differ, those of `results` count.

    Raises UsageError for others with a different key.
    """
    if any(one.run.get("site_key_id") != results.run.get("site_key_id") for one in others):
        raise UsageError(
            "an output whose labels should count too has a different site key, so none of its content_fingerprints can match; leave it out"
        )
    return labels(*(one.store for one in others), results.store)


def labels(*outputs: OutputStore) -> Labels:
    """Return the labels of these outputs; where they differ, those of a later one count."""
    found = Labels()
    for output in outputs:
        found.take(LOG.entries(output))
    return found
