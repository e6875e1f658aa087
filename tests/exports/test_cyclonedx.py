"""The export for CycloneDX, validated against the strict schema of its version."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.exports import outputs
from veritensor_ray.core import media_types
from veritensor_ray.exports import cyclonedx
from veritensor_ray.results.results import Results

PREFIX = "veritensor-ray:"


def valid(text: str) -> str | None:
    """Returns the first violation of the schema, or None."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return None if error is None else str(error.data)


def exported(results: Results) -> dict[str, Any]:
    """Returns the bill of materials, which is valid; every reference in it leads somewhere."""
    file = io.BytesIO()
    cyclonedx.write(outputs.selection(results), file)
    text = file.getvalue().decode("ascii")
    assert valid(text) is None
    bom: dict[str, Any] = json.loads(text)
    names = [one["bom-ref"] for one in bom["components"]]
    assert len(names) == len(set(names))
    assert {one["ref"] for found in bom["vulnerabilities"] for one in found["affects"]} <= set(names)
    return bom


def properties(holder: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in holder["properties"]:
        found.setdefault(one["name"].removeprefix(PREFIX), []).append(one["value"])
    return found


def test_the_validator_rejects_a_bill_that_is_not_valid(tmp_path: Path) -> None:
    bom = exported(outputs.output(tmp_path, [outputs.finding()]))
    assert valid(json.dumps(bom)) is None
    assert valid(json.dumps(bom | {"unheard_of": 1}))
    assert valid(json.dumps(bom | {"components": [{"type": "model", "name": "a"}]}))


@pytest.mark.parametrize(
    ("artifact", "media_type", "kind"),
    [
        ("a.pkl", media_types.PICKLE, "machine-learning-model"),
        ("a.pt", media_types.PYTORCH, "machine-learning-model"),
        ("a.safetensors", media_types.SAFETENSORS, "machine-learning-model"),
        ("a.gguf", media_types.GGUF, "machine-learning-model"),
        ("a.onnx", media_types.ONNX, "machine-learning-model"),
        ("a.keras", media_types.ZIP, "machine-learning-model"),
        ("a.pkl.gz", media_types.GZIP, "machine-learning-model"),
        ("a.parquet", media_types.PARQUET, "data"),
        ("a.jsonl", media_types.JSONL, "data"),
        ("a.csv", media_types.CSV, "data"),
        ("a.jsonl.zst", media_types.ZSTD, "data"),
        ("a.npy", media_types.NPY, "data"),
        ("a.zip", media_types.ZIP, "file"),
        ("a.gz", media_types.GZIP, "file"),
        ("folder.csv/notes.gz", media_types.GZIP, "file"),
        ("README.md", media_types.MARKDOWN, "file"),
        ("config.json", media_types.JSON, "file"),
        ("link", None, "file"),
    ],
)
def test_models_and_datasets_are_components(artifact: str, media_type: str | None, kind: str, tmp_path: Path) -> None:
    assert cyclonedx.kind_of(artifact, media_type) == kind
    components = exported(outputs.output(tmp_path, [], [outputs.entry(artifact, media_type=media_type)]))["components"]
    assert [(one["type"], one["name"]) for one in components] == ([] if kind == "file" else [(kind, artifact)])


def test_a_component_has_digest_type_size_and_status(tmp_path: Path) -> None:
    ledger = [
        outputs.entry("a.pkl"),
        outputs.entry("b.csv", media_type="text/csv", content_id_kind="blocks", status="partial", reason="a row was cut"),
    ]
    findings = [outputs.finding(artifact="b.csv", category="pii", rule_id="pii.email"), outputs.finding("2", artifact="b.csv")]
    model, data = exported(outputs.output(tmp_path, findings, ledger))["components"]
    assert (model["hashes"], model["mime-type"]) == ([{"alg": "SHA-256", "content": outputs.SHA}], "application/x-pickle")
    assert properties(model) == {"size": ["58"], "status": ["scanned"]}
    assert "hashes" not in data
    assert properties(data) == {"size": ["58"], "status": ["partial"], "reason": ["a row was cut"]}
    assert data["data"] == [{"type": "dataset", "name": "b.csv", "sensitiveData": ["pii.email"]}]


@pytest.mark.parametrize(
    ("row", "label", "state"),
    [
        ({}, True, "exploitable"),
        ({}, False, "false_positive"),
        ({"suppressed_by": "S-1"}, True, "not_affected"),
        ({"suppressed_by": "S-1"}, False, "false_positive"),
        ({"state": "resolved"}, True, "resolved"),
    ],
)
def test_the_state_of_a_vulnerability_with_a_label(row: dict[str, Any], label: bool, state: str, tmp_path: Path) -> None:
    (found,) = exported(outputs.labelled(outputs.output(tmp_path, [outputs.finding(**row)]), label))["vulnerabilities"]
    assert found["analysis"]["state"] == state


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({}, {"state": "in_triage"}),
        (
            {"suppressed_by": "S-1"},
            {"state": "not_affected", "detail": "Suppressed by S-1: our own fixture. Owner: ml@example.com. Expires: 2027-01-01."},
        ),
        ({"suppressed_by": "policy:1"}, {"state": "not_affected", "detail": "Rule 1 of the policy turns this finding off."}),
        ({"state": "resolved", "suppressed_by": "S-1"}, {"state": "resolved"}),
    ],
)
def test_the_state_of_a_vulnerability(row: dict[str, Any], state: dict[str, str], tmp_path: Path) -> None:
    (found,) = exported(outputs.output(tmp_path, [outputs.finding(**row)]))["vulnerabilities"]
    assert found["analysis"] == state


