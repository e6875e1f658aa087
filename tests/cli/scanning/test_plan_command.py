"""`plan`: what it says besides the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.engines.dependencies.building import database, epss, record


def test_the_ages_of_advisories_are_shown_and_old_ones_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "requirements.txt").write_text("requests==1.0\n")
    made = database(
        tmp_path, record("PYSEC-1"), feeds=[epss(tmp_path / "e.csv", {"CVE-2026-0001": (0.5, 0.9)}, "2026-01-02T00:00:00+0000")]
    )
    monkeypatch.setenv("VERITENSOR_DEPENDENCIES__DATABASE", str(made))
    assert call(monkeypatch, "plan", str(tmp_path / "corpus"), "--no-estimate") == 0
    said = capsys.readouterr().out
    assert "advisories of 2026-01-01 (" in said
    assert "no KEV, EPSS of 2026-01-02 (" in said
    assert "days old (dependencies.max_age_days is 30). Run `veritensor-ray advisories import`" in said
    assert call(monkeypatch, "plan", str(tmp_path / "corpus"), "--no-estimate", "--engines", "structure") == 0
    assert "EPSS" not in capsys.readouterr().out
