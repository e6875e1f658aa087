"""DefectDojo: one JSON document for its importer of generic findings. Parts that were not checked are findings of severity Info."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from veritensor_ray.exports import described_findings
from veritensor_ray.exports.described_findings import markdown_safe, shown
from veritensor_ray.exports.not_checked import Missing, missing
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.rule_texts import RuleText

# What DefectDojo's columns hold, in characters.
_TITLE, _PATH, _ID, _COMPONENT, _VERSION = 511, 4000, 500, 500, 100
_TAG = re.compile(r"[^a-z0-9._:-]+")  # its tags are in lower case; spaces and commas separate them
_NOT_COVERED = f"{described_findings.PRODUCT}.not-covered"
# Its scale: 1 and 2 are shown as certain, 3 to 5 as firm, anything above as tentative.
_CONFIDENCE = ((0.9, 1), (0.5, 4), (0.0, 7))


def write(selection: Selection, file: BinaryIO) -> None:
    """Write the findings, after one finding of severity Info for each reason why something was not checked."""
    run = selection.results.run
    head = {
        "name": described_findings.PRODUCT,
        "type": described_findings.PRODUCT,
        "version": described_findings.version_of(run),
        "description": f"Run {shown(run['scan_id'])}: {selection.results.checked.short_said}.",
        "static_tool": True,
        "dynamic_tool": False,
    }
    described_findings.write_object(file, head, {"findings": _findings(selection, run)})


def _findings(selection: Selection, run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    day = str(run["finished_at"])[:10]
    yield from (_missing(one, day) for one in missing(selection.results))
    entries, labels = described_findings.suppressions(run), selection.labels()
    for row in selection.rows():
        yield _finding(row, selection.rules.get(row["rule_id"]), entries, str(run["finished_at"]), labels.of(row))


def _missing(one: Missing, day: str) -> dict[str, Any]:
    reason, names = one.reason, ", ".join(markdown_safe(name) for name in one.artifacts)
    number = "The reason applies to the whole run." if reason.artifacts is None else f"Artifacts: {reason.artifacts:,}"
    examples = "" if not names else f", for example {names}. The ledger of the audit names all of them."
    return {
        "title": _cut(one.words, _TITLE),
        "severity": "Info",
        "description": "Something in the corpus was not checked, so nothing is known about it: "
        f"{markdown_safe(reason.reason)}\n\n{number}{examples}",
        "mitigation": "Remove the cause and audit again, or record why the gap is acceptable.",
        "date": day,
        "active": True,
        "verified": False,
        "static_finding": True,
        "dynamic_finding": False,
        "unique_id_from_tool": described_findings.uncovered_id(reason),
        "vuln_id_from_tool": _NOT_COVERED,
        "tags": _tags("not-covered", reason.status, reason.reason_code),
    }


def _finding(
    row: Mapping[str, Any], rule: RuleText | None, entries: Mapping[str, Mapping[str, Any]], finished: str, label: bool | None
) -> dict[str, Any]:
    suppression, package, numbers = (
        described_findings.suppression_of(row, entries),
        described_findings.package_of(row),
        described_findings.cwes(row),
    )
    resolved = row["state"] == "resolved"
    found: dict[str, Any] = {
        "title": _cut(f"{described_findings.title(rule, row)}: {described_findings.path_of(row)}", _TITLE),
        "severity": row["severity"].capitalize(),
        "description": _description(row, rule, suppression),
        "mitigation": markdown_safe(rule.remediation) if rule else None,
        "references": "\n".join([*described_findings.references(rule), *map(shown, row["taxonomy"] or ())]) or None,
        "severity_justification": _justification(row),
        "cwe": numbers[0] if numbers else None,
        "file_path": _cut(described_findings.path_of(row), _PATH),
        "line": described_findings.line_of(row),
        "component_name": _cut(package.name, _COMPONENT) if package else None,
        "component_version": _cut(package.version, _VERSION) if package and package.version else None,
        "vulnerability_ids": [package.advisory] if package and package.advisory else None,
        "date": row["first_seen"].date().isoformat(),
        "active": suppression is None and not resolved and label is not False,  # DefectDojo has no active false positives
        "verified": label is True,
        "false_p": label is False,
        "risk_accepted": suppression is not None and suppression.accepted,
        "out_of_scope": suppression is not None and not suppression.accepted,
        "is_mitigated": resolved,
        "mitigated": finished if resolved else None,
        "static_finding": True,
        "dynamic_finding": False,
        "scanner_confidence": next((level for least, level in _CONFIDENCE if (row["confidence"] or 0) >= least), None),
        "unique_id_from_tool": row["finding_id"],
        "vuln_id_from_tool": _cut(shown(row["rule_id"]), _ID),
        "nb_occurences": row["count"],
        "tags": _tags(row["engine"], row["category"], row["state"]),
    }
    return {name: value for name, value in found.items() if value is not None}


def _description(row: Mapping[str, Any], rule: RuleText | None, suppression: described_findings.WhySuppressed | None) -> str:
    """Return Markdown. Text from the corpus is escaped, and evidence is an indented block, which holds neither markup nor links."""
    paragraphs = [markdown_safe(row["message"]), markdown_safe(rule.description) if rule else ""]
    paragraphs += [f"Location: {markdown_safe(described_findings.place_of(row))}"]
    if row["evidence"]:
        text = "".join(shown(row[name]) for name in ("evidence_before", "evidence", "evidence_after") if row[name])
        paragraphs += ["Evidence, masked, with the text around it:", f"    {text}"]
    paragraphs += [f"False positives: {markdown_safe(rule.false_alarms)}" if rule and rule.false_alarms else ""]
    paragraphs += [markdown_safe(suppression.words) if suppression else ""]
    return "\n\n".join(one for one in paragraphs if one)


def _justification(row: Mapping[str, Any]) -> str | None:
    if row["severity_original"] in (None, row["severity"]):
        return None
    return f"The policy changed the severity from {row['severity_original']} to {row['severity']}."


def _tags(*names: str | None) -> list[str]:
    return [tag for name in names if name and (tag := _TAG.sub("-", name.lower()).strip("-"))]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
