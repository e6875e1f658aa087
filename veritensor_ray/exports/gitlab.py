"""A SAST report for GitLab, schema 15.0.7. What was not checked is in the messages of the scan.

GitLab closes vulnerabilities that a later report no longer has, and a report cannot mark one as suppressed. So the report has neither
suppressed findings, which would be open there, nor resolved ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from veritensor_ray.core.wording import counted
from veritensor_ray.exports import described_findings
from veritensor_ray.exports.described_findings import shown
from veritensor_ray.exports.markdown import code
from veritensor_ray.exports.not_checked import missing
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.findings.unsuppressed import SUPPRESSED, UNSUPPRESSED
from veritensor_ray.results.place_names import within
from veritensor_ray.results.run_text import nothing_matched

VERSION = "15.0.7"
VULNERABILITIES = 25_000  # keeps the report far below the size of artifacts that GitLab accepts
_NAME, _SOLUTION = 255, 7_000  # characters
_SEVERITIES = {"critical": "Critical", "high": "High", "medium": "Medium", "low": "Low", "info": "Info"}
_COUNTS = f"{UNSUPPRESSED} AND state <> 'resolved'"
_HIDDEN = f"SELECT count(*) FILTER ({SUPPRESSED}) AS suppressed FROM ({{query}}) WHERE NOT ({_COUNTS})"  # noqa: S608  # constants


def write(selection: Selection, file: BinaryIO) -> None:
    """Write the worst findings that count, as vulnerabilities."""
    counting = Selection(selection.results, f"SELECT * FROM ({selection.query}) WHERE {_COUNTS}", selection.rules)  # noqa: S608  # a checked query
    query, left_out = counting.worst(VULNERABILITIES)
    head = {"version": VERSION, "scan": _scan(selection, left_out)}
    rows = (row for batch in selection.results.rows(query) for row in batch.to_pylist())
    described_findings.write_object(
        file, head, {"vulnerabilities": (_vulnerability(row, selection.rules.get(row["rule_id"])) for row in rows)}
    )


def _scan(selection: Selection, left_out: int) -> dict[str, Any]:
    run = selection.results.run
    tool = {
        "id": described_findings.PRODUCT,
        "name": described_findings.PRODUCT,
        "version": shown(run.get("package_version") or "unknown"),
        "vendor": {"name": described_findings.PRODUCT},
    }
    finished = shown(run.get("finished_at") or "1970-01-01T00:00:00")[:19]
    return {
        "analyzer": tool,
        "scanner": tool,
        "type": "sast",
        "start_time": shown(run.get("started_at") or finished)[:19],
        "end_time": finished,
        "status": "failure" if nothing_matched(run) or not run["status"].get("scanned") else "success",
        "messages": list(_messages(selection, left_out)),
    }


def _messages(selection: Selection, left_out: int) -> Iterator[dict[str, str]]:
    for one in missing(selection.results):
        names = f": {', '.join(map(shown, one.artifacts))}" if one.artifacts else ""
        yield {"level": "warn", "value": f"{one.words}{names}"}
    if left_out:
        yield {"level": "warn", "value": f"Left out, because the report holds at most {VULNERABILITIES:,}: {counted(left_out, 'finding')}."}
    (hidden,) = selection.results.records(_HIDDEN.format(query=selection.query))
    if hidden["suppressed"]:
        yield {"level": "info", "value": f"Left out, because the policy suppresses them: {counted(hidden['suppressed'], 'finding')}."}


def _vulnerability(row: Mapping[str, Any], rule: RuleText | None) -> dict[str, Any]:
    addresses, line = described_findings.references(rule), None if row["member"] else described_findings.line_of(row)
    lines = {"start_line": line, "end_line": line} if line else {}
    return {
        "id": row["finding_id"],
        "name": _cut(described_findings.title(rule, row), _NAME),
        "description": _description(row, rule),
        "severity": _SEVERITIES.get(row["severity"], "Unknown"),
        **({"solution": _cut(shown(rule.remediation), _SOLUTION)} if rule and rule.remediation else {}),
        "identifiers": _identifiers(row),
        **({"links": [{"url": one} for one in addresses]} if addresses else {}),
        "location": {"file": shown(row["artifact"]), **lines},
        "details": _details(row),
        "tracking": {
            "type": "source",
            "items": [
                {"file": shown(row["artifact"]), **lines, "signatures": [{"algorithm": "hash", "value": row["finding_id"]}]},
            ],
        },
    }


def _description(row: Mapping[str, Any], rule: RuleText | None) -> str:
    """Return Markdown, in which text from the corpus is in code spans."""
    inside = within(row)
    lines = [code(row["message"]) if row["message"] else "", described_findings.markdown_safe(rule.description) if rule else ""]
    lines += [f"File: {code(described_findings.path_of(row))}", f"Location: {code(inside)}" if inside else ""]
    lines += [f"Evidence, masked: {code(row['evidence'])}" if row["evidence"] else ""]
    lines += [f"Known false positives: {described_findings.markdown_safe(rule.false_alarms)}" if rule and rule.false_alarms else ""]
    return "\n\n".join(line for line in lines if line)


def _identifiers(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the rule, which GitLab tracks a vulnerability by, and then the entries of public taxonomies."""
    own = shown(row["rule_id"])
    found = [{"type": "veritensor_rule", "name": own, "value": own}]
    for number in described_findings.cwes(row):
        address = f"https://cwe.mitre.org/data/definitions/{number}.html"
        found.append({"type": "cwe", "name": f"CWE-{number}", "value": str(number), "url": address})
    others = (shown(name) for name in row["taxonomy"] or () if name and not name.startswith("CWE-"))
    return [*found, *({"type": "owasp" if name.startswith("OWASP-") else "atlas", "name": name, "value": name} for name in others)]


def _details(row: Mapping[str, Any]) -> dict[str, Any]:
    values = {"engine": row["engine"], "confidence": row["confidence"], "locations": row["count"], "state": row["state"]}
    texts = {name: {"name": name, "type": "text", "value": shown(value)} for name, value in values.items() if value is not None}
    evidence = " ".join(shown(row[name]) for name in ("evidence_before", "evidence", "evidence_after") if row[name])
    return texts | (
        {"evidence": {"name": "evidence, masked, with the text around it", "type": "code", "value": evidence}} if evidence else {}
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
