"""Audits of Lance datasets find in living rows what an audit of these rows as one Parquet file finds, and nothing in others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.tables import lance_tables as tables
from tests.findings.nights import KEY, Nights
from tests.pipeline.auditing_tables import audited, facts, mails, people_rows
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ReadError
from veritensor_ray.corpus.tables.table_kinds import TableFolder, opened
from veritensor_ray.pipeline.bounded.process import snapshots
from veritensor_ray.pipeline.passages.passage import Amount
from veritensor_ray.pipeline.passages.reading_back import read_back

pytest.importorskip("lance")
pytestmark = pytest.mark.slow

FORMATS = ("2.0", "2.1", "2.2")


def people(folder: Path, version: str) -> None:
    """A dataset with nested columns, rows that were deleted and updated, columns that came later, and others that were renamed and dropped."""
    made = people_rows()
    made["group"] = made.pop("team").dictionary_encode()
    made["vector"] = pa.array([[0.5] * 8] * 20, pa.list_(pa.float32(), 8))
    made["binary"] = pa.array([f"text {mail}".encode() for mail in mails(0, 20, "binary")])
    if version != "2.2":
        made.pop("c6")  # earlier formats have no maps
    table = pa.table(made)
    dataset = tables.write(folder, table.slice(0, 12), data_storage_version=version, max_rows_per_file=8)
    dataset = tables.write(folder, table.slice(12), mode="append")
    dataset.delete("id in (2, 3, 13)")
    dataset.add_columns({"c8": "concat('later.', c1)"})
    dataset.update({"c1": "'new@kaldor-mail.com'"}, where="id = 5")
    dataset.alter_columns({"path": "c1", "name": "mail"}, {"path": "c2.c3", "name": "address"}, {"path": "c8", "name": "new"})
    dataset.drop_columns(["c7", "c2.c4"])
    dataset.delete("id = 15")


def is_data(row: dict[str, Any]) -> bool:
    return str(row["artifact"]).startswith("data/") or row["artifact"] == "all.parquet"


@pytest.fixture(scope="module", params=FORMATS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Nights, Nights, pa.Table]:
    """An audit of the dataset, one of its living rows as a Parquet file, and these rows."""
    base = tmp_path_factory.mktemp("people")
    people(base / "table" / "corpus", request.param)
    rows = tables.opened(base / "table" / "corpus").to_table()
    (base / "file" / "corpus").mkdir(parents=True)
    pq.write_table(rows, base / "file" / "corpus" / "all.parquet")
    return audited(base / "table"), audited(base / "file"), rows


def test_findings_are_those_of_the_living_rows(both: tuple[Nights, Nights, pa.Table]) -> None:
    table, file, rows = both
    assert rows.num_rows == 16
    assert facts(table) == facts(file)
    assert {"mail", "c2.address", "c5[0].c3", "c5[1].c3", "new", "group", "binary"} <= {column for _, column in facts(table)}


def test_every_file_of_the_folder_is_accounted_for(both: tuple[Nights, Nights, pa.Table]) -> None:
    table, _, _ = both
    ledger = {row["artifact"]: row for row in table.table("ledger")}
    assert ledger.keys() == {str(path.relative_to(table.corpus)) for path in table.corpus.rglob("*") if path.is_file()}
    live = {str(path.relative_to(table.corpus)) for path in tables.data_files(table.corpus)}
    told = {name: (row["status"], row["reason_code"]) for name, row in ledger.items()}
    for name, said in told.items():
        if name in live:
            assert said in (("scanned", None), ("scanned", "hidden-by-snapshot"))
        elif name.startswith(("data/", "_deletions/")):
            assert said == ("skipped", "not-in-snapshot")
    assert sum(said[1] == "hidden-by-snapshot" for name, said in told.items() if name in live) >= 5


def test_rows_are_those_of_the_file(both: tuple[Nights, Nights, pa.Table]) -> None:
    table, _, _ = both
    first = str(tables.data_files(table.corpus)[0].relative_to(table.corpus))
    places = {
        place["row"]
        for row in table.table("findings")
        for place in (row["location"], *row["places"])
        if row["artifact"] == first and place["column"] == "mail"
    }
    assert places == {0, 1, 4, 6, 7}


def test_an_earlier_version(both: tuple[Nights, Nights, pa.Table], tmp_path: Path) -> None:
    table, _, _ = both
    (tmp_path / "corpus").symlink_to(table.corpus)
    columns = Counter(column for _, column in facts(audited(tmp_path, as_of="2")))
    assert columns["c1"] == columns["c7"] == 20 and "new" not in columns


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of two data files with two rows each."""
    folder = tmp_path / "corpus"
    tables.write(folder, {"id": [0, 1], "mail": mails(0, 2)})
    tables.write(folder, {"id": [2, 3], "mail": mails(2, 4)}, mode="append")
    return folder


