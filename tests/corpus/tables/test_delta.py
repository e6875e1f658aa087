"""Snapshots of Delta tables as the library reads them, and what is said of those that it cannot read."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.tables import delta_tables as delta
from tests.corpus.tables.table_bucket import table_bucket
from veritensor_ray.core.errors import ChangedDuringRun, ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.table_view import TableColumn, TableView
from veritensor_ray.corpus.tables.table_kinds import DELTA, Snapshot, TableFolder, opened

pytest.importorskip("deltalake")


def snapshot(folder: Path | str, version: str | None = None, follow_links: bool = False) -> Snapshot:
    return opened(TableFolder("delta", str(folder), {}, version, follow_links))


def views(found: Snapshot) -> list[TableView]:
    return [TableView.from_bytes(file.view) for file in found.files.values()]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three versions: a write, one more file, and rows 1 and 3 of it deleted. The library itself could not open the folder."""
    folder = tmp_path / "written"
    delta.write(folder, {"id": range(3), "mail": ["a"] * 3})
    delta.write(folder, {"id": range(6), "mail": ["b"] * 6}, mode="append")
    delta.delete(folder, [1, 3])
    return folder.rename(tmp_path / "a table %20#?é")


def test_versions(table: Path) -> None:
    told = {
        version: (found.version, [view.hidden for view in views(found)])
        for version in (None, "0", "1")
        if (found := snapshot(table, version))
    }
    assert told == {None: ("2", [2, 0]), "0": ("0", [0]), "1": ("1", [0, 0])}
    assert all((table / os.fsdecode(name)).stat().st_size == file.size for name, file in snapshot(table).files.items())


def test_moments(table: Path) -> None:
    for number, commit in enumerate(delta.commits(table)):
        os.utime(commit, (1_700_000_000 + 100 * number,) * 2)
    assert [snapshot(table, f"2023-11-14T22:{time}").version for time in ("14:00", "15:30", "16:00")] == ["0", "1", "1"]
    with pytest.raises(ReadError, match=r"its log does not reach back to 2023-11-14 22:00:00 UTC") as refused:
        snapshot(table, "2023-11-14T22:00")
    assert refused.value.reason_code == ReasonCode.NOT_FOUND


@pytest.mark.parametrize("inline", [True, False])
def test_deletion_vectors(tmp_path: Path, inline: bool) -> None:
    delta.write(tmp_path, {"id": range(70_000)})
    rows = [0, 7, 65_535, 65_536, 69_999]
    delta.delete(tmp_path, rows, inline)
    [view] = views(snapshot(tmp_path))
    assert [int(row) for row in (~view.living(0, 80_000)).nonzero()[0]] == rows


def test_partitions_are_values_and_paths(tmp_path: Path) -> None:
    delta.write(tmp_path, {"id": [1, 2, 3], "day": ["a b/c=é%", None, ""]}, partition_by=["day"])
    found = snapshot(tmp_path)
    assert {view.constants for view in views(found)} <= {(("day", "a b/c=é%"),), (), (("day", ""),)} and len(found.files) >= 2
    assert all((tmp_path / os.fsdecode(name)).exists() for name in found.files)
    assert all(view.columns == (TableColumn("id", "id"), TableColumn("day", "day")) and view.log_decides for view in views(found))


@pytest.mark.parametrize(("mode", "numbers"), [("name", (None, None)), ("id", (1, 2))])
def test_other_names(tmp_path: Path, mode: str, numbers: tuple[int | None, int | None]) -> None:
    delta.write(tmp_path, {"c1": ["x"], "c2": ["y"]}, partition_by=["c2"])
    delta.renamed(tmp_path, {"c1": "mail", "c2": "day"}, mode=mode)
    [view] = views(snapshot(tmp_path))
    first, second = numbers
    assert (view.columns, view.constants) == ((TableColumn("mail", "c1", first), TableColumn("day", "c2", second)), (("day", "y"),))


def test_a_checkpoint_without_the_commits_before_it(table: Path) -> None:
    from deltalake import DeltaTable

    plain = table.rename(table.parent / "plain")
    DeltaTable(str(plain), version=1).create_checkpoint()
    plain.rename(table)
    expected = snapshot(table)
    delta.commits(table)[0].unlink()
    assert snapshot(table) == expected
    with pytest.raises(ReadError, match=r"its version 0 can no longer be read") as refused:
        snapshot(table, "0")
    assert refused.value.reason_code == ReasonCode.NOT_FOUND


