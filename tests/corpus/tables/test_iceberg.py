"""Snapshots of Iceberg tables as their metadata names them, and what is said of those that cannot be read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.tables import iceberg_tables as ice
from tests.corpus.tables.table_bucket import table_bucket
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.table_view import TableColumn, TableView
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.tables.table_kinds import Snapshot, TableFolder, opened

pytest.importorskip("pyiceberg")


def snapshot(folder: Path | str, version: str | None = None, **options: Any) -> Snapshot:
    return opened(TableFolder("iceberg", str(folder), {}, version, **options))


def views(found: Snapshot) -> list[TableView]:
    return [TableView.from_bytes(file.view) for file in found.files.values()]


def hidden(found: Snapshot) -> list[int]:
    return sorted(view.hidden for view in views(found))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three snapshots: a write, one more file, and rows 1 and 3 of it deleted."""
    table = ice.create(tmp_path_factory.mktemp("lake") / "written", {"id": range(3), "mail": ["a"] * 3})
    table.append(pa.table({"id": range(6), "mail": ["b"] * 6}))
    ice.delete(table, {ice.data_files(table)[0].file_path: [1, 3]})
    return table


@pytest.fixture
def table(written: Any, tmp_path: Path) -> Path:
    """A copy, so that no location in its metadata is where it is."""
    folder = tmp_path / "a table %20#?é"
    shutil.copytree(written.location().removeprefix("file://"), folder)
    return folder


def ids(written: Any) -> list[str]:
    return [str(one.snapshot_id) for one in written.snapshots()]


def test_versions(written: Any, table: Path) -> None:
    first, second, third = ids(written)
    told = {version: (found.version, hidden(found)) for version in (None, first, second) if (found := snapshot(table, version))}
    assert told == {None: (third, [0, 2]), first: (first, [0]), second: (second, [0, 0])}
    assert all((table / os.fsdecode(name)).stat().st_size == file.size for name, file in snapshot(table).files.items())


def test_moments(written: Any, table: Path) -> None:
    def spread(said: dict[str, Any]) -> None:
        for number, one in enumerate(said["snapshot-log"]):
            one["timestamp-ms"] = (1_700_000_000 + 100 * number) * 1000

    ice.changed(table, spread)
    first, second, _ = ids(written)
    assert [snapshot(table, f"2023-11-14T22:{time}").version for time in ("13:20", "14:00", "15:30", "16:00")] == [
        first,
        first,
        second,
        second,
    ]
    with pytest.raises(ReadError, match=r"its history does not reach back to 2023-11-14 22:00:00 UTC") as refused:
        snapshot(table, "2023-11-14T22:00")
    assert refused.value.reason_code == ReasonCode.NOT_FOUND


def test_a_snapshot_that_expired(written: Any, table: Path) -> None:
    ice.changed(table, lambda said: said["snapshots"].pop(0))
    with pytest.raises(
        ReadError,
        match=rf"it has no snapshot {ids(written)[0]}, which may have expired; the latest is snapshot {ids(written)[2]} of the table",
    ) as refused:
        snapshot(table, ids(written)[0])
    assert refused.value.reason_code == ReasonCode.NOT_FOUND


def test_a_table_without_rows(tmp_path: Path) -> None:
    ice.catalog(tmp_path).create_table("all.t", pa.schema([("a", pa.string())]), location=f"file://{tmp_path}/t")
    assert snapshot(tmp_path / "t") == snapshot(tmp_path / "t", "none") == Snapshot("none", {})
    with pytest.raises(ReadError, match="it has no snapshot 7, which may have expired; it has none yet"):
        snapshot(tmp_path / "t", "7")


