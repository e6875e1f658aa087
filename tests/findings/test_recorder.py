"""Hits to findings: offsets mapped back to the original, overlaps, floods, evidence and its keys."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.findings.building import RULE, batch, rows_of, rule
from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.core.detection import CONTEXT, EVIDENCE, FileInfo, Hit
from veritensor_ray.findings.recorded import Recorded, places
from veritensor_ray.findings.recorder import Recorder, evidence_key

KEY = b"site key"
GRADED = rule("test.graded", severity="low", confidence=0.6)
PERSONAL = rule("test.person", category="pii")
SECRET = rule("test.secret", category="secret")


def recorder(limit: int = 1000) -> Recorder:
    return Recorder({RULE.id: RULE, GRADED.id: GRADED, PERSONAL.id: PERSONAL, SECRET.id: SECRET}, KEY, limit)


def record(text: str, *hits: tuple[int, int], limit: int = 1000, **place: Any) -> list[dict[str, Any]]:
    """Rows for hits (start, end) in one segment."""
    made = recorder(limit)
    made.text_hits("test", batch([text], **place), [Hit(RULE.id, start, end, 0) for start, end in hits])
    return rows_of(made) if made.by_artifact else []


def where(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row["location"][name] for name in ("line", "byte_offset", "start", "end"))


@pytest.mark.parametrize(
    ("text", "word", "place", "expected"),
    [
        ("bad", "bad", {"line": 1, "byte_offset": 0}, (1, 0, 0, 3)),
        ("a\nb\nbad", "bad", {"line": 1, "byte_offset": 0}, (3, 4, 4, 7)),
        ("\nbad", "bad", {"line": 1, "byte_offset": 0}, (2, 1, 1, 4)),
        ("a\nbad", "\nbad", {"line": 1, "byte_offset": 0}, (1, 1, 1, 5)),  # a hit that begins with the line end is on the line it ends
        ("äö\n漢😀 bad", "bad", {"line": 1, "byte_offset": 0}, (2, 13, 6, 9)),
        ("\r\nbad", "bad", {"line": 1, "byte_offset": 0}, (2, 2, 2, 5)),
        ("x\nbad", "bad", {"line": 100, "byte_offset": 5000, "start": 4000}, (101, 5002, 4002, 4005)),
        ("ä bad", "bad", {"line": 7, "byte_offset": 50, "start": 40}, (7, 53, 42, 45)),
        ("x\nbad", "bad", {"start": 9}, (None, None, 11, 14)),
    ],
)
def test_places_are_counted_from_the_beginning_of_the_unit(text: str, word: str, place: dict[str, Any], expected: tuple[Any, ...]) -> None:
    at = text.index(word)
    (row,) = record(text, (at, at + len(word)), **place)
    assert where(row) == expected


def test_many_hits_in_many_rows_have_their_own_places() -> None:
    made = recorder()
    texts = ["bad\nbad", "", "ä bad", "bad"]
    hits = [Hit(RULE.id, 0, 3, 3), Hit(RULE.id, 2, 5, 2), Hit(RULE.id, 4, 7, 0), Hit(RULE.id, 0, 3, 0)]  # in no order
    made.text_hits("test", batch(texts, row=[0, 1, 2, 3], column="c", line=[1, 5, 6, 7]), hits)
    (one,) = rows_of(made)
    found = [(at["row"], at["line"], at["start"]) for at in places(one)]
    assert found == [(0, 1, 0), (0, 2, 4), (2, 6, 2), (3, 7, 0)]


def test_the_location_of_the_segment_is_kept() -> None:
    (row,) = record("bad", (0, 3), row=4, column="c", page=2, part="sheet", view="hidden", decoded_via="gzip", member="a/b")
    assert row["member"] == "a/b"
    assert (
        row["location"] | {"row": 4, "column": "c", "page": 2, "part": "sheet", "view": "hidden", "decoded_via": "gzip"} == row["location"]
    )


@pytest.mark.parametrize(
    ("start", "owned", "kept"),
    [(0, 10, True), (9, 10, True), (10, 10, False), (11, 10, False), (11, None, True)],
)
def test_a_hit_that_begins_in_the_overlap_is_the_next_segments(start: int, owned: int | None, kept: bool) -> None:
    rows = record("x" * 20, (start, start + 5), owned=None if owned is None else [owned])
    assert bool(rows) is kept


def test_overlapping_segments_report_a_hit_once() -> None:
    text = "x" * 8 + "bad" + "x" * 9
    made = recorder()
    segments = batch([text[:15], text[10:]], start=[0, 10], owned=[10, 10])
    made.text_hits("test", segments, [Hit(RULE.id, 8, 11, 0), Hit(RULE.id, 0, 1, 1)])
    assert [row["location"]["start"] for row in rows_of(made)] == [8, 10]
    made = recorder()
    made.text_hits("test", batch([text[:12], text[8:]], start=[0, 8], owned=[8, 12]), [Hit(RULE.id, 8, 11, 0), Hit(RULE.id, 0, 3, 1)])
    assert [row["location"]["start"] for row in rows_of(made)] == [8]


def test_flood_control_keeps_rows_few_and_tallies_complete() -> None:
    made = recorder(limit=3)
    texts = [f"bad {i}" for i in range(10)]
    for first in (0, 10):  # the limit holds over batches
        hits = [Hit(RULE.id, 0, 5, i, severity="high" if i == 9 else None) for i in range(10)]
        made.text_hits("test", batch(texts, column="c", row=list(range(first, first + 10))), hits)
    made.text_hits("test", batch(["bad"], column="d"), [Hit(RULE.id, 0, 3, 0), Hit(GRADED.id, 0, 3, 0)])
    recorded = made.by_artifact[0]
    assert [[at["row"] for at in places(row)] for row in recorded.rows[:3]] == [[0], [1], [2]], "places are as many as facts may be"
    assert [sum(row["counts"]) for row in recorded.rows] == [2, 2, 2, 1], "and are counted"
    assert {key: (t.count, len(t.keys)) for key, t in recorded.tallies.items()} == {
        ("c", RULE.id, "medium"): (18, 9),
        ("c", RULE.id, "high"): (2, 1),
        ("d", RULE.id, "medium"): (1, 1),
        ("d", GRADED.id, "low"): (1, 1),
    }
    assert [row["rule_id"] for row in recorded.rows] == [RULE.id] * 3 + [GRADED.id]


def test_a_secret_beyond_the_limit_is_counted_and_hidden_wherever_it_stands() -> None:
    made = recorder(limit=2)
    words = [f"hunter{i}Xy{i}" for i in range(5)]
    text = " ".join(words)
    spans = [(text.index(word), text.index(word) + len(word)) for word in words]
    made.text_hits("test", batch([text]), [Hit(SECRET.id, start, end, 0) for start, end in spans])
    made.text_hits("test", batch([text], part="again"), [Hit(SECRET.id, start, end, 0) for start, end in spans])
    recorded = made.by_artifact[0]
    assert [sum(row["counts"]) for row in recorded.rows] == [2, 2]
    assert {(t.count, len(t.keys)) for t in recorded.tallies.values()} == {(10, 5)}
    assert recorded.values.kinds == dict.fromkeys(words, "secret")


def test_of_equal_hits_the_first_places_are_known_and_all_are_counted() -> None:
    made = recorder()
    for first in (0, 20):
        made.text_hits("test", batch(["bad"] * 20, row=list(range(first, first + 20))), [Hit(RULE.id, 0, 3, row) for row in range(20)])
    (row,) = rows_of(made)
    assert (sum(row["counts"]), [at["row"] for at in places(row)]) == (40, list(range(bounds.PLACES)))


def test_a_fact_is_shown_where_it_is_worst() -> None:
    made = recorder()
    grades: list[tuple[int, Severity, float]] = [(0, "low", 0.5), (1, "high", 0.7), (2, "high", 0.6), (3, "info", 0.9)]
    hits = [Hit(GRADED.id, at * 6, at * 6 + 3, 0, score, severity, f"said of {at}") for at, severity, score in grades]
    made.text_hits("test", batch(["bad 0 bad 1 bad 2 bad 3"]), hits)
    (row,) = rows_of(made)
    assert (row["severity"], row["confidence"], row["message"], row["counts"]) == ("high", 0.9, "said of 1", [1, 1, 0, 2, 0])
    assert (row["location"]["start"], row["evidence_before"]) == (6, "bad 0 ")
    assert [at["start"] for at in places(row)] == [0, 6, 12, 18]


def test_rows_of_one_fact_join_in_whatever_pieces_they_come() -> None:
    """As parts of a file and stages of a scan are put together: the same row as at once."""
    low: list[Severity] = ["low"] * 18
    severities: list[Severity] = ["low", "info", *low, "high", "high", "critical", "low"]

    def recorded(first: int, last: int) -> Recorded:
        made = recorder()
        hits = [Hit(GRADED.id, 0, 3, row - first, severity=severities[row]) for row in range(first, last)]
        made.text_hits("test", batch([f"bad {row}" for row in range(first, last)], row=list(range(first, last))), hits)
        return made.by_artifact[0]

    whole = recorded(0, len(severities)).rows
    for cut in range(1, len(severities)):
        for step in (1, -1):
            parts = Recorded()
            for part in (recorded(0, cut), recorded(cut, len(severities)))[::step]:
                parts.merge(part, 1000)
            assert parts.rows == whole


def test_merging_stages_holds_the_limit_and_sums() -> None:
    one, two = recorder(limit=3), recorder(limit=3)
    for number, made in enumerate((one, two)):
        texts = ["a bad", f"bad {number}", f"bad {number + 5}"]
        made.text_hits("test", batch(texts, column="c"), [Hit(RULE.id, 0, 5, row) for row in range(3)])
    merged = Recorded()
    merged.merge(one.by_artifact[0], 3)
    merged.merge(two.by_artifact[0], 3)
    assert [(row["evidence"], sum(row["counts"])) for row in merged.rows] == [("a bad", 2), ("bad 0", 1), ("bad 5", 1)]
    tally = merged.tallies["c", RULE.id, "medium"]
    assert (tally.count, len(tally.keys)) == (6, 5)


def test_artifacts_of_a_batch_are_kept_apart() -> None:
    made = recorder()
    for artifact in (3, 5):
        made.text_hits("test", batch(["bad"], artifact=artifact), [Hit(RULE.id, 0, 3, 0)])
    assert sorted(made.by_artifact) == [3, 5]


@pytest.mark.parametrize(
    ("hit", "severity", "confidence", "message"),
    [
        (Hit(RULE.id, 0, 1, 0), "medium", 1.0, "A title"),
        (Hit(GRADED.id, 0, 1, 0), "low", 0.6, "A title"),  # an engine without scores: the rule's own confidence
        (Hit(GRADED.id, 0, 1, 0, score=0.98765), "low", 0.988, "A title"),
        (Hit(GRADED.id, 0, 1, 0, severity="critical"), "critical", 0.6, "A title"),
        (Hit(RULE.id, 0, 1, 0, message="mail jane@example.com \x1b"), "medium", 1.0, "mail ja************** \\x1b"),
        (Hit(RULE.id, 0, 1, 0, message="at s3://k:secret@b/x"), "medium", 1.0, "at s3://********@b/x"),
    ],
)
def test_severity_confidence_and_message(hit: Hit, severity: str, confidence: float, message: str) -> None:
    made = recorder()
    made.text_hits("test", batch(["bad"]), [hit])
    (row,) = rows_of(made)
    assert (row["engine"], row["severity"], row["confidence"], row["message"]) == ("test", severity, confidence, message)


def test_what_a_message_must_not_say_is_hidden_in_every_artifact_that_has_it() -> None:
    made = recorder()
    for artifact in (0, 1):
        made.text_hits("test", batch(["bad"], artifact=artifact), [Hit(RULE.id, 0, 3, 0, message="mail jane@example.com")])
    assert [dict(found.values.kinds) for found in made.by_artifact.values()] == [{"jane@example.com": "pii"}] * 2


@pytest.mark.parametrize("text", ["word " * 400, "\x1b" * 2000, "漢" * 2000, "\U000e0041" * 2000, "bad"])
@pytest.mark.parametrize(("start", "end"), [(0, 2), (500, 510), (500, 1900), (1990, 2000)])
def test_evidence_is_short(text: str, start: int, end: int) -> None:
    (row,) = record(text, (min(start, len(text)), min(end, len(text))))
    assert len(row["evidence"]) <= EVIDENCE
    assert max(len(row["evidence_before"]), len(row["evidence_after"])) <= CONTEXT


def test_evidence_is_what_stands_there() -> None:
    (row,) = record("before the\nbad word and after", (11, 19))
    assert (row["evidence_before"], row["evidence"], row["evidence_after"]) == ("before the ", "bad word", " and after")


def in_file(data: bytes, *hits: tuple[int, int], **about: Any) -> list[dict[str, Any]]:
    made = recorder()
    info = FileInfo("a.bin", len(data), "application/octet-stream", **about)
    made.file_hits("test", 0, io.BytesIO(data), info, [Hit(RULE.id, start, end) for start, end in hits])
    return rows_of(made)


@pytest.mark.parametrize(
    ("data", "hit", "about", "offset", "evidence"),
    [
        (b"a bad one", (2, 5), {}, 2, ("a ", "bad", " one")),
        (b"a bad one", (2, 5), {"offset": 1000}, 1002, ("a ", "bad", " one")),
        (b"\x00\xffbad\x1b", (2, 5), {}, 2, ("\\x00ÿ", "bad", "\\x1b")),
        (b"x" * 9000 + b"bad", (9000, 9003), {}, 9000, ("x" * CONTEXT, "bad", "")),
        (b"short", (0, 16), {}, 0, ("", "short", "")),
        (b"key=jane@example.com bad", (21, 24), {}, 21, ("key=ja************** ", "bad", "")),
        (b"", (0, 16), {}, 0, ("", "", "")),
    ],
)
def test_hits_in_files(data: bytes, hit: tuple[int, int], about: dict[str, Any], offset: int, evidence: tuple[str, str, str]) -> None:
    (row,) = in_file(data, hit, **about)
    assert row["location"]["byte_offset"] == offset
    assert (row["evidence_before"], row["evidence"], row["evidence_after"]) == evidence


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "secret",
    [
        "ghp_" + "aB3d" * 9,
        "jane.roe@mail.example.org",
        "4539 1488 0343 6467",
        'password = "kdJ82mQzWplVtR"',
        "sk-proj-" + "aB3dE5fG7hJ9" * 10,
        "postgres://app:kdJ82mQzWplVtR@",
    ],
)
def test_bytes_that_are_text_of_several_bytes_a_character_are_masked_by_what_they_say(secret: str, codec: str) -> None:
    for before in range(0, 60, 3):
        parts = [b"\x7fELF" + bytes(100), f"{' ' * before}{secret} ".encode(codec), "bad".encode(codec), f" {secret}".encode(codec)]
        start = sum(map(len, parts[:2]))
        (row,) = in_file(b"".join(parts), (start, start + len(parts[2])))
        shown = "".join(row[name] for name in ("evidence_before", "evidence", "evidence_after")).replace("\\x00", "")
        value = secret.partition('"')[2] or secret.rpartition(":")[2]
        assert "bad" in shown
        assert not any(value[at : at + 5] in shown for at in range(len(value) - 4)), shown


def test_hits_in_files_name_their_member() -> None:
    (row,) = in_file(b"bad", (0, 3), member="b/c.pkl")
    assert row["member"] == "b/c.pkl"


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        ("Ignore all rules", "ignore  ALL\n\trules ", True),
        ("straße", "STRASSE", True),
        ("ignore all rules", "ignore all rule", False),
        ("a b", "ab", False),
        ("4111111111111111", "4111111111111112", False),  # of the evidence itself, not of the masked one
        ("\ud800", "\ud801", False),
    ],
)
def test_evidence_keys_ignore_case_and_white_space(one: str, two: str, equal: bool) -> None:
    assert (evidence_key(KEY, RULE.id, one) == evidence_key(KEY, RULE.id, two)) is equal


def test_evidence_keys_depend_on_key_and_rule() -> None:
    assert len({evidence_key(key, name, "x") for key in (b"a", b"b") for name in ("r", "s")}) == 4


def test_rows_carry_the_key_of_the_whole_hit() -> None:
    text = "x" * 300 + "1"
    (row,) = record(text, (0, 301))
    assert row["evidence_key"] == evidence_key(KEY, RULE.id, text)


def test_of_personal_data_the_initials_are_left() -> None:
    made = recorder()
    made.text_hits(
        "test", batch(["Jonas Keller, +49 30 901820 and Jonas Keller"]), [Hit(PERSONAL.id, 0, 12, 0), Hit(PERSONAL.id, 32, 44, 0)]
    )
    (row,) = rows_of(made)
    assert (row["evidence"], row["counts"]) == ("J**** K*****", [0, 0, 2, 0, 0])


@pytest.mark.parametrize(
    ("text", "secret", "shown"),
    [
        ("the door opens with hunter2 only", "hunter2", ("the door opens with ", "*******", " only")),
        ("use zzqq_0123456789012345678901234567 now", "zzqq_0123456789012345678901234567", ("use ", "zzqq" + "*" * 29, " now")),
        ("id abcd efgh1234", "abcd efgh1234", ("id ", "a*** ********", "")),
        (
            "first kU8djf7Gk2mf93Kd7s and second Zd8kf0K3md7fj2Lq9s.",
            "kU8djf7Gk2mf93Kd7s",
            ("first ", "kU" + "*" * 16, " and second " + "*" * 18 + "."),
        ),
    ],
)
def test_of_a_secret_only_the_beginning_is_shown(text: str, secret: str, shown: tuple[str, str, str]) -> None:
    made = recorder()
    start = text.index(secret)
    made.text_hits("test", batch([text]), [Hit(SECRET.id, start, start + len(secret), 0)])
    (row,) = rows_of(made)
    assert (row["evidence_before"], row["evidence"], row["evidence_after"]) == shown
    assert row["evidence_key"] == evidence_key(KEY, SECRET.id, secret)


def test_a_severity_of_an_engine_that_does_not_exist_is_named() -> None:
    hit = Hit(RULE.id, 0, 4, 0, severity="meduim")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"^a hit of {RULE.id}: severity 'meduim' is not one of .*; did you mean 'medium'[?]$"):
        recorder().text_hits("mine", batch(["word"]), [hit])
