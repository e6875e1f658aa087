"""The export for OCSF, validated against the schemas of the version that the events state."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from tests.exports import outputs
from veritensor_ray.exports import ocsf
from veritensor_ray.results.results import Results

Export = Callable[[Results], list[dict[str, Any]]]
CLASSES = {2004: "detection_finding", 6007: "scan_activity"}


@pytest.fixture(scope="module")
def exported() -> Export:
    """Returns the events of an export, each of them valid."""
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=ocsf.VERSION))
    validators = {
        (uid, profiles): jsonschema.Draft202012Validator(schema.get_class_schema(name, profiles=list(profiles)))
        for uid, name in CLASSES.items()
        for profiles in ((), ("incident",))
    }

    def export(results: Results) -> list[dict[str, Any]]:
        file = io.BytesIO()
        ocsf.write(outputs.selection(results), file)
        assert file.getvalue().isascii()
        events: list[dict[str, Any]] = [json.loads(line) for line in file.getvalue().splitlines()]
        for event in events:
            validator = validators[event["class_uid"], tuple(event["metadata"].get("profiles", ()))]
            assert [error.message for error in validator.iter_errors(event)] == []
        return events

    return export


def test_the_schemas_reject_an_event_that_is_not_valid(exported: Export, tmp_path: Path) -> None:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=ocsf.VERSION)).get_class_schema("detection_finding")
    event = exported(outputs.output(tmp_path, [outputs.finding()]))[1]
    changes: tuple[dict[str, Any], ...] = ({"severity_id": 77}, {"time": "now"}, {"finding_info": {}}, {"unheard_of": 1})
    for change in changes:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(event | change, schema)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, {"activity_id": 1, "type_uid": 200401, "status_id": 1, "severity_id": 5, "confidence_id": 3, "time": 1772402400000}),
        (
            {"state": "persisting"},
            {"activity_id": 2, "type_uid": 200402, "status_id": 1, "status_detail": "persisting", "time": 1772402700000},
        ),
        ({"state": "reopened"}, {"activity_id": 2, "status_id": 1}),
        ({"state": "unverified"}, {"activity_id": 2, "status_id": 1}),
        ({"state": "resolved"}, {"activity_id": 3, "status_id": 4}),
        ({"state": "resolved", "suppressed_by": "S-1"}, {"activity_id": 3, "status_id": 4}),
        ({"suppressed_by": "policy:1"}, {"status_id": 3, "status_detail": "Rule 1 of the policy turns this finding off."}),
        ({"severity": "info", "confidence": None, "location": None}, {"severity_id": 1, "confidence_id": None}),
    ],
)
def test_a_finding(row: dict[str, Any], expected: dict[str, Any], exported: Export, tmp_path: Path) -> None:
    scan, event = exported(outputs.output(tmp_path, [outputs.finding(**row)]))
    assert (scan["class_uid"], event["class_uid"]) == (6007, 2004)
    assert {name: event.get(name) for name in expected} == expected


@pytest.mark.parametrize(("label", "verdict"), [(True, (2, "True Positive")), (False, (1, "False Positive"))])
def test_a_label_is_a_verdict(label: bool, verdict: tuple[int, str], exported: Export, tmp_path: Path) -> None:
    event = exported(outputs.labelled(outputs.output(tmp_path, [outputs.finding()]), label))[1]
    assert (event["verdict_id"], event["verdict"]) == verdict
    assert event["status"] == "New"


def test_finding_info_file_and_evidence(exported: Export, tmp_path: Path) -> None:
    event = exported(outputs.output(tmp_path, [outputs.finding(member="b.pkl", at={"line": 3})]))[1]
    info, (evidence,) = event["finding_info"], event["evidences"]
    assert (info["title"], info["analytic"]["uid"], info["analytic"]["version"]) == (
        "Pickle that runs code",
        "modelfiles.dangerous-pickle",
        "7",
    )
    assert info["attacks"] == [{"technique": {"uid": "AML.T0011.000"}}]
    assert (evidence["file"]["path"], evidence["file"]["name"]) == ("models/a.pkl", "a.pkl")
    assert evidence["file"]["hashes"][0]["value"] == outputs.SHA
    assert (evidence["data"]["member"], evidence["data"]["location"]["line"]) == ("b.pkl", 3)
    assert event["remediation"] == {"desc": "Do not load it.", "references": ["https://docs.python.org/3/library/pickle.html"]}


@pytest.mark.parametrize(
    ("kind", "state", "hashed"), [("sha256", "new", True), ("blocks", "new", False), ("etag", "new", False), ("sha256", "resolved", False)]
)
def test_only_digests_of_the_bytes_are_hashes(kind: str, state: str, hashed: bool, exported: Export, tmp_path: Path) -> None:
    results = outputs.output(tmp_path, [outputs.finding(state=state)], [outputs.entry(content_id_kind=kind)])
    assert ("hashes" in exported(results)[1]["evidences"][0]["file"]) is hashed


def test_what_was_not_covered_is_a_finding_and_in_the_scan(exported: Export, tmp_path: Path) -> None:
    covered = exported(outputs.output(tmp_path / "covered"))
    assert [(event["class_uid"], event["status"]) for event in covered] == [(6007, "Success")]
    ledger = [outputs.entry(), outputs.entry("b", status="unreadable", reason="encrypted")]
    scan, gap = exported(outputs.output(tmp_path / "gaps", ledger=ledger, not_covered=outputs.not_covered("encrypted")))
    assert (scan["status"], scan["num_files"], scan["num_skipped_items"]) == ("Incomplete", 2, 1)
    assert scan["status_detail"] == gap["message"] == "1 of 2 artifacts not fully checked: unreadable: encrypted (2 artifacts)"
    assert (gap["finding_info"]["title"], gap["evidences"][0]["data"]["artifacts"]) == ("Not everything was checked", 2)
    assert "hunter2" not in json.dumps([scan, gap])  # the sources' credentials


@pytest.mark.parametrize("text", outputs.HOSTILE.values(), ids=outputs.HOSTILE)
def test_hostile_text(text: str, exported: Export, tmp_path: Path) -> None:
    row = outputs.finding(
        artifact=text, member=text, message=text, evidence=text, rule_id="user.rule", at={"part": text}, suppressed_by="S-1"
    )
    policy = {"suppressions": [outputs.ENTRY | {"reason": text}]}
    words = json.dumps(exported(outputs.output(tmp_path, [row], not_covered=outputs.not_covered(text), policy=policy)), ensure_ascii=False)
    assert not any(name in words for name in ("\\u0000", "\\u0007", "\\u001b", "\\r", "\\n", "\u202e", "\u2066", "\u200b"))
