"""The export as SARIF, validated against the schema of OASIS, and within the limits of code scanning."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.exports import outputs
from veritensor_ray.exports import sarif
from veritensor_ray.results.results import Results

SCHEMAS = Path(__file__).parent / "schemas"


@cache
def validator() -> Any:
    return jsonschema.Draft7Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text()))


def exported(results: Results) -> dict[str, Any]:
    """The only run of a document that is valid."""
    file = io.BytesIO()
    sarif.write(outputs.selection(results), file)
    assert file.getvalue().isascii()
    document = json.loads(file.getvalue())
    assert [error.message for error in validator().iter_errors(document)] == []
    (run,) = document["runs"]
    assert all(run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])
    return dict(run)


def test_the_schema_rejects_a_document_that_is_not_valid() -> None:
    assert list(validator().iter_errors({"version": "2.1.0", "runs": [{"results": []}]}))
    assert list(validator().iter_errors({"version": "2.1", "runs": []}))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, {"level": "error", "occurrenceCount": 1}),
        ({"severity": "high"}, {"level": "error"}),
        ({"severity": "medium", "count": 12}, {"level": "warning", "occurrenceCount": 12}),
        ({"severity": "low"}, {"level": "note"}),
        ({"severity": "info"}, {"level": "note"}),
        (
            {"suppressed_by": "S-1"},
            {
                "suppressions": [
                    {
                        "kind": "external",
                        "status": "accepted",
                        "justification": "Suppressed by S-1: our own fixture. Owner: ml@example.com. Expires: 2027-01-01.",
                    }
                ]
            },
        ),
        (
            {"suppressed_by": "policy:2"},
            {
                "suppressions": [
                    {"kind": "external", "status": "accepted", "justification": "Rule 2 of the policy turns this finding off."},
                ]
            },
        ),
        (
            {},
            {
                "message": {"text": 'Pickle that runs code: posix.system is called. Evidence, masked: "posix.system".'},
                "partialFingerprints": {
                    "findingId/v1": "1" * 32,
                    "contentFingerprint/v1": "f" * 32,
                    "primaryLocationLineHash": f"{'1' * 32}:1",
                },
            },
        ),
    ],
)
def test_a_finding_is_a_result(row: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    (result,) = exported(outputs.output(tmp_path, [outputs.finding(**row)]))["results"]
    assert {name: result[name] for name in expected} == expected
    assert ("suppressions" in result) == ("suppressed_by" in row)
    assert "baselineState" not in result


@pytest.mark.parametrize(
    ("about", "region", "inside"),
    [
        ({"at": {"byte_offset": 0}}, {"byteOffset": 0}, None),
        ({"at": {"byte_offset": 9, "line": 3}}, {"startLine": 3}, None),
        ({"at": {"line": 3, "start": 20, "end": 25}}, {"startLine": 3, "charOffset": 20, "charLength": 5}, None),
        ({"at": {"line": 3, "start": 20, "end": 25, "decoded_via": "gzip"}}, {"startLine": 3}, None),
        ({"at": {"byte_offset": None}}, None, None),
        # Positions in a cell, a page, a part or a member are not positions in the artifact.
        ({"at": {"line": 3, "row": 2, "column": "text", "start": 1, "end": 4}}, {"startLine": 3}, ("row", "line 3, text")),
        ({"at": {"page": 2, "line": 3}}, None, ("page", "page 2, line 3")),
        ({"at": {"part": "cell 4", "line": 3}}, None, ("part", "cell 4, line 3")),
        ({"member": "b.txt", "at": {"line": 3}}, None, ("member", "line 3")),
        ({"member": "b.txt", "at": {"byte_offset": None}}, None, ("member", "b.txt")),
        ({"location": None}, None, None),
    ],
)
def test_a_region_is_a_position_in_the_artifact(
    about: dict[str, Any], region: dict[str, int] | None, inside: tuple[str, str] | None, tmp_path: Path
) -> None:
    (result,) = exported(outputs.output(tmp_path, [outputs.finding(**about)]))["results"]
    (at,) = result["locations"]
    assert at["physicalLocation"]["artifactLocation"] == {"uri": "models/a.pkl", "uriBaseId": "%SRCROOT%"}
    assert at["physicalLocation"].get("region") == region
    logical = at.get("logicalLocations", [None])[0]
    assert (logical and (logical["kind"], logical["name"])) == inside


def test_every_location_that_the_row_lists_is_there(tmp_path: Path) -> None:
    row = outputs.finding(count=40, at={"line": 1, "byte_offset": None}, places=[{"line": 5}, {"line": 8}])
    (result,) = exported(outputs.output(tmp_path, [row]))["results"]
    assert [at["physicalLocation"]["region"]["startLine"] for at in result["locations"]] == [1, 5, 8]
    assert result["occurrenceCount"] == 40


@pytest.mark.parametrize(
    ("artifact", "uri"),
    [
        ("a b.md", "a%20b.md"),
        ("c:/x", "c%3A/x"),
        ("ü#1?.md", "%C3%BC%231%3F.md"),
        ("100%.md", "100%25.md"),
        ("a\nb", "a%0Ab"),
        ("/etc/passwd", "%2Fetc/passwd"),
        ("//host/x", "%2F%2Fhost/x"),
        ("../../x/./y", "%252E%252E/%252E%252E/x/%252E/y"),  # %2E%2E would be read as two dots
        ("%2e%2e/x", "%252e%252e/x"),
        ("a//b", "a//b"),
        ("...", "..."),
    ],
)
def test_a_name_is_a_relative_address(artifact: str, uri: str, tmp_path: Path) -> None:
    (result,) = exported(outputs.output(tmp_path, [outputs.finding(artifact=artifact)]))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


@pytest.mark.parametrize(
    ("state", "baseline"),
    [("new", "new"), ("reopened", "new"), ("persisting", "unchanged"), ("resolved", "absent"), ("unverified", None)],
)
def test_a_sweep_compares_with_the_sweep_before(state: str, baseline: str | None, tmp_path: Path) -> None:
    (result,) = exported(outputs.output(tmp_path, [outputs.finding(state=state)], job="sweep"))["results"]
    assert result.get("baselineState") == baseline


def test_a_rule_is_explained(tmp_path: Path) -> None:
    rows = [
        outputs.finding("1"),
        outputs.finding("2", severity="low"),
        outputs.finding("3", rule_id="acme.rule", message="Ours", severity="low"),
    ]
    own, known = exported(outputs.output(tmp_path, rows))["tool"]["driver"]["rules"]
    assert (known["id"], known["name"], known["helpUri"]) == (
        "modelfiles.dangerous-pickle",
        "ModelfilesDangerousPickle",
        "https://docs.python.org/3/library/pickle.html",
    )
    assert "What to do: Do not load it." in known["help"]["text"]
    assert known["defaultConfiguration"] == {"level": "error"}  # the worst of its findings
    assert known["properties"] == {
        "tags": ["security", "unsafe-deserialization", "external/cwe/cwe-502", "CWE-502", "ATLAS:AML.T0011.000"],
        "security-severity": "9.5",
        "precision": "very-high",
    }
    assert (own["shortDescription"]["text"], own["properties"]["security-severity"]) == ("Ours", "2.0")
    assert "helpUri" not in own


@pytest.mark.parametrize(
    ("status", "level", "code"), [("partial", "error", 3), ("unreadable", "error", 3), ("skipped", "warning", 0), ("scanned", "warning", 0)]
)
def test_what_was_not_checked_is_a_notification(status: str, level: str, code: int, tmp_path: Path) -> None:
    ledger = [outputs.entry(f"x/{number}.md", status=status, reason="why") for number in range(9)]
    gaps = [{"status": status, "reason": "why", "reason_code": "damaged", "artifacts": 9}]
    (run,) = exported(outputs.output(tmp_path, [], ledger, not_covered=gaps))["invocations"]
    assert (run["executionSuccessful"], run["exitCode"]) == (code == 0, code)
    (one,) = run["toolExecutionNotifications"]
    assert (one["level"], one["message"]["text"]) == (level, f"Not checked: {status}: why (9 artifacts)")
    assert one["descriptor"] == {"id": "not-checked/damaged"}
    assert len(one["locations"]) == 3


def test_the_worst_results_are_kept_and_the_rest_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "RESULTS", 2)
    rows = [
        outputs.finding("1", severity="low"),
        outputs.finding("2", severity="critical", suppressed_by="S-1"),
        outputs.finding("3", severity="high"),
        outputs.finding("4", severity="medium"),
    ]
    run = exported(outputs.output(tmp_path, rows))
    assert [one["properties"]["severity"] for one in run["results"]] == ["high", "medium"]
    (invocation,) = run["invocations"]
    (one,) = invocation["toolExecutionNotifications"]
    assert (one["level"], invocation["executionSuccessful"]) == ("warning", True)
    assert one["message"]["text"].startswith("Left out, because code scanning accepts at most 2 results: 2 findings.")


def test_limits_of_code_scanning(tmp_path: Path) -> None:
    row = outputs.finding(rule_id="acme.rule", taxonomy=[f"CWE-{number}" for number in range(40)], message="m" * 5_000)
    (rule,) = exported(outputs.output(tmp_path, [row]))["tool"]["driver"]["rules"]
    assert sarif.RESULTS <= 25_000
    assert len(rule["properties"]["tags"]) == 10
    assert len(rule["shortDescription"]["text"]) == len(rule["fullDescription"]["text"]) == 1_024


def test_results_of_two_corpora_have_two_categories(tmp_path: Path) -> None:
    run = exported(outputs.output(tmp_path, output="/srv/audits/kb"))
    assert run["automationDetails"] == {"id": "veritensor-ray/kb/run-1"}
    assert "hunter2" not in json.dumps(run)
