"""What has to be scanned again: a table of what the last sweep said and what runs tonight, and ledgers on disk that hold the same."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from veritensor_ray.core.config import Settings
from veritensor_ray.corpus.fetch import IN_MEMORY
from veritensor_ray.corpus.listing import Listed
from veritensor_ray.engines.registry import BUILT_IN, create
from veritensor_ray.findings.outcome import MAX_GAPS
from veritensor_ray.findings.schema import FINDINGS, LEDGER
from veritensor_ray.pipeline.sweep_rescan import Before, Known, Previous, ThisSweep, engines_to_run
from veritensor_ray.stores.outputs import OutputStore

ALL = ("a", "b", "c")
NONE: tuple[str, ...] = ()
TRIO = {"a": "1", "b": "1", "c": "1"}
WITH_OCR = {"ocr": "1"} | TRIO


def before(coverage: str = "a b c", status: str = "scanned", **about: Any) -> Before:
    """A coverage in short: `a` is complete by a's fingerprint 1, `a:2` by another, `a=partial` partial, `a=missing:` without one."""
    entries = {}
    for entry in coverage.split():
        named, _, fingerprint = entry.partition(":")
        name, _, state = named.partition("=")
        entries[name] = (state or "complete", (fingerprint or None) if ":" in entry else "1")
    sets: dict[str, Any] = {name: frozenset(value.split()) for name, value in about.items() if isinstance(value, str)}
    return Before(entries, status, **{**about, **sets})


def this_sweep(fingerprints: Mapping[str, str | None] | None = None, **about: str) -> ThisSweep:
    return ThisSweep(TRIO if fingerprints is None else fingerprints, **{name: frozenset(v.split()) for name, v in about.items()})


CHANGED = TRIO | {"b": "2"}
MISSING_B: dict[str, str | None] = TRIO | {"b": None}