def test_deleted_rows(tmp_path: Path) -> None:
    """Of several delete files, in other partitions and of rows that do not exist. Data files that are younger are not concerned."""
    table = ice.create(tmp_path / "t", {"id": range(70_000), "day": ["x", "y"] * 35_000}, by=["day"])
    x, y = sorted(one.file_path for one in ice.data_files(table))
    ice.delete(table, {y: [0, 7], x: [34_999, 35_000, 1 << 40, -1]})
    ice.delete(table, {x: [1, 34_999]})
    found = snapshot(tmp_path / "t")
    rows = [(~view.living(0, 40_000)).nonzero()[0].tolist() for view in views(found)]
    assert dict(zip(map(os.fsdecode, found.files), rows, strict=True)) == {
        path.removeprefix(f"{table.location()}/"): gone for path, gone in ((x, [1, 34_999]), (y, [0, 7]))
    }
    table.refresh()
    again = next(one for one in ice.data_files(table) if one.file_path == x)
    ice.commit(table, 0, x, like=again, count=again.record_count, size=again.file_size_in_bytes)
    assert hidden(snapshot(tmp_path / "t")) == [0, 2], "the file was added once more, after the rows of the first were deleted"


def test_partitions_are_values_and_paths(tmp_path: Path) -> None:
    """A column that is not the value itself is not shared, and later partitions do not change older files."""
    from pyiceberg.transforms import BucketTransform
    from pyiceberg.typedef import Record

    table = ice.create(tmp_path / "t", {"id": [1, 2, 3], "day": ["a b/c=é%", None, ""]}, by=["day"])
    with table.update_spec() as spec:
        spec.remove_field("day_part")
        spec.add_field("id", BucketTransform(4), "part")
    ice.commit(table, 0, f"{table.location()}/data/part=3/x.parquet", like=SimpleNamespace(partition=Record(3)))
    found = snapshot(tmp_path / "t")
    assert sorted(view.constants for view in views(found)) == [(), (), (("day", ""),), (("day", "a b/c=é%"),)]
    assert [name for name in found.files if not (tmp_path / "t" / os.fsdecode(name)).exists()] == [b"data/part=3/x.parquet"]


def test_columns_by_their_numbers(tmp_path: Path) -> None:
    """Of the latest snapshot the columns are those that the table has now, and of an earlier one those of its time."""
    inner = pa.struct([("c", pa.string())])
    rows = pa.table(
        {"a": ["x"], "b": pa.array([[{"c": "y"}]], pa.list_(inner)), "d": pa.array([[("k", {"c": "z"})]], pa.map_("string", inner))}
    )
    table = ice.create(tmp_path / "t", rows)
    with table.update_schema() as changing:
        changing.rename_column("a", "mail")
        changing.rename_column(("b", "element", "c"), "address")
    [view] = views(snapshot(tmp_path / "t"))
    numbers = {
        name: field.field_id for name in ("mail", "b", "d", "b.element.address", "d.value.c") if (field := table.schema().find_field(name))
    }
    address = TableColumn("address", "address", numbers["b.element.address"])
    kept = TableColumn("c", "c", numbers["d.value.c"])
    assert view.columns == (
        TableColumn("mail", "mail", numbers["mail"]),
        TableColumn("b", "b", numbers["b"], (TableColumn("element", "element", None, (address,)),)),
        TableColumn("d", "d", numbers["d"], (TableColumn("key", "key"), TableColumn("value", "value", None, (kept,)))),
    )
    table.append(rows.rename_columns(["mail", "b", "d"]).select(["mail"]))
    [earlier] = views(snapshot(tmp_path / "t", str(table.snapshots()[0].snapshot_id)))
    assert [one.name for one in earlier.columns] == ["a", "b", "d"]


def test_files_without_numbers(tmp_path: Path) -> None:
    """Files that other programs wrote and that were added to a table: a mapping says which of their names mean which column."""
    table = ice.create(tmp_path / "t", {"id": [1], "day": ["x"]}, by=["day"])
    pq.write_table(pa.table({"id": [2]}), tmp_path / "t" / "data" / "other.parquet")
    names = [{"field-id": 1, "names": ["id", "number"]}, {"field-id": 2, "names": ["day"]}]
    with table.transaction() as changing:
        changing.set_properties({"schema.name-mapping.default": json.dumps(names)})
    assert views(snapshot(tmp_path / "t"))[0].columns == (
        TableColumn("id", "id", 1),
        TableColumn("id", "number", 1),
        TableColumn("day", "day", 2),
    )


