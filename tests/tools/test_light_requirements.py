"""The quick tests run on another Python with a part of the requirements; the part follows pyproject.toml."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools.light_requirements import LEFT_OUT, PROJECT, TESTS, name_of, requirements

ROOT = PROJECT.parent
SCRIPT = ROOT / "scripts" / "quick_elsewhere"


def test_they_are_those_of_the_project() -> None:
    named = {name_of(one) for one in requirements()}
    assert named > TESTS | {"pyarrow", "pydantic", "numpy", "yara-python"}
    assert named.isdisjoint(LEFT_OUT)
    text = PROJECT.read_text(encoding="utf-8")
    assert all(f'"{name}' in text for name in LEFT_OUT), "what is left out is a dependency"


def python(folder: Path, name: str, answer: str) -> None:
    """A Python that says which version it is, and cannot make an environment."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\ncase "$*" in *venv*) echo "ensurepip is not available" >&2; exit 1;; esac\necho {answer}\n')
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("pythons", "said"),
    [
        ({}, "this machine has no other Python of 3.11 to 3.13"),
        ({"python3.12": "3.11"}, "this machine has no other Python of 3.11 to 3.13"),  # another name of the same version
        ({"python3": "3.14"}, "this machine has no other Python of 3.11 to 3.13"),
        ({"python3.13": "3.13"}, "python3.13 cannot make a virtual environment: ensurepip is not available"),
    ],
)
def test_a_machine_without_another_python_is_told(pythons: dict[str, str], said: str, tmp_path: Path) -> None:
    python(tmp_path / "own", "python", "3.11")
    for name, version in pythons.items():
        python(tmp_path / "bin", name, version)
    settings = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}", "SEARCHED": str(tmp_path / "bin"), "BUILD": str(tmp_path / "build")}
    done = subprocess.run(
        ["bash", SCRIPT, tmp_path / "own" / "python", "tests/formats"], env=settings, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"quick tests on another Python are skipped: {said}" in done.stdout
