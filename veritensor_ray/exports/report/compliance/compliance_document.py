"""Compute for which items of a framework the results of an audit give evidence. It does not depend on how that is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veritensor_ray.exports.described_findings import shown, uncovered_words
from veritensor_ray.exports.not_checked import missing
from veritensor_ray.exports.report.compliance.facts import AuditFacts
from veritensor_ray.exports.report.compliance.frameworks import STATUSES, Framework, Row, Status, framework
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.results.results import Results

DISCLAIMER = (
    "This report does not state that anything complies with, conforms to or is certified under this framework. It lists the items for which the "
    "results of one audit are evidence, and those for which they are not. Evidence may also show that a requirement is not met. Legal and "
    "conformity assessments are up to you."
)
MEANINGS: Mapping[Status, str] = {
    "evidence": "the results record what the item asks for, about the data and model files of this corpus",
    "partial": "the results record a part of it",
    "none": "the results say nothing about it",
}
_NEEDS = {
    "sweep": "This output holds a single audit; only a sweep records this.",
    "policy": "No policy file was applied.",
}


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a framework. `facts` are the evidence; `short` says why it is less than it could be; `rules` has findings by rule."""

    id: str
    title: str
    source: str
    status: Status
    reason: str
    facts: tuple[str, ...]
    short: tuple[str, ...]
    rules: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ComplianceDocument:
    """A report. `about` identifies the audit; `missing` is what it did not cover, as sentences."""

    framework: str
    title: str
    source: str
    scope: str
    disclaimer: str
    about: Mapping[str, str]
    missing: tuple[str, ...]
    items: tuple[Item, ...]

    @property
    def counts(self) -> dict[Status, int]:
        """The number of items by status."""
        return {status: sum(1 for item in self.items if item.status == status) for status in STATUSES}


def compliance(results: Results, name: str) -> ComplianceDocument:
    """Return the report for one of FRAMEWORKS. Raises UsageError for any other name."""
    table, evidence = framework(name), AuditFacts(results)
    gaps = tuple(uncovered_words(one.reason) for one in missing(results))
    return ComplianceDocument(
        framework=name,
        title=table.title,
        source=table.document,
        scope=table.scope,
        disclaimer=DISCLAIMER,
        about=_about(results),
        missing=gaps,
        items=tuple(_item(evidence, table, row, bool(gaps)) for row in table.items),
    )


def _about(results: Results) -> dict[str, str]:
    run = results.run
    return {
        "Corpus": ", ".join(shown(without_credentials(str(source))) for source in run["sources"]),
        "Run": shown(run["scan_id"]),
        "Started": shown(run.get("started_at")),
        "Finished": shown(run["finished_at"]),
        "Program": f"veritensor-ray {shown(run['package_version'])}, profile {shown(run['profile'])}",
        "SHA-256 of run.json": hashlib.sha256(results.store.read("run.json") or b"").hexdigest(),
    }


def _item(evidence: AuditFacts, table: Framework, row: Row, gaps: bool) -> Item:
    facts, rules = list[str](), list[dict[str, Any]]()
    status, short = _reachable(evidence, row, gaps)
    if status != "none":
        facts += [evidence.engine(engine) for engine in row.engines if evidence.ran(engine)]
        if row.findings is not None:
            words, rules = evidence.findings(row.findings)
            facts.append(words)
        facts += [words for name in row.facts for words in evidence.fact(name)]
    return Item(row.id, row.title, f"{table.document}, {row.id}", status, row.reason, tuple(facts), tuple(short), tuple(rules))


def _reachable(evidence: AuditFacts, row: Row, gaps: bool) -> tuple[Status, list[str]]:
    """Return the status that these results reach, and sentences that say why it is less than it could be."""
    if row.at_most == "none":
        return "none", []
    if row.needs is not None and not _has(evidence, row.needs):
        return "none", [_NEEDS[row.needs]]
    absent = [engine for engine in row.engines if not evidence.ran(engine)]
    if absent:
        words = f"Not part of this audit: {_list(absent)}."
        return ("none" if len(absent) == len(row.engines) else "partial"), [words]
    if row.engines and not any(map(evidence.counts, row.engines)):
        return "none", [f"Nothing in this corpus is of a kind that {_list(row.engines)} can check."]
    cut = [engine for engine in row.engines if set(evidence.counts(engine)) - {"complete"}]
    short = [f"Not everything was checked by {_list(cut)}."] if cut else []
    if gaps and not row.engines:
        short = ["Not everything in the corpus was checked; see the list above."]
    return ("partial" if short else row.at_most), short


def _has(evidence: AuditFacts, need: str) -> bool:
    return evidence.run.get("job") == "sweep" if need == "sweep" else bool((evidence.run.get("policy") or {}).get("file"))


def _list(engines: Sequence[str]) -> str:
    return f"the engine{'s' if len(engines) > 1 else ''} {', '.join(engines)}"