def test_values_of_files_that_are_older_than_a_column(table: Path) -> None:
    def default(said: dict[str, Any], inside: bool = False) -> None:
        said["format-version"], said["next-row-id"] = 3, 0
        fields = said["schemas"][-1]["fields"]
        added = {"id": 9 + inside, "name": "team", "required": False, "type": "string", "initial-default": "red"}
        fields.append({"id": 8, "name": "in", "required": False, "type": {"type": "struct", "fields": [added]}} if inside else added)

    ice.changed(table, default)
    assert {view.constants for view in views(snapshot(table))} == {(("team", "red"),)}
    ice.changed(table, lambda said: default(said, inside=True))
    with pytest.raises(ReadError, match=r"its column in\.team has a default value inside of another column, which cannot be applied"):
        snapshot(table)


@pytest.mark.parametrize("ending", [".gz.metadata.json", ".metadata.json.gz"])
def test_compressed_metadata(table: Path, ending: str) -> None:
    expected = snapshot(table)
    ice.zipped(table, ending)
    assert snapshot(table) == expected
    [latest] = (table / "metadata").glob("*.gz*")
    latest.write_bytes(latest.read_bytes()[:-30])
    with pytest.raises(ReadError, match=r"\.gz.* is (cut off|damaged)"):
        snapshot(table)


def test_the_newest_of_several_metadata_files(table: Path) -> None:
    *_, last, newest = ice.heads(table)
    expected, number = snapshot(table), newest.name.partition("-")[0]
    newest.rename(newest.with_name(f"v{int(number)}.metadata.json"))
    assert snapshot(table) == expected, "names of tables without a catalog"
    rival = last.rename(last.with_name(f"{number}-b.metadata.json"))
    with pytest.raises(
        ReadError, match=rf"{number}-b\.metadata\.json and v{int(number)}\.metadata\.json both claim to be its latest metadata"
    ):
        snapshot(table)
    (table / "metadata" / "version-hint.text").write_text(f"{int(number)}\n")
    assert snapshot(table) == expected
    (table / "metadata" / "version-hint.text").write_text(rival.name)
    assert snapshot(table).version != expected.version
    assert snapshot(table, head=f"v{int(number)}.metadata.json") == expected


@pytest.mark.parametrize("form", ["ORC", "AVRO"])
def test_data_files_of_other_formats(tmp_path: Path, form: str) -> None:
    table = ice.create(tmp_path / "t", {"id": [1]})
    ice.commit(table, 0, f"{table.location()}/data/x.{form.lower()}", form)
    problem = f"it is an {form} file, to which a snapshot cannot be applied"
    assert [file.problem for file in snapshot(tmp_path / "t").files.values()] == [None, problem]


@pytest.mark.parametrize(
    "path", ["file:///etc/passwd", "/etc/passwd", "s3://evil/x.parquet", "{here}/../x.parquet", "{here}/./x.parquet", "x"]
)
def test_data_files_elsewhere(tmp_path: Path, path: str) -> None:
    table = ice.create(tmp_path / "t", {"id": [1]})
    place = path.replace("{here}", table.location())
    ice.commit(table, 0, place)
    outside = "it is outside of the table's folder, and such paths are not followed"
    found = snapshot(tmp_path / "t").files
    assert found[place.encode()].problem == outside and len(found) == 2


@pytest.mark.parametrize(
    ("kind", "form", "said"),
    [("equality", "PARQUET", "equality deletes"), ("position", "PUFFIN", "deletion vectors"), ("position", "AVRO", "Avro files")],
)
def test_deletions_that_cannot_be_applied(tmp_path: Path, kind: str, form: str, said: str) -> None:
    table = ice.create(tmp_path / "t", {"id": [1]})
    ice.delete(table, {ice.data_files(table)[0].file_path: [0]}, kind, form)
    with pytest.raises(
        ReadError, match=rf"^it has rows that are deleted by {said}, which cannot be applied\. Let an engine rewrite"
    ) as refused:
        snapshot(tmp_path / "t")
    assert refused.value.reason_code == ReasonCode.NO_READER


