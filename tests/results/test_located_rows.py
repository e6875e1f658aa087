"""Locations of a corpus and rows of a dataset, by the table `locations`: which ones, and when they cannot be known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cleaning.in_process import InProcess
from tests.findings.building import INFO, Run, outcome_of, row_of
from veritensor_ray import api as vr
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.segments import Gap
from veritensor_ray.findings.collect import collect
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.policy.judge import Judge, load_policy

LINES = ("bad", "fine", "worse", "bad", "bad luck, worse")
EVERY = replace(INFO, about={**INFO.about, "locations": "all", "sources": ["/data"]})


def audited(folder: Path, policy: str | None = None, info: Any = EVERY) -> vr.Audit:
    """An audit of one JSON lines file, a file that could not be read, and one with too many places."""
    run = Run(folder, info)
    every = info.locates
    run.shard((row_of(0, "a.jsonl"), outcome_of("a.jsonl", LINES, locating=every)))
    inside = outcome_of("zip.jsonl", ("bad",), locating=every, member="b.jsonl")
    inside.count_rows("clean.csv", None, 3)
    run.shard((row_of(0, "zip.jsonl"), inside))
    unreadable = Outcome("lost.jsonl", 0, 0, status="unreadable", reason="it is damaged")
    unreadable.add_gap(Gap("it is damaged"))
    run.shard((row_of(0, "lost.jsonl"), unreadable))
    many = outcome_of("many.jsonl", LINES, locating=every)
    if many.recorded.located is not None:
        many.recorded.located.lost = 7
    run.shard((row_of(0, "many.jsonl"), many))
    run.planned()
    collect(run.store, info, b"the site key", Judge(load_policy(policy), date(2026, 1, 1)))
    return vr.open(str(folder))


@pytest.fixture
def audit(tmp_path: Path) -> vr.Audit:
    return audited(tmp_path / "out")


@pytest.mark.parametrize(
    ("chosen", "rows"),
    [
        ({}, [0, 2, 3, 4]),
        ({"severity": "medium"}, [0, 2, 3, 4]),
        ({"severity": "high"}, [2, 4]),
        ({"where": "rule = 'test.rule'"}, [0, 3, 4]),
        ({"where": "rule = 'test.rule'", "severity": "critical"}, []),
        ({"where": "evidence = 'bad'"}, [0, 3]),
    ],
)
def test_the_rows_of_a_dataset_with_findings(audit: vr.Audit, chosen: dict[str, Any], rows: Sequence[int]) -> None:
    assert audit.rows_of("a.jsonl", **chosen) == rows
    assert audit.keep(range(5), "a.jsonl", **chosen).tolist() == [row not in rows for row in range(5)]
    assert [row for row, flag in enumerate(audit.flags(range(5), "a.jsonl", **chosen)) if flag] == rows


def test_locations_have_the_order_of_the_corpus_and_the_rule(audit: vr.Audit) -> None:
    found = audit.locations("a.jsonl").to_pylist()
    assert [(one["row"], one["rule_id"], one["severity"]) for one in found] == [
        (0, "test.rule", "medium"),
        (2, "test.worse", "critical"),
        (3, "test.rule", "medium"),
        (4, "test.rule", "medium"),
        (4, "test.worse", "critical"),
    ]
    assert {one["artifact"] for one in audit.locations().to_pylist()} == {"a.jsonl", "zip.jsonl", "many.jsonl"}


def test_a_flag_is_the_worst_severity_of_a_row(audit: vr.Audit) -> None:
    assert audit.flags(range(6), "a.jsonl") == ["medium", None, "critical", "medium", "critical", None]


def test_rows_of_a_file_inside_are_not_those_of_the_artifact(audit: vr.Audit) -> None:
    assert audit.rows_of("zip.jsonl") == []
    assert audit.rows_of("zip.jsonl", "b.jsonl") == [0]
    assert audit.keep(range(2), "zip.jsonl", "b.jsonl").tolist() == [False, True]
    assert audit.flags(range(2), "zip.jsonl", "b.jsonl") == ["medium", None]
    assert audit.rows_of("zip.jsonl", "clean.csv") == []
    assert [one["member"] for one in audit.locations("zip.jsonl").to_pylist()] == ["b.jsonl"]


def test_a_policy_decides(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("rules: [{rule: test.rule, severity: low}]\nsuppressions: [{rule: test.worse, path: '*', reason: known}]\n")
    audit = audited(tmp_path / "out", str(file))
    assert audit.rows_of("a.jsonl", severity="medium") == []
    assert audit.rows_of("a.jsonl", severity="low") == [0, 3, 4]
    assert audit.rows_of("a.jsonl", suppressed=True) == [0, 2, 3, 4]


def test_masks_fit_what_holds_the_rows(audit: vr.Audit) -> None:
    frame = pd.DataFrame({"text": LINES}, index=[9, 8, 7, 6, 5])
    assert frame[audit.keep(frame, "a.jsonl")]["text"].tolist() == ["fine"]
    table = pa.table({"text": LINES})
    assert table.filter(audit.keep(table, "a.jsonl")).to_pydict() == {"text": ["fine"]}
    assert isinstance(audit.keep(table, "a.jsonl"), np.ndarray)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda a: a.rows_of("b.jsonl"), "the audit has no artifact named 'b.jsonl'; the column artifact of the ledger has the names"),
        (lambda a: a.rows_of("zip.jsonl", "c.jsonl"), "the audit has no table named 'c.jsonl' in 'zip.jsonl'; the column tables"),
        (lambda a: a.keep([], "zip.jsonl", "b.jsonl"), "the data has 0 rows, but row 0 of 'b.jsonl' has a finding"),
        (lambda a: a.rows_of("lost.jsonl"), "'lost.jsonl' was not read (unreadable: it is damaged), so nothing is known of its rows"),
        (lambda a: a.rows_of("many.jsonl"), "'many.jsonl' has more locations than the table lists, so not all rows"),
        (
            lambda a: a.rows_of("a.jsonl", severity="hihg"),
            "severity 'hihg' is not one of info, low, medium, high, critical; did you mean 'high'?",
        ),
        (lambda a: a.rows_of("a.jsonl", where="no such"), "the condition 'no such' is not valid"),
        (lambda a: a.keep(range(4), "a.jsonl"), "the data has 4 rows, but row 4 of 'a.jsonl' has a finding; pass all rows"),
        (lambda a: a.flags(7, "a.jsonl"), "pass the rows of 'a.jsonl' as a data frame, a table or a dataset, not int"),
    ],
)
def test_what_cannot_be_answered(audit: vr.Audit, ask: Any, said: str) -> None:
    with pytest.raises(UsageError) as error:
        ask(audit)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("ask", [lambda a: a.locations(), lambda a: a.rows_of("a.jsonl"), lambda a: a.dataset("locations")])
def test_a_run_that_kept_the_first_places_only_says_what_to_do(tmp_path: Path, ask: Any) -> None:
    audit = audited(tmp_path / "out", info=replace(INFO, about={**INFO.about, "sources": ["/data"]}))
    with pytest.raises(UsageError, match=r"kept only the first locations .* scan again with `--locations all`"):
        ask(audit)


def _texts(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).column("text").to_pylist())
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


_KINDS = {"mail anna@firma.de": "medium", "from 81.2.69.142": "low", "SSN 536-90-4399": "high"}
_RANKS = ("info", "low", "medium", "high")


def _dataset(path: Path) -> list[str]:
    """Write a dataset with equal evidence in many rows, more of it than findings list. Returns its texts."""
    texts = [[*_KINDS, "nothing", "both SSN 536-90-4399 and anna@firma.de"][row % 5] + f", {row % 3}" for row in range(300)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": texts}), path, row_group_size=37)
    else:
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return texts


def _cleaned(tmp_path: Path, name: str, policy: str, **options: Any) -> tuple[vr.Audit, list[int]]:
    """Clean a corpus. Returns the audit of the source, and the rows that are not in the copy."""
    cleaning = InProcess(str(tmp_path / "corpus"), str(tmp_path / "copy"), policy, {"locations": "all", **options})
    cleaning.scan().publish()
    return vr.open(str(tmp_path / "copy" / "before")), sorted({row for artifact, row in cleaning.rows() if artifact == name})


@pytest.mark.slow
@pytest.mark.parametrize("level", ["info", "medium", "high"])
@pytest.mark.parametrize("name", ["train.parquet", "train.jsonl"])
def test_the_rows_that_clean_drops_are_the_rows_that_this_names(tmp_path: Path, name: str, level: str) -> None:
    (tmp_path / "corpus").mkdir()
    texts = _dataset(tmp_path / "corpus" / name)
    policy = f"level: {level}\nrules: [{{severity: {level}, action: drop-row}}]"
    audit, dropped = _cleaned(tmp_path, name, policy, engines=["pii"], pii={"free_text": False})
    assert audit.rows_of(name, severity=level) == dropped
    worse = [text for text, severity in _KINDS.items() if _RANKS.index(severity) >= _RANKS.index(level)]
    assert dropped == [row for row, text in enumerate(texts) if any(one.split()[1] in text for one in worse)]
    frame = pd.DataFrame({"text": texts})
    assert frame[audit.keep(frame, name, severity=level)]["text"].tolist() == _texts(tmp_path / "copy/corpus" / name)


@pytest.mark.slow
def test_a_rule_over_the_bytes_of_json_lines_names_rows_too(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/train.jsonl").write_text("".join(json.dumps({"text": "a zebra" if n % 3 else "fine"}) + "\n" for n in range(90)))
    audit, dropped = _cleaned(tmp_path, "train.jsonl", "rules: [{rule: '*', action: drop-row}]", **_zebra(tmp_path))
    assert audit.rows_of("train.jsonl") == dropped == [n for n in range(90) if n % 3]


def test_bytes_of_a_table_are_in_no_known_row(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    pq.write_table(pa.table({"text": ["a zebra", "fine"]}), tmp_path / "corpus/train.parquet", compression="none", use_dictionary=False)
    audit, _ = _cleaned(tmp_path, "train.parquet", "rules: [{rule: '*', action: keep}]", **_zebra(tmp_path))
    with pytest.raises(UsageError, match=r"locations in 'train.parquet' are bytes of the file in an unknown row; leave"):
        audit.rows_of("train.parquet")
    assert audit.rows_of("train.parquet", where="engine <> 'signatures'") == []


def _zebra(tmp_path: Path) -> dict[str, Any]:
    """Options for a rule of the user's over bytes."""
    (tmp_path / "rules").mkdir()
    meta = 'title = "x" description = "x" category = "prompt-injection" severity = "medium"'
    (tmp_path / "rules/own.yar").write_text(f'rule own {{ meta: {meta} strings: $a = "zebra" condition: $a }}')
    return {"engines": ["signatures"], "rules": [str(tmp_path / "rules")]}
