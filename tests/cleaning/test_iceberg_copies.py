"""Copies of Iceberg tables are Parquet files with their living rows, cleaned, and nothing of what a snapshot hides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cleaning.copied_tables import cleaned, mails, rows_of
from tests.cleaning.in_process import tree
from tests.corpus.tables import iceberg_tables as ice
from veritensor_ray.cleaning.amend import amend

pytest.importorskip("pyiceberg")
pytestmark = pytest.mark.slow


def people(folder: Path) -> Any:
    """A table with a renamed and a dropped column, two partitions, and rows that a delete file hides."""
    names = {"id": range(10), "c1": mails(10, "mail"), "c2": mails(10, "dropped"), "team": ["red", "blue"] * 5}
    table = ice.create(folder, names, by=["team"])
    of_red = next(file.file_path for file in ice.data_files(table) if "red" in file.file_path)
    ice.delete(table, {of_red: [0, 3]})
    with table.update_schema() as changing:
        changing.rename_column("c1", "mail")
        changing.delete_column("c2")
    return table


def test_living_rows_are_copied_without_what_was_found(tmp_path: Path) -> None:
    table = people(tmp_path / "corpus" / "people")
    before = tree(tmp_path / "corpus")
    run = cleaned(tmp_path)
    rows = rows_of(tmp_path / "copy", run)
    assert [row["id"] for row in rows] == sorted(ice.living(table)["id"].to_pylist()) == [1, 2, 3, 4, 5, 7, 8, 9]
    assert {name for row in rows for name in row} == {"id", "c1", "team"}, "by their stored names, without the dropped column"
    assert all("kaldor-mail" not in row["c1"] and len(row["c1"]) > 5 for row in rows)
    manifest = {artifact.removeprefix("people/"): row for artifact, row in run.manifest().items()}
    data = b"".join((tmp_path / "copy" / path).read_bytes() for path in (row["path"] for row in manifest.values()) if path)
    assert b"kaldor-mail" not in data
    told = {(row["result"], row["reason"]) for artifact, row in manifest.items() if artifact.startswith("data/")}
    assert told == {
        ("cleaned", "without 2 deleted rows and 1 dropped column of its table"),
        ("cleaned", "without 1 dropped column of its table"),
        ("left-out", f"not in the snapshot: no data file of snapshot {table.current_snapshot().snapshot_id} of the Iceberg table"),
    }
    of_metadata = {(row["result"], row["path"], row["reason"]) for artifact, row in manifest.items() if artifact.startswith("metadata/")}
    reason = "metadata of an Iceberg table, whose data files are copied without any, since they describe other files than those of the copy"
    assert of_metadata == {("left-out", None, reason)}
    assert not list((tmp_path / "copy" / "corpus").rglob("metadata"))
    assert tree(tmp_path / "corpus") == before, "the source is only read"


def test_rows_that_are_dropped_in_a_second_round_have_their_numbers_in_the_source(tmp_path: Path) -> None:
    """The copy is no table any more, but the numbers are those of the table's files."""
    table = ice.create(tmp_path / "corpus", {"id": range(5), "mail": ["-", "-", "-", "a@kaldor-mail.com", "-"]})
    [path] = [file.file_path for file in ice.data_files(table)]
    ice.delete(table, {path: [0, 1, 4]})
    run = cleaned(tmp_path, "rules: [{rule: pii.email, action: keep}]")
    second = run.again("rules: [{rule: pii.email, action: drop-row}]")
    name = path.removeprefix(f"{table.location()}/")
    assert amend(run.assembler, second.assembler, {f"corpus/{name}": "it still has something"}, 1)
    assert run.rows() == [(name, 3)]


def test_what_other_writers_say_of_dropped_columns_is_not_copied(tmp_path: Path) -> None:
    table = ice.create(tmp_path / "corpus", {"id": [1], "gone": ["x"]})
    plain = tmp_path / "corpus" / "data" / "other.parquet"
    said = {"iceberg.schema": "gone: notes about Ada", "own": "stays"}
    pq.write_table(pa.table({"id": [2], "gone": ["y"]}).replace_schema_metadata(said), plain)
    ice.commit(table, 0, f"{table.location()}/data/other.parquet", size=plain.stat().st_size)
    with table.update_schema() as changing:
        changing.delete_column("gone")
    cleaned(tmp_path)
    copy = pq.read_schema(tmp_path / "copy" / "corpus" / "data" / "other.parquet")
    assert (copy.names, copy.metadata) == (["id"], {b"own": b"stays"})
