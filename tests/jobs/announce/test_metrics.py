"""The metrics file, read as Prometheus reads it."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.jobs.announce.test_notify import HOSTILE, RUN
from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.jobs.announce.metrics import write_metrics

ENDED, SUCCESS = datetime(2026, 11, 24, 23, 30, tzinfo=UTC), datetime(2026, 11, 23, 23, 30, tzinfo=UTC)


def values(path: Path) -> dict[str, float]:
    """By name without its prefix, and labels."""
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        assert family.type == "gauge" and family.documentation
        for sample in family.samples:
            assert sample.name.startswith("veritensor_sweep_")
            found[" ".join([sample.name.removeprefix("veritensor_sweep_"), *sample.labels.values()])] = sample.value
    return found


def test_a_complete_sweep(tmp_path: Path) -> None:
    path = tmp_path / "veritensor.prom"
    write_metrics(str(path), RUN | HOSTILE, ENDED, 3, ENDED)
    found = values(path)
    expected = {
        "last_success_timestamp_seconds": ENDED.timestamp(),
        "last_run_timestamp_seconds": ENDED.timestamp(),
        "last_exit_code": 3,
        "duration_seconds": 5400,
        "corpus_bytes": 3400,
        "scanned_bytes": 900,
        "gaps": 1,
        "suppressed_findings": 4,
        "artifacts scanned": 11,
        "artifacts partial": 1,
        "artifacts quarantined": 0,
        "findings high open": 2,
        "findings low open": 1,
        "findings high new": 1,
        "findings critical new": 0,
        "finding_states persisting": 2,
        "finding_states reopened": 0,
        "changed_artifacts unchanged": 9,
        "changed_artifacts moved": 0,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert len(found) == 8 + 6 + 7 + 5 + 2 * 5  # every value of every label, whatever the run had
    assert "MARKER" not in path.read_text()


@pytest.mark.parametrize("success", [SUCCESS, None])
def test_a_failed_run_keeps_the_last_success_and_has_no_numbers(tmp_path: Path, success: datetime | None) -> None:
    path = tmp_path / "veritensor.prom"
    write_metrics(str(path), RUN, SUCCESS, 0, SUCCESS)
    write_metrics(str(path), None, ENDED, 4, success)
    kept = {"last_success_timestamp_seconds": SUCCESS.timestamp()} if success else {}
    assert values(path) == {"last_run_timestamp_seconds": ENDED.timestamp(), "last_exit_code": 4} | kept


def test_the_collector_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "veritensor.prom"
    before = os.umask(0o077)
    try:
        for _ in range(2):
            write_metrics(str(path), None, ENDED, 0, None)
            assert stat.S_IMODE(path.stat().st_mode) == 0o644
    finally:
        os.umask(before)
    assert [one.name for one in tmp_path.iterdir()] == ["veritensor.prom"]


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "veritensor.prom"
    write_metrics(str(path), None, ENDED, 4, None)
    with path.open() as old:
        write_metrics(str(path), RUN, ENDED, 0, ENDED)
        assert "last_exit_code 4.0" in old.read() and "last_exit_code 0.0" in path.read_text()


@pytest.mark.parametrize(("name", "why"), [("nowhere/x.prom", "No such file or directory"), ("folder", "Is a directory")])
def test_where_nothing_can_be_written(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotRunError, match=f"{why}; set metrics to"):
        write_metrics(str(tmp_path / name), RUN, ENDED, 0, ENDED)
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_a_run_without_numbers_invents_none(tmp_path: Path) -> None:
    path = tmp_path / "veritensor.prom"
    odd: dict[str, Any] = {"started_at": "yesterday", "status": ["MARKER"], "severity": {"MARKER": 3, "high": "MARKER"}, "suppressed": True}
    write_metrics(str(path), odd, ENDED, 0, None)
    found = values(path)
    assert "duration_seconds" not in found and found["findings high open"] == 0 and "MARKER" not in path.read_text()
