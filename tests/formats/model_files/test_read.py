"""Texts of safetensors, GGUF, ONNX, npy, HDF5 and FAISS files."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import struct
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import save

from tests.cases import each
from tests.formats.model_files.building import GGUF_ARRAY, GGUF_STRING, gguf
from tests.formats.reading import flat, members, read, reader_source, reasons, until_error
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.kind import HEAD_BYTES, Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.format_registry import reader_for
from veritensor_ray.formats.recognition import sniff


def kind(name: str) -> Kind:
    return Kind(f"application/x-{name}")


def npy(array: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def hdf5() -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as root:
        root.attrs["model_config"] = json.dumps({"class_name": "Sequential"})
        root.attrs["note"] = "an attribute"
        root.attrs["many"] = ["first", "second"]
        root["texts"] = np.array([["a", "b"], ["c", "d"]], dtype=h5py.string_dtype())
        root["group/fixed"] = np.array([b"one", b"two"])
        root["group/numbers"] = np.arange(10)
        root["group/again"] = root["group"]
        root["group/soft"] = h5py.SoftLink("/texts")
        root["far"] = h5py.ExternalLink("/etc/passwd", "/x")
        root.create_dataset("raw", shape=(4,), dtype="S1", external=[("../secret", 0, 4)])
        root["record"] = np.array([(1, b"text in a record")], dtype=[("n", "i4"), ("t", "S20")])
        root["single"] = "one text"
        root["empty"] = h5py.Empty("S10")
        root.create_dataset("never", shape=(1 << 40,), dtype=h5py.string_dtype(), chunks=(1024,))
    return out.getvalue()


def model() -> bytes:
    import onnx.helper

    texts = onnx.helper.make_tensor("labels", onnx.TensorProto.STRING, [2], [b"cat", "h\u00fcnd".encode()])
    node = onnx.helper.make_node("Foo", ["a"], ["b"], doc_string="a node", note="an attribute")
    graph = onnx.helper.make_graph([node], "graph", [], [], [texts], doc_string="the graph")
    made = onnx.helper.make_model(graph, doc_string="the model", producer_name="tests")
    onnx.helper.set_model_props(made, {"license": "a licence"})
    data: bytes = made.SerializeToString()
    return data


def test_safetensors() -> None:
    data = save({"layer.weight": np.ones(3)}, {"note": "some text", "k" * 30: "more"})
    rows = flat(read(data, kind("safetensors"))[0], "column", "view")
    assert sorted(rows) == sorted(
        [
            ("some text", "__metadata__.note", "metadata"),
            ("k" * 30, "__metadata__", "metadata"),
            ("more", "__metadata__." + "k" * 30, "metadata"),
            ("layer.weight", "tensors", "metadata"),
        ]
    )


def test_a_damaged_safetensors_header() -> None:
    assert "not JSON" in str(until_error(reader_source((5).to_bytes(8, "little") + b'{"a":', kind("safetensors")), ReadError)[1])
    big = (50_000_000).to_bytes(8, "little") + b'{"a"' + b" " * 50_000_000
    assert isinstance(until_error(reader_source(big, kind("safetensors")), LimitExceeded)[1], LimitExceeded)


def test_gguf() -> None:
    data = gguf(
        [
            ("general.name", GGUF_STRING, "My Model"),
            ("tokenizer.chat_template", GGUF_STRING, "{{ x }}"),
            ("general.tags", GGUF_ARRAY, ["one", "two"]),
            ("tokenizer.ggml.tokens", GGUF_ARRAY, [f"t{n}" for n in range(10_000)]),
            ("n", 4, 7),
        ],
        ["blk.0.weight", "blk.1.weight"],
    )
    blocks, gaps = read(data, kind("gguf"))
    rows = flat(blocks, "column", "row")
    for row in (("My Model", "general.name", None), ("{{ x }}", "tokenizer.chat_template", None), ("two", "general.tags", 1)):
        assert row in rows
    assert ("blk.0.weight\nblk.1.weight", "tensors", None) in rows
    tokens = "\n".join(text for text, column, _ in rows if column == "tokenizer.ggml.tokens").split("\n")
    assert tokens == [f"t{n}" for n in range(10_000)]
    assert len(blocks) < 10
    assert gaps == []
    assert "GGUF" in str(until_error(reader_source(data[:100], kind("gguf")), ReadError)[1])


def test_onnx() -> None:
    rows = flat(read(model(), kind("onnx"))[0], "column", "view")
    for row in (
        ("the model", "model.doc_string", "metadata"),
        ("the graph", "graph.doc_string", "metadata"),
        ("a node", "node.doc_string", "metadata"),
        ("a licence", "model.metadata_props.license", "metadata"),
        ("cat", "tensor.string_data", "visible"),
        ("hünd", "tensor.string_data", "visible"),
        ("an attribute", "attribute.s", "visible"),
    ):
        assert row in rows
    assert any("labels" in text.split("\n") for text, column, _ in rows if column == "names")


@each(
    ("array", "expected"),
    [
        (np.array(["first", "", "zwölf"]), [("first", 0, "array"), ("zwölf", 2, "array")]),
        (np.array([b"one", b"\xff"]), [("one", 0, "array"), ("\ufffd", 1, "array")]),
        (np.array([["a", "b"], ["c", "d"]]), [("a", 0, "array"), ("b", 1, "array"), ("c", 2, "array"), ("d", 3, "array")]),
        (np.array([(1, "x"), (2, "y")], [("n", "i4"), ("t", ">U3")]), [("n", None, "fields"), ("t", None, "fields"), ("x", 0, "t"), ("y", 1, "t")]),
        (np.array([((1, b"in"),)], [("o", [("n", "i4"), ("t", "S3")])]), [("o", None, "fields"), ("n", None, "fields"), ("t", None, "fields"), ("in", 0, "o.t")]),
        (np.array([(["p", "q"],)], [("t", "U1", (2,))]), [("t", None, "fields"), ("p", 0, "t"), ("q", 0, "t")]),
        (np.array("alone"), [("alone", 0, "array")]),
        (np.arange(5), []),
        (np.array([], "U5"), []),
        (np.array(["", ""]), []),
    ],
)  # fmt: skip
def test_npy(array: Any, expected: list[tuple[Any, ...]]) -> None:
    assert flat(read(npy(array), kind("npy"))[0], "row", "column") == expected


def test_npy_texts_are_cut_at_the_last_zero_and_what_is_no_unicode_is_replaced() -> None:
    codes = np.array([[97, 0, 98, 0], [0x110000, 0xD800, 0x1F600, 0], [0, 0, 0, 0], [0, 233, 0, 0]], np.uint32)
    expected = [("a\0b", 0), ("\ufffd\ufffd\U0001f600", 1), ("\0\u00e9", 3)]
    for order in "<>":
        array = codes.astype(f"{order}u4").view(f"{order}U4").reshape(-1)
        assert flat(read(npy(array), kind("npy"))[0], "row") == expected
    assert flat(read(npy(np.array([b"a\0b", b"\xff", b"", b"\0c"])), kind("npy"))[0], "row") == [("a\0b", 0), ("\ufffd", 1), ("\0c", 3)]


def test_npy_objects_are_read_as_a_pickle() -> None:
    assert "some text" in flat(read(npy(np.array(["some text", 1], object), allow_pickle=True), kind("npy"))[0])


@pytest.mark.parametrize(
    "data",
    [
        npy(np.array(["text"] * 9))[:-5],
        b"\x93NUMPY\x09\x00\x10\x00",
        b"\x93NUMPY\x01\x00\x10\x00{'descr': __x__}",
        b"\x93NUMPY\x01\x00\xf0\xff" + b"[" * 65520,
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{",
    ],
)
def test_damaged_npy(data: bytes) -> None:
    until_error(reader_source(data, kind("npy")), ReadError)


def test_npy_written_by_python_2_gives_no_warning() -> None:
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (2L,), }"
    assert read(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16), kind("npy")) == ([], [])


def test_hdf5() -> None:
    blocks, gaps = read(hdf5(), kind("hdf5"))
    rows = flat(blocks, "column", "row", "view")
    for row in (
        ('{"class_name": "Sequential"}', "/@model_config", None, "visible"),
        ("an attribute", "/@note", None, "metadata"),
        ("second", "/@many", 1, "metadata"),
        ("a", "/texts", 0, "visible"),
        ("d", "/texts", 1, "visible"),
        ("two", "/group/fixed", 1, "visible"),
        ("text in a record", "/record", 0, "visible"),
        ("one text", "/single", 0, "visible"),
    ):
        assert row in rows
    assert len([row for row in rows if row[0] == "two"]) == 1
    assert sorted(gap.location or "" for gap in gaps) == ["/far", "/raw"]


def test_hdf5_in_a_stream_and_pickles_in_it() -> None:
    assert flat(read(gzip.compress(hdf5(), mtime=0), kind("hdf5"), packed="application/gzip")[0])
    out = io.BytesIO()
    inner = b"\x80\x04\x8c\x05posix\x8c\x06system\x93."
    with h5py.File(out, "w") as root:
        root.attrs["table"] = np.void(inner)
        values = root.create_dataset("objects", (1,), dtype=h5py.vlen_dtype(np.uint8))
        values[0] = np.frombuffer(inner, np.uint8)
    assert list(members(out.getvalue(), kind("hdf5")).values()) == [inner, inner]
    until_error(reader_source(hdf5()[:600], kind("hdf5")), ReadError)


@pytest.mark.parametrize(
    "odd", [b"%PDF-1.4 and on", b"WARC/1.0\r\n", b"x" * 257 + b"ustar" + b"\x0e" * 250, b"Obj\x01" * 5, b"PK\x03\x04" * 9]
)
def test_hdf5_a_file_among_many_texts_is_a_member(odd: bytes) -> None:
    texts = [f"text {i}".encode() for i in range(200)]
    for dtype in (h5py.string_dtype(), "S600"):
        out = io.BytesIO()
        with h5py.File(out, "w") as root:
            root.create_dataset("a", data=[*texts, odd], dtype=dtype)
            root.create_dataset("b", data=[*texts, b""], dtype=dtype)
        rows = flat(read(out.getvalue(), kind("hdf5"))[0], "row", "column")
        expected = [(text.decode(), i, path) for path in ("/a", "/b") for i, text in enumerate(texts)]
        assert [row for row in rows if row[2] != "names"] == expected
        assert members(out.getvalue(), kind("hdf5")) == {"a@200": odd}


class Counting(io.BytesIO):
    """A file that counts the bytes read of it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def chunked(shape: tuple[int, ...], chunks: tuple[int, ...], size: int) -> bytes:
    """A packed dataset of random texts of `size` bytes, the last rows of which are not written."""
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        item = file.create_dataset("a", shape, f"S{size}", chunks=chunks, maxshape=(None, *shape[1:]), compression="gzip")
        texts = np.random.default_rng(1).integers(97, 122, (100, *shape[1:], size), np.uint8)
        item[:100] = texts.view(f"S{size}").reshape(100, *shape[1:])
    return out.getvalue()


