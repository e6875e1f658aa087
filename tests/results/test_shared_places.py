"""Findings whose passages overlap are one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.findings.outputs import finding, written

TEXT = {"line": 1, "start": 0, "end": 10}
BYTES = {"byte_offset": 5}


def at(start: int, end: int, **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end} | more


@pytest.mark.parametrize(
    ("locations", "groups"),
    [
        ([at(0, 10), at(0, 10)], [[1, 2]]),
        ([at(0, 10), at(4, 6)], [[1, 2]]),
        ([at(0, 10), at(10, 20)], [[1], [2]]),  # they touch, but share no character
        ([at(0, 10), at(2, 4), at(8, 20), at(19, 25), at(30, 31)], [[1, 2, 3, 4], [5]]),  # the second ends before the third begins
        ([at(0, 10, row=1), at(0, 10, row=2)], [[1], [2]]),
        ([at(0, 10, column="a"), at(0, 10, column="b")], [[1], [2]]),
        ([at(0, 10, page=1), at(0, 10, page=2)], [[1], [2]]),
        ([at(0, 10, part="cell 1"), at(0, 10, part="cell 2")], [[1], [2]]),
        ([at(0, 10, view="visible"), at(0, 10, view="decoded")], [[1, 2]]),  # decoded text has the offsets of its encoded form
        ([BYTES, BYTES, {"byte_offset": 6}], [[1, 2], [3]]),
        ([BYTES, at(5, 6)], [[1], [2]]),  # bytes are not characters
        ([{"line": 3}, {"line": 3}, {"line": 4}], [[1, 2], [3]]),
        ([{}, {}], [[1, 2]]),  # both are about the file as a whole
        ([None, None], [[1], [2]]),  # each counts further matches of its rule
    ],
)
def test_what_is_one_place(locations: list[dict[str, Any] | None], groups: list[list[int]], tmp_path: Path) -> None:
    results = written(tmp_path, [finding(number, at=one) for number, one in enumerate(locations, 1)])
    ids = (row["finding_ids"] for row in results.records("SELECT finding_ids FROM places ORDER BY list_min(finding_ids)"))
    assert [[int(one, 16) for one in each] for each in ids] == groups


@pytest.mark.parametrize("other", [{"artifact": "b.txt"}, {"member": "x"}, {"suppressed_by": "S-1"}])
def test_what_keeps_findings_apart(other: dict[str, Any], tmp_path: Path) -> None:
    results = written(tmp_path, [finding(1, at=TEXT), finding(2, at=TEXT, **other)])
    assert len(results.records("FROM places")) == 2


def test_a_place_shows_its_worst_finding(tmp_path: Path) -> None:
    rows = [
        finding(1, at=TEXT, severity="low", rule_id="test.low", evidence="l", count=3),
        finding(2, at=TEXT, severity="high", rule_id="test.weak", evidence="w", confidence=0.5),
        finding(3, at=TEXT, severity="high", rule_id="other.sure", evidence=None, confidence=0.9, engine="other"),
    ]
    [place] = written(tmp_path, rows).records("FROM places")
    shown = {
        name: place[name] for name in ("place", "severity", "rule_id", "evidence", "rules", "engines", "findings", "count", "confidence")
    }
    assert shown == {
        "place": f"{3:032x}",
        "severity": "high",
        "rule_id": "other.sure",
        "evidence": None,
        "rules": ["other.sure", "test.low", "test.weak"],
        "engines": ["other", "test"],
        "findings": 3,
        "count": 5,
        "confidence": 0.9,
    }
