"""Copies of Delta tables hold their living rows, cleaned, and nothing of what a snapshot hides."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cleaning.copied_tables import MASK, OPTIONS, cleaned, mails, rows_of
from tests.cleaning.in_process import InProcess, tree
from tests.corpus.tables import delta_tables as delta
from veritensor_ray.cleaning.amend import ROUNDS, amend
from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.cleaning_policy import parse
from veritensor_ray.cleaning.copied_tables import table_logs
from veritensor_ray.cleaning.copy_manifest import MANIFEST
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.table_view import TableColumn, TableView
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.stores.outputs import OutputStore

pytest.importorskip("deltalake")
pytestmark = pytest.mark.slow


def people(folder: Path) -> None:
    """A table with a renamed and a dropped column, two partitions, rows that a deletion vector hides, and a column that came later."""
    names = {"id": range(10), "c1": mails(10, "mail"), "c2": mails(10, "dropped"), "n": [None, 1.5] * 5, "team": ["red", "blue"] * 5}
    delta.write(folder, names, partition_by=["team"])
    delta.write(folder, {"id": [10], "c1": mails(1, "late"), "team": ["red"], "c3": ["new"]}, mode="append", schema_mode="merge")
    of_red = next(i for i, add in enumerate(delta.adds(folder)) if "red" in add["path"])
    delta.delete(folder, [0, 3], file=of_red)
    delta.renamed(folder, {"c1": "mail", "c3": "later", "team": "group"}, dropped=["c2"])


def test_living_rows_are_copied_without_what_was_found(tmp_path: Path) -> None:
    people(tmp_path / "corpus" / "people")
    before = tree(tmp_path / "corpus")
    living = delta.living(tmp_path / "corpus" / "people").sort_by("id")
    run = cleaned(tmp_path)
    rows = rows_of(tmp_path / "copy", run)
    assert [row["id"] for row in rows] == living["id"].to_pylist() == [1, 2, 3, 4, 5, 7, 8, 9, 10]
    assert {name for row in rows for name in row} == {"id", "c1", "n", "c3"}, "by their stored names, without the dropped column"
    assert [row.get("n") for row in rows] == living["n"].to_pylist()
    assert all("kaldor-mail" not in row["c1"] and len(row["c1"]) > 5 for row in rows)
    data = b"".join((tmp_path / "copy" / path).read_bytes() for path in (row["path"] for row in run.manifest().values()) if path)
    assert b"kaldor-mail" not in data
    told = {row["reason"] for artifact, row in run.manifest().items() if artifact.endswith(".parquet")}
    assert told == {"without 2 deleted rows and 1 dropped column of its table", "without 1 dropped column of its table"}
    logs = [row["result"] for artifact, row in sorted(run.manifest().items()) if "_delta_log" in artifact]
    assert logs == ["cleaned", *["left-out"] * (len(logs) - 1)], "the copy has a log of its own"
    assert tree(tmp_path / "corpus") == before, "the source is only read"


def test_rows_to_drop_are_told_by_their_number_in_the_source(tmp_path: Path) -> None:
    delta.write(tmp_path / "corpus", {"id": range(4), "mail": ["-", "-", "a@kaldor-mail.com", "-"]})
    delta.delete(tmp_path / "corpus", [1])
    run = cleaned(tmp_path, "rules: [{rule: pii.email, action: drop-row}]")
    assert [row["id"] for row in rows_of(tmp_path / "copy", run)] == [0, 3]
    assert [row for _, row in run.rows()] == [2]


def test_a_split_data_file(tmp_path: Path) -> None:
    """Every part is written without what the table hides, also those without findings."""
    size = 3000
    table = pa.table({"id": range(size), "gone": mails(size, "gone"), "text": [*mails(10, "x"), *(["-"] * (size - 10))]})
    (tmp_path / "corpus").mkdir()
    delta.write(tmp_path / "corpus", table)
    data = tmp_path / "corpus" / delta.adds(tmp_path / "corpus")[0]["path"]
    pq.write_table(table, data, row_group_size=500)
    delta.changed_log(tmp_path / "corpus", lambda action: action.get("add", {}).update(size=data.stat().st_size))
    delta.delete(tmp_path / "corpus", [2, 2900])
    delta.renamed(tmp_path / "corpus", {}, dropped=["gone"])
    run = cleaned(tmp_path, limits={"split_bytes": "10KB", "shard_bytes": "20KB"})
    [row] = [row for artifact, row in run.manifest().items() if artifact.endswith(".parquet")]
    copy = pq.read_table(tmp_path / "copy" / row["path"])
    assert (row["result"], copy.column_names) == ("cleaned", ["id", "text"])
    assert copy["id"].to_pylist() == [number for number in range(size) if number not in (2, 2900)]
    assert not any("kaldor" in text for text in copy["text"].to_pylist())


@pytest.mark.parametrize(("team", "result"), [("red", "cleaned"), ("red@kaldor-mail.com", "held")])
def test_partition_values_that_data_files_repeat(tmp_path: Path, team: str, result: str) -> None:
    """They are read, and no copy repeats them, since edits there would leave them in the log."""
    folder = tmp_path / "corpus"
    delta.write(folder, {"id": [0, 1], "mail": mails(2, "x"), "team": [team, team]}, partition_by=["team"])
    data = folder / unquote(delta.adds(folder)[0]["path"])
    pq.write_table(pq.read_table(data, partitioning=None).append_column("team", [[team, team]]), data)
    delta.changed_log(folder, lambda action: action.get("add", {}).update(size=data.stat().st_size))
    run = cleaned(tmp_path)
    [row] = [row for artifact, row in run.manifest().items() if artifact.endswith(".parquet")]
    assert row["result"] == result
    if result == "cleaned":
        assert pq.read_table(tmp_path / "copy" / row["path"], partitioning=None).column_names == ["id", "mail"]
        assert delta.living(tmp_path / "copy" / "corpus")["team"].to_pylist() == ["red", "red"]


def test_what_cannot_be_left_out_is_held_back(tmp_path: Path) -> None:
    delta.write(tmp_path / "corpus", {"id": range(2), "about": [{"a": "x", "b": mail} for mail in mails(2, "b")]})
    delta.renamed(tmp_path / "corpus", {}, dropped=["b"])
    run = cleaned(tmp_path, MASK + "\nunsupported: copy")
    [row] = [row for artifact, row in run.manifest().items() if artifact.endswith(".parquet")]
    assert (row["result"], row["path"].partition("/")[0]) == ("held", "quarantine")
    reason = (
        "1 dropped column of its table cannot be left out: the table has dropped a part of its column about, which is still in the file"
    )
    assert row["reason"] == reason


def test_the_copy_is_a_table_of_its_own(tmp_path: Path) -> None:
    """Its library reads the living rows from it, and an audit of it, which may change it again, finds nothing hidden."""
    people(tmp_path / "corpus" / "people")
    run = cleaned(tmp_path)
    copy, source = delta.living(tmp_path / "copy" / "corpus" / "people"), delta.living(tmp_path / "corpus" / "people")
    order = [("id", "ascending")]
    assert copy.schema.names == source.schema.names
    copy, source = copy.sort_by(order), source.sort_by(order)
    assert copy.drop_columns(["mail"]) == source.drop_columns(["mail"])
    assert not any("kaldor" in mail for mail in copy["mail"].to_pylist())
    [log] = [row for artifact, row in run.manifest().items() if artifact.endswith("/_delta_log/00000000000000000000.json")]
    assert (log["result"], log["path"]) == ("cleaned", "corpus/people/_delta_log/00000000000000000000.json")
    assert (tmp_path / "copy" / log["path"]).stat().st_size == log["clean_size"]
    first = tree(tmp_path / "copy" / "corpus")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "corpus").symlink_to(tmp_path / "corpus")
    cleaned(tmp_path / "second")
    assert tree(tmp_path / "second" / "copy" / "corpus") == first, "equal tables have equal copies"


TYPES = {
    "flag": pa.array([True, False, None]),
    "day": pa.array([0, 20_000, None], pa.date32()),
    "at": pa.array([0, 10**15 + 1, None], pa.timestamp("us", "UTC")),
    "local": pa.array([0, 10**15 + 1, None], pa.timestamp("us")),
    "price": pa.array([1, 2, None], pa.decimal128(9, 2)),
    "name": pa.array(["a b/c%d=é", "x", None]),
    "number": pa.array([1, 2, None], pa.int16()),
    "share": pa.array([0.5, 1e20, None]),
}


@pytest.mark.parametrize("name", TYPES)
def test_partitions_by_values_of_every_type(tmp_path: Path, name: str) -> None:
    delta.write(tmp_path / "corpus", pa.table({"id": [1, 2, 3], name: TYPES[name]}), partition_by=[name])
    cleaned(tmp_path)
    order = [("id", "ascending")]
    assert delta.living(tmp_path / "copy" / "corpus").sort_by(order) == delta.living(tmp_path / "corpus").sort_by(order)


def test_a_file_that_is_set_aside_is_not_in_the_log(tmp_path: Path) -> None:
    delta.write(tmp_path / "corpus", {"id": [1], "mail": ["a@kaldor-mail.com"]})
    delta.write(tmp_path / "corpus", {"id": [2], "mail": ["-"]}, mode="append")
    cleaned(tmp_path, "rules: [{rule: pii.email, action: quarantine}]")
    assert delta.living(tmp_path / "copy" / "corpus")["id"].to_pylist() == [2]


def test_a_dry_run_says_nothing_of_logs_that_it_does_not_write(tmp_path: Path) -> None:
    delta.write(tmp_path / "corpus", {"id": [1], "mail": ["a@kaldor-mail.com"]})
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "copy"), MASK, OPTIONS, dry_run=True)
    run.scan().publish()
    manifest = pq.read_table(tmp_path / "copy" / "_work" / "run" / "tables" / "00" / "manifest.parquet").to_pylist()
    [log] = [row for row in manifest if "_delta_log" in row["artifact"]]
    assert log["reason"] == "the log of a Delta table, which describes other files than those of the copy"


def test_data_files_whose_names_are_not_text(tmp_path: Path) -> None:
    delta.write(tmp_path / "corpus", {"id": [1], "mail": ["a@kaldor-mail.com"]})
    [add] = delta.adds(tmp_path / "corpus")
    (tmp_path / "corpus" / add["path"]).rename(tmp_path / "corpus" / os.fsdecode(b"caf\xe9\\xff.parquet"))
    delta.changed_log(tmp_path / "corpus", lambda action: action.get("add", {}).update(path="caf%E9%5Cxff.parquet"))
    cleaned(tmp_path)
    assert [one["path"] for one in delta.adds(tmp_path / "copy" / "corpus")] == ["caf%E9%5Cxff.parquet"]


def test_a_log_whose_name_the_destination_cannot_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise ReadError("its name is too long for the destination")

    delta.write(tmp_path / "corpus", {"id": [1], "mail": ["-"]})
    monkeypatch.setattr(table_logs, "staged", refused)
    rows = cleaned(tmp_path).manifest()
    log = rows[f"_delta_log/{0:020}.json"]
    assert (log["result"], log["path"], log["reason"]) == ("left-out", None, "its name is too long for the destination")


def test_rows_that_are_dropped_in_a_second_round_have_their_numbers_in_the_source(tmp_path: Path) -> None:
    delta.write(tmp_path / "corpus", {"id": range(5), "mail": ["-", "-", "-", "a@kaldor-mail.com", "-"]})
    delta.delete(tmp_path / "corpus", [0, 1, 4])
    run = cleaned(tmp_path, "rules: [{rule: pii.email, action: keep}]")
    second = run.again("rules: [{rule: pii.email, action: drop-row}]")
    name = delta.adds(tmp_path / "corpus")[0]["path"]
    assert amend(run.assembler, second.assembler, {f"corpus/{name}": "it still has something"}, 1)
    assert run.rows() == [(name, 3)]


def test_equal_views_are_kept_once(tmp_path: Path) -> None:
    count, store = 20_000, OutputStore(str(tmp_path))
    columns = tuple(TableColumn(f"column {number}", f"stored {number}") for number in range(100))
    views = [TableView(columns, (("team", team),), about='{"partitions": [], "schema": {}}').to_bytes() for team in ("red", "blue")]
    rows = (PlanRow(0, f"t/{n}.parquet", b"", 0, 1, None, None, view=views[n % 2], table="delta:1") for n in range(count))
    assert len(list(table_logs.noted(rows, Cleaning(parse(MASK), store, b"k"), "run"))) == count
    tracemalloc.start()
    try:
        logs = table_logs.TableLogs(store, "_work/run")
        logs.add(pa.Table.from_pylist([{"artifact": "t/1.parquet", "result": "copied"}], schema=MANIFEST))
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_after_all_data_files_are_held_back_the_copy_has_no_log(tmp_path: Path) -> None:
    delta.write(tmp_path / "corpus", {"id": [1], "mail": ["a@kaldor-mail.com"]})
    run = cleaned(tmp_path, "rules: [{rule: pii.email, action: keep}]")
    [add] = delta.adds(tmp_path / "corpus")
    counts = amend(run.assembler, run.again(MASK).assembler, {f"corpus/{add['path']}": "it still has something"}, ROUNDS + 1)
    assert counts is not None and counts["results"] == {"held": 1, "left-out": 1}
    assert not (tmp_path / "copy" / "corpus").exists()
    log = run.manifest()[f"_delta_log/{0:020}.json"]
    assert (log["result"], log["path"], log["reason"]) == ("left-out", None, "none of the table's data files is in the copy")


def test_a_file_that_is_cleaned_again_or_held_back_changes_the_log(tmp_path: Path) -> None:
    delta.write(tmp_path / "corpus", {"id": [1], "mail": ["a@kaldor-mail.com"]})
    delta.write(tmp_path / "corpus", {"id": [2], "mail": ["b@kaldor-mail.com"]}, mode="append")
    run = cleaned(tmp_path, "rules: [{rule: pii.email, action: keep}]")
    copy, [late, first] = tmp_path / "copy" / "corpus", [f"corpus/{add['path']}" for add in reversed(delta.adds(tmp_path / "corpus"))]
    assert sorted(delta.living(copy)["mail"].to_pylist()) == ["a@kaldor-mail.com", "b@kaldor-mail.com"]
    second = run.again(MASK)
    assert amend(run.assembler, second.assembler, {first: "it still has something"}, 1)
    assert [one for one in delta.living(copy)["mail"].to_pylist() if "@kaldor" in one] == ["b@kaldor-mail.com"]
    assert amend(run.assembler, second.assembler, {late: "it still has something"}, ROUNDS + 1)
    assert delta.living(copy)["id"].to_pylist() == [1]
    log = copy / "_delta_log" / f"{0:020}.json"
    [row] = [row for row in run.manifest().values() if row["path"] == str(log.relative_to(tmp_path / "copy"))]
    assert hashlib.sha256(log.read_bytes()).hexdigest() == row["clean_sha256"]
