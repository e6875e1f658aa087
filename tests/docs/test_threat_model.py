"""What the threat model names as shown is there: tests by name, targets of make, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`(tests/[\w/.]+\.py(?:::\w+)?)`", TEXT)))
TARGETS = sorted(set(re.findall(r"`make ([\w-]+)", TEXT)))


@pytest.mark.parametrize("named", TESTS)
def test_a_test_that_is_named_is_there(named: str) -> None:
    path, _, function = named.partition("::")
    assert re.search(rf"^(?:async )?def {function or 'test'}", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_targets_of_make_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"e2e-offline", "wheel-check", "audit-lock"} <= set(TARGETS)
    assert not [target for target in TARGETS if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


def test_every_row_names_what_shows_it() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and line.count(" | ") == 2]
    assert len(rows) > 30
    for row in rows:
        shown = row.split(" | ")[2]
        assert shown.startswith(("shown by", "---")) or re.search(r"`(tests/|make )", shown), row
