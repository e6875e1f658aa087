"""Runs the marked blocks of a guide, unchanged and one after the other, as a reader would who pastes them into an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.docs.blocks import ROOT, Block


def run(blocks: Sequence[Block], folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """What the blocks print. They work in folder/work, with a home of their own, and may find files there."""
    (folder / "bin").mkdir()
    command = folder / "bin" / "veritensor-ray"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m veritensor_ray "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VERITENSOR_", "RAY_"))}
    environment = kept | {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        **(variables or {}),
    }
    (folder / "work").mkdir(exist_ok=True)
    script = "set -euo pipefail\n" + "".join(block.text for block in blocks)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder / "work", env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