TABLE: list[tuple[str, Before, ThisSweep, tuple[str, ...]]] = [
    # nothing changed
    ("nothing changed", before(), this_sweep(), NONE),
    ("nothing changed where much was found", before(found="a b c", hiding="b"), this_sweep(hiding="b"), NONE),
    ("nothing changed in what no reader opens", before("a b=no-reader c", "skipped"), this_sweep(), NONE),
    ("nothing changed without a database", before("a b=db_missing c"), this_sweep(), NONE),
    # an engine with another fingerprint
    ("one engine changed, nothing found", before(), this_sweep(CHANGED), ("b",)),
    ("one engine changed, others found something", before(found="a c"), this_sweep(CHANGED), ("b",)),
    ("two engines changed", before(found="c"), this_sweep(CHANGED | {"a": "2"}), ("a", "b")),
    ("all engines changed", before(), this_sweep({"a": "2", "b": "2", "c": "2"}), ALL),
    ("the only engine changed", before("a"), this_sweep({"a": "2"}), ("a",)),
    ("changed in what it could not read", before("a b=no-reader c", "skipped"), this_sweep(CHANGED), ("b",)),
    # findings that hide evidence of others
    ("changed beside a secret of another engine", before(found="a b", hiding="a"), this_sweep(CHANGED), ALL),
    ("changed beside its own secrets only", before(found="b", hiding="b"), this_sweep(CHANGED), ("b",)),
    ("changed beside its own secrets and others' findings", before(found="a b", hiding="b"), this_sweep(CHANGED), ALL),
    ("may find secrets now, others found something", before(found="a"), this_sweep(CHANGED, hiding="b"), ALL),
    ("may find secrets now, nobody else found anything", before(found="b"), this_sweep(CHANGED, hiding="b"), ("b",)),
    ("another engine may find secrets and is as it was", before(found="a"), this_sweep(CHANGED, hiding="a"), ("b",)),
    # pictures
    ("transcriber changed, no pictures", before("ocr=not-applicable a b c"), this_sweep(WITH_OCR | {"ocr": "2"}, transcribers="ocr"), ("ocr",)),
    ("the same with the same code", before("ocr=not-applicable a b c"), this_sweep(WITH_OCR | {"ocr": "2"}, transcribers="ocr", same_code="ocr"), NONE),
    ("transcriber changed, pictures", before("ocr a b c"), this_sweep(WITH_OCR | {"ocr": "2"}, transcribers="ocr"), ("ocr", *ALL)),
    ("ocr was not selected, is not, and there are pictures", before("a b c ocr=no-reader:"), this_sweep(), NONE),
    ("ocr is added, there are pictures", before("a b c ocr=no-reader:"), this_sweep(WITH_OCR, transcribers="ocr"), ("ocr", *ALL)),
    ("ocr is added, there are none", before(), this_sweep(WITH_OCR, transcribers="ocr"), ("ocr",)),
    ("ocr is removed, there are pictures", before("ocr a b c"), this_sweep(), ALL),
    ("ocr is removed, there are none", before("ocr=not-applicable a b c"), this_sweep(), NONE),
    ("another engine changed, pictures: it would not see their text", before("ocr a b c"), this_sweep(WITH_OCR | {"b": "2"}, transcribers="ocr"), ("ocr", *ALL)),
    ("another engine changed, no pictures", before("ocr=not-applicable a b c"), this_sweep(WITH_OCR | {"b": "2"}, transcribers="ocr"), ("b",)),
    ("another engine changed, pictures that nobody reads", before("a b c ocr=no-reader:"), this_sweep(CHANGED), ("b",)),
    ("another engine changed, no reader", before("ocr=no-reader a b c"), this_sweep(WITH_OCR | {"b": "2"}, transcribers="ocr"), ("b",)),
    ("a second transcriber, pictures", before("ocr a b c"), this_sweep(WITH_OCR | {"ocr2": "1"}, transcribers="ocr ocr2"), ("ocr", *ALL, "ocr2")),
    # engines come and go
    ("engine added", before("a c"), this_sweep(), ("b",)),
    ("engine added that may find secrets beside findings", before("a c", found="a"), this_sweep(hiding="b"), ALL),
    ("engine removed that found nothing", before("a b c d", found="a"), this_sweep(), NONE),
    ("engine removed that found something", before("a b c d", found="a d"), this_sweep(), NONE),
    ("engine removed that hid evidence of others", before("a b c d", found="a d", hiding="d"), this_sweep(), ALL),
    ("engine removed that hid its own only", before("a b c d", found="d", hiding="d"), this_sweep(), NONE),
    ("engine removed that had nothing to look for", before("a b c d=not-applicable", found="a", hiding="a"), this_sweep(), NONE),
    ("engine removed for another", before("a c d"), this_sweep(), ("b",)),
    ("engine removed whose model was missing", before("a b c d=missing:", "partial"), this_sweep(), ALL),
    # models that are not there
    ("missing tonight: what it found stands", before(), this_sweep(MISSING_B), NONE),
    ("missing tonight, and in both nights", before("a b=missing: c", "partial"), this_sweep(MISSING_B), NONE),
    ("missing tonight, and new", before("a c"), this_sweep(MISSING_B), ALL),
    ("missing tonight, another changed", before(), this_sweep(MISSING_B | {"a": "2"}), ALL),
    ("missing last night, there again", before("a b=missing: c", "partial"), this_sweep(), ("b",)),
    # what was not whole last night
    ("unreadable", before(status="unreadable"), this_sweep(), ALL),
    ("quarantined", before("a b=quarantined c", "quarantined"), this_sweep(), ALL),
    ("partial by a bound", before("a=partial b=partial c=partial", "partial", attributed_gaps=True), this_sweep(), NONE),
    ("partial by a bound, one changed", before("a=partial b=partial c=partial", "partial", attributed_gaps=True), this_sweep(CHANGED), ALL),
    ("partial by anything else", before("a=partial b c", "partial", gaps=True), this_sweep(), ALL),
    ("partial by both", before("a=partial b c", "partial", gaps=True, attributed_gaps=True), this_sweep(), ALL),
    ("gaps by design: members without a reader", before(gaps=True), this_sweep(), NONE),
    ("the same, one changed", before(gaps=True), this_sweep(CHANGED), ("b",)),
    ("gaps of an engine, one changed", before("a b=db_stale c", gaps=True, attributed_gaps=True), this_sweep(CHANGED), ALL),
    ("left out last night", before("", "skipped"), this_sweep(), ALL),
    # what an engine applies to
    ("not applicable, another fingerprint, same code", before("a b=not-applicable c"), this_sweep(CHANGED, same_code="a b c"), NONE),
    ("not applicable, another fingerprint, other code", before("a b=not-applicable c"), this_sweep(CHANGED, same_code="a c"), ("b",)),
    ("volatile", before(), this_sweep(again="b"), ("b",)),
    ("volatile, where it does not apply", before("a b=not-applicable c"), this_sweep(again="b", same_code="a b c"), NONE),
    ("volatile, beside a secret", before(found="a", hiding="a"), this_sweep(again="b"), ALL),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "now", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_engines_to_run(seen: Before, now: ThisSweep, expected: tuple[str, ...]) -> None:
    assert engines_to_run(seen, now) == expected


def test_a_sweep_knows_what_its_engines_do() -> None:
    engines = create(Settings(), BUILT_IN)
    prints = {engine.name: engine.version for engine in engines}
    now = ThisSweep.of(engines, prints, {"pii": {"version": prints["pii"]}, "secrets": {"version": "another"}})
    assert now == ThisSweep(prints, frozenset({"ocr"}), frozenset({"pii", "secrets"}), frozenset({"pii"}))


# ledgers on disk


def row(artifact: str, **about: Any) -> dict[str, Any]:
    """A row of the ledger; `coverage` as (engine, status, fingerprint), `gaps` as (engine, bound)."""
    coverage = about.pop("coverage", [(name, "complete", "1") for name in ALL])
    gaps = about.pop("gaps", [])
    return {
        "artifact": artifact,
        "size": 10,
        "etag": None,
        "mtime": 1.5,
        "status": "scanned",
        "content_id": f"{abs(hash(artifact)):064x}",
        "content_id_kind": "sha256",
        "coverage": None if coverage is None else [dict(zip(("engine", "status", "fingerprint"), one, strict=True)) for one in coverage],
        "gaps": None if gaps is None else [{"engine": engine, "bound": bound, "reason": "x"} for engine, bound in gaps],
    } | about


def written(folder: Path, rows: list[dict[str, Any]], found: Sequence[tuple[str, str, str]] = (), files: int = 1) -> OutputStore:
    """A sweep's folder with these rows in some files; `found` are artifact, engine and category."""
    for name in ("ledger", "findings"):
        (folder / name).mkdir(parents=True)
    for number in range(files):
        pq.write_table(pa.Table.from_pylist(rows[number::files], LEDGER), folder / "ledger" / f"{number}.parquet", row_group_size=700)
    findings = [{"artifact": artifact, "engine": engine, "category": category} for artifact, engine, category in found]
    pq.write_table(pa.Table.from_pylist(findings, FINDINGS), folder / "findings" / "0.parquet", row_group_size=500)
    return OutputStore(str(folder))


def listed(artifact: str, **about: Any) -> Listed:
    return Listed(artifact, artifact.encode(), **({"size": 10, "mtime": 1.5} | about))


E, OTHER = "etag", "other"


@pytest.mark.parametrize(
    ("was", "now", "trusted"),
    [
        # as (size, etag, mtime); by which level of trust the artifact is unchanged
        ((10, None, 1.5), (10, None, 1.5), "etag mtime"),
        ((10, None, 1.5), (10, None, 1.25), ""),
        ((10, None, 1.5), (11, None, 1.5), ""),
        ((10, E, 1.5), (10, E, 1.5), "etag mtime"),
        ((10, E, 1.5), (10, OTHER, 1.5), "mtime"),
        ((10, E, 1.5), (10, E, 9.0), ""),
        ((10, E, 1.5), (11, E, 1.5), ""),
        ((10, E, None), (10, E, None), "etag"),
        ((10, E, None), (10, OTHER, None), ""),
        ((10, E, None), (10, E, 1.5), "etag"),
        ((10, E, 1.5), (10, E, None), "etag"),
        ((10, None, 1.5), (10, E, 1.5), "mtime"),
        ((10, E, 1.5), (10, None, 1.5), "mtime"),
        ((10, None, None), (10, None, None), ""),
        ((10, None, None), (10, None, 1.5), ""),
        ((None, E, 1.5), (None, E, 1.5), ""),
        ((10, E, 1.5), (None, E, 1.5), ""),
        ((None, E, 1.5), (10, E, 1.5), ""),
        ((0, None, 0.0), (0, None, 0.0), "etag mtime"),
        ((10, None, 1700000000.1234567), (10, None, 1700000000.1234565), ""),
    ],
)
def test_trust(tmp_path: Path, was: tuple[Any, ...], now: tuple[Any, ...], trusted: str) -> None:
    names = ("size", "etag", "mtime")
    # beside others: whether a column has nulls must not matter
    night = written(tmp_path, [row("x", etag="e", mtime=None), row("a", **dict(zip(names, was, strict=True))), row("z", mtime=3.0)])
    entry = listed("a", **dict(zip(names, now, strict=True)))
    for trust in ("etag", "mtime", "content"):
        expected = (NONE, "a") if trust in trusted.split() else (ALL, None)
        assert Previous(night, this_sweep(), trust).decide(entry) == expected, trust


def test_what_is_taken_over_comes_from_the_artifact_itself(tmp_path: Path) -> None:
    rows = [
        row("same"),
        row("b", coverage=[("a", "complete", "1"), ("b", "complete", "0"), ("c", "complete", "1")]),
        row("c", status="unreadable"),
    ]
    previous = Previous(written(tmp_path, rows), this_sweep())
    assert previous.decide(listed("same")) == (NONE, "same")
    assert previous.decide(listed("b")) == (("b",), "b"), "b alone: the rest is taken over"
    assert previous.decide(listed("c")) == (ALL, None), "all: nothing is"
    assert previous.decide(listed("new")) == (ALL, None)


@pytest.mark.parametrize(("number", "expected"), [(MAX_GAPS - 1, (NONE, "a")), (MAX_GAPS, (ALL, None))])
def test_gaps_that_the_ledger_has_no_room_for_may_be_of_any_kind(tmp_path: Path, number: int, expected: tuple[Any, Any]) -> None:
    rows = [row("a", status="partial", gaps=[(None, "depth")] * number), row("b", gaps=[]), row("c", gaps=None)]
    previous = Previous(written(tmp_path, rows), this_sweep())
    assert previous.decide(listed("a")) == expected
    assert previous.decide(listed("b")) == (NONE, "b")


def test_what_was_left_out_and_is_not_any_more_is_scanned(tmp_path: Path) -> None:
    left_out = row("a", status="skipped", reason="excluded (exclude)", coverage=[], content_id=None, content_id_kind=None)
    previous = Previous(written(tmp_path, [left_out, row("b", coverage=None, gaps=None, status="skipped")]), this_sweep())
    assert previous.decide(listed("a")) == previous.decide(listed("b")) == (ALL, None)
    assert not previous.known().table.num_rows


@pytest.mark.parametrize("rows", [[], [row("a")]])
def test_other_readers_or_limits_take_nothing_over(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    previous = Previous(written(tmp_path, rows), this_sweep(), reusable=False)
    assert previous.decide(listed("a")) == (ALL, None)
    assert list(previous.known().artifacts("0" * 64)) == []
    assert not previous.known().big


def test_an_empty_corpus(tmp_path: Path) -> None:
    previous = Previous(written(tmp_path, []), this_sweep())
    assert previous.decide(listed("a")) == (ALL, None)
    assert list(previous.known().artifacts("f" * 64)) == []


def test_an_object_and_a_folder_of_the_same_name(tmp_path: Path) -> None:
    """A store may hold `docs` and `docs/a`; where the prefix cannot be listed, both are rows of the ledger."""
    rows = [row("docs"), row("docs", size=None, status="unreadable", coverage=[]), row("z", mtime=2.0)]
    previous = Previous(written(tmp_path, rows, [("docs", "a", "malware"), ("z", "a", "malware")]), this_sweep())
    assert previous.decide(listed("z", mtime=2.0)) == (NONE, "z")


STATUSES = ("scanned", "scanned", "scanned", "partial", "skipped", "unreadable", "quarantined")
COVERAGES = ("complete", "complete", "complete", "not-applicable", "partial", "no-reader", "missing", "db_stale", "quarantined")


def random_row(chance: random.Random, number: int) -> dict[str, Any]:
    names = chance.sample(("a", "b", "c", "d", "ocr"), chance.randint(0, 5))
    coverage = [(name, chance.choice(COVERAGES), chance.choice(("1", "1", "2", None))) for name in names]
    gaps = [(chance.choice((None, None, "a")), chance.choice((None, "depth"))) for _ in range(chance.choice((0, 0, 1, 2)))]
    about = {"coverage": coverage if names or chance.random() < 0.9 else None, "gaps": gaps if gaps or chance.random() < 0.9 else None}
    return row(f"{number}", status=chance.choice(STATUSES), **about)


def by_hand(one: dict[str, Any], found: set[tuple[str, str]]) -> Before:
    """Of a row of the ledger, what decides; in plain Python."""
    gaps = one["gaps"] or []
    return Before(
        {entry["engine"]: (entry["status"], entry["fingerprint"]) for entry in one["coverage"] or []},
        one["status"],
        any(gap["bound"] is None for gap in gaps),
        any(gap["bound"] is not None or gap["engine"] is not None for gap in gaps),
        frozenset(engine for engine, _ in found),
        frozenset(engine for engine, category in found if category in ("pii", "secret")),
    )


@settings(max_examples=5, phases=[Phase.generate])  # a smaller example of ten thousand rows tells nothing more
@given(
    st.integers(0, 10**9),
    st.dictionaries(st.sampled_from(("a", "b", "c", "ocr", "e")), st.sampled_from(("1", "2", None)), min_size=1),
    st.frozensets(st.sampled_from(ALL)),
    st.frozensets(st.sampled_from(ALL)),
)
def test_ten_thousand_artifacts_are_decided_as_each_alone(
    seed: int, prints: dict[str, str | None], hiding: frozenset[str], same_code: frozenset[str]
) -> None:
    chance = random.Random(seed)
    rows = [random_row(chance, number) for number in range(10_000)]
    found: dict[str, set[tuple[str, str]]] = {}
    for _ in range(8_000):
        found.setdefault(str(chance.randrange(10_000)), set()).add(
            (chance.choice(("a", "b", "d")), chance.choice(("malware", "pii", "secret")))
        )
    now = ThisSweep(prints, frozenset({"ocr"}), hiding, same_code, frozenset(chance.sample(sorted(prints), 1)))
    with tempfile.TemporaryDirectory() as folder:
        night = written(Path(folder), rows, [(name, *one) for name, each in found.items() for one in each], files=3)
        previous = Previous(night, now)
    for one in rows:
        expected = engines_to_run(by_hand(one, found.get(one["artifact"], set())), now)
        assert previous.decide(listed(one["artifact"])) == (expected, None if len(expected) == len(prints) else one["artifact"])


# contents


def known(*contents: tuple[str, str], sizes: tuple[int, ...] = ()) -> Known:
    """Digests, in any order, with artifacts."""
    ordered = sorted(contents)
    table = pa.table({"digest": pa.array([d for d, _ in ordered], pa.string()), "artifact": pa.array([a for _, a in ordered], pa.string())})
    return Known(np.array([int(digest[:16], 16) for digest, _ in ordered], np.uint64), table, frozenset(sizes))


A, B, NEAR = "ab" * 32, "ff" * 32, "ab" * 31 + "ac"


@pytest.mark.parametrize(
    ("contents", "digest", "expected"),
    [
        ([], A, set()),
        ([(A, "1")], A, {"1"}),
        ([(A, "1"), (B, "2"), (A, "3")], A, {"1", "3"}),
        ([(A, "1"), (B, "2")], B, {"2"}),
        ([(A, "1"), (B, "2")], "00" * 32, set()),
        ([(A, "1")], NEAR, set()),
        ([(NEAR, "1")], A, set()),
        ([(A, "1"), (NEAR, "2")], A, {"1"}),
        ([(A, "1"), (NEAR, "2")], NEAR, {"2"}),
    ],
)
def test_known_contents(contents: list[tuple[str, str]], digest: str, expected: set[str]) -> None:
    assert set(known(*contents).artifacts(digest)) == expected


def test_a_million_empty_files_are_not_all_looked_at() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    names = [f"{number:02}" for number in range(60)]
    found = list(known(*((empty, name) for name in names), (B, "last")).artifacts(empty))
    assert len(found) == 50
    assert set(found) < set(names)


def test_what_is_known_needs_no_engine_tonight_and_has_a_digest_of_all_its_bytes(tmp_path: Path) -> None:
    rows = [
        row("whole", content_id=A),
        row("skipped", content_id=A, status="skipped"),
        row("bounded", content_id=A, status="partial", gaps=[(None, "depth")]),
        row("damaged", content_id=A, status="partial", gaps=[(None, None)]),
        row("unreadable", content_id=A, status="unreadable"),
        row("again", content_id=A, coverage=[("a", "complete", "0"), ("b", "complete", "1"), ("c", "complete", "1")]),
        row("split", content_id=A, content_id_kind="blocks"),
        row("by etag", content_id=A, content_id_kind="etag"),
        row("nothing", content_id=None, content_id_kind=None),
        row("big", content_id=B, size=IN_MEMORY + 1),
        row("big and again", content_id=B, size=IN_MEMORY + 2, status="unreadable"),
    ]
    contents = Previous(written(tmp_path, rows), this_sweep()).known()
    assert set(contents.artifacts(A)) == {"whole", "skipped", "bounded"}
    assert contents.big == {IN_MEMORY + 1}


@pytest.mark.parametrize(
    ("size", "worth"), [(0, True), (IN_MEMORY, True), (IN_MEMORY + 1, True), (IN_MEMORY + 2, False), (IN_MEMORY * 9, False)]
)
def test_a_big_file_is_hashed_first_only_where_one_of_its_size_is_known(size: int, worth: bool) -> None:
    assert known(sizes=(IN_MEMORY + 1,)).worth_hashing(size) is worth