@pytest.mark.slow
def test_a_bucket(endpoint: str, table: Path) -> None:
    """The snapshot is that of the same table on disk, and its data files are opened as they were listed."""
    with table_bucket(endpoint, "delta", table) as bucket:
        outside = (Path(tempfile.gettempdir(), "escaped.json"), table.parent / "deletion_vector_1.bin")
        for key in ("_delta_log/../../../escaped.json", str(outside[1])):
            bucket.put(f"table/{key}", b"{}")
        assert bucket.snapshot == snapshot(table)
        assert not any(path.exists() for path in outside)
        rows = bucket.data_files()
        assert sorted(row.artifact for row in rows) == sorted(f"table/{os.fsdecode(name)}" for name in snapshot(table).files)
        for row in rows:
            assert bucket.file(row).read(4) == b"PAR1"
        bucket.put(rows[0].artifact, bytes(rows[0].size or 0))
        with pytest.raises(ChangedDuringRun):
            bucket.file(rows[0])


LOG = Path("_delta_log")
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut off": (lambda table: delta.commits(table)[1].write_text('{"add": {"pa'), "its log is damaged or incomplete: .*"),
    "not JSON": (lambda table: delta.commits(table)[0].write_bytes(bytes(range(200))), "its log is damaged or incomplete: .*"),
    "empty": (lambda table: _removed(*delta.commits(table)), "its log is damaged or incomplete: .*"),
    "without its beginning": (lambda table: delta.commits(table)[0].unlink(), "its log is damaged or incomplete: .*"),
    "a hole": (lambda table: delta.commits(table)[1].unlink(), "its log is damaged or incomplete: .*"),
    "without a vector": (
        lambda table: _removed(*table.glob("*.bin")),
        "its log is damaged or incomplete: .*deletion_vector_.*",
    ),
    "a damaged vector": (lambda table: [one.write_bytes(b"x" * 60) for one in table.glob("*.bin")], "its log is damaged or incomplete: .*"),
    "a vector elsewhere": (lambda table: delta.delete(table, [0], path="s3://evil/x.bin"), "its log is damaged or incomplete: .*"),
    "a deep schema": (lambda table: _deep(table), "(its log is damaged|its snapshot cannot be read).*"),
    "a later protocol": (
        lambda table: delta.changed_log(table, lambda one: delta.with_feature(one, "fromTheFuture")),
        "its log is damaged or incomplete: .*fromTheFuture.*",
    ),
    "a linked log": (lambda table: _linked(table / LOG), r"its log is a symbolic link \(not followed; see follow_links\)"),
}


def _deep(table: Path) -> None:
    kind: Any = "string"
    for _ in range(5000):
        kind = {"type": "array", "elementType": kind, "containsNull": True}
    sys.setrecursionlimit(100_000)
    try:
        text = json.dumps({"type": "struct", "fields": [{"name": "a", "type": kind, "nullable": True, "metadata": {}}]})
    finally:
        sys.setrecursionlimit(1000)
    delta.changed_log(table, lambda one: one.get("metaData", {}).update(schemaString=text))


def _removed(*files: Path) -> None:
    for one in files:
        one.unlink()


def _linked(log: Path) -> None:
    log.rename(log.parent.parent / "log")
    log.symlink_to(log.parent.parent / "log")


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_said_of_a_damaged_table(table: Path, change: Callable[[Path], object], sentence: str) -> None:
    change(table)
    with pytest.raises(ReadError, match=rf"^{sentence}$") as refused:
        snapshot(table)
    assert "veritensor-ray-" not in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("version", ["3", "99999999999999999999"])
def test_a_version_that_does_not_exist(table: Path, version: str) -> None:
    with pytest.raises(ReadError, match=rf"it has no version {version}; the latest is 2"):
        snapshot(table, version)


def test_a_log_that_is_linked_may_be_followed(table: Path) -> None:
    expected = snapshot(table)
    _linked(table / LOG)
    assert snapshot(table, follow_links=True) == expected


@pytest.mark.parametrize("path", ["../outside.parquet", "/etc/passwd", "file:///etc/passwd", "s3://evil/x.parquet"])
def test_data_files_outside_of_the_folder_have_a_problem(table: Path, path: str) -> None:
    delta.commit(table, {"add": {**delta.adds(table)[0], "path": path}})
    problems = {name: file.problem for name, file in snapshot(table).files.items() if file.problem}
    assert list(problems.values()) == ["it is outside of the table's folder, and such paths are not followed"]


def test_a_limit_on_the_log(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.corpus.tables.log_copy._LOG_BYTES", 100)
    with pytest.raises(ReadError, match="its log takes more than 100 bytes") as refused:
        snapshot(table)
    assert refused.value.reason_code == ReasonCode.LIMIT


def test_the_sources_are_not_written(table: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in table.rglob("*")}
    snapshot(table)
    assert {path: path.stat().st_mtime_ns for path in table.rglob("*")} == before
    shutil.rmtree(table)
    with pytest.raises(ReadError):
        snapshot(table)
    assert DELTA.log == LOG.name