def test_sweeps_follow_deletions(folder: Path) -> None:
    sweeps = audited(folder.parent)
    first, second = (str(path.relative_to(folder)) for path in tables.data_files(folder))
    tables.opened(folder).delete("id = 3")
    sweeps.night(trust="mtime")
    assert second in sweeps.read and first not in sweeps.read
    assert [row["artifact"] for row in filter(is_data, sweeps.table("resolved"))] == [second]


def test_the_process_for_hostile_bytes_gives_the_same_snapshot(folder: Path) -> None:
    opener = snapshots(Settings())
    here = TableFolder("lance", str(folder), {})
    assert opener(here) == opened(here)
    with pytest.raises(ReadError, match="it has no version 99; the latest is 2"):
        opener(here._replace(version="99"))


def test_a_passage_is_read_back_from_a_living_row(folder: Path) -> None:
    tables.opened(folder).alter_columns({"path": "mail", "name": "address"})
    found = audited(folder.parent)
    ledger = {row["artifact"]: row for row in found.table("ledger")}
    finding = next(filter(is_data, found.table("findings")))
    limits = Settings().limits.model_dump(mode="json")
    passage = read_back(finding, None, ledger[finding["artifact"]], limits, place=1, amount=Amount(1), key=KEY, given=Settings())
    assert passage.text.startswith("row") and "address" in {name for name, _ in passage.cells} | {finding["location"]["column"]}


def test_data_files_that_are_missing_or_damaged(folder: Path) -> None:
    tables.write(folder, {"id": [4, 5], "mail": mails(4, 6)}, mode="append")
    tables.write(folder, {"id": [6, 7], "mail": mails(6, 8)}, mode="append")
    gone, cut, other, whole = tables.data_files(folder)
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    other.write_text("x@kaldor-mail.com\n".ljust(other.stat().st_size))
    found = audited(folder.parent)
    ledger = {row["artifact"]: (row["status"], row["reason_code"]) for row in found.table("ledger")}
    assert [ledger[str(path.relative_to(folder))] for path in (gone, cut, other, whole)] == [
        ("unreadable", "table-not-read"),
        ("unreadable", "table-not-read"),
        ("unreadable", "damaged"),
        ("scanned", None),
    ]
    assert {row["artifact"] for row in filter(is_data, found.table("findings"))} == {str(whole.relative_to(folder))}


def test_a_dataset_whose_manifest_is_damaged_is_unreadable(folder: Path) -> None:
    tables.manifests(folder)[0].write_bytes(b"")
    found = audited(folder.parent)
    ledger = {row["artifact"]: row for row in found.table("ledger")}
    assert ledger["."]["reason"].startswith("this Lance dataset was not read: its manifest is damaged or incomplete: ")
    assert {ledger[str(path.relative_to(folder))]["status"] for path in (folder / "data").iterdir()} == {"unreadable"}
    assert not list(filter(is_data, found.table("findings")))
