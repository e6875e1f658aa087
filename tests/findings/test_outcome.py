"""What becomes of an artifact: coverage and gaps to a status."""

from __future__ import annotations

import pytest

from tests.findings.building import KEY
from veritensor_ray.core.detection import Judged
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.findings.outcome import (
    COMPLETE,
    MAX_GAPS,
    MAX_REASONS,
    MISSING,
    NO_READER,
    NOT_APPLICABLE,
    PARTIAL,
    QUARANTINED,
    Outcome,
    Standing,
)
from veritensor_ray.findings.outcome_row import outcome_row

Coverage = dict[str, Standing]
DONE, IDLE = Standing(COMPLETE), Standing(NOT_APPLICABLE)
UNREAD = Gap("3 rows do not parse")
FAILED = Gap("pii failed: ValueError", engine="pii", code=ReasonCode.ENGINE_FAILED)
CUT, CLOSED = Gap("too deep", bound="depth"), Gap("encrypted", code=ReasonCode.ENCRYPTED)
NO_MODEL = Standing(MISSING, "no model", ReasonCode.ENGINE_MISSING)
NO_OCR = Standing(NO_READER, "ocr was not selected: text in 2 images was not read", ReasonCode.ENGINE_NOT_SELECTED)
MP3 = Gap("no reader for audio/mpeg", member="a.mp3", coverage=NO_READER)


def died(reason: str) -> Standing:
    return Standing(QUARANTINED, reason, ReasonCode.PROCESS_DIED)


def short(gap: Gap) -> Standing:
    return Standing(PARTIAL, gap.reason, gap.code)


def settled(coverage: Coverage, gaps: tuple[Gap, ...], status: str | None = None, reason: str | None = None) -> Outcome:
    outcome = Outcome("a.txt", 0, 0, status=status, reason=reason, coverage=dict(coverage))
    for gap in gaps:
        outcome.add_gap(gap)
    outcome.settle()
    return outcome


@pytest.mark.parametrize(
    ("coverage", "gaps", "status", "reason", "code"),
    [
        ({}, (), "scanned", None, None),
        ({"pii": DONE}, (), "scanned", None, None),
        ({"pii": DONE, "ocr": IDLE}, (), "scanned", None, None),
        ({"pii": DONE, "ocr": NO_OCR}, (), "scanned", None, None),
        ({"pii": DONE}, (MP3,), "scanned", MP3.reason, "no-reader"),
        ({"pii": DONE}, (UNREAD,), "partial", UNREAD.reason, "damaged"),
        ({"pii": DONE}, (CUT,), "partial", CUT.reason, "limit"),
        ({"pii": DONE}, (MP3, CLOSED, CUT), "partial", CLOSED.reason, "encrypted"),
        ({"pii": DONE}, (FAILED,), "partial", FAILED.reason, "engine-failed"),
        ({"pii": DONE}, (FAILED, UNREAD), "partial", FAILED.reason, "engine-failed"),
        ({"pii": DONE, "injection": NO_MODEL}, (), "partial", "injection: no model", "engine-missing"),
        ({"pii": Standing(PARTIAL, "half", ReasonCode.DAMAGED)}, (), "partial", "pii: half", "damaged"),
        ({"pii": DONE, "injection": died("died twice")}, (), "quarantined", "injection: died twice", "process-died"),
        ({"pii": died("a"), "injection": died("b")}, (UNREAD,), "quarantined", "pii: a; injection: b", "process-died"),
        # what the list of gaps has no place for decides all the same
        ({"pii": NO_OCR}, (*[MP3] * MAX_GAPS, FAILED), "partial", FAILED.reason, "engine-failed"),
    ],
)
def test_status(coverage: Coverage, gaps: tuple[Gap, ...], status: str, reason: str | None, code: str | None) -> None:
    outcome = settled(coverage, gaps)
    assert (outcome.status, outcome.reason, outcome.reason_code) == (status, reason, code)


@pytest.mark.parametrize("status", ["skipped", "unreadable", "quarantined"])
def test_a_status_that_was_decided_before_stays(status: str) -> None:
    outcome = settled({"pii": DONE, "ocr": died("x")}, (UNREAD,), status, "why")
    assert (outcome.status, outcome.reason) == (status, "why")


