"""Outputs that are written row by row, so that a test names only the columns that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.findings.outputs import Rows, written
from veritensor_ray.core.config import Settings
from veritensor_ray.exports.rules_of_results import rules_in
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.findings.schema import LOCATION, TABLES
from veritensor_ray.results.labels import put_labels
from veritensor_ray.results.new_suppressions import Scope
from veritensor_ray.results.results import Results
from veritensor_ray.testing.export_contract import HOSTILE

WHEN = datetime(2026, 3, 1, 22, tzinfo=UTC)
SHA = "ab" * 32
RULE = RuleText(
    rule_id="modelfiles.dangerous-pickle",
    engine="modelfiles",
    title="Pickle that runs code",
    description="Loading the file runs code.",
    category="unsafe-deserialization",
    severity="critical",
    remediation="Do not load it.",
    taxonomy=("CWE-502", "ATLAS:AML.T0011.000"),
    references=("https://docs.python.org/3/library/pickle.html", "javascript:alert(1)", "https://x.example/\u202egnp.exe"),
    false_alarms="None are known.",
    confidence=1.0,
)
ENTRY = {"id": "S-1", "reason": "our own fixture", "owner": "ml@example.com", "expires": "2027-01-01", "expired": False, "findings": 1}
RUN: dict[str, Any] = {
    "package_version": "1.2.3",
    "sources": ["s3://user:hunter2@bucket/corpus"],
    "started_at": "2026-03-01T22:00:00+00:00",
    "finished_at": "2026-03-01T22:05:00+00:00",
    "engines": {"modelfiles": {"version": "7", "fingerprint": "1", "model": None}},
    "policy": {"file": "/etc/policy.yaml", "digest": "d", "day": "2026-03-01", "rules": 0, "turned_off": 0, "suppressions": [ENTRY]},
}


def finding(name: str = "1", **about: Any) -> dict[str, Any]:
    """A row of findings: a pickle that runs code."""
    at = {one.name: None for one in LOCATION} | {"byte_offset": 0, "view": "visible"} | about.pop("at", {})
    return {
        **dict.fromkeys(TABLES["findings"].names),
        "finding_id": (name * 32)[:32],
        "content_fingerprint": "f" * 32,
        "scan_id": "run-1",
        "artifact": "models/a.pkl",
        "location": at,
        "engine": "modelfiles",
        "rule_id": "modelfiles.dangerous-pickle",
        "category": "unsafe-deserialization",
        "severity": "critical",
        "severity_original": "critical",
        "confidence": 0.95,
        "message": "posix.system is called",
        "evidence": "posix.system",
        "count": 1,
        "taxonomy": ["CWE-502", "ATLAS:AML.T0011.000"],
        "content_id": SHA,
        "state": "new",
        "first_seen": WHEN,
        "last_seen": WHEN,
        "detected_at": WHEN,
    } | about


def entry(artifact: str = "models/a.pkl", **about: Any) -> dict[str, Any]:
    """A row of the ledger: a pickle that was fully checked."""
    return {
        **dict.fromkeys(TABLES["ledger"].names),
        "artifact": artifact,
        "uri": f"/data/{artifact}",
        "size": 58,
        "content_id": SHA,
        "content_id_kind": "sha256",
        "media_type": "application/x-pickle",
        "status": "scanned",
        "coverage": [
            {"engine": "modelfiles", "status": "complete", "fingerprint": "1", "reason": None, "reason_code": None},
        ],
        "gaps": [],
    } | about


def output(
    folder: Path, findings: Rows = (), ledger: Sequence[Mapping[str, Any]] = (entry(),), rules: Sequence[RuleText] = (RULE,), **about: Any
) -> Results:
    """An audit with these rows and rules. `about` are fields of run.json."""
    return written(folder, findings, ledger, rules=rules, **RUN | {"status": {"scanned": len(ledger)}} | about)


def labelled(results: Results, label: bool) -> Results:
    """The same audit, whose findings somebody has labelled."""
    put_labels(results, Scope("filter", where="true"), label)
    return results


def not_covered(*reasons: str) -> list[dict[str, Any]]:
    """Rows of `not_covered` in run.json."""
    return [{"status": "unreadable", "reason": reason, "reason_code": "damaged", "artifacts": 2} for reason in reasons]


def selection(results: Results, query: str = "SELECT * FROM findings ORDER BY finding_id") -> Selection:
    return Selection(results, query, rules_in(results, Settings()))


__all__ = ["ENTRY", "HOSTILE", "RULE", "RUN", "SHA", "WHEN", "entry", "finding", "labelled", "not_covered", "output", "selection"]
