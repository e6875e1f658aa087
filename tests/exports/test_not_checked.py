"""Reasons why something was not checked, with examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.exports import outputs
from veritensor_ray.exports.not_checked import missing


def gap(status: str, reason: str, artifacts: int = 1) -> dict[str, Any]:
    return {"status": status, "reason": reason, "reason_code": None, "artifacts": artifacts}


@pytest.mark.parametrize(
    ("about", "ledger", "expected"),
    [
        ({}, [("a", "scanned", None)], []),
        ({"not_covered": [gap("partial", "cut")]}, [("a", "partial", "cut")], [("Not checked: partial: cut (1 artifact)", True, ("a",))]),
        (
            {"not_covered": [gap("skipped", "link")]},
            [("a", "skipped", "link")],
            [("Not checked: skipped: link (1 artifact)", False, ("a",))],
        ),
        (
            {"not_covered": [gap("unlisted", "denied")]},
            [("a", "unreadable", "denied")],
            [("Not checked: unlisted: denied (1 artifact)", True, ("a",))],
        ),
        (
            {"not_covered": [gap("partial", "cut", 7)]},
            [(f"{number}", "partial", "cut") for number in range(7)],
            [("Not checked: partial: cut (7 artifacts)", True, ("0", "1", "2"))],
        ),
        (
            {"coverage": {"dependencies": {"db_missing": 2}}, "engines": {"dependencies": {}}},
            [("a", "scanned", None)],
            [("Not checked: dependencies", False, ())],
        ),
        (
            {"totals": {"artifacts": 0}, "status": {}},
            [],
            [("Not checked: no artifact was found", True, ())],
        ),
        # run.json lists only the most frequent reasons; the ledger has all of them.
        (
            {"not_covered": [gap("skipped", "link")]},
            [("a", "skipped", "link"), ("b", "partial", "rare"), ("c", "skipped", "rarer")],
            [
                ("Not checked: skipped: link (1 artifact)", False, ("a",)),
                ("Not checked: other: 2 more reasons; the ledger lists them (2 artifacts)", True, None),
            ],
        ),
    ],
)
def test_reasons_have_examples(about: dict[str, Any], ledger: list[tuple[str, str, str]], expected: list[Any], tmp_path: Path) -> None:
    rows = [outputs.entry(name, status=status, reason=reason) for name, status, reason in ledger]
    found = missing(outputs.output(tmp_path, [], rows, **about))
    assert len(found) == len(expected)
    for one, (words, failed, artifacts) in zip(found, expected, strict=True):
        assert one.words.startswith(words)
        assert one.failed is failed
        assert artifacts is None or one.artifacts == artifacts
