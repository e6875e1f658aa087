"""Audits of Delta tables find in living rows what an audit of these rows as one Parquet file finds, and nothing in others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.tables import delta_tables as delta
from tests.findings.nights import KEY, Nights
from tests.pipeline.auditing_tables import audited, facts, later_rows, mails, people_rows
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import NotAsScanned, ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.corpus.tables.table_kinds import TableFolder, opened
from veritensor_ray.pipeline.bounded.process import snapshots
from veritensor_ray.pipeline.passages.passage import Amount
from veritensor_ray.pipeline.passages.reading_back import read_back

pytest.importorskip("deltalake")
pytestmark = pytest.mark.slow


def people(folder: Path) -> None:
    """A table with partitions, a column that came later, nested columns, rows that are gone in all three ways, and other names for columns."""
    delta.write(folder, pa.table(people_rows()), partition_by=["team"])
    delta.write(folder, later_rows(), mode="append", schema_mode="merge")
    from deltalake import DeltaTable

    DeltaTable(str(folder)).delete("id = 2")
    of_blue = next(i for i, add in enumerate(delta.adds(folder)) if "blue" in add["path"])
    delta.delete(folder, [1, 2, 9], file=of_blue)
    delta.delete(folder, [0], inline=True, file=len(delta.adds(folder)) - 2)  # the file that the library wrote again
    names = {"c1": "mail", "c2": "about", "c3": "address", "c5": "more", "c6": "tags", "c8": "new", "team": "group"}
    delta.renamed(folder, names, dropped=["c4", "c7"])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Nights, Nights, pa.Table]:
    """An audit of the table, one of its living rows as a Parquet file, and these rows."""
    base = tmp_path_factory.mktemp("people")
    people(base / "table" / "corpus")
    rows = delta.living(base / "table" / "corpus")
    (base / "file" / "corpus").mkdir(parents=True)
    pq.write_table(rows, base / "file" / "corpus" / "all.parquet")
    return audited(base / "table"), audited(base / "file"), rows


def test_findings_are_those_of_the_living_rows(both: tuple[Nights, Nights, pa.Table]) -> None:
    table, file, rows = both
    assert rows.num_rows == 17, "of 22 rows, the library deleted one and deletion vectors four"
    mine, theirs = facts(table), facts(file)
    assert {fact for fact in mine if fact[1] != "group"} == {fact for fact in theirs if fact[1] != "group"}
    assert {key: n for key, n in mine.items() if key[1] != "group"} == {key: n for key, n in theirs.items() if key[1] != "group"}
    assert {key for key in mine if key[1] == "group"} == {key for key in theirs if key[1] == "group"}
    assert {column for _, column in mine} == {"mail", "about.address", "more[0].address", "more[1].address", "tags[].value", "new", "group"}


def test_every_file_of_the_folder_is_accounted_for(both: tuple[Nights, Nights, pa.Table]) -> None:
    table, _, _ = both
    ledger = {row["artifact"]: row for row in table.table("ledger")}
    assert ledger.keys() == {str(path.relative_to(table.corpus)) for path in table.corpus.rglob("*") if path.is_file()}
    told = Counter((row["status"], row["reason_code"]) for row in ledger.values())
    assert told == {
        ("scanned", None): len(delta.commits(table.corpus)),
        ("scanned", "hidden-by-snapshot"): 4,  # at least a dropped column
        ("skipped", "not-in-snapshot"): 2,  # a file that the library replaced, and a deletion vector
    }
    for row in ledger.values():
        if row["reason_code"] == "hidden-by-snapshot":
            assert {gap["reason_code"] for gap in row["gaps"]} == {"hidden-by-snapshot"}
            is_later = "c4" not in pq.read_schema(table.corpus / row["artifact"]).to_string()
            assert row["gaps"][-1]["reason"].endswith("c7" if is_later else "c2.c4, c7")


def test_rows_are_those_of_the_file(both: tuple[Nights, Nights, pa.Table]) -> None:
    table, _, _ = both
    places = {
        (row["artifact"], place["row"])
        for row in table.table("findings")
        for place in (row["location"], *row["places"])
        if place["column"] == "mail" and "blue" in row["artifact"]
    }
    assert sorted(row for _, row in places) == [0, 3, 4, 5, 6, 7, 8]


def test_an_earlier_version(both: tuple[Nights, Nights, pa.Table], tmp_path: Path) -> None:
    table, _, _ = both
    (tmp_path / "corpus").symlink_to(table.corpus)
    first = audited(tmp_path, as_of="0")
    assert first.table("ledger") and len({key for key, column in facts(first) if column == "mail"}) == 20
    assert "new" not in {column for _, column in facts(first)}


def test_sweeps_follow_deletion_vectors(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    delta.write(folder, {"id": range(4), "mail": mails(0, 4)})
    sweeps = audited(tmp_path)
    data = [add["path"] for add in delta.adds(folder)]
    found = {row["finding_id"] for row in sweeps.table("findings") if row["artifact"] == data[0]}
    sweeps.night()
    assert sweeps.read == [], "nothing changed"
    delta.delete(folder, [1, 2])
    sweeps.night()
    assert data[0] in sweeps.read
    resolved = {row["finding_id"] for row in sweeps.table("resolved") if row["artifact"] == data[0]}
    assert len(resolved) == 2 and resolved < found
    delta.delete(folder, [1, 2, 3])
    sweeps.night(trust="mtime")
    assert data[0] in sweeps.read, "the time of the file is the same"
    assert len([row for row in sweeps.table("findings") if row["artifact"] == data[0]]) == 1


def test_findings_in_a_replaced_file_are_resolved(tmp_path: Path) -> None:
    from deltalake import DeltaTable

    folder = tmp_path / "corpus"
    delta.write(folder, {"id": range(2), "mail": mails(0, 2)})
    sweeps = audited(tmp_path)
    DeltaTable(str(folder)).delete("id = 0")
    sweeps.night()
    of_data = [row for row in sweeps.all() if "_delta_log" not in row["artifact"]]
    assert sorted(row["state"] for row in of_data) == ["new", "resolved", "resolved"]


def test_the_same_content_outside_of_the_table_is_read_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "corpus" / "table"
    delta.write(folder, {"id": range(4), "mail": mails(0, 4)})
    delta.delete(folder, [1, 2])
    sweeps = audited(tmp_path)
    [data] = {add["path"] for add in delta.adds(folder)}
    (tmp_path / "corpus" / "copy.parquet").write_bytes((folder / data).read_bytes())
    sweeps.night()
    assert len([row for row in sweeps.table("findings") if row["artifact"] == "copy.parquet"]) == 4


def test_the_process_for_hostile_bytes_gives_the_same_snapshot(both: tuple[Nights, Nights, pa.Table]) -> None:
    table, _, _ = both
    opener = snapshots(Settings())
    here = TableFolder("delta", str(table.corpus), {})
    assert opener(here) == opened(here)
    with pytest.raises(ReadError, match="it has no version 99; the latest is 4") as refused:
        opener(here._replace(version="99"))
    assert refused.value.reason_code == ReasonCode.NOT_FOUND


def test_a_passage_is_read_back_from_a_living_row(both: tuple[Nights, Nights, pa.Table]) -> None:
    """With the names that the table gives its columns, and without a row that is deleted."""
    table, _, _ = both
    ledger = {row["artifact"]: row for row in table.table("ledger")}
    finding = next(row for row in table.table("findings") if "blue" in row["artifact"] and row["location"]["column"] == "about.address")
    limits = Settings().limits.model_dump(mode="json")
    options: dict[str, Any] = {"place": 1, "amount": Amount(1), "key": KEY, "given": Settings()}
    passage = read_back(finding, None, ledger[finding["artifact"]], limits, **options)
    assert passage.text.startswith("inner") and {"mail", "more[0].address", "tags[].value"} <= {name for name, _ in passage.cells}
    delta.delete(table.corpus, [0], file=len(delta.adds(table.corpus)) - 2)
    with pytest.raises(NotAsScanned, match="has changed since it was scanned: different etag"):
        read_back(finding, None, ledger[finding["artifact"]], limits, **options)


def test_a_data_file_that_is_no_parquet_is_unreadable(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    delta.write(folder, {"mail": mails(0, 2)})
    data = folder / delta.adds(folder)[0]["path"]
    data.write_text("x@kaldor-mail.com\n".ljust(data.stat().st_size))
    one = audited(tmp_path)
    [row] = [row for row in one.table("ledger") if row["artifact"] == data.name]
    assert (row["status"], row["reason_code"]) == ("unreadable", "damaged")
    assert data.name not in {row["artifact"] for row in one.table("findings")}
