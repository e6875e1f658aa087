"""The export for GitLab, validated against its schema of SAST reports."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.exports import outputs
from veritensor_ray.exports import gitlab
from veritensor_ray.results.results import Results


@cache
def validator() -> Any:
    schema = json.loads((Path(__file__).parent / "schemas" / f"gitlab-sast-{gitlab.VERSION}.json").read_text())
    assert schema["self"]["version"] == gitlab.VERSION
    return jsonschema.Draft7Validator(schema)


def exported(results: Results) -> dict[str, Any]:
    """A report that is valid."""
    file = io.BytesIO()
    gitlab.write(outputs.selection(results), file)
    assert file.getvalue().isascii()
    report: dict[str, Any] = json.loads(file.getvalue())
    assert [error.message for error in validator().iter_errors(report)] == []
    return report


@pytest.mark.parametrize(
    "change",
    [{"version": "15"}, {"scan": {}}, {"vulnerabilities": [{"id": "1", "identifiers": [], "location": {}}]}, {"vulnerabilities": None}],
)
def test_the_schema_rejects_a_report_that_is_not_valid(change: dict[str, Any], tmp_path: Path) -> None:
    assert list(validator().iter_errors(exported(outputs.output(tmp_path)) | change))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {},
            {
                "id": "1" * 32,
                "name": "Pickle that runs code",
                "severity": "Critical",
                "solution": "Do not load it.",
                "links": [{"url": "https://docs.python.org/3/library/pickle.html"}],
                "location": {"file": "models/a.pkl"},
                "identifiers": [
                    {"type": "veritensor_rule", "name": "modelfiles.dangerous-pickle", "value": "modelfiles.dangerous-pickle"},
                    {"type": "cwe", "name": "CWE-502", "value": "502", "url": "https://cwe.mitre.org/data/definitions/502.html"},
                    {"type": "atlas", "name": "ATLAS:AML.T0011.000", "value": "ATLAS:AML.T0011.000"},
                ],
            },
        ),
        ({"at": {"line": 3}}, {"location": {"file": "models/a.pkl", "start_line": 3, "end_line": 3}}),
        ({"at": {"line": 3, "page": 1}}, {"location": {"file": "models/a.pkl"}}),
        ({"at": {"line": 3}, "member": "b.txt"}, {"location": {"file": "models/a.pkl"}}),
        ({"severity": "info"}, {"severity": "Info"}),
        ({"rule_id": "acme.rule", "message": "m" * 999}, {"name": "m" * 254 + "…"}),
    ],
)
def test_a_finding_is_a_vulnerability(row: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    (one,) = exported(outputs.output(tmp_path, [outputs.finding(**row)]))["vulnerabilities"]
    assert {name: one[name] for name in expected} == expected


@pytest.mark.parametrize("hidden", [{"suppressed_by": "S-1"}, {"suppressed_by": "policy:1"}, {"state": "resolved"}])
def test_a_finding_that_does_not_count_would_be_open_there(hidden: dict[str, Any], tmp_path: Path) -> None:
    report = exported(outputs.output(tmp_path, [outputs.finding("1"), outputs.finding("2", **hidden)]))
    assert [one["id"] for one in report["vulnerabilities"]] == ["1" * 32]
    said = "Left out, because the policy suppresses them: 1 finding."
    assert report["scan"]["messages"] == ([{"level": "info", "value": said}] if "suppressed_by" in hidden else [])


@pytest.mark.parametrize(
    ("about", "status", "message"),
    [
        ({}, "success", None),
        ({"not_covered": outputs.not_covered("why")}, "success", "Not checked: unreadable: why (2 artifacts): models/a.pkl"),
        ({"status": {"unreadable": 1}}, "failure", None),
        ({"totals": {"artifacts": 0}, "status": {}}, "failure", "no artifact was found in"),
    ],
)
def test_what_was_not_checked_is_a_message(about: dict[str, Any], status: str, message: str | None, tmp_path: Path) -> None:
    ledger = [outputs.entry(status="unreadable", reason="why")] if "not_covered" in about else [outputs.entry()]
    scan = exported(outputs.output(tmp_path, [], ledger, **about))["scan"]
    assert scan["status"] == status
    assert [(one["level"], message in one["value"]) for one in scan["messages"] if message] == ([("warn", True)] if message else [])
    assert (scan["start_time"], scan["end_time"]) == ("2026-03-01T22:00:00", "2026-03-01T22:05:00")


def test_the_worst_findings_are_kept_and_the_rest_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitlab, "VULNERABILITIES", 1)
    report = exported(outputs.output(tmp_path, [outputs.finding("1", severity="low"), outputs.finding("2", severity="high")]))
    assert [one["severity"] for one in report["vulnerabilities"]] == ["High"]
    assert report["scan"]["messages"] == [{"level": "warn", "value": "Left out, because the report holds at most 1: 1 finding."}]
