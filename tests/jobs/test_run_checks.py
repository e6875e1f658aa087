"""What a run says of its advisories before it reads anything, and in run.json; what the doctor says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from time_machine import TimeMachineFixture

from tests.engines.dependencies.building import archive, epss, kev, record
from veritensor_ray.core.config import Settings, load_settings
from veritensor_ray.engines.dependencies.osv_import import import_archives
from veritensor_ray.jobs import doctor
from veritensor_ray.jobs.run_checks import ready
from veritensor_ray.jobs.run_reporting import Silent
from veritensor_ray.jobs.run_requests import Run
from veritensor_ray.jobs.run_steps import info
from veritensor_ray.jobs.scheduling.placement import Spent

TODAY = datetime(2026, 4, 1, 12, tzinfo=UTC)


class Heard(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def days_ago(days: int) -> str:
    return (TODAY - timedelta(days=days)).isoformat()


@pytest.fixture
def settings(tmp_path: Path, time_machine: TimeMachineFixture) -> Settings:
    """Of a run of TODAY, at noon, with advisories of yesterday, an old catalog of CISA's, and no scores."""
    time_machine.move_to(TODAY)
    (tmp_path / "corpus").mkdir()
    archives = [
        archive(tmp_path / "all.zip", [record("PYSEC-1", modified=days_ago(1))]),
        kev(tmp_path / "kev.json", {"CVE-2026-0001": "2026-01-01"}, days_ago(40)),
    ]
    import_archives(archives, tmp_path / "db")
    flags: dict[str, Any] = {"sources": [str(tmp_path / "corpus")], "output": str(tmp_path / "out"), "engines": ["dependencies"]}
    return load_settings(flags=flags | {"dependencies": {"database": str(tmp_path / "db")}}, environ={})


AGES = f"advisories of {days_ago(1)[:10]} (1 day old), KEV of {days_ago(40)[:10]} (40 days old), no EPSS"
LATE = "KEV is 40 days old (dependencies.max_age_days is 30). Run `veritensor-ray advisories import` with newer files, or import a newer bundle"


def test_a_run_tells_the_ages_of_its_advisories_and_keeps_them(settings: Settings) -> None:
    heard = Heard()
    with ready(settings, heard) as checked:
        assert [one for one in heard.notes if "KEV" in one] == [AGES, LATE]
        about = info(checked, Run("run", {}, days_ago(0), "audit"), Spent(), "processes").about
    assert about["advisories"] == {"advisories": days_ago(1)[:10], "kev": days_ago(40)[:10], "epss": None}


@pytest.mark.parametrize("change", [{"engines": ["structure"]}, {"dependencies": {"database": "/nowhere"}}])
def test_a_run_without_advisories_says_nothing_of_them(settings: Settings, change: dict[str, Any]) -> None:
    heard = Heard()
    with ready(Settings.model_validate(settings.model_dump(exclude_unset=True) | change), heard) as checked:
        assert [one for one in heard.notes if "advisories" in one] == []
        assert "advisories" not in info(checked, Run("run", {}, days_ago(0), "audit"), Spent(), "processes").about


def test_the_doctor_tells_the_ages(settings: Settings, tmp_path: Path) -> None:
    [check] = doctor._advisories(settings)
    assert (check.state, check.detail) == ("warning", f"{AGES}\n{LATE}")
    import_archives([tmp_path / "all.zip", epss(tmp_path / "e.csv.gz", {"CVE-2026-0001": (0.5, 0.9)}, days_ago(2))], tmp_path / "db")
    [check] = doctor._advisories(settings)
    assert (check.state, check.detail, check.remedy) == (
        "ok",
        f"advisories of {days_ago(1)[:10]} (1 day old), no KEV, EPSS of {days_ago(2)[:10]} (2 days old)",
        "",
    )
    [check] = doctor._advisories(Settings.model_validate({"dependencies": {"database": str(tmp_path / "nowhere")}}))
    assert (check.state, "advisories import" in check.detail) == ("ok", True)
    assert list(doctor._advisories(Settings.model_validate({"engines": ["structure"]}))) == []
