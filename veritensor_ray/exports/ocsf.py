"""OCSF 1.6: Detection Findings (class 2004) as JSON lines, after a Scan Activity (class 6007) about the run as a whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from veritensor_ray.exports import described_findings
from veritensor_ray.exports.described_findings import as_json, milliseconds, shown
from veritensor_ray.exports.not_checked import Missing, missing
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.results.labels import Labels
from veritensor_ray.results.run_text import FullyChecked

VERSION = "1.6.0"
_SEVERITIES = {"info": (1, "Informational"), "low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"), "critical": (5, "Critical")}
_CONFIDENCES = ((0.9, 3, "High"), (0.5, 2, "Medium"), (0.0, 1, "Low"))
_ACTIVITIES = {"new": (1, "Create"), "resolved": (3, "Close")}  # other states: the finding was reported before
_UPDATED = (2, "Update")
_VERDICTS = {False: (1, "False Positive"), True: (2, "True Positive")}
_SHA256 = re.compile("[0-9a-f]{64}")
# Digests of split artifacts are not digests of their bytes.
_SPLIT = "SELECT artifact FROM ledger WHERE content_id IS NOT NULL AND content_id_kind <> 'sha256'"


@dataclass(frozen=True, slots=True)
class _Export:
    """What all events of one export share."""

    run: Mapping[str, Any]
    checked: FullyChecked
    entries: Mapping[str, Mapping[str, Any]]
    labels: Labels
    split: frozenset[str]
    finished: int

    def metadata(self, uid: str, log: str) -> dict[str, Any]:
        return {
            "version": VERSION,
            "uid": f"{shown(self.run['scan_id'])}/{uid}",
            "correlation_uid": shown(self.run["scan_id"]),
            "log_name": log,
            "product": {
                "name": described_findings.PRODUCT,
                "vendor_name": described_findings.PRODUCT,
                "version": described_findings.version_of(self.run),
                "uid": described_findings.PRODUCT,
            },
        }


def write(selection: Selection, file: BinaryIO) -> None:
    """Write one event on each line: the run, then (if there is any) what it did not cover, then the findings."""
    run = selection.results.run
    split = frozenset(row["artifact"] for row in selection.results.records(_SPLIT))
    export = _Export(
        run,
        selection.results.checked,
        described_findings.suppressions(run),
        selection.labels(),
        split,
        milliseconds(run["finished_at"]) or 0,
    )
    gaps = missing(selection.results)
    _line(file, _scan(export, gaps))
    if gaps:
        _line(file, _gap(export, gaps))
    for row in selection.rows():
        _line(file, _finding(export, row, selection.rules.get(row["rule_id"])))


def _line(file: BinaryIO, event: Mapping[str, Any]) -> None:
    file.write(as_json(event).encode() + b"\n")


def _class(uid: int, name: str, category: int, category_name: str, activity: tuple[int, str]) -> dict[str, Any]:
    return {
        "class_uid": uid,
        "class_name": name,
        "category_uid": category,
        "category_name": category_name,
        "activity_id": activity[0],
        "activity_name": activity[1],
        "type_uid": uid * 100 + activity[0],
        "type_name": f"{name}: {activity[1]}",
    }


def _scan(export: _Export, gaps: Sequence[Missing]) -> dict[str, Any]:
    """Return the event about the run. If anything was not checked, its status is not Success."""
    run, begun = export.run, milliseconds(export.run.get("started_at"))
    return {
        **_class(6007, "Scan Activity", 6, "Application Activity", (2, "Completed")),
        "time": export.finished,
        "severity_id": 1,
        "severity": "Informational",
        "status_id": 99 if gaps else 1,
        "status": "Incomplete" if gaps else "Success",
        "status_detail": _sentence(export, gaps),
        "message": f"Audit of {', '.join(map(_source, run['sources']))}",
        "metadata": export.metadata("run", "runs"),
        "scan": {"uid": shown(run["scan_id"]), "name": shown(run.get("job", "audit")), "type_id": 99, "type": "Corpus audit"},
        "num_files": export.checked.artifacts,
        "num_skipped_items": export.checked.short,
        "num_detections": sum(run["severity"].values()),
        **({"start_time": begun, "end_time": export.finished, "duration": max(0, export.finished - begun)} if begun is not None else {}),
    }


def _gap(export: _Export, gaps: Sequence[Missing]) -> dict[str, Any]:
    """Return a finding that says what was not checked, for consumers that read only findings."""
    return {
        **_class(2004, "Detection Finding", 2, "Findings", (1, "Create")),
        "time": export.finished,
        "severity_id": 1,
        "severity": "Informational",
        "status_id": 1,
        "status": "New",
        "status_detail": "not fully checked",
        "message": _sentence(export, gaps),
        "count": len(gaps),
        "metadata": export.metadata("not-covered", "coverage"),
        "finding_info": {
            "uid": f"{shown(export.run['scan_id'])}/not-covered",
            "title": "Not everything was checked",
            "desc": "Nothing is known about the parts of the corpus that these reasons apply to.",
            "types": ["not-covered"],
            "analytic": {
                "uid": f"{described_findings.PRODUCT}.not-covered",
                "name": "Coverage of the audit",
                "type_id": 99,
                "type": "Coverage",
            },
        },
        "resources": [{"name": _source(source), "uid": _source(source), "type": "Corpus"} for source in export.run["sources"]],
        "evidences": [
            {
                "data": {
                    "status": shown(one.reason.status),
                    "reason": shown(one.reason.reason),
                    "reason_code": one.reason.reason_code,
                    "artifacts": one.reason.artifacts,
                    "examples": [shown(name) for name in one.artifacts],
                }
            }
            for one in gaps
        ],
    }


def _sentence(export: _Export, gaps: Sequence[Missing]) -> str:
    if not gaps:
        return "Every applicable engine has seen every byte."
    return f"{export.checked.short_said}: " + "; ".join(described_findings.uncovered_words(one.reason) for one in gaps)


def _source(source: object) -> str:
    return shown(without_credentials(str(source)))


def _finding(export: _Export, row: Mapping[str, Any], rule: RuleText | None) -> dict[str, Any]:
    number, name = _SEVERITIES[row["severity"]]
    state = row["state"]
    status = _status(row, described_findings.suppression_of(row, export.entries))
    metadata, verdict = export.metadata(row["finding_id"], "findings"), _verdict(export.labels.of(row))
    return {
        **_class(2004, "Detection Finding", 2, "Findings", _ACTIVITIES.get(state, _UPDATED)),
        "time": milliseconds(row["detected_at"]) if state == "new" else export.finished,
        "severity_id": number,
        "severity": name,
        **status,
        **verdict,
        **_confidence(row["confidence"]),
        "count": row["count"],
        "message": shown(row["message"]),
        "metadata": metadata | ({"profiles": ["incident"]} if verdict else {}),  # which has the verdict
        "finding_info": _info(row, rule, export.run),
        "resources": [{"uid": shown(row["artifact"]), "name": shown(row["artifact"]), "type": "File"}],
        "evidences": [{"file": _file(export, row), "data": _evidence(row)}],
        **({"remediation": _remediation(rule)} if rule else {}),
        "unmapped": {
            "taxonomy": [shown(one) for one in row["taxonomy"] or ()],
            "severity_original": row["severity_original"],
            "suppressed_by": row["suppressed_by"] and shown(row["suppressed_by"]),
        },
    }


def _status(row: Mapping[str, Any], suppression: described_findings.WhySuppressed | None) -> dict[str, Any]:
    """Return the status. A finding that persists or could not be verified is still open, so it is New until somebody decides."""
    if row["state"] == "resolved":
        return {"status_id": 4, "status": "Resolved", "status_detail": "resolved"}
    if suppression is not None:
        return {"status_id": 3, "status": "Suppressed", "status_detail": suppression.words}
    return {"status_id": 1, "status": "New", "status_detail": shown(row["state"])}


def _verdict(label: bool | None) -> dict[str, Any]:
    return {} if label is None else dict(zip(("verdict_id", "verdict"), _VERDICTS[label], strict=True))


def _confidence(value: float | None) -> dict[str, Any]:
    if value is None:
        return {}
    level = next((level for level in _CONFIDENCES if value >= level[0]), _CONFIDENCES[-1])
    return {"confidence_id": level[1], "confidence": level[2], "confidence_score": round(value * 100)}


def _info(row: Mapping[str, Any], rule: RuleText | None, run: Mapping[str, Any]) -> dict[str, Any]:
    learned = row["model"] is not None
    title = described_findings.title(rule, row)
    attacks = [{"technique": {"uid": one}} for one in described_findings.techniques(row)]
    return {
        "uid": row["finding_id"],
        "uid_alt": row["content_fingerprint"],
        "title": title,
        "desc": shown(rule.description if rule else row["message"]),
        "types": [shown(row["category"])],
        "first_seen_time": milliseconds(row["first_seen"]),
        "last_seen_time": milliseconds(row["last_seen"]),
        "analytic": {
            "uid": shown(row["rule_id"]),
            "name": title,
            "category": shown(row["category"]),
            "type_id": 4 if learned else 1,
            "type": "Learning (ML/DL)" if learned else "Rule",
            "version": shown((run["engines"].get(row["engine"]) or {}).get("version", "unknown")),
        },
        **({"attacks": attacks} if attacks else {}),
    }


def _file(export: _Export, row: Mapping[str, Any]) -> dict[str, Any]:
    name = shown(row["artifact"])
    known = _SHA256.fullmatch(row["content_id"] or "") and row["artifact"] not in export.split and row["state"] != "resolved"
    hashes = [{"algorithm_id": 3, "algorithm": "SHA-256", "value": row["content_id"]}]
    return {"name": name.rpartition("/")[2], "path": name, "type_id": 1, "type": "Regular File", **({"hashes": hashes} if known else {})}


def _evidence(row: Mapping[str, Any]) -> dict[str, Any]:
    location = {name: shown(value) if isinstance(value, str) else value for name, value in (row["location"] or {}).items()}
    words = {name: shown(row[name]) for name in ("member", "evidence", "evidence_before", "evidence_after") if row[name]}
    return {**words, "location": {name: value for name, value in location.items() if value is not None}}


def _remediation(rule: RuleText) -> dict[str, Any]:
    return {"desc": shown(rule.remediation), **({"references": found} if (found := described_findings.references(rule)) else {})}
