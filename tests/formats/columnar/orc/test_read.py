"""ORC: files that pyarrow writes, with every codec and encoding; damaged ones raise nothing but what is agreed."""

from __future__ import annotations

import io
import pickle
import random
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import orc

from tests.cases import each
from tests.formats.images.test_read import PNG
from tests.formats.reading import flat, members, read, reader_source, split, until_error
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.columnar.orc import read as orc_reader
from veritensor_ray.formats.columnar.orc import structure as orc_runs
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.recognition import sniff
from veritensor_ray.formats.residue.hidden import hidden

ORC = Kind("application/vnd.apache.orc")
S = pa.string()


def written(table: Any, **options: Any) -> bytes:
    """The table as ORC."""
    out = io.BytesIO()
    orc.write_table(table, out, **options)
    return out.getvalue()


COLUMNS = {
    "string": (pa.array(["x", None, "é", ""]), [("x", 0, "c"), ("é", 2, "c"), ("", 3, "c")]),
    "struct": (pa.array([{"a": "x", "b": {"d": "y"}}, None, {"a": None, "b": {"d": "z"}}], pa.struct([("a", S), ("b", pa.struct([("d", S)]))])), [("x", 0, "c.a"), ("y", 0, "c.b.d"), ("z", 2, "c.b.d")]),
    "list": (pa.array([["x", "y"], None, [], ["z", None]]), [("x", 0, "c[]"), ("y", 0, "c[]"), ("z", 3, "c[]")]),
    "list of structs": (pa.array([[{"a": "x"}, {"a": "y"}], [{"a": "z"}]]), [("x", 0, "c[].a"), ("y", 0, "c[].a"), ("z", 1, "c[].a")]),
    "map": (pa.array([[("k", "x")], [], [("m", "y")]], pa.map_(S, S)), [("k", 0, "c[].key"), ("m", 2, "c[].key"), ("x", 0, "c[].value"), ("y", 2, "c[].value")]),
    "union": (pa.UnionArray.from_dense(pa.array([1, 0], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array(["x"]), pa.array([1])]), [("x", 1, "c")]),
    "binary": (pa.array([b"x", None]), [("x", 0, "c")]),
    "numbers": (pa.array([1, 2]), []),
    "dates": (pa.array([[1], [2]]), []),
}  # fmt: skip


@each("name", COLUMNS)
@each("codec", ["uncompressed", "zlib", "snappy", "lz4", "zstd"])
def test_every_type(name: str, codec: str) -> None:
    array, rows = COLUMNS[name]
    data = written(pa.table({"n": pa.array(range(len(array))), "c": array}), compression=codec)
    assert sniff(data, "") == ORC
    blocks, gaps = read(data, ORC)
    assert (sorted(flat(blocks, "row", "column")), gaps) == (sorted(rows), [])


@pytest.mark.parametrize("codec", ["uncompressed", "zlib", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("dictionary", [0.0, 1.0])
@pytest.mark.parametrize("version", ["0.11", "0.12"])
def test_many_rows_and_stripes(codec: str, dictionary: float, version: str) -> None:
    chance = random.Random(7)
    texts = [chance.choice(["", "x", "word " * chance.randrange(40), "y" * chance.randrange(3000)]) or None for _ in range(20_000)]
    table = pa.table({"c": texts})
    data = written(
        table, compression=codec, dictionary_key_size_threshold=dictionary, file_version=version, stripe_size=1 << 16, batch_size=1000
    )
    assert codec != "uncompressed" or orc.ORCFile(io.BytesIO(data)).nstripes > 1
    source = reader_source(data, ORC)
    blocks, gaps = split(source)
    assert gaps == []
    assert flat(blocks, "row") == [(text, row) for row, text in enumerate(texts) if text is not None]
    assert source.counts.rows == 20_000


def test_a_value_larger_than_a_batch() -> None:
    texts = ["x" * 5_000_000, "y"]
    assert flat(read(written(pa.table({"c": texts}), compression="zlib"), ORC)[0]) == texts


def test_metadata_files_and_unknown_bytes() -> None:
    point = pickle.dumps({"payload": "x"})
    data = written(pa.table({"c": [PNG, point, b"\x80\x81\xff"]}))
    blocks, gaps = read(data, ORC)
    assert ([block.images for block in blocks], members(data, ORC)) == ([[PNG]], {"row 1 c": point})
    assert [(gap.location, gap.count, gap.coverage) for gap in gaps] == [("column c", 1, "no-reader")]


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (bytes([0x0A, 0x27, 0x10]), [10000] * 5),
        (bytes([0x5E, 0x03, 0x5C, 0xA1, 0xAB, 0x1E, 0xDE, 0xAD, 0xBE, 0xEF]), [23713, 43806, 57005, 48879]),
        (
            bytes([0x8E, 0x13, 0x2B, 0x21, 0x07, 0xD0, 0x1E, 0x00, 0x14, 0x70, 0x28, 0x32, 0x3C, 0x46, 0x50, 0x5A, 0x64, 0x6E, 0x78, 0x82])
            + bytes([0x8C, 0x96, 0xA0, 0xAA, 0xB4, 0xBE, 0xFC, 0xE8]),
            [2030, 2000, 2020, 1000000, *range(2040, 2200, 10)],
        ),
        (bytes([0xC6, 0x09, 0x02, 0x02, 0x22, 0x42, 0x42, 0x46]), [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]),
    ],
    ids=["short repeat", "direct", "patched base", "delta"],
)
def test_the_examples_of_the_specification(data: bytes, values: list[int]) -> None:
    assert orc_runs.numbers(data, len(values), second_version=True).tolist() == values


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (bytes([0x61, 0x00, 0x07]), [7] * 100),
        (bytes([0x61, 0xFF, 0x64]), list(range(100, 0, -1))),
        (bytes([0xFB, 2, 3, 4, 7, 0x0B]), [2, 3, 4, 7, 11]),
    ],
)
def test_numbers_of_the_first_version(data: bytes, values: list[int]) -> None:
    assert orc_runs.numbers(data, len(values), second_version=False).tolist() == values


