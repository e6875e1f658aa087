"""The block of docs/sources.md runs here unchanged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks, wrong_commands
from tests.docs.running import run

COMMANDS = [block for block in blocks(ROOT / "docs" / "sources.md") if block.mark == ("test", "delta")]


def test_commands() -> None:
    assert len(COMMANDS) == 1
    assert not list(wrong_commands(COMMANDS[0].text))


@pytest.mark.ray
@pytest.mark.slow
def test_an_audit_of_a_table(tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    there = str(Path(deltalake.__file__).parents[1])
    said = run(COMMANDS, tmp_path, {"PYTHONPATH": os.pathsep.join((str(ROOT), there))})
    table = [line.split() for line in said.splitlines() if line.split()[1:2] == ["mail"]]
    assert table == [["0", "mail", "1"], ["1", "mail", "1"]], said
    found = json.loads((tmp_path / "work" / "audit-lake" / "run.json").read_text())
    assert [(one["kind"], one["version"], one["data_files"]) for one in found["tables"]] == [("delta", "1", 1)]
    assert found["reason_codes"] == {"excluded": 2, "not-in-snapshot": 1}
