"""Strings of pickles, members for what is a file in itself, and damage."""

from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import random
import zipfile
from typing import Any

import joblib
import numpy as np
import pytest

from tests.formats.reading import flat, members, read, reader_source, reasons, until_error
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.model_files.pickle.read import read_pickle

KIND = Kind("application/x-pickle")


class Document:
    """As a store of documents beside a vector index has them."""

    def __init__(self, text: str) -> None:
        self.page_content = text


def joblib_bytes(value: Any) -> bytes:
    out = io.BytesIO()
    joblib.dump(value, out)
    return out.getvalue()


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("a", "b")
    return out.getvalue()


@pytest.mark.parametrize("protocol", range(6))
def test_every_string_in_order(protocol: int) -> None:
    value = {"key": ["ünï", "x" * 300, "line\nline", Document("a document"), "back\\slash", "ab"], "n": [1, 2.5, None]}
    blocks, gaps = read(pickle.dumps(value, protocol), KIND)
    texts = flat(blocks)
    for text in ("key", "ünï", "x" * 300, "line\nline", "a document", "back\\slash", "ab", "page_content"):
        assert text in texts
    assert gaps == []
    assert {column for _, column in flat(blocks, "column")} <= {"pickle", "names"}
    rows = [row for _, row in flat(blocks, "row") if row is not None]  # names have none
    assert rows == sorted(rows)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes that are text", ["bytes that are text"]),
        (bytearray(b"a bytearray"), ["a bytearray"]),
        (np.array(["first text", "2nd"]), ["first text2nd"]),
        (np.arange(1000), []),
        (random.Random(1).randbytes(5000), []),
    ],
)
def test_bytes(value: Any, expected: list[str]) -> None:
    texts = flat(read(pickle.dumps(value, 5), KIND)[0])
    assert [text for text in texts if text not in ("numpy._core.multiarray", "_reconstruct", "numpy", "ndarray", "b", "dtype", "<", "U10", "i8", "builtins", "bytearray", "numpy._core.numeric", "_frombuffer", "C")] == expected  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_of_text_in_plain_pickles(protocol: int) -> None:
    rows = flat(read(pickle.dumps(np.array(["first text", "2nd"]), protocol), KIND)[0], "column", "row")
    texts = [text for text, column, _ in rows if column == "array"]
    assert texts == ["first text", "2nd"] or (protocol == 2 and ("first text2nd", "pickle") in [row[:2] for row in rows])


def test_long_strings_keep_their_place() -> None:
    long = "".join(f"sentence {n}. " for n in range(200_000))
    data = pickle.dumps(["short", long, "end"])
    blocks, _ = read(data, KIND)
    pieces = [(text, start, row) for text, start, row in flat(blocks, "start", "row") if row == 1]
    assert "".join(text for text, _, _ in pieces) == long
    assert all(long[start : start + len(text)] == text for text, start, _ in pieces)
    [first] = [block for block in blocks if block.byte_offset is not None]
    assert isinstance(first.byte_offset, int)
    assert data[first.byte_offset :].startswith(b"sentence 0.")


@pytest.mark.parametrize("inner", [pickle.dumps({"a": "inner"}), archive(), gzip.compress(b"x" * 100, mtime=0)])
def test_files_in_bytes_are_members(inner: bytes) -> None:
    data = pickle.dumps(["outer", inner, "after"])
    assert members(data, KIND) == {f"bytes@{data.index(inner)}": inner}
    assert list(flat(read(data, KIND)[0])) == ["outer", "after"]


@pytest.mark.slow
def test_a_tensor_in_a_pickle_is_a_member() -> None:
    import torch

    [(_, inner)] = members(pickle.dumps(torch.ones(3)), KIND).items()
    assert inner.startswith(b"\x80\x02\x8a\n")


def test_arrays_of_joblib() -> None:
    texts = flat(read(joblib_bytes({"a": np.array(["some text", "more"]), "b": np.arange(500.0), "c": "behind"}), KIND)[0], "column")
    assert ("some text", "array") in texts
    assert ("more", "array") in texts
    assert ("behind", "pickle") in texts


def test_several_pickles_and_what_is_behind_them() -> None:
    data = pickle.dumps("one") + pickle.dumps("two") + b"\xff\xfe\xfd" * 40
    assert flat(read(data, KIND)[0]) == ["one", "two"]
    assert next(iter(members(data, KIND).values())).endswith(b"\xff\xfe\xfd")
    import torch

    legacy = io.BytesIO()
    torch.save({"name": torch.ones(3)}, legacy, _use_new_zipfile_serialization=False)
    assert "name" in flat(read(legacy.getvalue(), KIND)[0])
    assert members(legacy.getvalue(), KIND) == {}


def test_within_a_stream() -> None:
    inner = pickle.dumps({"a": "inner"})
    data = gzip.compress(pickle.dumps(["text", inner, b"words in bytes", "end"]), mtime=0)
    source = reader_source(data, KIND, packed="application/gzip")
    found = [(item.name, item.file.read()) if isinstance(item, Member) else item for item in read_pickle(source)]
    assert inner in [item[1] for item in found if isinstance(item, tuple)]
    assert not [item for item in found if isinstance(item, Gap)]


def test_a_pickle_that_breaks_off_is_read_up_to_there() -> None:
    data = pickle.dumps(["first text", "second text"])
    (blocks, _), error = until_error(reader_source(data[:-5], KIND), ReadError)
    assert flat(blocks)[0] == "first text"
    assert "breaks off" in str(error)


@pytest.mark.parametrize("protocol", range(6))
def test_damage(protocol: int) -> None:
    data = pickle.dumps([{"a": "text", "b": b"bytes" * 20, "c": np.array(["x"])}, Document("d"), 1 << 80], protocol)
    chance = random.Random(protocol)
    for cut in range(0, len(data), 2):
        changed = bytearray(data)
        changed[cut] = chance.randrange(256)
        for bad in (data[:cut], bytes(changed)):
            with contextlib.suppress(ReadError, LimitExceeded):
                reasons(read(bad, KIND)[1])
