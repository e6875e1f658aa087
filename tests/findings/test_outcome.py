"""What becomes of an artifact: coverage and gaps to a status."""

from __future__ import annotations

import pytest

from veritensor_ray.findings.outcome import COMPLETE, MAX_GAPS, MISSING, NO_READER, NOT_APPLICABLE, PARTIAL, QUARANTINED, Outcome
from veritensor_ray.segments import Gap

from .building import KEY

Coverage = dict[str, tuple[str, str | None]]
DONE: tuple[str, str | None] = (COMPLETE, None)
UNREAD = Gap("3 rows do not parse")
FAILED = Gap("pii failed: ValueError", engine="pii")


def settled(coverage: Coverage, gaps: tuple[Gap, ...], status: str | None = None, reason: str | None = None) -> Outcome:
    outcome = Outcome("a.txt", 0, 0, status=status, reason=reason, coverage=dict(coverage))
    for gap in gaps:
        outcome.add_gap(gap)
    outcome.settle()
    return outcome


@pytest.mark.parametrize(
    ("coverage", "gaps", "status", "reason"),
    [
        ({}, (), "scanned", None),
        ({"pii": DONE}, (), "scanned", None),
        ({"pii": DONE, "ocr": (NOT_APPLICABLE, None)}, (), "scanned", None),
        ({"pii": DONE, "ocr": (NO_READER, "ocr was not selected: text in 2 pictures was not read")}, (), "scanned", None),
        ({"pii": DONE}, (UNREAD,), "partial", UNREAD.reason),
        ({"pii": DONE}, (FAILED,), "partial", FAILED.reason),
        ({"pii": DONE}, (FAILED, UNREAD), "partial", FAILED.reason),
        ({"pii": DONE, "injection": (MISSING, "no model")}, (), "partial", "injection: no model"),
        ({"pii": (PARTIAL, "half")}, (), "partial", "pii: half"),
        ({"pii": DONE, "injection": (QUARANTINED, "died twice")}, (), "quarantined", "injection: died twice"),
        ({"pii": (QUARANTINED, "a"), "injection": (QUARANTINED, "b")}, (UNREAD,), "quarantined", "pii: a; injection: b"),
    ],
)
def test_status(coverage: Coverage, gaps: tuple[Gap, ...], status: str, reason: str | None) -> None:
    outcome = settled(coverage, gaps)
    assert (outcome.status, outcome.reason) == (status, reason)


@pytest.mark.parametrize("status", ["skipped", "unreadable", "quarantined"])
def test_a_status_that_was_decided_before_stays(status: str) -> None:
    outcome = settled({"pii": DONE, "ocr": (QUARANTINED, "x")}, (UNREAD,), status, "why")
    assert (outcome.status, outcome.reason) == (status, "why")


@pytest.mark.parametrize(
    ("coverage", "gaps", "expected"),
    [
        ({"pii": DONE}, (), {"pii": DONE}),
        ({"pii": DONE, "injection": DONE}, (FAILED,), {"pii": (PARTIAL, FAILED.reason), "injection": DONE}),
        # what could not be read, no engine has seen
        ({"pii": DONE, "injection": DONE}, (UNREAD,), {"pii": (PARTIAL, UNREAD.reason), "injection": (PARTIAL, UNREAD.reason)}),
        ({"pii": DONE, "injection": DONE}, (FAILED, UNREAD), {"pii": (PARTIAL, FAILED.reason), "injection": (PARTIAL, UNREAD.reason)}),
        ({"injection": DONE}, (*[FAILED] * MAX_GAPS, UNREAD), {"injection": (PARTIAL, UNREAD.reason), "pii": (PARTIAL, FAILED.reason)}),
        ({"pii": (NOT_APPLICABLE, None)}, (UNREAD,), {"pii": (NOT_APPLICABLE, None)}),
        ({"pii": (MISSING, "no model")}, (FAILED,), {"pii": (MISSING, "no model")}),
        ({}, (FAILED,), {"pii": (PARTIAL, FAILED.reason)}),
    ],
)
def test_coverage_after_gaps(coverage: Coverage, gaps: tuple[Gap, ...], expected: Coverage) -> None:
    assert settled(coverage, gaps).coverage == expected


def test_settling_twice_changes_nothing() -> None:
    outcome = settled({"pii": DONE}, (UNREAD,))
    before = outcome.row({}, KEY)
    outcome.settle()
    assert outcome.row({}, KEY) == before


def test_gaps_are_bounded_and_counted_in_full() -> None:
    outcome = settled({}, tuple(Gap(f"gap {i}", count=2) for i in range(MAX_GAPS + 20)))
    assert (len(outcome.gaps), outcome.gaps_total, outcome.gaps[0].reason) == (MAX_GAPS, 2 * (MAX_GAPS + 20), "gap 0")


def test_what_exceptions_and_archives_say_is_made_safe() -> None:
    hostile = "bad \x1b[2J \udcff s3://k:secret@b/x jane@example.com"
    outcome = settled({"pii": DONE}, (Gap(hostile, location=hostile, member="a\u202eb\ud800"),), reason=hostile)
    row = outcome.row({"pii": "f1"}, KEY)
    safe = "bad \\x1b[2J \\udcff s3://********@b/x ja**************"
    assert (row["reason"], row["coverage"][0]["reason"], row["coverage"][0]["fingerprint"]) == (safe, safe, "f1")
    assert row["gaps"] == [{"member": "a\\u202eb\\ud800", "location": safe, "engine": None, "reason": safe, "bound": None}]
