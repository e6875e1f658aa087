"""The export as JUnit XML, validated against the schema of Jenkins' xUnit plug-in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.exports import outputs
from veritensor_ray.exports import junit
from veritensor_ray.results.results import Results

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / "junit-10.xsd"))


def exported(results: Results) -> dict[str, Any]:
    """Suites by name; the numbers that they state are those of their cases."""
    file = io.BytesIO()
    junit.write(outputs.selection(results), file)
    document = etree.fromstring(file.getvalue())
    SCHEMA.assertValid(document)
    for suite in document:
        kinds = [case[0].tag if len(case) else "passed" for case in suite]
        stated = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
        assert stated == {
            "tests": len(kinds),
            "failures": kinds.count("failure"),
            "errors": kinds.count("error"),
            "skipped": kinds.count("skipped"),
        }
    return {suite.get("name"): suite for suite in document}


def cases(suite: Any) -> list[tuple[str, str]]:
    return [(case.get("name"), case[0].tag if len(case) else "passed") for case in suite]


def test_the_schema_rejects_a_document_that_is_not_valid() -> None:
    assert not SCHEMA.validate(etree.fromstring("<testsuites><testcase name='x'/></testsuites>"))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([{}], [("modelfiles.dangerous-pickle in models/a.pkl", "failure")]),
        ([{"severity": "info"}], [("modelfiles.dangerous-pickle in models/a.pkl", "failure")]),
        ([{"suppressed_by": "S-1"}], [("modelfiles.dangerous-pickle in models/a.pkl", "skipped")]),
        ([{"state": "resolved"}], [("modelfiles.dangerous-pickle in models/a.pkl", "skipped")]),
        ([{}, {"suppressed_by": "S-1"}], [("modelfiles.dangerous-pickle in models/a.pkl", "failure")]),
        (
            [{"artifact": "z"}, {"artifact": "b"}, {"artifact": "b", "member": "in.pkl"}],
            [("modelfiles.dangerous-pickle in b", "failure"), ("modelfiles.dangerous-pickle in z", "failure")],
        ),
    ],
)
def test_a_rule_in_an_artifact_is_a_case(rows: list[dict[str, Any]], expected: list[tuple[str, str]], tmp_path: Path) -> None:
    """A case for the engine itself passes, so that an engine without findings is seen to have run."""
    found = exported(outputs.output(tmp_path, [outputs.finding(str(number), **row) for number, row in enumerate(rows)]))
    assert [*found] == ["coverage", "modelfiles"]
    assert cases(found["modelfiles"]) == [("engine modelfiles: 1 complete", "passed"), *expected]


def test_a_failure_says_what_where_and_what_to_do(tmp_path: Path) -> None:
    rows = [
        outputs.finding("1", count=3, at={"line": 7}),
        outputs.finding("2", severity="low", member="b.pkl"),
        outputs.finding("3", suppressed_by="S-1"),
    ]
    failure = exported(outputs.output(tmp_path, rows))["modelfiles"][1][0]
    assert dict(failure.attrib) == {"type": "critical", "message": "critical: Pickle that runs code (2 findings)"}
    assert failure.text.splitlines() == [
        f"critical {'1' * 32} models/a.pkl:7, 3 locations",
        "  posix.system",
        f"low {'2' * 32} models/a.pkl!/b.pkl",
        "  posix.system",
        "What to do: Do not load it.",
    ]


def test_a_case_lists_a_few_findings(tmp_path: Path) -> None:
    rows = [outputs.finding(f"{number:032}") for number in range(30)]
    lines = exported(outputs.output(tmp_path, rows))["modelfiles"][1][0].text.splitlines()
    assert (len(lines), lines[-2]) == (42, "and 10 more")


def test_a_skipped_case_says_why(tmp_path: Path) -> None:
    skipped = exported(outputs.output(tmp_path, [outputs.finding(suppressed_by="S-1")]))["modelfiles"][1][0]
    assert skipped.get("message") == "Suppressed by S-1: our own fixture. Owner: ml@example.com. Expires: 2027-01-01."


@pytest.mark.parametrize(("status", "kind"), [("partial", "error"), ("unlisted", "error"), ("skipped", "skipped"), ("scanned", "skipped")])
def test_what_was_not_checked_is_a_suite(status: str, kind: str, tmp_path: Path) -> None:
    gaps = [{"status": status, "reason": "why", "reason_code": "damaged", "artifacts": 1}]
    ledger = [outputs.entry("x.md", status="unreadable" if status == "unlisted" else status, reason="why")]
    suite = exported(outputs.output(tmp_path, [], ledger, not_covered=gaps))["coverage"]
    assert cases(suite) == [("1 of 1 artifact not fully checked", "passed"), (f"Not checked: {status}: why (1 artifact)", kind)]
    assert suite[1][0].text.splitlines()[1:] == ["  x.md"]


def test_cases_left_out_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "CASES", 1)
    rows = [outputs.finding("1", artifact="a", severity="low"), outputs.finding("2", artifact="b")]
    found = exported(outputs.output(tmp_path, rows))
    assert cases(found["modelfiles"])[1:] == [("modelfiles.dangerous-pickle in b", "failure")]
    assert cases(found["coverage"])[-1][0].startswith("left out, because the file holds at most 1: 1 case;")
    assert cases(found["coverage"])[-1][1] == "error"


def test_an_engine_that_is_not_in_this_run_has_a_suite_too(tmp_path: Path) -> None:
    found = exported(outputs.output(tmp_path, [outputs.finding(engine="acme", rule_id="acme.rule")]))
    assert [*found] == ["coverage", "modelfiles", "acme"]
