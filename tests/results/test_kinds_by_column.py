"""What was found in each column of each dataset: the rules, their numbers, shares of rows and examples, and whether these are complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.findings.building import INFO, Run, outcome_of, row_of
from veritensor_ray import api as vr
from veritensor_ray.core.errors import UsageError
from veritensor_ray.findings.collect import collect
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.policy.judge import Judge, load_policy

CHAT = ("bad", "fine", "worse", "bad", "bad luck, worse", "worst", "bad")
EVERY, FIRST = "all", "first"
POLICY = "suppressions: [{rule: test.worse, path: 'known.jsonl', reason: known}]\n"


def dataset(run: Run, artifact: str, outcome: Outcome, **rows: Any) -> None:
    """Add an artifact; `rows` are the arguments of `count_rows`, if there is a table."""
    if rows:
        outcome.count_rows(**{"member": None, "part": None} | rows)
    run.shard((row_of(0, artifact), outcome))


def audited(folder: Path, locations: str) -> vr.Audit:
    every = locations == EVERY
    run = Run(folder / locations, replace(INFO, about={**INFO.about, "locations": locations, "sources": ["/data"]}))
    columns = [f"turns[{number}].text" for number in range(6)] + ["name"]
    dataset(run, "chat.jsonl", outcome_of("chat.jsonl", CHAT, locating=every, column=columns), rows=7)
    dataset(run, "known.jsonl", outcome_of("known.jsonl", ("worse",), locating=every), rows=1)
    dataset(run, "many.jsonl", outcome_of("many.jsonl", ("bad",) * 30, locating=every), rows=40)
    dataset(run, "pack.zip", outcome_of("pack.zip", ("bad", "fine"), locating=every, member="in/a.csv"), rows=2, member="in/a.csv")
    for name, table in (("cells.parquet", None), ("cells.zip", "in/a.parquet")):
        inside = f"{table}!/row 3 docs[1].file!/b.txt" if table else "row 3 docs[1].file!/b.txt"
        dataset(run, name, outcome_of(name, ("bad", "bad"), locating=every, member=inside, row=None, column=None), rows=5, member=table)
    dataset(run, "names.zip", outcome_of("names.zip", ("bad",), locating=every, member="row 3 text", row=None, column=None))
    dataset(run, "untold.jsonl", outcome_of("untold.jsonl", ("bad",), locating=every))
    dataset(run, "text.txt", outcome_of("text.txt", ("bad",), locating=every, row=None, column=None))
    cut = outcome_of("cut.jsonl", ("bad", "worse"), locating=every)
    if cut.recorded.located is not None:
        cut.recorded.located.lost = 5
    dataset(run, "cut.jsonl", cut, rows=9)
    run.planned()
    file = folder / "policy.yaml"
    file.write_text(POLICY)
    collect(run.store, run.info, b"the site key", Judge(load_policy(str(file)), date(2026, 1, 1)))
    return vr.open(str(folder / locations))


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, vr.Audit]:
    folder = tmp_path_factory.mktemp("kinds")
    return {locations: audited(folder, locations) for locations in (EVERY, FIRST)}


def kinds(audit: vr.Audit, *names: str, **chosen: Any) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in audit.columns(**chosen).to_pylist()]


@pytest.mark.parametrize(
    ("artifact", "expected"),
    [
        (
            "chat.jsonl",
            [
                ("name", "test.rule", "medium", 1, 1, 1, 7, 1 / 7, "bad"),
                ("turns[].text", "test.worse", "critical", 1, 2, 2, 7, 2 / 7, "*****"),
                ("turns[].text", "test.rule", "medium", 2, 3, 3, 7, 3 / 7, "bad"),
            ],
        ),
        ("many.jsonl", [("text", "test.rule", "medium", 1, 30, 30, 40, 0.75, "bad")]),
        ("untold.jsonl", [("text", "test.rule", "medium", 1, 1, 1, None, None, "bad")]),
        ("text.txt", []),
        ("known.jsonl", []),
    ],
)
def test_every_column_has_its_kinds_with_numbers_and_an_example(
    audits: dict[str, vr.Audit], artifact: str, expected: Sequence[tuple[Any, ...]]
) -> None:
    names = ("column", "rule_id", "severity", "findings", "count", "rows", "table_rows", "share", "example")
    assert kinds(audits[EVERY], *names, artifact=artifact) == expected


def test_a_dataset_is_also_a_file_inside(audits: dict[str, vr.Audit]) -> None:
    found = kinds(audits[EVERY], "artifact", "member", "rows", "share", artifact="pack.zip")
    assert found == [("pack.zip", "in/a.csv", 1, 0.5)]


@pytest.mark.parametrize(("artifact", "member"), [("cells.parquet", None), ("cells.zip", "in/a.parquet")])
def test_a_finding_in_a_file_in_a_cell_is_in_its_column(audits: dict[str, vr.Audit], artifact: str, member: str | None) -> None:
    found = kinds(audits[EVERY], "member", "part", "column", "count", "rows", "share", artifact=artifact)
    assert found == [(member, None, "docs[].file", 2, 1, 0.2)]


def test_a_file_whose_name_looks_like_a_cell_is_in_no_column(audits: dict[str, vr.Audit]) -> None:
    assert kinds(audits[EVERY], "column", artifact="names.zip") == []


def test_an_example_is_masked_and_leads_to_its_finding(audits: dict[str, vr.Audit]) -> None:
    evidence = {row["finding_id"]: row["evidence"] for row in audits[EVERY].findings.to_pylist()}
    found = kinds(audits[EVERY], "finding_id", "example")
    assert [evidence[finding] for finding, _ in found] == [example for _, example in found]
    assert {"bad", "*****"} <= {example for _, example in found}


@pytest.mark.parametrize(
    ("chosen", "artifacts"),
    [
        ({"severity": "high"}, ["chat.jsonl", "cut.jsonl"]),
        ({"where": "artifact = 'many.jsonl'"}, ["many.jsonl"]),
        ({"suppressed": True, "severity": "critical"}, ["chat.jsonl", "cut.jsonl", "known.jsonl"]),
    ],
)
@pytest.mark.parametrize("locations", [EVERY, FIRST])
def test_what_is_chosen(audits: dict[str, vr.Audit], locations: str, chosen: dict[str, Any], artifacts: list[str]) -> None:
    assert [name for (name,) in kinds(audits[locations], "artifact", **chosen)] == artifacts


@pytest.mark.parametrize(
    ("locations", "artifact", "expected"),
    [
        (EVERY, "chat.jsonl", {True}),
        (FIRST, "chat.jsonl", {True}),
        (EVERY, "many.jsonl", {True}),
        (FIRST, "many.jsonl", {False}),
        (EVERY, "cut.jsonl", {False}),
    ],
)
def test_numbers_that_are_too_small_say_so_and_have_no_share(
    audits: dict[str, vr.Audit], locations: str, artifact: str, expected: set[bool]
) -> None:
    found = kinds(audits[locations], "complete", "share", artifact=artifact)
    assert {complete for complete, _ in found} == expected
    assert all((share is None) != complete for complete, share in found)


def test_a_run_that_kept_the_first_locations_only_tells_as_much_as_it_can(audits: dict[str, vr.Audit]) -> None:
    names = ("artifact", "column", "rule_id", "count", "rows", "share")
    same = [row for row in kinds(audits[EVERY], *names) if row[0] not in ("many.jsonl", "cut.jsonl")]
    assert [row for row in kinds(audits[FIRST], *names) if row[0] not in ("many.jsonl", "cut.jsonl")] == same
    assert kinds(audits[FIRST], *names, artifact="many.jsonl") == [("many.jsonl", "text", "test.rule", 10, 10, None)]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [({"severity": "hihg"}, "did you mean 'high'?"), ({"where": "no such"}, "the condition 'no such' is not valid")],
)
def test_what_cannot_be_answered(audits: dict[str, vr.Audit], chosen: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as error:
        audits[FIRST].columns(**chosen)
    assert said in str(error.value)