@pytest.mark.slow
def test_a_bucket(endpoint: str, table: Path) -> None:
    """The snapshot is that of the same table on disk, and its data files are opened as they were listed."""
    with table_bucket(endpoint, "iceberg", table) as bucket:
        ice.changed(table, lambda said: said.update(location=said["location"].replace("file://", "s3a://other")))
        assert bucket.snapshot == snapshot_of_original(table)
        rows = bucket.data_files()
        assert sorted(row.artifact for row in rows) == sorted(f"table/{os.fsdecode(name)}" for name in bucket.snapshot.files)
        for row in rows:
            assert bucket.file(row).read(4) == b"PAR1"
        assert roots([f"iceberg+s3://{bucket.name}/in/table"], bucket.stores)[0].table == "iceberg"


def snapshot_of_original(table: Path) -> Snapshot:
    ice.changed(table, lambda said: said.update(location=said["location"].replace("s3a://other", "file://")))
    return snapshot(table)


def named(table: Path, pattern: str) -> Path:
    [found] = [path for path in table.rglob(pattern) if path in used(table)]
    return found


def used(table: Path) -> list[Path]:
    """The files that the latest snapshot uses."""
    said = json.loads(ice.heads(table)[-1].read_text())
    listed = table / "metadata" / said["snapshots"][-1]["manifest-list"].rpartition("/")[2]
    return [listed, *(path for path in table.rglob("*-m0.avro")), *table.rglob("*-deletes.parquet")]


def shortened(path: Path, by: int) -> None:
    path.write_bytes(path.read_bytes()[:-by])


def removed(*files: Path) -> None:
    for one in files:
        one.unlink()


def at_the_location(said: dict[str, Any], place: str) -> None:
    said["snapshots"][-1]["manifest-list"] = place


def _deep(table: Path) -> None:
    ice.heads(table)[-1].write_text('{"format-version": 2, "schemas": ' + "[" * 100_000 + "]" * 100_000 + "}")


def _linked(folder: Path) -> None:
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to(folder.parent / "elsewhere")


