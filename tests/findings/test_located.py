"""Every place of every finding, from the recorder through commits to the table `locations` of audits and sweeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.findings.building import INFO, RULE, WORSE, Night, Run, outcome_of, row_of
from tests.findings.nights import Nights
from veritensor_ray.core import bounds
from veritensor_ray.core.errors import SignatureError
from veritensor_ray.core.signing import TrustList, load_public_key, new_key, trust
from veritensor_ray.findings import located, table_files
from veritensor_ray.findings.located import Located, PlaceTexts, unpacked
from veritensor_ray.findings.schema import LOCATIONS, OF_AUDIT
from veritensor_ray.results.attestation import attest, check

EVERY = replace(INFO, about={**INFO.about, "locations": "all", "sources": ["/data"]})
AT = ("line", "row", "start", "end")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "out", EVERY)


def add(run: Run, artifact: str, *lines: str, **options: Any) -> None:
    run.shard((row_of(0, artifact), outcome_of(artifact, lines, locating=True, **options)))


def rows_by_finding(run: Run) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in run.table("locations"):
        found.setdefault(one["finding_id"], []).append(one["row"])
    return found


def check_counts(run: Run) -> None:
    """Every finding has as many rows in locations as it counts places, and locations has no others."""
    assert Counter(one["finding_id"] for one in run.table("locations")) == {
        one["finding_id"]: one["count"] for one in run.table("findings")
    }


def test_a_finding_in_many_rows_has_a_row_for_each(run: Run) -> None:
    lines = ["bad"] * 50 + ["fine", "bad luck"] + ["bad"] * 50
    add(run, "a.txt", *lines, limit=1000)
    run.collect()
    often, once = sorted(run.table("findings"), key=lambda row: -row["count"])
    found = rows_by_finding(run)
    assert found[often["finding_id"]] == [n for n, line in enumerate(lines) if line == "bad"]
    assert found[once["finding_id"]] == [51]
    assert len(often["places"]) == bounds.PLACES - 1, "the finding itself lists the first ones as before"
    check_counts(run)


def test_what_a_row_says(run: Run) -> None:
    add(run, "a.txt", "x bad", member="in.zip!/b", column="c", view="hidden", page=3)
    run.collect()
    ((found,), (finding,)) = run.table("locations"), run.table("findings")
    assert found == {
        "finding_id": finding["finding_id"],
        "artifact": "a.txt",
        "member": "in.zip!/b",
        "severity": "medium",
        "row": 0,
        "column": "c",
        "line": 1,
        "page": 3,
        "part": None,
        "byte_offset": None,
        "start": 2,
        "end": 5,
        "view": "hidden",
        "key": None,
    }
    assert pq.read_schema(run.folder / "locations/part-00000.parquet").metadata == LOCATIONS.metadata


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("lines", [(2, 1, 5, 8), (3, 2, 9, 14), (6, 5, 25, 28)]),
        ("jsonl", [(2, 1, 5, 8), (3, 2, 0, 5), (6, 5, 0, 3)]),
        ("rowgroups", [(1, 0, 0, 3), (1, 0, 0, 5), (2, 1, 5, 8)]),
    ],
)
def test_places_in_parts_go_on_where_the_part_before_ended(run: Run, kind: str, expected: list[tuple[int, ...]]) -> None:
    for part, lines in enumerate((("good", "bad"), ("bad 1", "good", "good"), ("bad",))):
        run.shard((row_of(0, "big", part=part, parts=3, kind=kind), outcome_of("big", lines, part, locating=True)))
    run.collect()
    assert sorted(tuple(row[name] for name in AT) for row in run.table("locations")) == expected
    check_counts(run)


def test_places_without_a_row_of_their_own_belong_to_the_finding_that_counts_them(run: Run) -> None:
    add(run, "a.txt", *(f"bad {n}" for n in range(30)), *(f"worse {n}" for n in range(12)), limit=10)
    run.collect()
    counting = {row["rule_id"]: row["finding_id"] for row in run.table("findings") if row["location"] is None}
    found = rows_by_finding(run)
    assert found[counting[RULE.id]] == [*range(10, 30)]
    assert found[counting[WORSE.id]] == [40, 41]
    check_counts(run)


def test_the_limit_on_findings_of_a_split_artifact_moves_their_places_too(run: Run) -> None:
    for part in range(2):
        lines = tuple(f"bad {n}" for n in range(8 * part, 8 * part + 8))
        run.shard((row_of(0, "big", part=part, parts=2, kind="jsonl"), outcome_of("big", lines, part, locating=True)))
    run.collect()
    check_counts(run)
    assert sorted(n for rows in rows_by_finding(run).values() for n in rows) == [*range(16)]


def test_more_places_than_the_limit_are_counted_and_leave_everything_checked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LOCATIONS", 3)
    add(run, "a.txt", *["bad"] * 5)
    result = run.collect()
    (ledger,) = run.table("ledger")
    assert [row["row"] for row in run.table("locations")] == [0, 1, 2]
    assert [(gap["bound"], gap["reason_code"]) for gap in ledger["gaps"]] == [("locations", "limit")]
    assert ledger["gaps"][0]["reason"].startswith("2 of 5 places")
    assert (ledger["status"], ledger["gaps_total"], result["checked"]["fully"]) == ("scanned", 1, 1)


def test_a_secret_in_a_name_is_masked_as_it_is_in_findings(run: Run) -> None:
    token = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0hL3nR6"
    for part in range(2):
        made = outcome_of("big", ("bad",), part, locating=True, column=f"my_{token}", member=f"{token}.txt")
        run.shard((row_of(0, "big", part=part, parts=2, kind="jsonl"), made))
    run.collect()
    (finding,), places = run.table("findings"), run.table("locations")
    assert {(row["member"], row["column"]) for row in places} == {(finding["member"], finding["location"]["column"])}
    assert token not in str(places) and "~" in places[0]["member"] and len(places) == 2


def test_an_audit_that_keeps_the_first_places_has_no_table_and_removes_an_old_one(run: Run) -> None:
    add(run, "a.txt", "bad")
    run.collect()
    run.info = replace(EVERY, about={**EVERY.about, "locations": "first"})
    run.collect()
    assert not (run.folder / "locations").exists()


def test_the_signature_covers_the_table(run: Run, tmp_path: Path) -> None:
    add(run, "a.txt", "bad")
    result = run.collect()
    new_key(tmp_path / "mine")
    trusted = trust(TrustList(tmp_path / "trusted.json"), *load_public_key(tmp_path / "mine.pub"))
    attest(run.store, f"file:{tmp_path / 'mine'}", result)
    assert check(run.store, trusted).objects == len((*OF_AUDIT, "locations", "run.json"))
    pq.write_table(LOCATIONS.empty_table(), run.folder / "locations/part-00000.parquet")
    with pytest.raises(SignatureError, match=r"locations/part-00000\.parquet"):
        check(run.store, trusted)


def test_a_few_thousand_rows_are_in_memory_at_a_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(located, "_AT_ONCE", 100)
    sizes, write = list[int](), table_files.TableWriter.write

    def counted(self: table_files.TableWriter, table: pa.Table) -> None:
        sizes.append(table.num_rows)
        write(self, table)

    monkeypatch.setattr(table_files.TableWriter, "write", counted)
    add(run, "a.txt", *["bad"] * 1234)
    run.collect()
    assert len(run.table("locations")) == 1234
    assert max(sizes) == 100


_SPOTS = [PlaceTexts("r", "low", member, column, None, "visible") for member in (None, "m") for column in (None, "a", "b")]
_PLACES = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(_SPOTS), st.integers(0, 3), st.none() | st.integers(0, 3)), max_size=30
)


def _made(places: list[tuple[str, PlaceTexts, int, int | None]], limit: int = 100) -> Located:
    made = Located(limit)
    for fact, spot, row, start in places:
        made.add(None if fact == "z" else fact, spot, {"row": row, "start": start})
    return made


def _listed(made: Located, facts: Mapping[str, int]) -> list[tuple[Any, ...]]:
    data = made.packed(facts)
    rows = [] if data is None else pa.Table.from_batches(unpacked(data)).to_pylist()
    return [(row["fact"], *made.spots[row["spot"]].values(), row["row"], row["start"]) for row in rows]


@given(_PLACES, _PLACES)
def test_stages_merge_in_any_order(some: list[Any], others: list[Any]) -> None:
    facts = {"x": 0}  # "y" was not kept
    one, other = _made(some), _made(others)
    one.merge(_made(others))
    other.merge(_made(some))
    expected = Counter((0 if fact == "x" else None, *spot, row, start) for fact, spot, row, start in some + others)
    assert Counter(_listed(one, facts)) == Counter(_listed(other, facts)) == expected
    without_fact = [place[1:] for place in _listed(one, facts)]
    assert without_fact == [place[1:] for place in _listed(other, facts)], "in the same order"


@given(_PLACES, _PLACES, st.integers(0, 20))
def test_what_is_over_the_limit_is_counted(some: list[Any], others: list[Any], limit: int) -> None:
    made = _made(some, limit)
    made.merge(_made(others, limit))
    total = len(some) + len(others)
    assert (len(made), made.lost) == (min(total, limit), max(0, total - limit))


@pytest.mark.slow
def test_sweeps_carry_the_places_of_unchanged_moved_and_copied_artifacts(tmp_path: Path) -> None:
    nights = Nights(tmp_path, "signatures")
    options: dict[str, Any] = {"locations": "all", "rules": [nights.rule("rules", "zebra")]}
    nights.write(a_txt="zebra\nfine\nzebra", b_txt="one zebra", c_txt="zebra\n" * 40, d__e_txt="a zebra, a zebra")
    nights.night(**options)
    assert nights.differences(**options) == []
    nights.move("b_txt", "moved_txt")
    nights.write(a_txt="zebra", copy_txt="zebra\n" * 40, new_txt="no zebras but zebra")
    nights.path("d__e_txt").unlink()
    nights.night(**options)
    assert nights.differences(**options) == []
    assert nights.read == ["a.txt", "new.txt"]
    counts = {row["finding_id"]: row["count"] for row in nights.table("findings")}
    assert Counter(row["finding_id"] for row in nights.table("locations")) == counts
    assert sum(counts.values()) == 40 + 40 + 1 + 1 + 2


def test_an_artifact_that_is_carried_whole_keeps_its_places(tmp_path: Path) -> None:
    first, second = Night(tmp_path / "state", 0, EVERY), Night(tmp_path / "state", 1, EVERY)
    add(first, "a", "bad", "bad")
    first.sweep()
    second.carry("a")
    second.sweep(0)
    assert len(second.table("locations")) == 2
    assert second.table("locations") == first.table("locations")