def test_the_serial_number_depends_on_run_and_filter(tmp_path: Path) -> None:
    results = outputs.output(tmp_path, [outputs.finding()])
    numbers = []
    for query in ("SELECT * FROM findings", "SELECT * FROM findings", "SELECT * FROM findings WHERE severity = 'low'"):
        file = io.BytesIO()
        cyclonedx.write(outputs.selection(results, query), file)
        numbers.append(json.loads(file.getvalue())["serialNumber"])
    assert numbers[0] == numbers[1] != numbers[2]


def test_a_vulnerability(tmp_path: Path) -> None:
    bom = exported(outputs.output(tmp_path, [outputs.finding(member="b.pkl", location=None, confidence=None)]))
    (found,) = bom["vulnerabilities"]
    assert (found["id"], found["cwes"], found["ratings"][0]["severity"]) == ("modelfiles.dangerous-pickle", [502], "critical")
    assert found["description"] == "Pickle that runs code: posix.system is called"
    assert found["detail"] == "models/a.pkl!/b.pkl; evidence, masked: posix.system"
    assert found["advisories"] == [{"url": "https://docs.python.org/3/library/pickle.html"}]


def test_packages_and_files_with_findings_are_components_too(tmp_path: Path) -> None:
    advised = {"rule_id": "dependencies.known-vulnerability", "evidence": "requests==2.19.0 GHSA-1-2", "artifact": "requirements.txt"}
    findings = [
        outputs.finding("1", **advised),
        outputs.finding("2", **advised),
        outputs.finding("3", artifact="gone.md", state="resolved"),
    ]
    bom = exported(outputs.output(tmp_path, findings, [outputs.entry("requirements.txt", media_type="text/plain")]))
    assert [(one["type"], one["name"], one.get("version")) for one in bom["components"]] == [
        ("file", "gone.md", None), ("file", "requirements.txt", None), ("library", "requests", "2.19.0"),
    ]  # fmt: skip
    assert [one["id"] for one in bom["vulnerabilities"]] == ["GHSA-1-2", "GHSA-1-2", "modelfiles.dangerous-pickle"]
    assert properties(bom["components"][0]) == {"status": ["not in this run"]}


def test_what_was_not_covered(tmp_path: Path) -> None:
    covered = exported(outputs.output(tmp_path / "covered"))
    assert properties(covered["metadata"])["coverage"] == ["complete"]
    assert "annotations" not in covered
    bom = exported(outputs.output(tmp_path / "gaps", not_covered=outputs.not_covered("encrypted", "damaged")))
    about = properties(bom["metadata"])
    assert about["coverage"] == ["incomplete"]
    assert about["not-covered"] == ["unreadable: encrypted (2 artifacts)", "unreadable: damaged (2 artifacts)"]
    assert bom["annotations"][0]["text"].startswith("Not everything was checked. unreadable: encrypted (2 artifacts); ")
    assert bom["compositions"] == covered["compositions"] == [{"aggregate": "incomplete", "assemblies": ["corpus"]}]
    assert "hunter2" not in json.dumps(bom)  # the sources' credentials


@pytest.mark.parametrize("text", outputs.HOSTILE.values(), ids=outputs.HOSTILE)
def test_hostile_text(text: str, tmp_path: Path) -> None:
    row = outputs.finding(artifact=text, member=text, message=text, evidence=text, rule_id=text, at={"part": text}, suppressed_by="S-1")
    policy = {"suppressions": [outputs.ENTRY | {"reason": text}]}
    ledger = [outputs.entry(text, media_type=text, reason=text), outputs.entry(f"{text}.csv", media_type="text/csv")]
    results = outputs.output(tmp_path, [row], ledger, not_covered=outputs.not_covered(text), policy=policy)
    words = json.dumps(exported(results), ensure_ascii=False)
    assert not any(name in words for name in ("\\u0000", "\\u0007", "\\u001b", "\\r", "\\n", "\u202e", "\u2066", "\u200b"))