@pytest.mark.parametrize(
    ("coverage", "gaps", "expected"),
    [
        ({"pii": DONE}, (), {"pii": DONE}),
        ({"pii": DONE, "injection": DONE}, (FAILED,), {"pii": short(FAILED), "injection": DONE}),
        # what could not be read, no engine has seen
        ({"pii": DONE, "injection": DONE}, (UNREAD,), {"pii": short(UNREAD), "injection": short(UNREAD)}),
        ({"pii": DONE, "injection": DONE}, (FAILED, UNREAD), {"pii": short(FAILED), "injection": short(UNREAD)}),
        ({"injection": DONE}, (*[FAILED] * MAX_GAPS, UNREAD), {"injection": short(UNREAD), "pii": short(FAILED)}),
        ({"pii": IDLE}, (UNREAD,), {"pii": IDLE}),
        ({"pii": NO_MODEL}, (FAILED,), {"pii": NO_MODEL}),
        ({}, (FAILED,), {"pii": short(FAILED)}),
    ],
)
def test_coverage_after_gaps(coverage: Coverage, gaps: tuple[Gap, ...], expected: Coverage) -> None:
    assert settled(coverage, gaps).coverage == expected


def test_settling_twice_changes_nothing() -> None:
    outcome = settled({"pii": DONE}, (UNREAD,))
    before = outcome_row(outcome, {}, KEY)
    outcome.settle()
    assert outcome_row(outcome, {}, KEY) == before


def test_gaps_are_bounded_and_counted_in_full() -> None:
    outcome = settled({}, tuple(Gap(f"gap {i}", count=2) for i in range(MAX_GAPS + 20)))
    assert (len(outcome.gaps), outcome.gaps_total, outcome.gaps[0].reason) == (MAX_GAPS, 2 * (MAX_GAPS + 20), "gap 0")


def test_what_exceptions_and_archives_say_is_made_safe() -> None:
    hostile = "bad \x1b[2J \udcff s3://k:secret@b/x jane@example.com"
    outcome = settled({"pii": DONE}, (Gap(hostile, location=hostile, member="a\u202eb\ud800"),), reason=hostile)
    row = outcome_row(outcome, {"pii": "f1"}, KEY)
    safe = "bad \\x1b[2J \\udcff s3://********@b/x ja**************"
    assert (row["reason"], row["coverage"][0]["reason"], row["coverage"][0]["fingerprint"]) == (safe, safe, "f1")
    assert row["gaps"] == [
        {"member": "a\\u202eb\\ud800", "location": safe, "engine": None, "reason": safe, "reason_code": "damaged", "bound": None}
    ]


INERT, UNKNOWN, DANGEROUS = Judged("inert"), Judged("unknown", ("imports own.Thing",)), Judged("dangerous", ("calls os.system",))


@pytest.mark.parametrize(
    ("judged", "gaps", "verdict", "reasons"),
    [
        ((), (UNREAD,), None, None),
        (((None, INERT),), (), "inert", []),
        (((None, INERT),), (MP3,), "inert", []),
        (((None, INERT),), (FAILED,), "inert", []),  # another engine's failure says nothing about the model
        (((None, INERT),), (UNREAD,), "unknown", [(None, UNREAD.reason)]),
        (((None, INERT),), (Gap("half", engine="modelfiles"),), "unknown", [(None, "half")]),
        (((None, INERT), ("a", UNKNOWN), ("b", INERT)), (), "unknown", [("a", "imports own.Thing")]),
        (((None, UNKNOWN), ("b", DANGEROUS)), (), "dangerous", [("b", "calls os.system"), (None, "imports own.Thing")]),
    ],
)
def test_the_verdict_on_an_artifact_is_the_worst_of_its_files(
    judged: tuple[tuple[str | None, Judged], ...],
    gaps: tuple[Gap, ...],
    verdict: str | None,
    reasons: list[tuple[str | None, str]] | None,
) -> None:
    outcome = Outcome("a.zip", 0, 0, coverage={"modelfiles": DONE, "pii": DONE})
    for member, one in judged:
        outcome.judge("modelfiles", member, one)
    for gap in gaps:
        outcome.add_gap(gap)
    outcome.settle()
    row = next(one for one in outcome_row(outcome, {}, KEY)["coverage"] if one["engine"] == "modelfiles")
    assert row["verdict"] == verdict
    assert (row["verdict_reasons"] and [(one["member"], one["reason"]) for one in row["verdict_reasons"]]) == reasons


def test_reasons_of_a_verdict_are_bounded_and_safe() -> None:
    outcome = Outcome("a.zip", 0, 0, coverage={"modelfiles": DONE})
    for number in range(1000):
        outcome.judge("modelfiles", f"m{number}\x1b", Judged("unknown", ("imports AKIAIOSFODNN7EXAMPLE.Thing",)))
    outcome.judge("modelfiles", "last", DANGEROUS)
    (row,) = outcome_row(outcome, {}, KEY)["coverage"]
    assert len(row["verdict_reasons"]) == MAX_REASONS
    assert row["verdict_reasons"][0] == {"member": "last", "reason": "calls os.system"}
    assert "AKIAIOSFODNN7EXAMPLE" not in str(row)
    assert "\x1b" not in row["verdict_reasons"][1]["member"]