@pytest.mark.parametrize(
    ("shape", "chunks", "size", "times", "bounds"),
    [
        ((200_000,), (200_000,), 100, 3, []),  # one chunk for many parts
        ((20_000, 4), (20_000, 1), 60, 3, []),
        ((900_000,), (900_000,), 100, 2, ["held_bytes"]),
    ],
)
def test_hdf5_a_chunk_is_unpacked_once(shape: tuple[int, ...], chunks: tuple[int, ...], size: int, times: int, bounds: list[str]) -> None:
    data = chunked(shape, chunks, size)
    file = Counting(data)
    reader = reader_for(kind("hdf5"))
    assert reader
    found = list(reader(Source(file, kind("hdf5"), Limits())))
    assert [item.bound for item in found if isinstance(item, Gap)] == bounds
    assert file.count <= times * len(data)


def test_hdf5_a_chunk_of_which_little_is_used_is_counted() -> None:
    (_, gaps), error = until_error(reader_source(chunked((100,), (600_000,), 100), kind("hdf5"), Limits(expanded_ratio=100)), LimitExceeded)
    assert (gaps, error.bound) == ([], "expanded_ratio")  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "data"), [("npy", npy(np.arange(3))), ("safetensors", save({"a": np.zeros(3)}))])
def test_what_stands_behind_the_end_is_a_member(name: str, data: bytes) -> None:
    assert members(data, kind(name)) == {}
    assert members(data + b"words behind it", kind(name)) == {f"bytes {len(data)}-{len(data) + 15}": b"words behind it"}


