"""Snapshots of Lance datasets as the library reads them, and what is said of those that it cannot read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.corpus.tables import lance_tables as tables
from tests.corpus.tables.table_bucket import table_bucket
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.lance_layout import LanceLayout
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.table_view import TableView
from veritensor_ray.corpus.tables.table_kinds import Snapshot, TableFolder, opened

pytest.importorskip("lance")


def snapshot(folder: Path | str, version: str | None = None) -> Snapshot:
    return opened(TableFolder("lance", str(folder), {}, version))


def views(found: Snapshot) -> list[TableView]:
    return [TableView.from_bytes(file.view) for file in found.files.values()]


def layouts(found: Snapshot) -> list[LanceLayout]:
    return [LanceLayout.from_json(view.lance) for view in views(found)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three versions: a write, one more file, and rows 1 and 3 of it deleted."""
    folder = tmp_path / "a table %20#é"
    tables.write(folder, {"id": range(3), "mail": ["a"] * 3})
    tables.write(folder, {"id": range(10, 16), "mail": ["b"] * 6}, mode="append").delete("id in (11, 13)")
    return folder


def test_versions(table: Path) -> None:
    told = {
        version: (found.version, [view.hidden for view in views(found)])
        for version in (None, "1", "2")
        if (found := snapshot(table, version))
    }
    assert told == {None: ("3", [0, 2]), "1": ("1", [0]), "2": ("2", [0, 0])}
    assert all((table / os.fsdecode(name)).stat().st_size == file.size for name, file in snapshot(table).files.items())


def test_moments(table: Path) -> None:
    written = [one["timestamp"].astimezone() for one in tables.opened(table).versions()]
    assert [snapshot(table, at.isoformat()).version for at in written] == ["1", "2", "3"]
    with pytest.raises(ReadError, match=r"its manifests do not reach back to 2020-01-01 00:00:00 UTC") as refused:
        snapshot(table, "2020-01-01")
    assert refused.value.reason_code == ReasonCode.NOT_FOUND


@pytest.mark.parametrize("count", [5, 60_000])  # as an array and as a bitmap
def test_deleted_rows(tmp_path: Path, count: int) -> None:
    tables.write(tmp_path / "t", {"id": range(70_000)}).delete(f"id < {count} or id = 65536")
    [view] = views(snapshot(tmp_path / "t"))
    assert view.hidden == count + 1 and [*(~view.living(0, 80_000)).nonzero()[0]] == [*range(count), 65536]


NESTED = pa.table(
    {
        "a": ["x"],
        "b": [{"c": "y", "d": {"e": "z", "f": 1}}],
        "g": [[{"h": "x", "i": "y"}]],
        "j": pa.array([[1.0] * 4], pa.list_(pa.float32(), 4)),
        "k": pa.array([[("l", "m")]], pa.map_(pa.string(), pa.string())),
        "l": pa.array([[{"m": "x"}]], pa.large_list(pa.struct({"m": pa.string()}))),
    }
)


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_fields_have_the_names_that_they_have_now(tmp_path: Path, version: str) -> None:
    made = NESTED if version == "2.2" else NESTED.drop_columns(["k"])
    dataset = tables.write(tmp_path / "t", made, data_storage_version=version)
    dataset.add_columns({"later": "concat(a, a)"})
    dataset.alter_columns({"path": "b.d.e", "name": "new"}, {"path": "a", "name": "first"})
    dataset.drop_columns(["b.c", "g"])
    first, second = layouts(snapshot(tmp_path / "t"))
    assert (first.schema.names, second.schema.names) == ([name for name in dataset.schema.names if name != "later"], ["later"])
    assert first.schema.field("b").type == pa.struct({"d": pa.struct({"new": pa.string(), "f": pa.int64()})})
    assert {("first",), ("b", "d", "new"), ("l", "item", "m"), ()} <= {*first.paths} and (second.paths, second.places) == (
        (("later",),),
        (0,),
    )
    assert len(first.paths) == len(first.places)
    assert all(field.type == dataset.schema.field(field.name).type for field in first.schema)


