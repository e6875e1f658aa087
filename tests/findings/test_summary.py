"""The numbers of run.json, counted from tables that are written by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.findings.building import INFO, RULE, WORSE
from veritensor_ray.cli.scanning.submit_command import exit_code
from veritensor_ray.core.config import Settings
from veritensor_ray.findings.rule_texts import write_rules
from veritensor_ray.findings.schema import FINDINGS, LEDGER, SCHEMA_VERSION
from veritensor_ray.findings.summary import database, rows, run_json
from veritensor_ray.policy.judge import Judge, load_policy
from veritensor_ray.stores.outputs import OutputStore


def counted(
    tmp_path: Path, findings: list[dict[str, Any]] | None = None, ledger: list[dict[str, Any]] | None = None, unlisted: tuple[str, ...] = ()
) -> dict[str, Any]:
    for name, schema, values in (("findings", FINDINGS, findings), ("ledger", LEDGER, ledger)):
        (tmp_path / name).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(values or [], schema), tmp_path / name / "part-00000.parquet")
    write_rules(OutputStore(str(tmp_path)), INFO.rules.values())
    return run_json(OutputStore(str(tmp_path)), INFO, unlisted, Judge(load_policy(None), date(2026, 1, 1)))


def found(severity: str, state: str = "new", count: int = 1, by: str | None = None, rule_id: str = RULE.id) -> dict[str, Any]:
    return {"rule_id": rule_id, "severity": severity, "state": state, "count": count, "suppressed_by": by}


def artifact(name: str, status: str = "scanned", reason: str | None = None, **coverage: str) -> dict[str, Any]:
    return {
        "artifact": name,
        "size": 10,
        "status": status,
        "reason": reason,
        "bytes_scanned": 7,
        "segments": 2,
        "gaps_total": 1,
        "coverage": [{"engine": engine, "status": state} for engine, state in coverage.items()],
    }


def test_of_nothing(tmp_path: Path) -> None:
    run = counted(tmp_path)
    assert run["totals"] == {"artifacts": 0, "bytes": 0, "bytes_scanned": 0, "segments": 0, "gaps": 0}
    assert [run[name] for name in ("status", "severity", "severity_new", "suppressed", "rules", "not_covered", "coverage")] == [
        {}, {}, {}, 0, [], [], {},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("findings", "severity", "recent", "suppressed"),
    [
        ([found("low")], {"low": 1}, {"low": 1}, 0),
        ([found("low", count=7), found("low", count=3)], {"low": 10}, {"low": 10}, 0),
        ([found("low", count=7) | {"location": {"line": 1}}, found("low", count=3)], {"low": 4}, {"low": 4}, 0),
        ([found("low", "persisting")], {"low": 1}, {}, 0),
        ([found("low", "reopened")], {"low": 1}, {"low": 1}, 0),
        ([found("high", by="S-1"), found("high", by="policy:1", count=4)], {}, {}, 5),
        ([found("high", by="S-1", count=2), found("high"), found("high", "persisting")], {"high": 2}, {"high": 1}, 2),
    ],
)
def test_severities(
    tmp_path: Path, findings: list[dict[str, Any]], severity: dict[str, int], recent: dict[str, int], suppressed: int
) -> None:
    run = counted(tmp_path, findings)
    assert (run["severity"], run["severity_new"], run["suppressed"]) == (severity, recent, suppressed)


def test_severities_stand_in_their_order_the_worst_first(tmp_path: Path) -> None:
    run = counted(tmp_path, [found(name) for name in ("low", "critical", "info", "high", "medium")])
    assert list(run["severity"]) == list(run["severity_new"]) == ["critical", "high", "medium", "low", "info"]


def test_rules_count_what_is_not_suppressed(tmp_path: Path) -> None:
    run = counted(
        tmp_path,
        [found("low", count=2), found("low"), found("high"), found("low", by="S-1", count=90), found("critical", rule_id=WORSE.id, count=3), found("low", rule_id="gone.rule")],
    )  # fmt: skip
    assert [(one["rule_id"], one["severity"], one["count"], one["title"]) for one in run["rules"]] == [
        (RULE.id, "low", 3, RULE.title),
        (WORSE.id, "critical", 3, WORSE.title),
        ("gone.rule", "low", 1, "gone.rule"),
        (RULE.id, "high", 1, RULE.title),
    ]


def test_artifacts(tmp_path: Path) -> None:
    ledger = [
        artifact("a", test="complete", other="not-applicable"),
        artifact("b", "scanned", "2 members have no reader", test="complete"),
        artifact("c", "partial", "damaged", test="partial"),
        artifact("d", "skipped", "excluded (exclude)"),
        artifact("e", "skipped", "excluded (exclude)"),
        artifact("f", "unreadable", "gone"),
        artifact("closed", "unreadable", "cannot be listed") | {"size": None, "bytes_scanned": 0, "segments": 0, "gaps_total": 0},
    ]
    run = counted(tmp_path, [], ledger, ("closed",))
    assert run["totals"] == {"artifacts": 6, "bytes": 60, "bytes_scanned": 42, "segments": 12, "gaps": 6}
    assert run["status"] == {"partial": 1, "scanned": 2, "skipped": 2, "unlisted": 1, "unreadable": 1}
    assert [(one["status"], one["reason"], one["artifacts"]) for one in run["not_covered"]] == [
        ("skipped", "excluded (exclude)", 2),
        ("partial", "damaged", 1),
        ("scanned", "2 members have no reader", 1),
        ("unlisted", "cannot be listed", 1),
        ("unreadable", "gone", 1),
    ]
    assert run["coverage"] == {"other": {"not-applicable": 1}, "test": {"complete": 2, "partial": 1}}


def test_codes_count_artifacts_wherever_one_has_them(tmp_path: Path) -> None:
    pictures = {"engine": "ocr", "status": "no-reader", "reason_code": "engine-not-selected"}
    inside = [{"reason_code": "no-reader"}, {"reason_code": "no-reader"}, {"reason_code": "limit"}]
    ledger = [
        artifact("report.pdf") | {"coverage": [pictures]},
        artifact("parts.zip", "scanned", "no reader for audio/mpeg") | {"reason_code": "no-reader", "gaps": inside},
        artifact("song.mp3", "skipped", "no reader for audio/mpeg") | {"reason_code": "no-reader", "coverage": None},
        artifact("notes.txt"),
    ]
    run = counted(tmp_path, [], ledger)
    assert run["reason_codes"] == {"engine-not-selected": 1, "limit": 1, "no-reader": 2}
    assert [exit_code(run, Settings(strict=strict)) for strict in (False, True)] == [0, 3]
    assert exit_code(counted(tmp_path / "other", [], ledger[:1]), Settings(strict=True)) == 3


def test_strict_is_no_matter_of_how_many_reasons_there_are(tmp_path: Path) -> None:
    ledger = [
        artifact(f"{number}-{n}", "skipped", f"unchanged since {number}") | {"reason_code": "not-changed-since"}
        for number in range(60)
        for n in "ab"
    ]
    run = counted(tmp_path, [], [*ledger, artifact("song.mp3", "skipped", "no reader for audio/mpeg") | {"reason_code": "no-reader"}])
    assert "no-reader" not in {one["reason_code"] for one in run["not_covered"]}
    assert [exit_code(run, Settings(strict=strict)) for strict in (False, True)] == [0, 3]


def test_reasons_are_the_fifty_most_frequent(tmp_path: Path) -> None:
    ledger = [artifact(f"{number}-{n}", "partial", f"reason {number:02}") for number in range(60) for n in range(1 + number % 2)]
    run = counted(tmp_path, [], ledger)
    assert len(run["not_covered"]) == 50
    assert [one["artifacts"] for one in run["not_covered"]] == [2] * 30 + [1] * 20


def test_what_a_run_says_of_itself(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    run = counted(tmp_path)
    assert {name: run[name] for name in ("schema_version", "scan_id", "fingerprint", "profile", "engines")} == {
        "schema_version": SCHEMA_VERSION, "scan_id": INFO.run, "fingerprint": "f", "profile": "embedded", "engines": dict(INFO.engines),
    }  # fmt: skip
    assert datetime.fromisoformat(run["finished_at"]) >= before
    assert run["policy"]["suppressions"] == []


def test_the_database_reaches_no_network_and_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", None)
    with database() as connection:
        assert rows(connection, "SELECT current_setting('TimeZone') AS zone, 1 AS one") == [{"zone": "UTC", "one": 1}]
        for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
            assert rows(connection, f"SELECT current_setting('{setting}') AS v") == [{"v": False}]
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())
