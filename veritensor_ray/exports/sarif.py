"""SARIF 2.1.0, for code scanning and viewers. Parts of the corpus that were not checked are notifications of the run.

Within the limits that GitHub documents for uploads: results per run, locations per result, tags per rule, and lengths of texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO
from urllib.parse import quote

from veritensor_ray.core.wording import counted
from veritensor_ray.exports import described_findings
from veritensor_ray.exports.described_findings import markdown_safe, shown
from veritensor_ray.exports.not_checked import Missing, missing
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.findings.unsuppressed import UNSUPPRESSED
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.results.place_names import within

RESULTS = 25_000  # a file with more results in a run is rejected
_TAGS, _NAME, _TEXT = 10, 255, 1_024  # tags that are shown; characters of a name and of a description
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"
_DOT = {".": "%2E", "..": "%2E%2E"}  # then quoted once more, because %2E in a URI means a dot
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0", "info": "0.1"}  # within the ranges of CVSS
_PRECISIONS = ((0.9, "very-high"), (0.7, "high"), (0.5, "medium"), (0.0, "low"))
_BASELINE = {"new": "new", "reopened": "new", "persisting": "unchanged", "resolved": "absent"}
_BRACKET = re.compile(r"[\[\]]")
# A rule and the worst of its findings that count, or the worst of all if none does.
_RULES = f"""SELECT rule_id, arg_max(severity, ({UNSUPPRESSED}, severity_rank(severity))) AS severity,
    arg_min(message, finding_id) AS message, min(category) AS category, arg_min(taxonomy, finding_id) AS taxonomy, NULL AS evidence
    FROM ({{query}}) GROUP BY rule_id ORDER BY rule_id"""  # noqa: S608  # constants


def write(selection: Selection, file: BinaryIO) -> None:
    """Write one run with the worst findings, and notifications for everything that was not checked."""
    results = selection.results
    run, gaps = results.run, missing(results)
    query, left_out = selection.worst(RESULTS)
    rules = results.records(_RULES.format(query=query))
    numbers = {row["rule_id"]: number for number, row in enumerate(rules)}
    head = {
        "tool": {"driver": _driver(run, [_rule(row, selection.rules.get(row["rule_id"])) for row in rules], gaps, left_out)},
        "automationDetails": {"id": _identity(run, results.store.uri)},
        "originalUriBaseIds": {_ROOT: {"description": {"text": _sources(run)}}},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(run, gaps, left_out)],
        "properties": {name: shown(run.get(name)) for name in ("scan_id", "profile", "bundle_id") if run.get(name)}
        | ({"models": dict(run["models"])} if run.get("models") else {}),
    }
    file.write(f'{{"$schema":"{_SCHEMA}","version":"2.1.0","runs":[\n'.encode())
    described_findings.write_object(file, head, {"results": _results(selection, query, numbers)})
    file.write(b"]}\n")


def _driver(run: Mapping[str, Any], rules: Sequence[Mapping[str, Any]], gaps: Sequence[Missing], left_out: int) -> dict[str, Any]:
    ids = dict.fromkeys([*(_code(one) for one in gaps), *(["findings-left-out"] if left_out else [])])
    return {
        "name": described_findings.PRODUCT,
        "version": described_findings.version_of(run),
        "rules": rules,
        "notifications": [{"id": name, "name": name} for name in ids],
    }


def _identity(run: Mapping[str, Any], uri: str) -> str:
    """Return the run's id. Code scanning replaces earlier results with the same words before the last slash."""
    output = str(run.get("output") or uri).rstrip("/").rpartition("/")[2]
    return f"{described_findings.PRODUCT}/{shown(output)}/{shown(run['scan_id'])}"


def _sources(run: Mapping[str, Any]) -> str:
    return _plain(f"The corpus: {', '.join(without_credentials(str(one)) for one in run['sources'])}")


