"""Lance files: every type that the library writes, as a dataset has them and as they are, and what is said of damaged ones."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.corpus.tables import lance_tables as tables
from tests.formats.columnar.lance.lance_files import lance_file
from tests.formats.images.test_read import PNG
from tests.formats.reading import flat, members, read, reader_source, split, until_error
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import LANCE
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.core.table_view import TableView
from veritensor_ray.corpus.tables.table_kinds import TableFolder, opened
from veritensor_ray.formats.columnar.decoding_process import DecodingProcess
from veritensor_ray.formats.columnar.lance import lance_child
from veritensor_ray.formats.columnar.lance.lance_child import LanceRequest
from veritensor_ray.formats.columnar.lance.lance_process import LANCE_DECODER
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.recognition import sniff

pytest.importorskip("lance")
pytestmark = pytest.mark.slow

KIND = Kind(LANCE)
S = pa.string()
COLUMNS: dict[str, tuple[Any, list[Any]]] = {
    "string": (pa.array(["x", None, "é", ""]), [("x", 0, "c"), ("é", 2, "c"), ("", 3, "c")]),
    "struct": (pa.array([{"a": "x", "b": {"d": "y"}}, {"a": None, "b": {"d": "z"}}]), [("x", 0, "c.a"), ("y", 0, "c.b.d"), ("z", 1, "c.b.d")]),
    "list": (pa.array([["x", "y"], None, [], ["z"]]), [("x", 0, "c[0]"), ("y", 0, "c[1]"), ("z", 3, "c[0]")]),
    "list of structs": (pa.array([[{"a": "x"}, {"a": "y"}], [{"a": "z"}]]), [("x", 0, "c[0].a"), ("y", 0, "c[1].a"), ("z", 1, "c[0].a")]),
    "map": (pa.array([[("k", "x")], [("m", "y")]], pa.map_(S, S)), [("k", 0, "c[].key"), ("m", 1, "c[].key"), ("x", 0, "c[].value"), ("y", 1, "c[].value")]),
    "dictionary": (pa.array(["x", "y", "x"]).dictionary_encode(), [("x", 0, "c"), ("x", 2, "c"), ("y", 1, "c")]),
    "binary": (pa.array([b"x", None]), [("x", 0, "c")]),
    "numbers": (pa.array([1, 2]), []),
    "vectors": (pa.array([[1.0] * 4], pa.list_(pa.float32(), 4)), []),
}  # fmt: skip


@pytest.mark.parametrize(("name", "version"), [(name, "2.2") for name in COLUMNS] + [("string", "2.0"), ("list of structs", "2.1")])
def test_every_type(tmp_path: Path, name: str, version: str) -> None:
    array, rows = COLUMNS[name]
    table = pa.table({"n": pa.array(range(len(array))), "c": array})
    data = lance_file(table, version=version)
    assert sniff(data, "") == KIND
    blocks, gaps = read(data, KIND)
    assert (sorted(flat(blocks, "row", "column")), gaps) == (sorted(rows), [])
    tables.write(tmp_path / "t", table, data_storage_version=version)
    assert of_dataset(tmp_path / "t")[0] == sorted(rows)


def of_dataset(folder: Path) -> tuple[list[Any], list[Gap]]:
    """The texts of the only data file, as the latest version has it, and the gaps."""
    [(name, file)] = opened(TableFolder("lance", str(folder), {})).files.items()
    data = (folder / os.fsdecode(name)).read_bytes()
    blocks, gaps = read(data, KIND, view=TableView.from_bytes(file.view))
    return sorted(flat(blocks, "row", "column")), gaps


def test_deleted_rows_and_dropped_columns_are_gaps(tmp_path: Path) -> None:
    dataset = tables.write(tmp_path / "t", {"a": ["x", "y", "z"], "b": ["1", "2", "3"], "s": [{"c": "p", "d": "q"}] * 3})
    dataset.delete("a = 'y'")
    dataset.drop_columns(["b", "s.c"])
    texts, gaps = of_dataset(tmp_path / "t")
    assert texts == [("q", 0, "s.d"), ("q", 2, "s.d"), ("x", 0, "a"), ("z", 2, "a")]
    assert [(gap.count, gap.code) for gap in gaps] == [(1, ReasonCode.HIDDEN_BY_SNAPSHOT), (2, ReasonCode.HIDDEN_BY_SNAPSHOT)]


def test_rows_are_counted_even_if_no_column_is_read(tmp_path: Path) -> None:
    tables.write(tmp_path / "t", {"n": pa.array([1.0] * 5, pa.float32())}).delete("_rowid = 2")
    [(name, file)] = opened(TableFolder("lance", str(tmp_path / "t"), {})).files.items()
    source = reader_source((tmp_path / "t" / os.fsdecode(name)).read_bytes(), KIND, view=TableView.from_bytes(file.view))
    split(source)
    assert source.counts.rows == 4


def test_only_what_fills_parts_up_is_claimed_beside_them(texts: bytes) -> None:
    source = reader_source(texts, KIND)
    split(source)
    assert [*source.account.unclaimed(len(texts))] == []
    at = texts.index(b"HHHHHHHH")
    source = reader_source(_damaged(texts, at, b"a secret"), KIND)
    split(source)
    [(start, end)] = source.account.unclaimed(len(texts))
    assert start <= at < end


def test_key_columns(tmp_path: Path) -> None:
    data = lance_file(pa.table({"id": pa.array([7, 8], pa.int32()), "c": ["x", "y"]}))
    blocks, _ = read(data, KIND, key=("id", "none"))
    assert flat(blocks, "key") == [("x", '[["id", "7"]]'), ("y", '[["id", "8"]]')]


@pytest.mark.parametrize("version", ["2.0", "2.2"])
def test_blobs_in_the_file_are_values_of_their_column(tmp_path: Path, version: str) -> None:
    import lance

    values = [PNG, b"a text of some length", b"", None]
    if version == "2.0":
        field, array = pa.field("b", pa.large_binary(), metadata={"lance-encoding:blob": "true"}), pa.array(values, pa.large_binary())
    else:
        field, array = lance.blob_field("b"), lance.blob_array(values)
    dataset = tables.write(tmp_path / "t", pa.table([array], pa.schema([field])), data_storage_version=version)
    [file] = tables.data_files(tmp_path / "t")
    [view] = [TableView.from_bytes(one.view) for one in opened(TableFolder("lance", dataset.uri, {})).files.values()]
    blocks, gaps = read(file.read_bytes(), KIND, view=view)
    assert [(block.images, block.row) for block in blocks if block.images] == [([PNG], [0])]
    assert ("a text of some length", 1, "b") in flat([block for block in blocks if not block.images], "row", "column") and gaps == []
    assert not members(file.read_bytes(), KIND, view=view)


def test_blobs_elsewhere_are_not_followed(tmp_path: Path) -> None:
    import lance

    (tmp_path / "secret.txt").write_text("a secret of this machine")
    table = pa.table([lance.blob_array([f"file://{tmp_path}/secret.txt", bytes(70_000)])], pa.schema([lance.blob_field("b")]))
    tables.write(tmp_path / "t", table, data_storage_version="2.2", allow_external_blob_outside_bases=True)
    texts, gaps = of_dataset(tmp_path / "t")
    assert texts == [("", 1, "b.blob_uri"), (f"file://{tmp_path}/secret.txt", 0, "b.blob_uri")]
    assert [(gap.count, gap.location, gap.code) for gap in gaps] == [(2, "column b", ReasonCode.ELSEWHERE)]


@pytest.fixture(scope="module")
def texts() -> bytes:
    return lance_file(pa.table({"c": [f"this is text number {number}" for number in range(5000)]}))


def _damaged(data: bytes, start: int, new: bytes) -> bytes:
    return data[:start] + new + data[start + len(new) :]


@pytest.mark.parametrize(
    "damage",
    {
        "cut off": lambda data: data[: len(data) // 2] + data[-64:],
        "another place for descriptions": lambda data: _damaged(data, len(data) - 40, bytes(8)),
        "many columns": lambda data: _damaged(data, len(data) - 12, b"\xff" * 4),
        "descriptions": lambda data: _damaged(data, len(data) - 300, bytes(range(200))),
        "values": lambda data: _damaged(data, 0, b"\xff" * 2000),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_damaged_file_is_a_sentence(texts: bytes, damage: Any) -> None:
    _, error = until_error(reader_source(damage[1](texts), KIND), ReadError)
    assert str(error).startswith(("the library for Lance files ", "not a complete Lance file: "))
    assert read(texts, KIND)[1] == [], "the next file is read as ever"


def test_a_process_that_dies_is_a_sentence(texts: bytes, tmp_path: Path) -> None:
    request = laid_out(tmp_path, texts)
    process = DecodingProcess(LANCE_DECODER)
    process._process.kill()
    process._process.wait()
    with pytest.raises(ReadError, match=r"the library for Lance files ended on it \(SIGKILL\)") as died:
        list(process.answers(request._asdict()))
    process.close()
    assert died.value.reason_code == ReasonCode.PROCESS_DIED


def laid_out(folder: Path, data: bytes, **about: Any) -> LanceRequest:
    (folder / lance_child.DATA).mkdir()
    (folder / lance_child.DATA / lance_child.NAME).write_bytes(data)
    return LanceRequest(str(folder), **about)


def test_answers_are_of_bounded_size(texts: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance_child, "_PIECE_BYTES", 10_000)
    sizes = [len(data) for _, data in lance_child._answers(laid_out(tmp_path, texts, columns=["c"]))]
    assert max(sizes) < 15_000 < sum(sizes)


def test_the_process_gets_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    process = DecodingProcess(LANCE_DECODER)
    try:
        assert b"hunter2" not in Path(f"/proc/{process._process.pid}/environ").read_bytes()
    finally:
        process.close()


def test_without_the_library_the_remedy_is_named(texts: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lance.file", None)
    [(kind, data)] = lance_child.told_by(laid_out(tmp_path, texts)._asdict())
    process = DecodingProcess(LANCE_DECODER)
    with pytest.raises(ReadError, match=r"pip install 'veritensor-ray\[lance\]'") as missing:
        process.checked(kind, data)
    process.close()
    assert missing.value.reason_code == ReasonCode.NO_READER


def test_manifests_are_no_lance_files(tmp_path: Path) -> None:
    tables.write(tmp_path / "t", {"a": ["x"]})
    assert sniff(tables.manifests(tmp_path / "t")[0].read_bytes(), ".manifest") != KIND
    shutil.rmtree(tmp_path / "t")
    tables.write(tmp_path / "t", {"a": ["x"]}, data_storage_version="legacy")
    assert sniff(tables.data_files(tmp_path / "t")[0].read_bytes(), ".lance") != KIND
