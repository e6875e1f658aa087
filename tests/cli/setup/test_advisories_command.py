"""`advisories import|status`: a database out of archives, and what it says of itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.engines.dependencies.building import archive, record


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_import_and_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pypi = archive(tmp_path / "pypi.zip", [record("PYSEC-1"), record("PYSEC-2", withdrawn="2026-01-01T00:00:00Z"), b"nonsense"])
    npm = archive(tmp_path / "npm.zip", [record("GHSA-1", "lodash", ecosystem="npm")])
    assert call(monkeypatch, "advisories", "status") == 4
    assert "advisories import" in capsys.readouterr().err
    assert call(monkeypatch, "advisories", "import", str(pypi), str(npm)) == 0
    said = capsys.readouterr().out
    assert "2 advisories in " in said
    assert "left out: 1 (invalid JSON)" in said
    assert "left out: 1 (withdrawn)" in said
    assert call(monkeypatch, "advisories", "status", "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert about["advisories"] == {"PyPI": 1, "npm": 1}
    assert about["newest"].startswith("2026-01-01")
    assert call(monkeypatch, "advisories", "status") == 0
    assert "1 PyPI, 1 npm" in capsys.readouterr().out


def test_the_output_is_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = archive(tmp_path / "all.zip", [record("PYSEC-1")])
    assert call(monkeypatch, "advisories", "import", str(found), "--output", str(tmp_path / "here" / "db")) == 0
    assert (tmp_path / "here" / "db").stat().st_mode & 0o077 == 0
    (tmp_path / "configuration.yaml").write_text(f"dependencies:\n  database: {tmp_path / 'there'}\n")
    assert call(monkeypatch, "advisories", "import", str(found), "--config", str(tmp_path / "configuration.yaml")) == 0
    assert (tmp_path / "there").exists()


def test_what_is_no_archive_is_bad_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "advisories", "import", str(tmp_path / "nowhere.zip")) == 2
    assert "nowhere.zip cannot be read: No such file or directory" in capsys.readouterr().err
    (tmp_path / "text.zip").write_text("text")
    assert call(monkeypatch, "advisories", "import", str(tmp_path / "text.zip")) == 2
    assert "text.zip is not a ZIP archive of advisories" in capsys.readouterr().err
    assert call(monkeypatch, "advisories", "import") == 2


def test_asking_for_help_loads_no_database(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "advisories", "--help") == 0
    assert "import" in capsys.readouterr().out
    assert "veritensor_ray.cli.setup.advisories_command" in sys.modules
