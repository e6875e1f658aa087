"""The command line of `clean`, whatever the corpus is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cleaning.in_process import write
from tests.cli.test_cli import call


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
