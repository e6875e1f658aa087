"""Suppressing and exporting from a notebook: what is written, what is shown, and what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

import veritensor_ray as vr
from tests.findings.outputs import checked, finding, written
from veritensor_ray.api.writing_exports import by_suffix
from veritensor_ray.core.errors import CannotRunError, SignatureError, UsageError
from veritensor_ray.core.signing import new_key
from veritensor_ray.exports import FORMATS
from veritensor_ray.results.attestation import attest

EVIL = "<img src=x>\x1b[31m"
ROWS = [
    finding(1, "hr/a.csv", {"line": 1}, rule_id="pii.email", severity="low", severity_original="low"),
    finding(2, "hr/b.csv", {"line": 1}, rule_id="pii.email", severity="high", severity_original="high", evidence=EVIL),
    finding(3, "web/c.html", {"line": 7}, rule_id="test.rule"),
    finding(4, "web/c.html", {"line": 9}, rule_id="test.rule", suppressed_by="earlier"),
]
IDS = [row["finding_id"] for row in ROWS]


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> vr.Audit:
    monkeypatch.chdir(tmp_path)
    written(
        tmp_path / "audit",
        ROWS,
        [checked(name, content_id="ab" * 32, content_id_kind="sha256") for name in dict.fromkeys(r["artifact"] for r in ROWS)],
        package_version="0.1.0",
    )
    return vr.open(tmp_path / "audit")


def entries(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(file.read_text())["suppressions"]
    return found


# ---- suppressing


@pytest.mark.parametrize(
    ("what", "entry", "findings"),
    [
        ({"finding": IDS[0]}, {"finding": IDS[0]}, 1),
        ({"finding": IDS[0], "by": "fingerprint"}, {"fingerprint": ROWS[0]["content_fingerprint"]}, 1),
        ({"finding": IDS[0], "by": "sha256"}, {"sha256": "ab" * 32}, 0),
        ({"finding": IDS[2], "by": "rule"}, {"rule": "test.rule", "path": "web/c.html"}, 2),
        ({"finding": IDS[2], "by": "path"}, {"path": "web/c.html"}, 2),
        ({"finding": IDS[0], "by": "folder"}, {"rule": "pii.email", "path": "hr/*"}, 2),
        ({"finding": IDS[:2]}, {"finding": IDS[:2]}, 2),
        ({"finding": [*IDS[:2], IDS[0].upper()]}, {"finding": IDS[:2]}, 2),
        ({"where": "rule glob 'pii.*'"}, {"finding": IDS[:2]}, 2),
    ],
)
def test_one_entry_is_written(what: dict[str, Any], entry: dict[str, Any], findings: int, audit: vr.Audit, tmp_path: Path) -> None:
    made = audit.suppress(**what, reason="reviewed", owner="ann", expires="2999-01-01")
    assert entries(tmp_path / "audit/policy.yaml") == [entry | {"reason": "reviewed", "owner": "ann", "expires": date(2999, 1, 1)}]
    assert (made.written, made.preview.findings, made.policy) == (True, findings, str(tmp_path / "audit/policy.yaml"))


def test_a_column_of_a_table_will_do(audit: vr.Audit) -> None:
    assert audit.suppress(audit.to_pandas(where="rule = 'pii.email'")["finding_id"], reason="reviewed").preview.findings == 2


@pytest.mark.parametrize("expires", ["90d", date(2999, 1, 31)])
def test_an_end(expires: str | date, audit: vr.Audit) -> None:
    before = datetime.now(UTC).date()
    made = audit.suppress(IDS[0], reason="reviewed", expires=expires, policy="other.yaml")
    days = (before, datetime.now(UTC).date())  # midnight may have passed
    assert made.entry and made.entry.expires in ({expires} if isinstance(expires, date) else {day + timedelta(90) for day in days})
    assert entries(Path("other.yaml"))[0]["expires"] == made.entry.expires


def test_first_the_numbers(audit: vr.Audit) -> None:
    made = audit.suppress(where="true", reason="reviewed", dry_run=True)
    assert not Path("audit/policy.yaml").exists()
    assert (made.written, made.preview.severities) == (False, (("high", 1), ("medium", 2), ("low", 1)))
    assert repr(made) == f"<Decision: 4 findings in 3 artifacts; {made.policy} is unchanged (dry_run)>"
    shown = made._repr_html_()
    assert "<td>pii.email</td><td>2</td>" in shown and "<td>web</td><td>2</td>" in shown and "&lt;img src=x&gt;" in shown
    assert "<img" not in shown and "\x1b" not in shown


def test_the_same_cell_twice_writes_once(audit: vr.Audit) -> None:
    first, again = (audit.suppress(where="rule = 'pii.email'", reason="reviewed") for _ in range(2))
    assert (first.written, again.written, len(entries(Path("audit/policy.yaml")))) == (True, False, 1)
    assert repr(first).endswith(f"{first.entry.name if first.entry else ''} was added to {first.policy} and applies from the next run on>")
    assert repr(again) == (
        f"<Decision: 0 findings in 0 artifacts, and 2 that are already suppressed; {again.policy} is unchanged, "
        "because everything is suppressed already>"
    )
    one = audit.suppress(IDS[0], reason="reviewed")
    assert (one.written, one.covered_by) == (False, first.entry)


# ---- exporting


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.csv", None), ("a.CSV", None), ("a.jsonl", None), ("a.json", None), ("a.out", "csv"), ("a.csv", "jsonl")],
)
def test_the_name_says_the_format(name: str, format: str | None, audit: vr.Audit, tmp_path: Path) -> None:
    audit.export(tmp_path / name, format)
    read: dict[str, Callable[[str], list[Any]]] = {
        "csv": lambda text: [*csv.DictReader(text.splitlines())],
        "jsonl": lambda text: [json.loads(line) for line in text.splitlines()],
        "json": json.loads,
    }
    rows = read[format or name.lower().rpartition(".")[2]]((tmp_path / name).read_text())
    assert [row["finding_id"] for row in rows] == IDS
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_can_be_written(format: str, audit: vr.Audit, tmp_path: Path) -> None:
    audit.export(tmp_path / "export", format)
    assert (tmp_path / "export").stat().st_size > 0


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.json", "json"),  # other formats end like this, too
        ("a.jsonl", "jsonl"),
        ("a.cdx.json", "cyclonedx"),
        ("s3://bucket/a.SARIF", "sarif"),
        ("a.xml", "junit"),
        ("a.md", "markdown"),
        ("a.xlsx", "xlsx"),
    ],
)
def test_the_longest_end_of_a_name_decides(name: str, format: str) -> None:
    assert by_suffix(name, FORMATS) == format


def test_a_condition_narrows_an_export(audit: vr.Audit, tmp_path: Path) -> None:
    audit.export(tmp_path / "a.jsonl", where="artifact glob 'hr/*' and severity_rank(severity) >= 4")
    assert [json.loads(line)["finding_id"] for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [IDS[1]]


# ---- a report


def test_a_report(audit: vr.Audit, tmp_path: Path) -> None:
    audit.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.startswith("<!doctype html>") and "pii.email" in page and "<img src=x>" not in page
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o600


def test_a_report_says_what_it_leaves_out(audit: vr.Audit) -> None:
    with pytest.warns(UserWarning, match="the report holds the worst 2 of 4 rows of findings; its totals count all of them"):
        audit.report("short.html", rows=2)


# ---- errors: what happened, and the remedy

MISTAKES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "nothing": (
        lambda a: a.suppress(reason="x"),
        "name findings by their ids, or describe them with where=CONDITION; exactly one of the two",
    ),
    "both": (lambda a: a.suppress(IDS[0], where="true", reason="x"), "name findings by their ids, or describe them with where="),
    "a condition": (lambda a: a.suppress(where="rul = 1", reason="x"), "the condition 'rul = 1' is not valid: "),
    "no match": (lambda a: a.suppress(where="false", reason="x"), "no finding meets the condition, so there is nothing to suppress"),
    "no reason": (lambda a: a.suppress(IDS[0], reason=" "), "the entry's reason"),
    "a word": (lambda a: a.suppress(IDS[0], by="rules", reason="x"), "by cannot be 'rules'; did you mean 'rule'?"),
    "several by rule": (lambda a: a.suppress(IDS[:2], by="rule", reason="x"), "by='rule' goes with the id of a single finding; "),
    "a past end": (lambda a: a.suppress(IDS[0], expires="2020-01-01", reason="x"), "expires 2020-01-01 is not in the future "),
    "no ids": (lambda a: a.suppress([], reason="x"), "the list of ids is empty, so there is nothing to suppress"),
    "half an id": (lambda a: a.suppress(["abcdef"], reason="x"), "'abcdef' is not the complete id of a finding; in a list, each id needs "),
    "ids of another audit": (
        lambda a: a.suppress([*IDS, "f" * 32], reason="x"),
        f"1 of 5 ids are not in {{}}, such as {'f' * 32}; take them from these results",
    ),
    "a table": (
        lambda a: a.suppress(a.to_pandas(), reason="x"),
        "ids must be text or a list of texts, not pandas.DataFrame; of a table, pass the column finding_id",
    ),
    "a format": (lambda a: a.export("a.txt", "jsonlines"), "unknown format 'jsonlines'; did you mean jsonl?"),
    "a format of tags": (lambda a: a.export("a.txt", "openmetadat"), "unknown format 'openmetadat'; did you mean openmetadata?"),
    "no format": (
        lambda a: a.export("findings"),
        "the name findings does not say the format, because its end is that of no format; add format=, one of csv, ",
    ),
    "no name": (lambda a: a.export(None), "the file to export to must be a path or a URI, not None. "),
    "no name for a report": (lambda a: a.report(3), "the file for the report must be a path or a URI, not int. "),
    "a report in the results": (lambda a: a.report("audit/a.html"), "audit/a.html lies inside the results, "),
    "a negative number": (lambda a: a.report("a.html", rows=-1), "rows must be a number of findings from 0, not -1"),
    "a folder that is not there": (lambda a: a.export("no/a.csv"), "no/a.csv cannot be created, because there is no folder "),
    "the results": (
        lambda a: a.export("audit/a.csv"),
        "audit/a.csv lies inside the results, where exports do not belong; choose a file elsewhere",
    ),
}


@pytest.mark.parametrize(("call", "says"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(call: Callable[[vr.Audit], Any], says: str, audit: vr.Audit) -> None:
    with pytest.raises(UsageError) as error:
        call(audit)
    assert str(error.value).startswith(says.format(audit.store.uri))
    assert not Path("audit/policy.yaml").exists()


@pytest.mark.parametrize(
    "call",
    [
        lambda a: a.export("a.csv"),
        lambda a: a.report("a.html"),
        lambda a: a.suppress(IDS[0], reason="x"),
        lambda a: a.diff(a),
    ],
    ids=["export", "report", "suppress", "diff"],
)
def test_signed_results_that_changed_are_not_handed_on(call: Callable[[vr.Audit], Any], audit: vr.Audit, tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    attest(audit.store, f"file:{tmp_path / 'key'}", audit.run)
    call(audit)
    (tmp_path / "audit/findings/part-00000.parquet").write_bytes(b"something else")
    with pytest.raises(SignatureError, match="Copy the output again"):
        call(audit)


def test_a_policy_that_cannot_be_written(audit: vr.Audit) -> None:
    with pytest.raises(CannotRunError, match="Its folder must exist and be writable"):
        audit.suppress(IDS[0], reason="x", policy="no/policy.yaml")
