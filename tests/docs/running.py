"""Runs the marked blocks of a guide, unchanged and one after the other, as a reader would who pastes them into an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.docs.blocks import ROOT, Block


def as_reader(folder: Path, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of somebody who works in folder/work, with a home of their own and the commands on the path."""
    (folder / "bin").mkdir()
    for name, meant in (("veritensor-ray", " -m veritensor_ray"), ("python3", "")):
        command = folder / "bin" / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}"{meant} "$@"\n')
        command.chmod(0o755)
    (folder / "work").mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VERITENSOR_", "RAY_"))}
    return kept | {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        **(variables or {}),
    }


def run(blocks: Sequence[Block], folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """What the blocks print. They work in folder/work, with a home of their own, and may find files there."""
    environment = as_reader(folder, variables)
    script = "set -euo pipefail\n" + "".join(block.text for block in blocks)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder / "work", env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