def test_hdf5_bytes_that_are_no_text_are_said() -> None:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["a"] = np.array([("é" * 9).encode("latin-1"), b"words"])
    blocks, gaps = read(out.getvalue(), kind("hdf5"))
    assert "words" in flat(blocks)
    assert [(gap.location, gap.count, gap.coverage) for gap in gaps] == [("/a", 1, "no-reader")]


def test_faiss_has_no_text() -> None:
    data = b"IxF2" + struct.pack("<iqqq?i", 8, 2, 1 << 20, 1 << 20, True, 1) + bytes(64)
    assert sniff(data, ".faiss") == kind("faiss")
    assert read(data, kind("faiss")) == ([], [])


@each(
    "data",
    lambda: [
        save({"a": np.ones(2)}, {"k": "v"}),
        gguf([("k", GGUF_STRING, "v"), ("t", GGUF_ARRAY, ["a"])], ["w"]),
        model(),
        npy(np.array(["a", "b"])),
    ],
)
def test_damage(data: bytes) -> None:
    chance = random.Random(2)
    found = sniff(data[:HEAD_BYTES], "")
    reader = reader_for(found)
    assert reader is not None
    for cut in range(0, len(data), 2):
        changed = bytearray(data)
        changed[cut] = chance.randrange(256)
        for bad in (data[:cut], bytes(changed)):
            with contextlib.suppress(ReadError, LimitExceeded):
                reasons(read(bad, found)[1])


def test_hdf5_gives_up_after_some_failures() -> None:
    out = io.BytesIO()
    with h5py.File(out, "w", libver="earliest") as root:
        for number in range(20):
            root.create_dataset(f"d{number:02}", data=["a text"], dtype=h5py.string_dtype())
        root.attrs["z"] = np.bytes_(b"an attribute")
    data = out.getvalue()
    at = data.index(b"GCOL") + 24
    blocks, gaps = read(data[:at] + (1 << 40).to_bytes(8, "little") + data[at + 8 :], kind("hdf5"))
    assert [gap.bound for gap in gaps] == [None] * 8 + ["hdf5_failures"]
    assert "an attribute" in flat(blocks)
