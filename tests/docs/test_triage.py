"""The blocks of docs/triage.md run here unchanged, one after the other, and print what the page shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks, wrong_commands
from tests.docs.running import run
from veritensor_ray.policy.judge import load_policy
from veritensor_ray.results.precision import KEPT, LEAST

PAGE = ROOT / "docs" / "triage.md"
BLOCKS = blocks(PAGE)
COMMANDS = [block for block in BLOCKS if block.mark == ("test", "triage")]
SHOWN = [block for block in BLOCKS if not block.info]


def test_commands() -> None:
    assert (len(COMMANDS), len(SHOWN)) == (11, 3)
    assert not [wrong for block in COMMANDS for wrong in wrong_commands(block.text)]
    text = " ".join(PAGE.read_text().split())
    assert f"at least {LEAST} findings of the rule are labelled" in text
    assert f"at least {KEPT} of them are at or above the threshold" in text


@pytest.mark.slow
def test_the_guide_from_three_thousand_findings_to_none(tmp_path: Path) -> None:
    said = run(COMMANDS, tmp_path)
    printed = {_words(line) for line in said.splitlines()}
    assert [line for block in SHOWN for line in block.text.splitlines() if _words(line) not in printed] == []
    assert "exit code 1\n" in said
    (sweep, last) = sorted((tmp_path / "work" / "state" / "sweeps").iterdir())
    run_of = {name: json.loads((folder / "run.json").read_text()) for name, folder in (("first", sweep), ("last", last))}
    assert sum(run_of["first"]["severity"].values()) == 2970
    assert (run_of["last"]["severity"], run_of["last"]["suppressed"], run_of["last"]["states"]["resolved"]) == ({}, 2946, 24)
    policy = load_policy(str(tmp_path / "work" / "state" / "policy.yaml"))
    assert [len(one.finding or ()) for one in policy.suppressions] == [36, 0, 60]


def _words(line: str) -> str:
    """Columns may be wider where cells are, and so may the line below their heads."""
    return " ".join(line.replace("─", "").split())