def test_bits_and_bytes() -> None:
    assert orc_runs.run_bytes(bytes([0x61, 0x00]), 100) == bytes(100)
    assert orc_runs.run_bytes(bytes([0xFE, 0x44, 0x45]), 2) == b"\x44\x45"
    assert orc_runs.bits(bytes([0xFF, 0x80]), 8).tolist() == [True] + [False] * 7
    with pytest.raises(ValueError, match="early"):
        orc_runs.numbers(b"", 1, second_version=True)


def test_a_column_that_does_not_decode_costs_no_other() -> None:
    data = written(
        pa.table({"a": ["look here " * 10] * 3, "b": ["fine", "words", "x"]}), compression="uncompressed", dictionary_key_size_threshold=0.0
    )
    at = data.index(b"look here")
    for i in range(at, len(data) - 200):
        broken = data[:i] + b"\xff" + data[i + 1 :]
        blocks, gaps = read(broken, ORC)
        if gaps:
            assert flat(blocks) and gaps[0].location
            return
    raise AssertionError("nothing was damaged")


def test_entries_of_a_dictionary_that_no_row_has_are_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"word number {number:04}" for number in range(512)]
    ascending = b"\xc1\xff\x00\x02"  # the numbers from 0 to 511, and then 512 times 0
    data = written(pa.table({"c": words}), dictionary_key_size_threshold=1.0, compression="uncompressed")
    assert data.count(ascending) == 1
    pieces: list[bytes] = []
    monkeypatch.setattr(orc_reader, "hidden", lambda data, column: pieces.append(data) or hidden(data, column))  # type: ignore[func-returns-value]
    reader = orc_reader.read_orc(reader_source(data.replace(ascending, ascending[:3] + b"\0"), ORC))
    given = flat([item for item in reader if isinstance(item, Block)], "column", "view")
    assert [text for text, column, view in given if view == "residue" and column == "c"] == words[1:]
    assert len(pieces) < 10


def test_a_dictionary_that_makes_much_of_little_ends() -> None:
    data = written(pa.table({"c": ["z" * 1_000_000] * 150}), compression="zstd", dictionary_key_size_threshold=1.0)
    assert len(data) < 100_000
    _, error = until_error(reader_source(data, ORC, Limits(expanded_ratio=1)), LimitExceeded)
    assert isinstance(error, LimitExceeded)
    assert error.bound == "expanded_ratio"


@pytest.mark.parametrize("codec", ["uncompressed", "zlib", "snappy", "lz4", "zstd"])
def test_damage_anywhere(codec: str) -> None:
    table = pa.table({name: array for name, (array, _) in COLUMNS.items() if len(array) == 4} | {"d": ["some", "words", "some", None]})
    whole = written(table, compression=codec)
    chance = random.Random(7)
    damaged = [whole[:length] for length in range(4, len(whole), 7)]
    for _ in range(300):
        flipped = bytearray(whole)
        for _ in range(chance.choice([1, 3])):
            flipped[chance.randrange(len(whole))] = chance.randrange(256)
        damaged.append(bytes(flipped))
    for data in damaged:
        try:
            read(data, ORC)
        except ReadError as error:
            assert "\n" not in str(error)


def test_runs_of_random_bytes_end() -> None:
    chance = np.random.default_rng(7)
    for _ in range(500):
        data = chance.bytes(60)
        for second in (False, True):
            try:
                assert len(orc_runs.numbers(data, 1000, second)) == 1000
            except ValueError as error:
                assert str(error)


_LIBRARY = """
import io, random, resource
import pyarrow as pa
from pyarrow import orc

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
out = io.BytesIO()
table = pa.table({"c": [[f"a{row}", None, "b"] for row in range(400)], "s": [f"text {row % 7}" for row in range(400)]})
orc.write_table(table, out, compression="uncompressed", dictionary_key_size_threshold=1.0)
for seed in range(5000):
    random.seed(seed)
    data = bytearray(out.getvalue())
    data[random.randrange(len(data))] = random.randrange(256)
    try:
        orc.read_table(io.BytesIO(bytes(data)))
    except (OSError, ValueError, MemoryError):
        pass
"""


def test_why_the_library_is_not_used() -> None:
    """A byte of a file is enough to kill the process that reads it with pyarrow. If this fails, a release has mended that: think again."""
    process = subprocess.run([sys.executable, "-c", _LIBRARY], capture_output=True, check=False)
    assert process.returncode == -signal.SIGSEGV
