"""An old pin is found with the advisories at hand, and a lock that was not checked is no clean one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.dependencies.building import archive, record
from tests.findings.outputs import checked, written
from tools.audit_lock import main, unchecked

HASH = " \\\n    --hash=sha256:" + "0" * 64 + "\n"


def test_an_old_pin_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flaw = record("GHSA-0000-0000-0001", severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}])
    advisories = archive(tmp_path / "all.zip", [flaw])
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "head.txt").write_text(f"packaging==26.3{HASH}requests==1.9{HASH}")
    with pytest.raises(SystemExit, match="1"):
        main([str(advisories), "--locks", str(locks)])
    out = capsys.readouterr().out
    assert "1 locks were checked: head.txt" in out
    assert "requests==1.9 GHSA-0000-0000-0001" in out


def test_what_was_not_read_is_named(tmp_path: Path) -> None:
    coverage = [{"engine": "dependencies", "status": "not-applicable", "fingerprint": "f", "reason": None}]
    written(tmp_path, [], [checked("requirements/a.txt", coverage=coverage)])
    assert unchecked(tmp_path, ["a.txt", "b.txt"]) == ["a.txt: not-applicable", "b.txt: missing"]


@pytest.mark.parametrize("arguments", [[""], ["missing.zip"]])
def test_without_advisories(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "ADVISORIES=all.zip" in capsys.readouterr().err
