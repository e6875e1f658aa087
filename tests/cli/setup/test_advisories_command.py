"""`advisories import|status`: a database out of archives, and what it says of itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.engines.dependencies.building import archive, epss, kev, record


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


def test_kev_and_epss_are_imported_beside_the_archives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = kev(tmp_path / "known_exploited_vulnerabilities.json", {"CVE-2026-0001": "2026-02-11"})
    scored = epss(tmp_path / "epss_scores-current.csv.gz", {"CVE-2026-0001": (0.5, 0.9), "CVE-2026-0002": (0.1, 0.2)})
    given = [str(one) for one in (archive(tmp_path / "all.zip", [record("PYSEC-1")]), listed, scored)]
    assert call(monkeypatch, "advisories", "import", *given) == 0
    assert capsys.readouterr().out.endswith("EPSS of 2026-03-03: 2 CVEs\nKEV of 2026-03-02: 1 CVE\n")
    assert call(monkeypatch, "advisories", "status", "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["kev"]["dated"][:10], about["kev"]["cves"], about["epss"]["cves"]) == ("2026-03-02", 1, 2)
    assert about["kev"]["age_days"] == about["epss"]["age_days"] + 1
    assert call(monkeypatch, "advisories", "status") == 0
    assert "2 CVEs, of 2026-03-03, " in capsys.readouterr().out
    assert call(monkeypatch, "advisories", "import", given[0]) == 0
    assert call(monkeypatch, "advisories", "status", "--json") == 0
    assert json.loads(capsys.readouterr().out.partition("\n")[2])["kev"] is None


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