def test_data_files_without_a_reader_have_a_problem(tmp_path: Path) -> None:
    tables.write(tmp_path / "old", {"id": [1]}, data_storage_version="legacy")
    dataset = tables.write(tmp_path / "t", {"id": [1]})
    dataset.shallow_clone(str(tmp_path / "clone"), 1)
    [old], [clone] = (snapshot(tmp_path / name).files.values() for name in ("old", "clone"))
    assert old.problem is not None and "let Lance write the dataset again" in old.problem
    assert clone.problem == "it is in the folder of another dataset, and such references are not followed"


@pytest.mark.slow
def test_a_bucket(endpoint: str, table: Path) -> None:
    """The snapshot is that of the same dataset on disk."""
    with table_bucket(endpoint, "lance", table) as bucket:
        assert bucket.snapshot == snapshot(table)
        assert sorted(row.artifact for row in bucket.data_files()) == sorted(f"table/{os.fsdecode(name)}" for name in snapshot(table).files)


def _cut(*paths: Path) -> None:
    for path in paths:
        path.write_bytes(path.read_bytes()[:-30])


def _removed(*paths: Path) -> None:
    for path in paths:
        path.unlink()


def _garbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(range(200))
    path.write_bytes(data)


WRONG: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut off": (lambda table: _cut(tables.manifests(table)[0]), "its manifest is damaged or incomplete: .*"),
    "empty": (lambda table: tables.manifests(table)[0].write_bytes(b""), "its manifest is damaged or incomplete: .*"),
    "garbled": (lambda table: _garbled(tables.manifests(table)[0]), "its manifest is damaged or incomplete: .*"),
    "no manifest": (lambda table: _removed(*tables.manifests(table)), "its folder _versions has no manifest"),
    "another version's": (
        lambda table: shutil.copy(tables.manifests(table)[2], tables.manifests(table)[0]),
        "its manifest is damaged or incomplete: .*",
    ),
    "no deletions": (lambda table: shutil.rmtree(table / "_deletions"), "its manifest is damaged or incomplete: .*"),
    "damaged deletions": (
        lambda table: _cut(*(table / "_deletions").iterdir()),
        "its manifest is damaged or incomplete: .*",
    ),
    "a linked log": (lambda table: _linked(table / "_versions"), r"its log is a symbolic link \(not followed; see follow_links\)"),
}


def _linked(log: Path) -> None:
    log.rename(log.parent.parent / "log")
    log.symlink_to(log.parent.parent / "log")


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_said_of_a_damaged_dataset(table: Path, change: Callable[[Path], Any], sentence: str) -> None:
    change(table)
    with pytest.raises(ReadError, match=rf"^{sentence}$") as refused:
        snapshot(table)
    assert "veritensor-ray-" not in str(refused.value) and "\n" not in str(refused.value)
    assert ".rs:" not in str(refused.value), "where the library was built"


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("4", "it has no version 4; the latest is 3"),
        ("99999999999999999999", "it has no version 99999999999999999999; the latest is 3"),
        ("1", "its version 1 can no longer be read, because its manifest was removed; the earliest is 3"),
    ],
)
def test_a_version_that_does_not_exist(table: Path, version: str, sentence: str) -> None:
    from datetime import timedelta

    tables.opened(table).cleanup_old_versions(timedelta(0), delete_unverified=True)
    with pytest.raises(ReadError, match=f"^{sentence}$") as refused:
        snapshot(table, version)
    assert refused.value.reason_code == ReasonCode.NOT_FOUND


def test_the_sources_are_not_written(table: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in table.rglob("*")}
    snapshot(table)
    assert {path: path.stat().st_mtime_ns for path in table.rglob("*")} == before
