"""Collect: a plan and its commits, written by hand, to findings, ledger, rollup and run.json."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.findings.building import INFO, KEY, RULE, RULES, WORSE, Run, batch, outcome_of, row_of
from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.core.detection import FileInfo, Hit, Judged
from veritensor_ray.core.errors import IncompleteOutput, VeritensorError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.corpus.listing import Root
from veritensor_ray.findings import collect as collecting
from veritensor_ray.findings import table_files
from veritensor_ray.findings.outcome import COMPLETE, MAX_GAPS, MISSING, NOT_APPLICABLE, Outcome, Standing
from veritensor_ray.findings.outcome_row import outcome_row
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.findings.schema import COMMIT, COMMITTED_FINDING, COVERAGE, FINDINGS, GAP, LEDGER, ROLLUP, SCHEMA_VERSION
from veritensor_ray.findings.shard_commit import commit_table
from veritensor_ray.findings.summary import RunInfo
from veritensor_ray.findings.sweep_state import results


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "out")


def split(run: Run, kind: str, *parts: tuple[str, ...], **about: Any) -> None:
    """A big artifact, every part in a shard of its own."""
    for part, lines in enumerate(parts):
        run.shard((row_of(0, "big", part=part, parts=len(parts), kind=kind, **about), outcome_of("big", lines, part)))


def places(run: Run, *names: str) -> list[tuple[Any, ...]]:
    """Of all findings."""
    return [tuple(at[name] for name in names) for row in run.table("findings") for at in (row["location"], *row["places"])]


def test_schemas_are_those_of_the_interface_even_without_rows(run: Run) -> None:
    run.collect()
    for name, schema in (("findings", FINDINGS), ("ledger", LEDGER), ("rollup", ROLLUP)):
        table = pq.read_table(run.folder / name / "part-00000.parquet")
        assert table.schema == schema
        assert table.schema.metadata == schema.metadata, "the version"
        assert table.num_rows == 0


def test_a_finding(run: Run) -> None:
    run.add("docs/a.txt", "fine", "so bad mail jane@example.com")
    run.collect()
    (found,) = run.table("findings")
    assert {name: found[name] for name in ("scan_id", "artifact", "engine", "engine_fingerprint", "model", "rule_id", "category")} == {
        "scan_id": "run-1",
        "artifact": "docs/a.txt",
        "engine": "test",
        "engine_fingerprint": "e1",
        "model": "m@1",
        "rule_id": RULE.id,
        "category": "malware",
    }
    assert (found["severity"], found["severity_original"], found["confidence"], found["count"]) == ("medium", "medium", 1.0, 1)
    assert (found["evidence_before"], found["evidence"]) == ("so ", "bad mail ja**************")
    assert found["content_id"] == "sha-docs/a.txt-0"
    assert (found["location"]["line"], found["location"]["row"], found["location"]["start"]) == (2, 1, 8)
    assert (found["state"], found["suppressed_by"]) == ("new", None)
    assert found["first_seen"] == found["last_seen"] == datetime(2026, 1, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # lines: one text, cut; line, row, start and end go on over the parts
        ("lines", [(2, 1, 5, 8), (3, 2, 9, 14), (6, 5, 25, 28)]),
        # jsonl: characters are counted within a cell
        ("jsonl", [(2, 1, 5, 8), (3, 2, 0, 5), (6, 5, 0, 3)]),
        # row groups and whole files: readers know their place already
        ("rowgroups", [(1, 0, 0, 5), (1, 0, 0, 3), (2, 1, 5, 8)]),
    ],
)
def test_places_in_parts_go_on_where_the_part_before_ended(run: Run, kind: str, expected: list[tuple[int, ...]]) -> None:
    split(run, kind, ("good", "bad"), ("bad 1", "good", "good"), ("bad",))
    run.collect()
    assert sorted(places(run, "line", "row", "start", "end")) == sorted(expected)


def test_places_that_are_unknown_stay_unknown(run: Run) -> None:
    for part in range(2):
        made = outcome_of("big", ("bad",), part, line=None, row=None)
        run.shard((row_of(0, "big", part=part, parts=2, kind="jsonl"), made))
    run.collect()
    assert places(run, "line", "row", "byte_offset") == [(None, None, None)] * 2


def test_byte_offsets_of_parts_are_the_files_already(run: Run) -> None:
    for part in range(2):
        recorder = Recorder(RULES, KEY, 10)
        about = FileInfo("big", 5, "text/plain", offset=1000 * part)
        recorder.file_hits("test", 0, io.BytesIO(b"a bad"), about, [Hit(RULE.id, 2, 5)])
        made = outcome_of("big", ("good",), part)
        made.recorded = recorder.by_artifact[0]
        run.shard((row_of(0, "big", part=part, parts=2, kind="lines"), made))
    run.collect()
    assert places(run, "byte_offset", "line", "start") == [(2, 1, None), (1002, 2, None)]


def ids(folder: Path, *files: tuple[str, tuple[str, ...]], key: bytes = KEY, info: RunInfo = INFO, **options: Any) -> list[dict[str, Any]]:
    """Findings of a run over some text files, in order."""
    run = Run(folder, info)
    for artifact, lines in files:
        run.add(artifact, *lines, **options)
    run.collect(key)
    return run.table("findings")


def test_finding_ids_are_unique_and_stable(tmp_path: Path) -> None:
    lines = ("bad 1", "bad 2", "BAD bad 3", "worse bad 4")
    first = ids(tmp_path / "1", ("a", lines), ("b", lines))
    again = ids(tmp_path / "2", ("a", lines), ("b", lines), info=replace(INFO, run="run-2", roots=(Root("/elsewhere", ""),)))
    shifted = ids(tmp_path / "3", ("a", ("", "new line", *lines)), ("b", lines))
    names = [found["finding_id"] for found in first]
    assert len(set(names)) == len(names) == 10
    assert [found["finding_id"] for found in again] == names
    assert [found["finding_id"] for found in shifted] == names
    assert [f["content_fingerprint"] for f in first if f["artifact"] == "a"] == [
        f["content_fingerprint"] for f in first if f["artifact"] == "b"
    ]


def test_equal_evidence_in_one_file_is_one_finding(tmp_path: Path) -> None:
    (one,) = ids(tmp_path / "1", ("a", ("bad", "good", "BAD bad", "bad")))
    (two,) = ids(tmp_path / "2", ("a", ("good", "bad")))
    assert (one["finding_id"], one["content_fingerprint"]) == (two["finding_id"], two["content_fingerprint"])
    assert (one["count"], one["location"]["line"], [at["line"] for at in one["places"]]) == (3, 1, [3, 4])
    assert (two["count"], two["location"]["line"], two["places"]) == (1, 2, [])
    assert len(ids(tmp_path / "3", ("a", ("bad",)), ("b", ("bad",)))) == 2, "files are told apart"


def test_equal_evidence_in_files_of_an_archive_is_a_finding_in_each(run: Run) -> None:
    made = outcome_of("a.zip", ("bad", "bad"), member="one")
    made.recorded.merge(outcome_of("a.zip", ("bad",), member="two").recorded, 10)
    run.shard((row_of(0, "a.zip"), made))
    run.collect()
    assert [(found["member"], found["count"]) for found in run.table("findings")] == [("one", 2), ("two", 1)]


@pytest.mark.parametrize(
    ("change", "same_id", "same_content"),
    [
        ({}, True, True),
        ({"artifact": "b"}, False, True),
        ({"text": "bad 2"}, False, False),
        ({"text": "  BAD   bad 1"}, True, True),
        ({"member": "m"}, False, False),
        ({"key": b"another"}, False, False),
    ],
)
def test_what_ids_depend_on(tmp_path: Path, change: dict[str, Any], same_id: bool, same_content: bool) -> None:
    (one,) = ids(tmp_path / "1", ("a", ("bad 1",)))
    (two,) = ids(
        tmp_path / "2",
        (change.get("artifact", "a"), (change.get("text", "bad 1"),)),
        key=change.get("key", KEY),
        member=change.get("member"),
    )
    assert ((one["finding_id"] == two["finding_id"]), (one["content_fingerprint"] == two["content_fingerprint"])) == (same_id, same_content)


def test_names_lose_their_credentials_and_ids_stay(tmp_path: Path) -> None:
    one, two = (Run(tmp_path / name) for name in ("1", "2"))
    place = {"member": "password=Xkb3FKaN.txt", "column": "https://u:hunter2@host/"}
    one.add("a", "bad", **place)
    two.add("a", "bad", **place | {"member": "password=********.txt"})
    for run in (one, two):
        run.collect()
    (found,), (other,) = one.table("findings"), two.table("findings")
    shown = (found["member"], found["location"]["column"])
    assert [name.partition("~")[0] for name in shown] == ["password=********.txt", "https://*********@host/"]
    assert [line["column"] for line in one.table("rollup")] == [found["location"]["column"]]
    assert other["member"] == found["member"].partition("~")[0]
    assert other["finding_id"] != found["finding_id"], "of the name as it is"


def test_gaps_name_members_as_findings_do(run: Run) -> None:
    made = outcome_of("a", ("bad",), member="password=Xkb3FKaN.txt")
    for name in ("photo@1096861.bin", "2024-01-15 1096861234.bin", "password=Xkb3FKaN.txt"):
        made.add_gap(Gap("cannot be read: 'x === XkoOsFaQfDPrAJ71'", member=name))
    run.shard((row_of(0, "a"), made))
    run.collect()
    (row,) = run.table("ledger")
    assert [gap["member"] for gap in row["gaps"]] == ["photo@1096861.bin", "2024-01-15 1096861234.bin", run.table("findings")[0]["member"]]
    assert row["gaps"][0]["reason"] == row["reason"] == "cannot be read: 'x === ****************'"


def test_what_another_finding_covers_is_masked(run: Run) -> None:
    run.add("a", "bad luck has worse")
    run.collect()
    shown = {found["rule_id"]: (found["evidence_before"], found["evidence"]) for found in run.table("findings")}
    assert shown == {RULE.id: ("", "bad luck has *****"), WORSE.id: ("bad luck has ", "*****")}


def test_a_flood_becomes_one_row_with_its_count(tmp_path: Path) -> None:
    run = Run(tmp_path, replace(INFO, hits_per_rule=3))
    for part in range(2):
        lines = (*(f"bad {part} {i}" for i in range(5)), "worse")
        run.shard((row_of(0, "big", part=part, parts=2, kind="lines"), outcome_of("big", lines, part, limit=3)))
    result = run.collect()
    found = run.table("findings")
    assert [(row["rule_id"], row["count"], (row["location"] or {}).get("line")) for row in found] == [
        (RULE.id, 1, 1),
        (RULE.id, 1, 2),
        (RULE.id, 1, 3),
        (WORSE.id, 2, 6),
        (RULE.id, 7, None),
    ]
    rest = found[-1]
    assert (rest["location"], rest["evidence"], rest["confidence"], rest["severity"]) == (None, None, None, "medium")
    remedy = "For one row each, set limits.hits_per_rule to 10 or more and scan again"
    assert rest["message"] == f"7 more findings of this rule in this artifact are only counted (see rollup). {remedy}"
    (ledger,) = run.table("ledger")
    assert (ledger["status"], ledger["gaps_total"], {entry["status"] for entry in ledger["coverage"]}) == ("scanned", 1, {COMPLETE})
    assert [(gap["engine"], gap["bound"], gap["reason"]) for gap in ledger["gaps"]] == [
        ("test", "hits_per_rule", f"3 of 10 findings of {RULE.id} have a row. {remedy}")
    ]
    assert len({row["finding_id"] for row in found}) == 5
    assert result["severity"] == {"critical": 1, "medium": 10}
    assert {line["rule_id"]: line["count"] for line in result["rules"]} == {RULE.id: 10, WORSE.id: 1}
    assert [(line["rule_id"], line["count"], line["distinct"]) for line in run.table("rollup")] == [(RULE.id, 10, 10), (WORSE.id, 2, 1)]


def graded(severities: str, part: int = 0, limit: int = 10, word: str = "bad") -> Outcome:
    """An outcome of hits that are of `h`igh or of `m`edium severity, each with evidence of its own; or all with `word` alone."""
    texts = [f"bad {part}.{number}" if word == "bad" else word for number in range(len(severities))]
    names: dict[str, Severity] = {"h": "high", "m": "medium"}
    recorder = Recorder(RULES, KEY, limit)
    hits = [Hit(RULE.id, 0, len(texts[row]), row, severity=names[letter]) for row, letter in enumerate(severities)]
    recorder.text_hits("test", batch(texts, row=list(range(len(texts)))), hits)
    made = outcome_of("big", ("",) * len(texts), part)
    made.recorded = recorder.by_artifact[0]
    return made


def test_what_is_only_counted_is_counted_by_severity(tmp_path: Path) -> None:
    found = {}
    for severities in ("mhhm", "mmm"):
        run = Run(tmp_path / severities, replace(INFO, hits_per_rule=1))
        run.shard((row_of(0, "big"), graded(severities, limit=1)))
        result = run.collect()
        found[severities] = [(row["severity"], row["count"], row["finding_id"]) for row in run.table("findings")]
        counted = {name: severities.count(name[0]) for name in ("high", "medium") if name[0] in severities}
        assert result["severity"] == counted
        assert {row["severity"]: row["count"] for row in run.table("rollup")} == counted
        (gap,) = run.table("ledger")[0]["gaps"]
        assert gap["reason"].startswith(f"1 of {len(severities)} findings of {RULE.id} have a row.")
    assert [row[:2] for row in found["mhhm"]] == [("medium", 1), ("high", 2), ("medium", 1)]
    assert found["mhhm"][-1][2] == found["mmm"][-1][2], "of the rule's own severity: whatever else there is"
    assert len({row[2] for row in found["mhhm"]}) == 3


@pytest.mark.parametrize("severities", ["m" * 30, "m" * 4 + "h" + "m" * 25, "m" * 25 + "hhhm", "h" + "m" * 29])
def test_a_fact_of_a_file_in_parts_is_that_of_the_whole(tmp_path: Path, severities: str) -> None:
    rows = []
    for cuts in ((0, 30), (0, 3, 30), (0, 10, 22, 26, 30)):
        run = Run(tmp_path / str(len(cuts)))
        for part, (first, last) in enumerate(pairwise(cuts)):
            made = graded(severities[first:last], part, limit=100, word="worse")
            run.shard((row_of(0, "big", part=part, parts=len(cuts) - 1, kind="jsonl"), made))
        run.collect()
        rows.append([{name: row[name] for name in row if name not in ("content_id", "detected_at")} for row in run.table("findings")])
    assert rows[0] == rows[1] == rows[2]
    ((one,), first) = rows[0], severities.find("h") if "h" in severities else 0
    assert (one["count"], one["location"]["row"], len(one["places"])) == (len(severities), first, bounds.PLACES - 1)
    assert [at["row"] for at in one["places"]] == [number for number in range(30) if number != first][: bounds.PLACES - 1]


def test_the_rollup_sums_over_parts_and_columns(run: Run) -> None:
    for part, column in enumerate(("a", "b", "a")):
        made = outcome_of("big", ("bad 1", "bad 1", f"bad {part}", "worse"), part, column=column)
        run.shard((row_of(0, "big", part=part, parts=3, kind="rowgroups"), made))
    run.add("small", "bad 1", column=None)
    run.collect()
    assert [tuple(line.values()) for line in run.table("rollup")] == [
        ("big", "a", RULE.id, 6, 3, "medium"),
        ("big", "a", WORSE.id, 2, 1, "critical"),
        ("big", "b", RULE.id, 3, 1, "medium"),
        ("big", "b", WORSE.id, 1, 1, "critical"),
        ("small", None, RULE.id, 1, 1, "medium"),
    ]
    assert [row["artifact"] for row in run.table("findings")] == ["big"] * 4 + ["small"]


def test_the_ledger_has_a_row_for_everything_in_the_order_of_the_plan(run: Run) -> None:
    run.decided("pipe", "skipped", "named pipe")
    run.add("a", "bad", "worse")
    run.decided("private/", "unlisted", "access denied", size=None)
    run.decided("locked", "unreadable", "cannot be read: Permission denied")
    split(run, "lines", ("good",), ("bad",))
    run.shard((row_of(0, "more/x/y.txt", root=1, etag="e", size=None), outcome_of("more/x/y.txt", ())))
    result = run.collect()
    rows = run.table("ledger")
    assert [
        (r["artifact"], r["status"], r["reason"], r["findings"], r["max_severity"], r["bytes_scanned"], r["segments"]) for r in rows
    ] == [
        ("pipe", "skipped", "named pipe", 0, None, 0, 0),
        ("a", "scanned", None, 2, "critical", 10, 2),
        ("private/", "unreadable", "access denied", 0, None, 0, 0),
        ("locked", "unreadable", "cannot be read: Permission denied", 0, None, 0, 0),
        ("big", "scanned", None, 1, "medium", 20, 2),
        ("more/x/y.txt", "scanned", None, 0, None, 10, 0),
    ]
    assert [r["uri"] for r in rows if r["artifact"] in ("a", "more/x/y.txt")] == ["/data/a", "s3://bucket/corpus/x/y.txt"]
    assert (rows[1]["mtime"], rows[1]["seconds"], rows[4]["seconds"], rows[1]["media_type"]) == (1.5, 0.5, 1.0, "text/plain")
    assert result["status"] == {"skipped": 1, "scanned": 3, "unlisted": 1, "unreadable": 1}
    assert result["totals"] == {"artifacts": 5, "bytes": 400, "bytes_scanned": 40, "segments": 4, "gaps": 0}
    assert {(one["status"], one["reason"], one["artifacts"]) for one in result["not_covered"]} == {
        ("skipped", "named pipe", 1),
        ("unlisted", "access denied", 1),
        ("unreadable", "cannot be read: Permission denied", 1),
    }


def test_the_worst_part_decides_and_gaps_are_joined(run: Run) -> None:
    for part in range(3):
        made = outcome_of("big", ("good",), part)
        made.coverage["other"] = [Standing(NOT_APPLICABLE), Standing(COMPLETE), Standing(MISSING, "no model", ReasonCode.ENGINE_MISSING)][
            part
        ]
        if part == 2:
            made.status, made.reason = "quarantined", "died twice"
        for i in range(60 * part):
            made.add_gap(Gap(f"gap {part}.{i}", engine="test"))
        run.shard((row_of(0, "big", part=part, parts=3, kind="lines"), made))
    run.collect()
    (row,) = run.table("ledger")
    assert (row["status"], row["reason"], row["gaps_total"], len(row["gaps"])) == ("quarantined", "died twice", 180, MAX_GAPS)
    assert (row["gaps"][0]["reason"], row["gaps"][60]["reason"]) == ("gap 1.0", "gap 2.0")
    assert {entry["engine"]: (entry["status"], entry["reason"]) for entry in row["coverage"]} == {
        "test": ("partial", "gap 1.0"),
        "other": ("missing", "no model"),
    }


def test_the_worst_verdict_of_a_part_is_the_verdict_on_the_artifact(run: Run) -> None:
    for part, judged in enumerate((None, Judged("unknown", ("own.Thing",)), Judged("dangerous", ("os.system",)), Judged("inert"))):
        made = outcome_of("big", ("good",), part)
        if judged is not None:
            made.judge("test", None, judged)
        run.shard((row_of(0, "big", part=part, parts=4, kind="lines"), made))
    run.collect()
    (row,) = run.table("ledger")
    (entry,) = row["coverage"]
    assert (entry["verdict"], entry["verdict_reasons"]) == ("dangerous", [{"member": None, "reason": "os.system"}])


@pytest.mark.parametrize(
    ("kind", "parts", "etag", "expected"),
    [
        ("whole", 1, None, ("sha-big-0", "sha256")),
        ("whole", 1, "e", ("sha-big-0", "sha256")),
        ("lines", 2, "e", ("e", "etag")),
        ("jsonl", 2, None, (hashlib.sha256(b"sha-big-0sha-big-1").hexdigest(), "blocks")),
        ("rowgroups", 2, None, ("sha-big-0", "sha256")),  # its first part reads all of it
    ],
)
def test_the_content_id_of_what_was_split(run: Run, kind: str, parts: int, etag: str | None, expected: tuple[str, str]) -> None:
    split(run, kind, *[("bad",)] * parts, etag=etag)
    run.collect()
    (row,) = run.table("ledger")
    assert (row["content_id"], row["content_id_kind"]) == expected
    assert {found["content_id"] for found in run.table("findings")} == {expected[0]}


@pytest.mark.parametrize(("etag", "expected"), [("e", ("e", "etag")), (None, (None, None))])
def test_what_was_not_read_has_the_stores_word_for_its_content(run: Run, etag: str | None, expected: tuple[str | None, str | None]) -> None:
    run.decided("x", "skipped", "excluded", etag=etag)
    run.collect()
    (row,) = run.table("ledger")
    assert (row["content_id"], row["content_id_kind"]) == expected


def test_no_column_is_left_to_be_null() -> None:
    """Arrow makes null of what a row lacks, so a column that is in the schema alone would look like one that nobody has a value for."""
    row, outcome = row_of(0, "a"), outcome_of("a", ("bad",))
    outcome.add_gap(Gap("cut"))
    committed = commit_table([row], [outcome], {}, KEY)
    raw = outcome_row(outcome, {}, KEY)
    assert {*raw, "sealed"} == set(COMMIT.names)
    assert {*raw["findings"][0], "member_sealed"} == {field.name for field in COMMITTED_FINDING}
    assert set(raw["coverage"][0]) == {field.name for field in COVERAGE}
    assert set(raw["gaps"][0]) == {field.name for field in GAP}
    collected = collecting.Assembled(INFO, KEY, [row], committed.to_pylist())
    assert set(collected.ledger(1)) == set(LEDGER.names)
    assert set(collected.rollup()[0]) == set(ROLLUP.names)
    assert {*next(collected.findings()), "suppressed_by"} == set(FINDINGS.names)


def test_run_json_says_how_the_run_ended_and_nothing_secret(run: Run) -> None:
    run.add("a", "bad password=hunter22", "mail jane@example.com")
    result = run.collect()
    text = (run.folder / "run.json").read_text(encoding="ascii")
    assert json.loads(text) == result
    assert {name: result[name] for name in ("schema_version", "scan_id", "fingerprint", "profile", "key_id")} == {
        "schema_version": SCHEMA_VERSION,
        "scan_id": "run-1",
        "fingerprint": "f",
        "profile": "embedded",
        "key_id": "abc",
    }
    assert '"artifacts": 1,' in text, "a number, not true"
    assert result["coverage"] == {"test": {"complete": 1}}
    assert result["rules"] == [{"rule_id": RULE.id, "title": "A title", "severity": "medium", "count": 1}]
    for secret in (KEY.decode(), KEY.hex(), "hunter22", "jane@example.com"):
        assert secret not in text
    assert all("hunter22" not in str(found) for found in run.table("findings"))


def test_run_json_is_written_last(run: Run) -> None:
    run.add("a", "bad")
    run.plan.append(row_of(7, "b"))  # planned, but never committed
    with pytest.raises(VeritensorError, match="shard 7 is not committed"):
        run.collect()
    assert not run.store.exists("run.json")


def test_collecting_again_replaces_what_was_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "_FLUSH_ROWS", 2)
    monkeypatch.setattr(table_files, "_FILE_ROWS", 4)
    for name in "abcdefg":
        run.add(name, "bad 1", "bad 2")
    run.collect()
    first = [found["finding_id"] for found in run.table("findings")]
    assert len(list((run.folder / "findings").iterdir())) == 4, "some rows a file"
    assert len(first) == 14
    run.collect()
    assert [found["finding_id"] for found in run.table("findings")] == first
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in run.folder.rglob("*.parquet"))


def test_order_of_findings_is_the_order_of_places(run: Run) -> None:
    made = outcome_of("a", ())
    recorder = Recorder(RULES, KEY, 100)
    for number, (page, column, row) in enumerate(((2, "x", None), (1, "x", None), (None, "b", 3), (None, "a", 3), (None, "a", 1))):
        recorder.text_hits("test", batch([f"bad {number}"], page=page, column=column, row=row), [Hit(RULE.id, 0, 5, 0)])
    recorder.text_hits("test", batch(["bad"], member="zip"), [Hit(RULE.id, 0, 3, 0)])
    made.recorded = recorder.by_artifact[0]
    run.shard((row_of(0, "a"), made))
    run.collect()
    assert places(run, "page", "row", "column") == [
        (None, 1, "a"),
        (None, 3, "a"),
        (None, 3, "b"),
        (1, None, "x"),
        (2, None, "x"),
        (None, None, None),
    ]


def test_results_that_are_written_again_are_not_complete_meanwhile(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.add("a", "bad")
    run.collect()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(collecting, "run_json", _interrupted)
        run.collect()
    with pytest.raises(IncompleteOutput, match="Repeat the submit to resume it"):
        results(run.store)


def _interrupted(*_: object) -> None:
    raise RuntimeError("the power is gone")


@pytest.mark.parametrize(
    ("statuses", "tables"),
    [
        (("scanned", "partial"), [(None, None, 5), ("row 0 file", None, 9)]),
        (("scanned", "quarantined"), [("row 0 file", None, 9)]),  # nobody knows how many rows the artifact has
    ],
)
def test_rows_of_tables_are_summed_over_parts(
    run: Run, statuses: tuple[str, ...], tables: list[tuple[str | None, str | None, int]]
) -> None:
    for part, status in enumerate(statuses):
        made = outcome_of("big", ("bad",), part)
        made.status = status
        made.count_rows(None, None, 2 + part)
        made.count_rows("row 0 file", None, 4 + part)
        run.shard((row_of(0, "big", part=part, parts=2, kind="rowgroups"), made))
    run.collect()
    (row,) = run.table("ledger")
    assert [(one["member"], one["part"], one["rows"]) for one in row["tables"]] == tables


def test_tables_have_the_names_that_locations_have(tmp_path: Path) -> None:
    run = Run(tmp_path, replace(INFO, about={**INFO.about, "locations": "all"}))
    name = "password=Xkb3FKaN.csv"
    made = outcome_of("a.zip", ("bad",), member=name, locating=True)
    made.count_rows(name, "token=ghp_XkoOsFaQfDPrAJ71", 3)
    run.shard((row_of(0, "a.zip"), made))
    run.collect()
    (row,), (location,) = run.table("ledger"), run.table("locations")
    (table,) = row["tables"]
    assert table["member"] == location["member"] != name
    assert "XkoOs" not in table["part"]
