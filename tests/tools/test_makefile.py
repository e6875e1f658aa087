"""What `make` announces before it installs: a long download only where there is one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("installed", "target", "says"),
    [
        ((), ".base", "3 GB"),
        ((), ".dev", "3 GB"),
        (("ray",), ".base", "nearly all packages already"),
        (("ray",), ".dev", "about 100 packages"),
    ],
)
def test_what_is_announced(installed: tuple[str, ...], target: str, says: str, tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name in ("python", *installed):
        (tmp_path / ".venv/bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    made = subprocess.run(["make", "-s", f".venv/{target}"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert says in made.stdout
    assert len(made.stdout.splitlines()) == 1
