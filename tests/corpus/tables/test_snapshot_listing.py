"""Listings of folders that are tables: what becomes of each file, whatever the snapshot says of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ReadError, StoreError, UsageError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.uris import TABLES, is_local, local_path, named_kind, one_form
from veritensor_ray.corpus.listing import Listed, read_loosely, roots, table_above, walk
from veritensor_ray.corpus.planning import plan_rows
from veritensor_ray.corpus.tables.snapshot_listing import Tables, stored_etag, view_of
from veritensor_ray.corpus.tables.table_kinds import KINDS, DataFile, Noting, Snapshot, TableFolder, opened
from veritensor_ray.stores.filesystems import absolute


def tree(base: Path, *names: str) -> None:
    """Files of one byte, and empty logs."""
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text("x")


def listed(source: str, tables: Tables) -> list[Listed]:
    return [entry for root in roots([source], {}) for entry in walk(root, {}, tables=tables)]


def answering(**files: int | None) -> Noting:
    """Reads the same snapshot everywhere: data files by their names, where `_` is a slash, with their sizes."""
    found = {name.replace("_", "/").encode() + b".parquet": DataFile(size, name.encode()) for name, size in files.items()}
    return Noting(lambda folder: Snapshot(folder.version or "4", found))


FILES = (
    "a.txt",
    "t/_delta_log/0.json",
    "t/_delta_log/1.parquet",
    "t/day=1/x.parquet",
    "t/deletion_vector_1.bin",
    "t/z.parquet",
    "t/about.md",
    "u.txt",
)


def test_every_file_has_one_row(tmp_path: Path) -> None:
    tree(tmp_path, *FILES)
    (tmp_path / "t" / "link.parquet").symlink_to(tmp_path / "t" / "z.parquet")
    entries = listed(str(tmp_path), Tables({}, answering(z=1, gone=1, **{"day=1_x": 2})))
    told = {entry.artifact: (entry.status, entry.reason_code and entry.reason_code.value) for entry in entries}
    assert len(entries) == len(told)
    assert told == {
        **dict.fromkeys(("a.txt", "u.txt", "t/about.md", "t/_delta_log/0.json", "t/_delta_log/1.parquet", "t/z.parquet"), (None, None)),
        "t/day=1/x.parquet": ("unreadable", "table-not-read"),
        "t/deletion_vector_1.bin": ("skipped", "not-in-snapshot"),
        "t/gone.parquet": ("unreadable", "table-not-read"),
        "t/link.parquet": ("skipped", "link"),
    }
    [live] = [entry for entry in entries if entry.view is not None]
    assert (live.artifact, live.view) == ("t/z.parquet", b"z")


def test_a_table_that_cannot_be_read_is_a_row_and_none_of_its_data_files_is_read(tmp_path: Path) -> None:
    tree(tmp_path, *FILES)

    def refused(folder: TableFolder) -> Snapshot:
        raise ReadError("its log is torn", ReasonCode.DAMAGED)

    entries = {entry.artifact: entry for entry in listed(str(tmp_path), Tables({}, refused))}
    assert entries["t"].reason == "this Delta table was not read: its log is torn"
    [only] = listed(f"{tmp_path}/t/z.*", Tables({}, refused))
    assert only.reason == "the Delta table that it may belong to was not read: its log is torn", "the table itself has no row then"
    assert {name for name, entry in entries.items() if entry.status == "unreadable"} == {
        *("t", "t/day=1/x.parquet", "t/z.parquet", "t/deletion_vector_1.bin"),
    }
    assert {entry.reason_code for entry in entries.values() if entry.status} == {ReasonCode.TABLE_NOT_READ}


def test_tables_in_tables_and_at_the_top(tmp_path: Path) -> None:
    tree(tmp_path, "_delta_log/0.json", "x.parquet", "in/_delta_log/0.json", "in/x.parquet", "in/y.parquet", "w.parquet")
    opener = answering(x=1, in_y=1)
    entries = listed(str(tmp_path), Tables({}, opener))
    assert [entry.artifact for entry in entries if entry.view] == ["x.parquet", "in/x.parquet"], "the inner table has no in/y.parquet"
    missing = [entry.artifact for entry in entries if entry.reason_code == ReasonCode.TABLE_NOT_READ]
    assert missing == ["in/in/y.parquet"], "in/y.parquet is there, although the folder that it is in is another table"
    assert [one["table"] for one in opener.tables] == [str(tmp_path), str(tmp_path / "in")]


def test_the_log_of_a_table_stays_one_if_it_has_the_form_of_a_table(tmp_path: Path) -> None:
    """Or a copy would get it."""
    tree(tmp_path, "_delta_log/0.json", "_delta_log/metadata/version-hint.text", "x.parquet")
    tables = {entry.artifact: entry.table for entry in listed(str(tmp_path), Tables({}, answering(x=1)))}
    assert (tables["_delta_log/0.json"], tables["_delta_log/metadata/version-hint.text"]) == ("delta:2", "delta:3")


def test_what_identifies_a_data_file(tmp_path: Path) -> None:
    tree(tmp_path, "_delta_log/0.json", "x.parquet")
    seen = []
    for view, time in ((b"1", 1), (b"1", 1), (b"2", 1), (b"1", 2)):
        os.utime(tmp_path / "x.parquet", (time, time))
        tables = Tables({}, lambda folder, view=view: Snapshot("0", {b"x.parquet": DataFile(1, view)}))  # type: ignore[misc]
        [etag] = [entry.etag for entry in listed(str(tmp_path), tables) if entry.view]
        seen.append(etag)
    assert seen[0] == seen[1] and len(set(seen)) == 3
    assert view_of(seen[0]) == view_of(seen[3]) != view_of(seen[2])


@pytest.mark.parametrize(
    ("etag", "stored", "view"),
    [(None, None, None), ("abc", "abc", None), ("abc+view:12", "abc", "12"), ("@3.5+view:12", None, "12"), ("a+b==", "a+b==", None)],
)
def test_etags(etag: str | None, stored: str | None, view: str | None) -> None:
    assert (stored_etag(etag), view_of(etag)) == (stored, view)


def test_a_table_that_is_met_again_has_the_version_of_the_first_time(tmp_path: Path) -> None:
    tree(tmp_path, "_delta_log/0.json")
    asked: list[str | None] = []

    def opener(folder: TableFolder) -> Snapshot:
        asked.append(folder.version)
        return Snapshot(str(10 + len(asked)), {})

    tables = Tables({}, opener)
    for _ in range(2):
        listed(str(tmp_path), tables)
    assert asked == [None, "11"]


def test_a_moment_is_the_same_for_all_tables(tmp_path: Path) -> None:
    tree(tmp_path, "a/_delta_log/0.json", "b/_delta_log/0.json")
    asked = set[str | None]()

    def opener(folder: TableFolder) -> Snapshot:
        asked.add(folder.version)
        return Snapshot("1", {})

    listed(str(tmp_path), Tables({}, opener, "7d"))
    assert len(asked) == 1
    with pytest.raises(UsageError, match=r"as_of: .*'soon' is not understood"):
        Tables({}, opener, "soon")


def test_named_tables(tmp_path: Path) -> None:
    tree(tmp_path, "table/_delta_log/0.json", "plain/a.txt")
    assert roots([f"delta+file://{tmp_path}/table"], {})[0].uri == str(tmp_path / "table")
    for wrong in ("plain", "plain/a.txt"):
        with pytest.raises(StoreError, match=r"is not a Delta table: it has no folder _delta_log"):
            roots([f"delta+file://{tmp_path}/{wrong}"], {})


ICE = ("t/metadata/00001-a.metadata.json", "t/metadata/m0.avro", "t/data/x.parquet", "t/data/y.orc", "t/data/z.puffin", "t/about.md")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["metadata/00001-a.metadata.json"], "iceberg"),
        (["metadata/v1.gz.metadata.json"], "iceberg"),
        (["metadata/version-hint.text"], "iceberg"),
        (["metadata/v1.metadata.json", "_delta_log/0.json"], "delta"),
        (["metadata/about.json", "metadata/x.parquet"], None),
        (["metadata/metadata.json"], None),
        (["metadata"], None),
        (["in/metadata.json"], None),
    ],
)
def test_what_is_a_table(tmp_path: Path, names: list[str], found: str | None) -> None:
    tree(tmp_path, *(f"t/{name}" for name in names))
    opener = answering()
    listed(str(tmp_path), Tables({}, opener))
    assert [one["kind"] for one in opener.tables] == ([found] if found else [])
    above = table_above(f"{tmp_path}/t/x.parquet", {})
    assert (above[0].name if above else None) == found


def test_every_file_of_an_iceberg_table_has_one_row(tmp_path: Path) -> None:
    """A data file among the metadata is one too, or its deleted rows would be read."""
    tree(tmp_path, *ICE, "t/metadata/in.parquet", "t/data/w.orc", "t/metadata/other.parquet")
    problem = {b"data/w.orc": DataFile(1, b"", "it is an ORC file")}
    files = {name: DataFile(1, b"v") for name in (b"data/x.parquet", b"metadata/in.parquet")} | problem
    entries = listed(str(tmp_path), Tables({}, lambda _: Snapshot("7", files)))
    told = {entry.artifact: (entry.status, entry.reason) for entry in entries}
    out = ("skipped", "not in the snapshot: no data file of snapshot 7 of the Iceberg table")
    assert told == {
        **dict.fromkeys((*ICE[:3], ICE[5], "t/metadata/in.parquet", "t/metadata/other.parquet"), (None, None)),
        **dict.fromkeys(ICE[3:5], out),
        "t/data/w.orc": ("unreadable", "a data file of snapshot 7 of the Iceberg table, but it is an ORC file"),
    }
    assert {entry.artifact for entry in entries if entry.view} == {"t/data/x.parquet", "t/metadata/in.parquet"}


def test_a_folder_that_is_two_tables_is_the_one_that_is_named(tmp_path: Path) -> None:
    tree(tmp_path, "t/metadata/v1.metadata.json", "t/_delta_log/0.json")
    for source, kind in (("delta+file://", "delta"), ("iceberg+file://", "iceberg"), ("", "delta")):
        opener = answering()
        listed(f"{source}{tmp_path}/t", Tables({}, opener))
        assert [one["kind"] for one in opener.tables] == [kind]


def test_a_metadata_file_as_a_source(tmp_path: Path) -> None:
    tree(tmp_path, *ICE, "u/metadata/x.json")
    asked: list[str | None] = []

    def opener(folder: TableFolder) -> Snapshot:
        asked.append(folder.head)
        return Snapshot("7", {})

    settings = Settings(sources=[f"iceberg+file://{tmp_path}/t/metadata/00001-a.metadata.json", f"iceberg+file://{tmp_path}/t"])
    rows = list(plan_rows(settings, ["pii"], lambda *_: [], opener=opener))
    assert {row.artifact for row in rows} == {f"{name}{two}" for name in ("t/", "t-2/") for two in (one[2:] for one in ICE)}
    assert asked == ["00001-a.metadata.json"] * 2
    for wrong in ("u", "u/metadata/x.json", "t/data/x.parquet"):
        with pytest.raises(StoreError, match=r"is not an Iceberg table: it has no folder metadata with a metadata file"):
            roots([f"iceberg+file://{tmp_path}/{wrong}"], {})


def test_uris_of_tables() -> None:
    assert set(TABLES) == set(KINDS)
    assert named_kind("delta+s3://b/t") == ("delta", "s3://b/t")
    assert named_kind("delta+x") == (None, "delta+x"), "the name of a file"
    assert absolute("delta+s3://b/t/") == "s3://b/t"
    assert is_local("delta+file:///t") and not is_local("delta+s3://b/t")
    assert local_path("delta+file:///t") == Path("/t")


@pytest.mark.parametrize(
    ("location", "here"),
    [
        ("file:///a/b", "/a/b"),
        ("file:/a/b", "/a/b"),
        ("/a/b", "/a/b"),
        ("a/b", "a/b"),
        ("s3a://b/k", "s3://b/k"),
        ("s3n://b/k", "s3://b/k"),
        ("gs://b/k", "gs://b/k"),
    ],
)
def test_addresses_that_other_programs_wrote(location: str, here: str) -> None:
    assert one_form(location) == here


@pytest.mark.parametrize("version", ["4", "5"])
def test_one_file_of_a_table(tmp_path: Path, version: str) -> None:
    """By itself it is what it is in a listing of the table, and a file that is in no table stays as it is."""
    tree(tmp_path, "t/_delta_log/0.json", "t/a/b/x.parquet", "t/y.parquet", "z.parquet")
    tables = Tables({}, answering(a_b_x=1), version)
    expected = {entry.path: (entry.status, entry.etag) for entry in listed(str(tmp_path), tables)}
    for name in ("t/a/b/x.parquet", "t/y.parquet", "z.parquet"):
        path = tmp_path / name
        [entry] = walk(roots([str(path)], {})[0], {})
        found = tables.in_table(entry, str(path))
        assert (found.status, found.etag) == expected[entry.path]


@pytest.mark.parametrize(
    ("source", "is_part"),
    [("t", False), ("", False), ("plain", False), ("t/../plain", False), ("t/a", True), ("t/a/x.parquet", True), ("t/a/*.parquet", True)],
)
def test_a_source_that_is_a_part_of_a_table_is_told(tmp_path: Path, source: str, is_part: bool) -> None:
    tree(tmp_path, "t/_delta_log/0.json", "t/a/x.parquet", "plain/y.parquet")
    told = list(read_loosely(roots([f"{tmp_path}/{source}"], {}), {}))
    assert len(told) == is_part
    assert all((one.noted["table"], one.noted["version"]) == (f"{tmp_path}/t", None) for one in told)
    assert all(
        f"is a part of the Delta table {tmp_path}/t and is read as loose files" in sentence for sentence in (one.said for one in told)
    )


@pytest.mark.parametrize(
    ("kind", "log", "library"),
    [("delta", "_delta_log/0.json", "deltalake"), ("iceberg", "metadata/v1.metadata.json", "pyiceberg.avro.file")],
)
def test_without_the_library_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, log: str, library: str
) -> None:
    tree(tmp_path, log, "x.parquet")
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"veritensor_ray.corpus.tables.{kind}", raising=False)
    top, data, _ = listed(str(tmp_path), Tables({}, opened))
    remedy = f"this {KINDS[kind].title} was not read: the library for it is not installed: pip install 'veritensor-ray[{kind}]'"
    assert (top.artifact, top.reason, top.reason_code) == (".", remedy, ReasonCode.TABLE_NOT_READ)
    assert (data.artifact, data.status) == ("x.parquet", "unreadable")