def _piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def newest_manifest(table: Path) -> Path:
    return max(table.rglob("*-m0.avro"), key=lambda path: path.stat().st_size)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut off": (lambda table: shortened(ice.heads(table)[-1], 100), r"\S+\.metadata\.json is damaged or of an unknown form: .*"),
    "not JSON": (
        lambda table: ice.heads(table)[-1].write_bytes(bytes(range(200))),
        r"\S+\.metadata\.json is damaged or of an unknown form: .*",
    ),
    "a deep tree": (_deep, r"\S+\.metadata\.json is damaged or of an unknown form: .*"),
    "of the future": (
        lambda table: ice.changed(table, lambda said: said.update({"format-version": 9})),
        r"\S+json is damaged or of an unknown form.*",
    ),
    "no metadata": (lambda table: removed(*ice.heads(table)), "it has no metadata file"),
    "no list of manifests": (lambda table: used(table)[0].unlink(), r"metadata/snap-\S+\.avro does not exist"),
    "a list that is cut off": (lambda table: shortened(used(table)[0], 1), r"metadata/snap-\S+\.avro is cut off"),
    "a list that is half": (
        lambda table: shortened(used(table)[0], used(table)[0].stat().st_size // 2),
        r"metadata/snap-\S+\.avro is damaged or .*|.*cut off",
    ),
    "an empty list": (lambda table: used(table)[0].write_bytes(b""), r"metadata/snap-\S+\.avro is damaged or of an unknown form: .*"),
    "no manifest": (lambda table: used(table)[1].unlink(), r"metadata/\S+-m0\.avro does not exist"),
    "a manifest that is cut off": (lambda table: shortened(used(table)[1], 16), r"metadata/\S+-m0\.avro is cut off"),
    "a manifest that is no Avro": (
        lambda table: used(table)[1].write_bytes(b"x" * 600),
        r"metadata/\S+-m0\.avro is damaged or of an unknown form: .*",
    ),
    "another manifest": (lambda table: shutil.copy(used(table)[0], used(table)[1]), r"its manifest \S+-m0\.avro (is damaged|lists).*"),
    "no delete file": (lambda table: used(table)[-1].unlink(), r"data/\S+-deletes\.parquet does not exist"),
    "a damaged delete file": (
        lambda table: used(table)[-1].write_bytes(b"PAR1" * 90),
        r"the delete file data/\S+-deletes\.parquet is damaged or of an unknown form: .*",
    ),
    "another delete file": (
        lambda table: pq.write_table(pa.table({"a": [1]}), used(table)[-1]),
        r"the delete file data/\S+-deletes\.parquet is damaged or of an unknown form: .*",
    ),
    "a pipe": (lambda table: _piped(used(table)[0]), r"metadata/snap-\S+\.avro is not a file"),
    "a link": (lambda table: _linked(used(table)[1]), r"metadata/\S+-m0\.avro is a symbolic link \(not followed; see follow_links\)"),
    "a linked folder": (lambda table: _linked(table / "metadata"), r"metadata is a symbolic link \(not followed; see follow_links\)"),
    "another place": (
        lambda table: ice.changed(table, lambda said: said.update(location="s3://elsewhere/t")),
        r"its metadata names file:///\S+, which is outside of the table's folder, and such paths are not followed",
    ),
    **{
        place: (
            lambda table, place=place: ice.changed(table, lambda said: at_the_location(said, place.replace("{here}", said["location"]))),  # type: ignore[misc]
            r"its metadata names \S+, which is outside of the table's folder, and such paths are not followed",
        )
        for place in (
            "file:///etc/passwd",
            "/etc/passwd",
            "s3://evil/x.avro",
            "{here}/../x.avro",
            "{here}/metadata/../../x.avro",
            "{here}evil/x",
        )
    },
    "a long place": (
        lambda table: ice.changed(table, lambda said: at_the_location(said, "s3://evil/" + "x" * 100_000)),
        r"its metadata names s3://evil/x{290}, which is outside of the table's folder, and such paths are not followed",
    ),
    "no place": (lambda table: ice.changed(table, lambda said: at_the_location(said, "")), r"its snapshot has no list of manifests, .*"),
}


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_said_of_a_damaged_table(table: Path, change: Callable[[Path], object], sentence: str) -> None:
    change(table)
    with pytest.raises(ReadError, match=rf"^({sentence})$") as refused:
        snapshot(table)
    assert "\n" not in str(refused.value)


def test_links_are_followed_if_the_user_says_so(table: Path) -> None:
    expected = snapshot(table)
    _linked(table / "metadata")
    assert snapshot(table, follow_links=True) == expected


def test_what_is_kept_in_memory_is_bounded(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from veritensor_ray.corpus.tables import iceberg

    size = ice.heads(table)[-1].stat().st_size
    monkeypatch.setattr(iceberg, "_LOG_BYTES", size + 100)
    with pytest.raises(ReadError, match=rf"its metadata and delete files take more than {size + 100:,} bytes") as refused:
        snapshot(table)
    assert refused.value.reason_code == ReasonCode.LIMIT


def test_nothing_is_written_or_fetched(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is given bytes, and opens neither a store nor a configuration."""
    monkeypatch.setattr("pyiceberg.io.load_file_io", lambda *_: pytest.fail("a store was opened"))
    before = sorted((path, path.stat().st_mtime_ns) for path in table.rglob("*"))
    snapshot(table)
    assert sorted((path, path.stat().st_mtime_ns) for path in table.rglob("*")) == before
