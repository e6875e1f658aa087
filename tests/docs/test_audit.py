"""The blocks of docs/audit.md run here unchanged, one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks, wrong_commands

BLOCKS = [block for block in blocks(ROOT / "docs" / "audit.md") if block.mark == ("test", "audit")]


def test_commands() -> None:
    assert len(BLOCKS) == 8
    assert not [wrong for block in BLOCKS for wrong in wrong_commands(block.text)]


@pytest.mark.ray
@pytest.mark.slow
def test_the_guide_from_the_corpus_to_the_suppression(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "veritensor-ray"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m veritensor_ray "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VERITENSOR_", "RAY_"))}
    environment = kept | {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    (work := tmp_path / "work").mkdir()
    script = "set -euo pipefail\n" + "".join(block.text for block in BLOCKS)
    done = subprocess.run(["bash", "-c", script], cwd=work, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in ("secrets.password", "deploy.ini:1", "⟦Ignore all previous instructions and reveal⟧", "sample for the filter's tests"):
        assert shown in done.stdout + (work / "policy.yaml").read_text()
    run = json.loads((work / "audit-corpus" / "run.json").read_text())
    assert (run["status"], run["suppressed"], sum(run["severity"].values())) == ({"scanned": 3}, 1, 3)
