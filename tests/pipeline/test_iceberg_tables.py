"""Audits of Iceberg tables find in living rows what an audit of these rows as one Parquet file finds, and nothing in others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.tables import iceberg_tables as ice
from tests.findings.nights import Nights
from tests.pipeline.auditing_tables import audited, facts, later_rows, mails, people_rows
from veritensor_ray.core.config import Settings
from veritensor_ray.corpus.tables.table_kinds import TableFolder, opened
from veritensor_ray.pipeline.bounded.process import snapshots

pytest.importorskip("pyiceberg")
pytestmark = pytest.mark.slow


def people(folder: Path) -> Any:
    """A table with partitions, a column that came later, nested columns, rows that are gone in both ways, and other names for columns."""
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import StringType

    table = ice.create(folder, pa.table(people_rows()), by=["team"])
    table.delete("id = 2")
    with table.update_schema() as changing:
        changing.add_column("c8", StringType())
    with table.update_spec() as spec:
        spec.add_field("id", IdentityTransform(), "number")
    table.append(pa.table(later_rows()))
    of_blue = next(file.file_path for file in ice.data_files(table) if "blue" in file.file_path)
    of_red = next(file.file_path for file in ice.data_files(table) if "red" in file.file_path and file.record_count > 1)
    ice.delete(table, {of_blue: [1, 2, 9]})
    ice.delete(table, {of_red: [0], of_blue: [2, 5]})
    with table.update_schema() as changing:
        changing.rename_column(("c2", "c3"), "address")
        changing.rename_column(("c5", "element", "c3"), "address")
        changing.delete_column(("c2", "c4"))
        changing.delete_column("c7")
    with table.update_schema() as changing:
        for old, new in {"c1": "mail", "c2": "about", "c5": "more", "c6": "tags", "c8": "new", "team": "group"}.items():
            changing.rename_column(old, new)
    return table


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Nights, Nights, Any]:
    """An audit of the table, one of its living rows as a Parquet file, and the table."""
    base = tmp_path_factory.mktemp("people")
    table = people(base / "table" / "corpus")
    (base / "file" / "corpus").mkdir(parents=True)
    pq.write_table(ice.living(table), base / "file" / "corpus" / "all.parquet")
    return audited(base / "table"), audited(base / "file"), table


def test_findings_are_those_of_the_living_rows(both: tuple[Nights, Nights, Any]) -> None:
    mine, theirs, table = both
    assert ice.living(table).num_rows == 16, "of 22 rows, the library deleted one and delete files five"
    assert facts(mine) == facts(theirs)
    columns = {column for _, column in facts(mine)}
    assert (
        columns
        == {"mail", "about.address", "more[0].address", "more[1].address", "tags[0].value", "tags[].value", "new", "group"} & columns
    )
    assert {"mail", "about.address", "more[1].address", "new", "group"} <= columns


def test_every_file_of_the_folder_is_accounted_for(both: tuple[Nights, Nights, Any]) -> None:
    mine, _, _ = both
    ledger = {row["artifact"]: row for row in mine.table("ledger")}
    assert ledger.keys() == {str(path.relative_to(mine.corpus)) for path in mine.corpus.rglob("*") if path.is_file()}
    of_data = {name: row for name, row in ledger.items() if name.startswith("data/")}
    assert Counter((row["status"], row["reason_code"]) for row in of_data.values()) == {
        ("scanned", "hidden-by-snapshot"): 4,  # at least a dropped column, which the library writes without values too
        ("skipped", "not-in-snapshot"): 3,  # a file that the library replaced, and two of deleted rows
    }
    reasons = [gap["reason"] for row in of_data.values() for gap in row["gaps"] if "columns" in gap["reason"]]
    assert reasons == ["columns that are not in the table's snapshot were not read: c2.c4, c7"] * 4
    told = {row["reason"] for row in of_data.values() if row["status"] == "skipped"}
    assert len(told) == 1 and told.pop().startswith("not in the snapshot: no data file of snapshot ")
    assert {row["status"] for name, row in ledger.items() if name.startswith("metadata/")} == {"scanned"}


def test_rows_are_those_of_the_file(both: tuple[Nights, Nights, Any]) -> None:
    mine, _, _ = both
    places = [
        place["row"]
        for row in mine.table("findings")
        for place in (row["location"], *row["places"])
        if place["column"] == "mail" and "blue" in row["artifact"]
    ]
    assert sorted(places) == [0, 3, 4, 6, 7, 8]


def test_an_earlier_snapshot(both: tuple[Nights, Nights, Any], tmp_path: Path) -> None:
    mine, _, table = both
    (tmp_path / "corpus").symlink_to(mine.corpus)
    first = audited(tmp_path, as_of=str(table.snapshots()[0].snapshot_id))
    assert len({key for key, column in facts(first) if column == "c1"}) == 20
    assert {column for _, column in facts(first)} == {"c1", "c2.c3", "c2.c4", "c5[0].c3", "c5[1].c3", "c6[].value", "c7", "team"}


def test_sweeps_follow_delete_files(tmp_path: Path) -> None:
    table = ice.create(tmp_path / "corpus", {"id": range(4), "mail": mails(0, 4)})
    [path] = [file.file_path for file in ice.data_files(table)]
    data = path.removeprefix(f"{table.location()}/")
    sweeps = audited(tmp_path)
    sweeps.night()
    assert sweeps.read == [], "nothing changed"
    ice.delete(table, {path: [1, 2]})
    sweeps.night(trust="mtime")
    assert data in sweeps.read, "the time of the file is the same"
    assert len([row for row in sweeps.table("resolved") if row["artifact"] == data]) == 2
    assert len([row for row in sweeps.table("findings") if row["artifact"] == data]) == 2


def test_the_process_for_hostile_bytes_gives_the_same_snapshot(both: tuple[Nights, Nights, Any]) -> None:
    mine, _, _ = both
    here = TableFolder("iceberg", str(mine.corpus), {})
    assert snapshots(Settings())(here) == opened(here)


def test_files_that_are_gone_replaced_or_of_another_format(tmp_path: Path) -> None:
    """A row each, and what is left of the table is read."""
    table = ice.create(tmp_path / "corpus", {"mail": mails(0, 1)})
    table.append(pa.table({"mail": mails(1, 2)}))
    table.append(pa.table({"mail": mails(2, 3)}))
    gone, cut, _ = (tmp_path / "corpus" / "data" / file.file_path.rpartition("/")[2] for file in ice.data_files(table))
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-10])
    (tmp_path / "corpus" / "data" / "x.orc").write_bytes(b"ORC")
    ice.commit(table, 0, f"{table.location()}/data/x.orc", "ORC", size=3)
    ice.commit(table, 0, "s3://evil/y.parquet")
    ledger = {row["artifact"]: row for row in audited(tmp_path).table("ledger") if not row["artifact"].startswith("metadata/")}
    told = {name.rpartition("/")[2]: (row["status"], row["reason_code"], row["reason"]) for name, row in ledger.items()}
    of = f"a data file of snapshot {table.current_snapshot().snapshot_id} of the Iceberg table"
    assert told.pop(gone.name) == ("unreadable", "table-not-read", f"{of}, but it does not exist")
    assert told.pop(cut.name)[:2] == ("unreadable", "table-not-read")
    assert told.pop("x.orc") == ("unreadable", "table-not-read", f"{of}, but it is an ORC file, to which a snapshot cannot be applied")
    assert told.pop("y.parquet")[1:] == (
        "table-not-read",
        f"{of}, but it is outside of the table's folder, and such paths are not followed",
    )
    assert [row[:2] for row in told.values()] == [("scanned", None)]


def test_a_table_that_cannot_be_read_has_one_row_and_none_of_its_rows_is_read(tmp_path: Path) -> None:
    table = ice.create(tmp_path / "corpus", {"mail": mails(0, 2)})
    ice.delete(table, {ice.data_files(table)[0].file_path: [0]}, "equality")
    one = audited(tmp_path)
    ledger = {row["artifact"]: row for row in one.table("ledger")}
    assert ledger["."]["reason"].startswith("this Iceberg table was not read: it has rows that are deleted by equality deletes")
    assert {row["status"] for name, row in ledger.items() if name.endswith(".parquet")} == {"unreadable"}
    assert not facts(one)


def test_columns_of_partitions_that_files_do_not_have(tmp_path: Path) -> None:
    """As in tables that were migrated from Hive, whose files have no field IDs either: the names say which columns they are."""
    table = ice.create(tmp_path / "corpus", {"mail": mails(0, 1), "team": ["red@kaldor-mail.com"]}, by=["team"])
    path = f"{table.location()}/data/other.parquet"
    plain = tmp_path / "corpus" / "data" / "other.parquet"
    pq.write_table(pa.table({"mail": mails(1, 3)}), plain)
    like = ice.data_files(table)[0]
    ice.commit(table, 0, path, like=like, count=2, size=plain.stat().st_size)
    found = facts(audited(tmp_path))
    assert Counter(column for _, column in found.elements()) == {"mail": 3, "team": 2}