def _rule(row: Mapping[str, Any], rule: RuleText | None) -> dict[str, Any]:
    addresses = described_findings.references(rule)
    return {
        "id": shown(row["rule_id"]),
        "name": _cut("".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", row["rule_id"])), _NAME),
        "shortDescription": {"text": _plain(described_findings.title(rule, row), _TEXT)},
        "fullDescription": {"text": _plain(rule.description if rule else described_findings.title(rule, row), _TEXT)},
        "help": {"text": _help(row, rule, _plain), "markdown": _help(row, rule, markdown_safe)},
        **({"helpUri": addresses[0]} if addresses else {}),
        "defaultConfiguration": {"level": _LEVELS.get(row["severity"], "none")},
        "properties": {
            "tags": _tags(row, rule),
            "security-severity": _SCORES.get(row["severity"], "0.1"),
            "precision": next(name for least, name in _PRECISIONS if (rule.confidence if rule else 0.0) >= least),
        },
    }


def _help(row: Mapping[str, Any], rule: RuleText | None, safe: Any) -> str:
    if rule is None:
        return str(safe(f"{described_findings.title(rule, row)}. The results have no explanation of this rule."))
    parts = [("", rule.description), ("What to do: ", rule.remediation), ("Known false positives: ", rule.false_alarms)]
    words = [f"{name}{safe(text)}" for name, text in parts if text]
    return "\n\n".join(
        [*words, *([f"References: {' '.join(described_findings.references(rule))}"] if described_findings.references(rule) else [])]
    )


def _tags(row: Mapping[str, Any], rule: RuleText | None) -> list[str]:
    taxonomy = [shown(name) for name in (rule.taxonomy if rule else row["taxonomy"] or ())]
    weaknesses = [f"external/cwe/{name.lower()}" for name in taxonomy if name.startswith("CWE-")]
    return list(dict.fromkeys(["security", shown(row["category"]), *weaknesses, *taxonomy]))[:_TAGS]


def _invocation(run: Mapping[str, Any], gaps: Sequence[Missing], left_out: int) -> dict[str, Any]:
    failed = any(one.failed for one in gaps)
    notifications = [_notification(one) for one in gaps]
    if left_out:
        words = f"Left out, because code scanning accepts at most {RESULTS:,} results: {counted(left_out, 'finding')}. Those here are the worst."
        notifications.append({"level": "warning", "message": {"text": words}, "descriptor": {"id": "findings-left-out"}})
    return {
        "executionSuccessful": not failed,
        "exitCode": 3 if failed else 0,
        "exitCodeDescription": "Something could not be checked." if failed else "Everything that should be checked was checked.",
        **({"startTimeUtc": _utc(run["started_at"])} if run.get("started_at") else {}),
        **({"endTimeUtc": _utc(run["finished_at"])} if run.get("finished_at") else {}),
        "toolExecutionNotifications": notifications,
    }


def _utc(moment: str) -> str:
    return f"{shown(moment)[:19]}Z"


def _notification(one: Missing) -> dict[str, Any]:
    about = {"status": shown(one.reason.status), "artifacts": one.reason.artifacts, "reasonCode": one.reason.reason_code}
    return {
        "level": "error" if one.failed else "warning",
        "message": {"text": _plain(one.words)},
        "descriptor": {"id": _code(one)},
        **({"locations": [{"physicalLocation": {"artifactLocation": _artifact(name)}} for name in one.artifacts]} if one.artifacts else {}),
        "properties": {name: value for name, value in about.items() if value is not None},
    }


def _code(one: Missing) -> str:
    return f"not-checked/{shown(one.reason.reason_code or one.reason.status)}"


def _results(selection: Selection, query: str, numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    run = selection.results.run
    entries, sweep = described_findings.suppressions(run), run.get("job") == "sweep"
    for batch in selection.results.rows(query):
        for row in batch.to_pylist():
            yield _result(row, selection.rules.get(row["rule_id"]), numbers[row["rule_id"]], entries, sweep)


def _result(
    row: Mapping[str, Any], rule: RuleText | None, number: int, entries: Mapping[str, Mapping[str, Any]], sweep: bool
) -> dict[str, Any]:
    suppression = described_findings.suppression_of(row, entries)
    evidence = f' Evidence, masked: "{row["evidence"]}".' if row["evidence"] else ""
    names = ("engine", "category", "severity", "confidence", "state")
    found: dict[str, Any] = {
        "ruleId": shown(row["rule_id"]),
        "ruleIndex": number,
        "level": _LEVELS.get(row["severity"], "none"),
        "message": {"text": _plain(f"{described_findings.headline(rule, row)}.{evidence}")},
        "locations": [_location(row, at) for at in (row["location"], *(row["places"] or ()))],
        "partialFingerprints": {
            "findingId/v1": row["finding_id"],
            "contentFingerprint/v1": row["content_fingerprint"],
            "primaryLocationLineHash": f"{row['finding_id']}:1",  # the name that code scanning knows; text that moves keeps it
        },
        "occurrenceCount": max(1, row["count"] or 1),
        "properties": {name: row[name] for name in names if row[name] is not None},
    }
    if suppression is not None:
        found["suppressions"] = [{"kind": "external", "status": "accepted", "justification": _plain(suppression.words)}]
    if sweep and row["state"] in _BASELINE:
        found["baselineState"] = _BASELINE[row["state"]]
    return found


def _location(row: Mapping[str, Any], at: Mapping[str, Any] | None) -> dict[str, Any]:
    region, inside = _region(row, at or {}), _inside(row, at or {})
    physical = {"artifactLocation": _artifact(row["artifact"]), **({"region": region} if region else {})}
    return {"physicalLocation": physical, **({"logicalLocations": [inside]} if inside else {})}


def _artifact(name: str) -> dict[str, Any]:
    """Return a URI below the root, whatever the name: names of objects may begin with a slash, or have dots where a path leads upwards."""
    path = name.lstrip("/")
    parts = (quote(_DOT.get(part, part), safe="", errors="replace") for part in path.split("/"))
    return {"uri": "%2F" * (len(name) - len(path)) + "/".join(parts), "uriBaseId": _ROOT}


def _region(row: Mapping[str, Any], at: Mapping[str, Any]) -> dict[str, int]:
    """Return the position in the artifact's own bytes or characters; empty if it is one in a member, page, part or cell."""
    if row["member"] or any(at.get(name) is not None for name in ("part", "page")):
        return {}
    line, start, end = at.get("line"), at.get("start"), at.get("end")
    whole = all(
        at.get(name) is None for name in ("row", "column", "decoded_via")
    )  # else, the offsets are those in a value or before decoding
    if line is None:
        return {"byteOffset": at["byte_offset"]} if at.get("byte_offset") is not None else {}
    if not whole or start is None or end is None or end < start:
        return {"startLine": max(1, line)}
    return {"startLine": max(1, line), "charOffset": start, "charLength": end - start}


def _inside(row: Mapping[str, Any], at: Mapping[str, Any]) -> dict[str, str]:
    """Return the member, page, part, row or column as a logical location; empty for a location in the artifact itself."""
    kinds = [name for name in ("page", "part", "paragraph", "row", "column") if at.get(name) is not None]
    if not row["member"] and not kinds:
        return {}
    words, path = shown(within({**row, "location": at})), described_findings.path_of(row)
    return {
        "name": words or shown(row["member"]),
        "fullyQualifiedName": f"{path} {words}".rstrip(),
        "kind": kinds[0] if kinds else "member",
    }


def _plain(text: object, most: int = 0) -> str:
    """Return text in which no viewer finds a link."""
    safe = shown(text)
    safe = _BRACKET.sub(r"\\\g<0>", safe) if "](" in safe else safe
    return _cut(safe, most) if most else safe


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
