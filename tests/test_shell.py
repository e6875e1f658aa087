"""Shell scripts and Dockerfiles pass their linters, wherever they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("deploy", "scripts", "tests", "tools")
SHELL = [*(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.sh"))), ROOT / "scripts/isolated", ROOT / ".ci/run"]


@pytest.mark.parametrize(
    ("tool", "files"),
    [
        ("shellcheck", SHELL),
        ("hadolint", [*ROOT.glob("Dockerfile.*")]),
    ],
)
def test_linters_find_nothing(tool: str, files: list[Path]) -> None:
    assert files
    done = subprocess.run([Path(sys.executable).parent / tool, *files], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
