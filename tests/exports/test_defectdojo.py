"""The export for DefectDojo, compared with the fields that its importer of generic findings accepts."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.exports import outputs
from veritensor_ray.exports import defectdojo
from veritensor_ray.results.results import Results

# The importer rejects a document with a field that it does not know, or without one of the first three. The numbers are the lengths that
# its columns hold. From its parser and model, version 2.5x.
REQUIRED = {"title": str, "severity": str, "description": str}
FIELDS: dict[str, type] = REQUIRED | {
    "mitigation": str, "references": str, "severity_justification": str, "cwe": int, "file_path": str, "line": int, "component_name": str,
    "component_version": str, "vulnerability_ids": list, "date": str, "active": bool, "verified": bool, "false_p": bool, "risk_accepted": bool,
    "out_of_scope": bool, "is_mitigated": bool, "mitigated": str, "static_finding": bool, "dynamic_finding": bool, "scanner_confidence": int,
    "unique_id_from_tool": str, "vuln_id_from_tool": str, "nb_occurences": int, "tags": list,
}  # fmt: skip
LENGTHS = {
    "title": 511,
    "file_path": 4000,
    "component_name": 500,
    "component_version": 100,
    "unique_id_from_tool": 500,
    "vuln_id_from_tool": 500,
}
SEVERITIES = {"Info", "Low", "Medium", "High", "Critical"}


def exported(results: Results) -> dict[str, Any]:
    """Returns the document, which has passed the importer's checks."""
    file = io.BytesIO()
    defectdojo.write(outputs.selection(results), file)
    assert file.getvalue().isascii()
    document: dict[str, Any] = json.loads(file.getvalue())
    assert set(document) <= {"name", "type", "version", "description", "static_tool", "dynamic_tool", "findings"}
    for one in document["findings"]:
        assert set(REQUIRED) <= set(one) <= set(FIELDS)
        assert {name: type(value) for name, value in one.items()} == {name: FIELDS[name] for name in one}
        assert all(len(one.get(name, "")) <= most for name, most in LENGTHS.items())
        assert one["severity"] in SEVERITIES
        date.fromisoformat(one["date"])
        datetime.fromisoformat(one.get("mitigated", "2026-01-01"))
    return document


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"member": "b.pkl"},
            {"title": "Pickle that runs code: models/a.pkl!/b.pkl", "severity": "Critical", "cwe": 502, "file_path": "models/a.pkl!/b.pkl"},
        ),
        (
            {},
            {
                "active": True,
                "verified": False,
                "false_p": False,
                "risk_accepted": False,
                "out_of_scope": False,
                "is_mitigated": False,
                "date": "2026-03-01",
            },
        ),
        ({"suppressed_by": "S-1"}, {"active": False, "risk_accepted": True, "out_of_scope": False}),
        ({"suppressed_by": "policy:2"}, {"active": False, "risk_accepted": False, "out_of_scope": True}),
        ({"state": "resolved"}, {"active": False, "is_mitigated": True, "mitigated": "2026-03-01T22:05:00+00:00"}),
        ({"state": "persisting"}, {"active": True, "tags": ["modelfiles", "unsafe-deserialization", "persisting"]}),
        ({"severity": "low"}, {"severity": "Low", "severity_justification": "The policy changed the severity from critical to low."}),
        ({"confidence": None, "location": None, "count": 40}, {"scanner_confidence": 7, "nb_occurences": 40}),
        ({"at": {"line": 3}}, {"line": 3, "scanner_confidence": 1}),
        (
            {"rule_id": "dependencies.known-vulnerability", "evidence": "requests==2.19.0 GHSA-x84v-xcm2-53pg"},
            {"component_name": "requests", "component_version": "2.19.0", "vulnerability_ids": ["GHSA-x84v-xcm2-53pg"]},
        ),
        (
            {"rule_id": "acme.unknown", "taxonomy": None},
            {"title": "posix.system is called: models/a.pkl", "vuln_id_from_tool": "acme.unknown"},
        ),
        ({"artifact": "x" * 5000}, {"file_path": "x" * 3999 + "…"}),
    ],
)
def test_a_finding(row: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    (found,) = exported(outputs.output(tmp_path, [outputs.finding(**row)]))["findings"]
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (True, {"active": True, "verified": True, "false_p": False}),
        (False, {"active": False, "verified": False, "false_p": True}),
    ],
)
def test_a_finding_with_a_label(label: bool, expected: dict[str, Any], tmp_path: Path) -> None:
    (found,) = exported(outputs.labelled(outputs.output(tmp_path, [outputs.finding()]), label))["findings"]
    assert {name: found[name] for name in expected} == expected


def test_what_was_not_checked_comes_first(tmp_path: Path) -> None:
    results = outputs.output(
        tmp_path,
        [outputs.finding()],
        [outputs.entry(), outputs.entry("a.zip", status="unreadable", reason="encrypted")],
        not_covered=outputs.not_covered("encrypted"),
        coverage={"dependencies": {"db_missing": 3}},
        engines={"dependencies": {"version": "1"}},
    )
    first, second, third = exported(results)["findings"]
    assert first["description"].endswith("encrypted\n\nArtifacts: 2, for example a.zip. The ledger of the audit names all of them.")
    assert second["description"].endswith("The reason applies to the whole run.")
    assert first["title"] == "Not checked: unreadable: encrypted (2 artifacts)"
    assert second["title"].startswith("Not checked: dependencies: no advisory database for 3 artifacts")
    assert {one["severity"] for one in (first, second)} == {"Info"}
    assert first["unique_id_from_tool"] != second["unique_id_from_tool"]
    assert third["vuln_id_from_tool"] == "modelfiles.dangerous-pickle"


@pytest.mark.parametrize("text", outputs.HOSTILE.values(), ids=outputs.HOSTILE)
def test_hostile_text(text: str, tmp_path: Path) -> None:
    row = outputs.finding(
        artifact=text, member=text, message=text, evidence=text, rule_id="user.rule", at={"part": text}, suppressed_by="S-1"
    )
    policy = {"suppressions": [outputs.ENTRY | {"reason": text}]}
    found = exported(outputs.output(tmp_path, [row], not_covered=outputs.not_covered(text), policy=policy))["findings"]
    for one in found:
        strings = [value for value in one.values() if isinstance(value, str)]
        assert not any(set("\r\x00\x07\x1b\u202e\u2066\u200b") & set(value) for value in strings)
        assert "\n" not in one["title"]
        for paragraph in one["description"].replace("<!-- -->", "").split("\n\n"):
            assert "\n" not in paragraph  # evidence cannot leave its indented block
            assert paragraph.startswith("    ") or ("<" not in paragraph and "](" not in paragraph)
