"""The command line of `clean`, whatever the corpus is called, and what it prints at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cleaning.in_process import write
from tests.cli.test_cli import call
from veritensor_ray.cli.clean import _show


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "cleaning needs a corpus"),
        (("--to", "copy"), "cleaning needs a corpus"),
        (("corpus",), "cleaning needs a destination"),
        (("./verify",), "cleaning needs a destination"),
        (("clean", "corpus", "verify", "--to", "corpus/copy"), "corpus/copy and the source corpus lie in each other"),
        (("corpus", "--too", "copy"), "No such option: --too"),
        (("verify",), "Missing argument 'folder'"),
        (("verify", "corpus"), "corpus has no run.json"),
    ],
)
def test_which_command_runs(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"corpus/a.txt": "a", "verify/b.txt": "b"})
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "clean", *arguments) in (2, 4)
    assert says in capsys.readouterr().err


RUN: dict[str, Any] = {
    "results": {"cleaned": 1},
    "changes": 1,
    "actions": [],
    "rows_dropped": 0,
    "verdict": "clean",
    "level": "medium",
    "left": {},
    "before": {"scan_id": "20260101T000000Z-000000"},
    "after": {"scan_id": "20260101T000001Z-000000"},
    "profile": "embedded",
}


@pytest.mark.parametrize(
    ("run", "says"),
    [
        ({}, ("Copy:    out/corpus (", "Audits:  out/before and out/after", "Clean: the audit of the copy found nothing")),
        ({"after": None}, ("Copy:    empty (", "Audit:   out/before\n", "Clean: no file is left in the copy")),
        ({"verdict": "findings-left", "left": {"high": 1}}, ("Not clean: the audit of the copy found 1 high; see out/after, and",)),
        ({"rows_dropped": 2, "results": {"held": 2}}, ("; 2 rows dropped, see rows.parquet)", "Aside:   out/quarantine (2 files)")),
    ],
)
def test_the_end_of_a_run_names_what_there_is(run: dict[str, Any], says: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    _show(RUN | run, "out/")
    shown = capsys.readouterr().out
    assert [one for one in says if one not in shown] == []
    assert "//" not in shown
