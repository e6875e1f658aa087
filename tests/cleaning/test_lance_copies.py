"""Copies of Lance datasets are datasets with their living rows, cleaned, and nothing of what a version hides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.cleaning.copied_tables import MASK, OPTIONS, cleaned, mails
from tests.cleaning.in_process import InProcess, tree
from tests.corpus.tables import lance_tables as tables
from veritensor_ray.cleaning.amend import ROUNDS, amend
from veritensor_ray.cleaning.copied_tables import lance_manifests
from veritensor_ray.core.errors import ReadError, UsageError

pytest.importorskip("lance")
pytestmark = pytest.mark.slow


def people(folder: Path, version: str) -> None:
    """A dataset with columns of many types, a renamed and a dropped one, deleted rows in one of two files, and an index."""
    rows = {
        "id": pa.array(range(10), pa.int64()),
        "c1": mails(10, "mail"),
        "gone": mails(10, "dropped"),
        "about": [{"a": mail, "b": f"dropped.{mail}", "c": [number]} for number, mail in enumerate(mails(10, "inner"))],
        "tags": [[mail, "x"] for mail in mails(10, "tag")],
        "group": pa.array([f"{color}@kaldor-mail.com" for color in ("red", "blue")] * 5).dictionary_encode(),
        "vector": pa.array([[number] * 8 for number in range(10)], pa.list_(pa.float32(), 8)),
        "n": [None, 1.5] * 5,
    }
    table = pa.table(rows)
    tables.write(folder, table.slice(0, 6), data_storage_version=version)
    dataset = tables.write(folder, table.slice(6), mode="append")
    dataset.create_scalar_index("c1", "BTREE")
    dataset.delete("id IN (0, 3) OR c1 = 'mail5@kaldor-mail.com'")
    dataset.alter_columns({"path": "c1", "name": "mail"})
    dataset.drop_columns(["gone", "about.b"])


def unchanged(rows: pa.Table) -> pa.Table:
    return rows.select(["id", "vector", "n"])


def copied_bytes(base: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (base / "copy" / "corpus").rglob("*") if path.is_file())


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_the_copy_is_a_dataset_with_the_living_rows_without_what_was_found(tmp_path: Path, version: str) -> None:
    people(tmp_path / "corpus" / "people", version)
    before = tree(tmp_path / "corpus")
    run = cleaned(tmp_path)
    source, copy = (tables.opened(tmp_path / place / "people") for place in ("corpus", "copy/corpus"))
    assert (copy.schema, copy.data_storage_version) == (source.schema, version)
    assert unchanged(copy.to_table()) == unchanged(source.to_table()), "in the order of the source"
    assert [row["c"] for row in copy.to_table()["about"].to_pylist()] == [row["c"] for row in source.to_table()["about"].to_pylist()]
    assert copy.count_rows() == 7 and {len(tags) for tags in copy.to_table()["tags"].to_pylist()} == {2}
    assert b"kaldor" not in copied_bytes(tmp_path)
    assert tree(tmp_path / "corpus") == before, "the source is only read"
    manifest = {artifact.removeprefix("people/"): row for artifact, row in run.manifest().items()}
    assert {row["reason"] for name, row in manifest.items() if name.startswith("data/")} == {
        "without 3 deleted rows and 2 dropped columns of its table",
        "without 2 dropped columns of its table",
    }
    parts = {name.partition("/")[0] for name, row in manifest.items() if row["path"]}
    assert parts == {"data", "_versions"}, "neither the index nor what was done to the source"
    [log] = [row for row in manifest.values() if row["path"] and "_versions" in row["path"]]
    assert (log["result"], log["reason"]) == ("cleaned", "written for the copy of a Lance dataset")
    assert (tmp_path / "copy" / log["path"]).stat().st_size == log["clean_size"]
    tables.write(tmp_path / "copy" / "corpus" / "people", copy.to_table(), mode="append")
    assert tables.opened(tmp_path / "copy" / "corpus" / "people").count_rows() == 14, "the library goes on with it"


def written(folder: Path, *some: list[str]) -> Any:
    """A dataset with a data file for each list of texts, and numbers of rows through all of them."""
    for number, texts in enumerate(some):
        first = sum(map(len, some[:number]))
        tables.write(folder, {"id": range(first, first + len(texts)), "mail": texts}, **({"mode": "append"} if number else {}))
    return tables.opened(folder)


def test_rows_to_drop_are_told_by_their_number_in_the_source(tmp_path: Path) -> None:
    dataset = written(tmp_path / "corpus", ["-", "-", "a@kaldor-mail.com", "-"], ["b@kaldor-mail.com"], ["-"])
    dataset.delete("id = 1")
    run = cleaned(tmp_path, "rules: [{rule: pii.email, action: drop-row}]")
    assert tables.opened(tmp_path / "copy" / "corpus").to_table()["id"].to_pylist() == [0, 3, 5]
    assert sorted(row for _, row in run.rows()) == [0, 2]
    assert b"kaldor" not in copied_bytes(tmp_path)


def test_files_without_changes_are_copied_byte_for_byte(tmp_path: Path) -> None:
    dataset = written(tmp_path / "corpus", ["-", "-"], ["a@kaldor-mail.com"])
    dataset.alter_columns({"path": "mail", "name": "text"})
    run = cleaned(tmp_path)
    first, second = (run.manifest()[f"data/{path.name}"] for path in tables.data_files(tmp_path / "corpus"))
    assert (first["result"], first["source_sha256"] == first["clean_sha256"], second["result"]) == ("copied", True, "cleaned")
    assert tables.opened(tmp_path / "copy" / "corpus").to_table().to_pydict()["text"][:2] == ["-", "-"]


def test_columns_that_came_later(tmp_path: Path) -> None:
    """Their files hold further columns of the same rows, so none of these can be dropped."""
    dataset = written(tmp_path / "corpus", ["-", "-", "a@kaldor-mail.com"], ["-"])
    dataset.add_columns({"more": "concat('more of ', mail)"})
    dataset.delete("id = 0")
    cleaned(tmp_path)
    rows = tables.opened(tmp_path / "copy" / "corpus").to_table().to_pylist()
    assert [row["id"] for row in rows] == [1, 2, 3] and [row["more"][:8] for row in rows] == ["more of "] * 3
    assert b"kaldor" not in copied_bytes(tmp_path)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "corpus").symlink_to(tmp_path / "corpus")
    run = cleaned(tmp_path / "again", "rules: [{rule: pii.email, action: drop-row}]")
    held = [row["reason"] for row in run.manifest().values() if row["result"] == "held"]
    assert len(held) == 2 and all("no row of it can be dropped, because other files hold further columns" in reason for reason in held)
    assert tables.opened(tmp_path / "again" / "copy" / "corpus").to_table()["id"].to_pylist() == [3]


def test_a_file_that_is_set_aside_is_not_in_the_dataset(tmp_path: Path) -> None:
    written(tmp_path / "corpus", ["a@kaldor-mail.com"], ["-", "-"]).add_columns({"more": "'x'"})
    cleaned(tmp_path, "rules: [{rule: pii.email, action: quarantine}]")
    rows = tables.opened(tmp_path / "copy" / "corpus").to_table().to_pylist()
    assert rows == [{"id": None, "mail": None, "more": "x"}, *({"id": number, "mail": "-", "more": "x"} for number in (1, 2))]


def test_all_rows_are_dropped(tmp_path: Path) -> None:
    written(tmp_path / "corpus", ["a@kaldor-mail.com"])
    cleaned(tmp_path, "rules: [{rule: pii.email, action: drop-row}]")
    assert tables.opened(tmp_path / "copy" / "corpus").to_table().to_pydict() == {"id": [], "mail": []}


def test_a_file_that_is_cleaned_again_or_held_back_changes_the_manifest(tmp_path: Path) -> None:
    written(tmp_path / "corpus", ["a@kaldor-mail.com", "-", "c@kaldor-mail.com"], ["b@kaldor-mail.com"]).delete("id = 1")
    run = cleaned(tmp_path, "rules: [{rule: pii.email, action: keep}]")
    copy, [first, late] = tmp_path / "copy" / "corpus", [f"corpus/data/{path.name}" for path in tables.data_files(tmp_path / "corpus")]
    second = run.again("rules: [{rule: pii.email, action: drop-row}]")
    assert amend(run.assembler, second.assembler, {late: "it still has something"}, 1)
    assert tables.opened(copy).to_table()["id"].to_pylist() == [0, 2]
    assert [row for _, row in run.rows()] == [0]
    assert amend(run.assembler, second.assembler, {first: "it still has something"}, ROUNDS + 1)
    assert tables.opened(copy).count_rows() == 0
    assert b"kaldor" not in copied_bytes(tmp_path)


@pytest.mark.parametrize("version", ["2.1", "2.2"])
def test_what_cannot_be_written_again_is_held_back_or_refused(tmp_path: Path, version: str) -> None:
    """A file with blobs can only be copied as it is, and blobs in files of their own not even that."""
    blobs = pa.field("blob", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    table = pa.table([["a@kaldor-mail.com"], [b"x"]], schema=pa.schema([pa.field("mail", pa.string()), blobs]))
    if version == "2.2":
        import lance

        table = pa.table({"mail": ["-"], "blob": lance.blob_array([b"x"])})
    tables.write(tmp_path / "corpus", table, data_storage_version=version)
    if version == "2.2":
        with pytest.raises(UsageError, match=r"data/.* is a data file of a Lance dataset that clean cannot write, because it has blobs"):
            cleaned(tmp_path)
    else:
        [reason] = [row["reason"] for row in cleaned(tmp_path).manifest().values() if row["result"] == "held"]
        assert reason == "it has a column with values that are stored outside of it, which cannot be written again"


def test_a_manifest_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise ReadError("the library is not installed")

    written(tmp_path / "corpus", ["-"])
    monkeypatch.setattr(lance_manifests, "decoded", refused)
    [log] = [row for name, row in cleaned(tmp_path).manifest().items() if name.startswith("_versions/1844")]
    assert (log["result"], log["path"]) == ("left-out", None)
    assert log["reason"] == "it cannot be written for the copy: the library is not installed"


def test_a_dry_run_writes_no_manifest(tmp_path: Path) -> None:
    written(tmp_path / "corpus", ["a@kaldor-mail.com"])
    InProcess(str(tmp_path / "corpus"), str(tmp_path / "copy"), MASK, OPTIONS, dry_run=True).scan().publish()
    assert not list(tmp_path.joinpath("copy").rglob("*.manifest"))
