"""No format is inert by omission: each row of the table of looks is shown bytes that it cannot understand, and never calls them inert."""

from __future__ import annotations

import io
import json
import pickle
import struct
import warnings
import zipfile

import h5py
import numpy as np
import pytest

from tests.cases import each
from tests.engines.modelfiles.graphs.assembling import field, graph, node, saved_model, tflite
from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.media_types import (
    ARROW_FILE,
    CORE_ML,
    GGUF,
    HDF5,
    JSON,
    MARKDOWN,
    NPY,
    NPZ,
    ONNX,
    PADDLE,
    PARQUET,
    PICKLE,
    PLAIN,
    PYTORCH,
    SAFETENSORS,
    SQLITE,
    TENSORFLOW,
    UNKNOWN,
    XML,
    ZIP,
)
from veritensor_ray.engines.base import Judged
from veritensor_ray.engines.modelfiles import ModelFiles
from veritensor_ray.engines.modelfiles.looks import LOOKS, LookRow, look_for

ELF = "application/x-elf"
TRAILING = b"\x00not a part of any format"


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about two members with the same name
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


def safetensors(metadata: object = None, **entry: object) -> bytes:
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | entry
    header = json.dumps({"a": tensor} | ({} if metadata is None else {"__metadata__": metadata})).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def gguf(key: str = "llama.context_length", kind: int = 4, tensor: int = 0) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    pairs = text("general.architecture") + struct.pack("<I", 8) + text("llama") + text(key) + struct.pack("<II", kind, 7)
    tensors = text("t") + struct.pack("<IQIQ", 1, 4, tensor, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 2) + pairs + tensors
    return head + bytes(-len(head) % 32) + bytes(16)


def onnx(op: str = "Relu", domain: str = "", more: bytes = b"") -> bytes:
    one = field(1, "x") + field(2, "y") + field(4, op) + (field(7, domain) if domain else b"")
    return field(1, 8) + field(7, field(1, one) + field(2, "g")) + field(8, field(1, domain) + field(2, 17)) + more


def hdf5(external: bool = False) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["x"] = np.zeros(3)
        if external:
            file["y"] = h5py.ExternalLink("other.h5", "/x")
    return out.getvalue()


NAME = b"\x80\x02cour_project\nThing\n."
SEQUENTIAL = b"4\n1\n3\nV 1\n13\nnn.Sequential\n3\n2\n0\n"
STATE = pickle.dumps({"a": [1, 2.0, "x"]}, 2)
# For each row, in any order: a path, with a member after "!/", the type, what is proven inert (if anything can be), and what is not understood.
CASES: list[tuple[str, str, bytes | None, list[bytes]]] = [
    ("m.pt!/m/data/0", UNKNOWN, None, [bytes(16), NAME]),
    (
        "m.pt", PYTORCH, zipped(("m/data.pkl", STATE), ("m/version", b"3\n")),
        [zipped(("m/data.pkl", STATE), ("m/run.so", b"x")), zipped(("m/data.pkl", STATE), ("m/data.pkl", STATE)), zipped(), b"PK\x03\x04cut"],
    ),
    ("m.npz", NPZ, zipped(("a.npy", npy())), [zipped(("a.npy", npy()), ("run.py", b"")), b"PK\x03\x04cut"]),
    ("m.keras", ZIP, zipped(("config.json", b"{}")), [zipped(("config.json", b"{}"), ("assets/x", b"")), zipped()]),
    ("m.nemo", ZIP, None, [zipped(("model.yaml", b"a: 1")), TRAILING]),
    (
        "m.pt!/m/code/__torch__/a.py", PLAIN, b"def f(x):\n  return torch.add(x, x)\n",
        [b"def f(x):\n  return torch.no_such_operator(x)\n", b"def f(x):\n  return ops.own.run(x)\n", b"def f(:\n"],
    ),
    ("m.pt!/m/a.py", PLAIN, None, [b"import our_project\n", b"def f(:\n"]),
    ("m.pt!/m/a.sh", PLAIN, None, [b"echo hello\n"]),
    ("m.pt!/m/a.so", ELF, None, [b"\x7fELF\x02\x01\x01" + bytes(60)]),
    (
        "m.pkl", PICKLE, STATE,
        [NAME, STATE + TRAILING, STATE[:-1], STATE[:-1] + b"\xff.", b"\x80\x02Vid\nQ.", b"\x80\x02)\x81.", b"\x80\x02\x82\x01.", b"\x80\x02}}R."],
    ),
    ("m.ptl!/m/bytecode.pkl", PICKLE, STATE, [NAME, pickle.dumps("own::run", 2), pickle.dumps("own::run", 4)]),
    (
        "m.safetensors", SAFETENSORS, safetensors(),
        [safetensors(run="me"), safetensors(run=1), safetensors(dtype="OBJ"), safetensors(metadata=[1]), safetensors() + TRAILING, safetensors()[:-1]],
    ),
    (
        "m.gguf", GGUF, gguf(), [gguf("run.me"), gguf(kind=99), gguf(tensor=99), gguf() + bytes(32) + TRAILING, gguf()[:-20]],
    ),
    ("m.onnx", ONNX, onnx(), [onnx("NoSuchOperator"), onnx(domain="our.project"), onnx(more=field(99, "x")), onnx() + b"\xff\xff"]),
    (
        "saved_model.pb", TENSORFLOW, saved_model(graph(node("a", "Add"))),
        [saved_model(graph(node("a", "NoSuchOperator"))), saved_model(graph(node("a", "Add"))) + field(99, "x"), saved_model(graph(node("a", "Add")))[:-3]],
    ),
    ("m.npy", NPY, npy(), [npy() + TRAILING, npy()[:-1], npy()[:20]]),
    ("m.h5", HDF5, hdf5(), [hdf5(external=True), hdf5() + TRAILING, hdf5()[:200]]),
    ("a.jinja", PLAIN, None, [b"{{ x.__class__ }}", b"{% no"]),
    ("chat_template.txt", PLAIN, None, [b"{{ x.__class__ }}", b"{% no"]),
    (
        "config.json", JSON, None,
        [b'{"_target_": "our_project.run"}', b'{"class_name": "Own", "module": "our_project", "config": {}}', b'{"run": 1}', b"{", b"_target_: our.run"],
    ),
    ("a.arrow", ARROW_FILE, None, [TRAILING]),
    ("a.parquet", PARQUET, None, [TRAILING]),
    ("m.mlmodel", CORE_ML, None, [field(1, 4) + field(99, "x"), TRAILING]),
    ("m.mlpackage!/Manifest.json", JSON, None, [b"{", b'{"run": 1}']),
    ("m.pdmodel", PADDLE, None, [field(1, field(99, "x")), TRAILING]),
    ("m.pdmodel", UNKNOWN, None, [field(99, "x"), TRAILING]),
    ("m.mlmodel", UNKNOWN, None, [field(99, "x"), TRAILING]),
    (
        "a.xml", XML, None, [b'<net version="11"><layers><layer id="0" type="Own" version="extension"/></layers></net>', b"<net>"],
    ),
    ("m.safetensors", UNKNOWN, None, [TRAILING, NAME]),
    ("m.onnx", UNKNOWN, None, [TRAILING, onnx("NoSuchOperator")]),
    ("pytorch_model.bin", ELF, None, [b"\x7fELF\x02\x01\x01" + bytes(60), NAME]),
    ("m.rds", PLAIN, None, [b"A\n2\n1\n2\n254\n", TRAILING]),
    ("a.sqlite", SQLITE, None, [b'SQLite format 3\0 {"lc": 2, "id": ["os", "system"]}', TRAILING]),
    ("a.t7", PLAIN, SEQUENTIAL, [SEQUENTIAL + TRAILING, b"6\n1\nreturn os.execute('id')\n", b"99\n"]),
    ("a.tflite", UNKNOWN, tflite((0, "")), [tflite((0, "")) + TRAILING, b"\x1c\x00\x00\x00TFL3" + bytes(40), TRAILING]),
    ("a.llamafile", ELF, None, [b"\x7fELF" + bytes(60)]),
    ("handler.py", PLAIN, None, [b"class EndpointHandler:\n    pass\n"]),
    ("README.md", MARKDOWN, None, [b"---\n_target_: our_project.run\n---\n# Model\n"]),
    ("a.gin", PLAIN, None, [b"import our_project\na.b = @our_project.run()\n"]),
    ("a.exe", ELF, None, [b"\x7fELF" + bytes(60)]),
    ("a.dat", PLAIN, None, [b"cour_project\nThing\n."]),
]  # fmt: skip


def about(path: str, media_type: str, size: int = 1) -> FileInfo:
    path, _, member = path.partition("!/")
    return FileInfo(path, size, media_type, member=member or None)


def row_of(path: str, media_type: str) -> LookRow:
    row = look_for(about(path, media_type))
    assert row is not None, path
    return row


def verdict(path: str, media_type: str, data: bytes) -> str | None:
    found = ModelFiles(Settings()).scan_file(io.BytesIO(data), about(path, media_type, len(data)))
    return next((one.verdict for one in found if isinstance(one, Judged)), None)


def test_every_row_has_a_case_that_reaches_it() -> None:
    assert sorted(row_of(path, kind).title for path, kind, _, _ in CASES) == sorted(row.title for row in LOOKS)


@each(
    ("path", "media_type", "strange"), [pytest.param(path, kind, strange, id=row_of(path, kind).title) for path, kind, _, strange in CASES]
)
def test_what_is_not_understood_is_not_inert(path: str, media_type: str, strange: list[bytes]) -> None:
    for number, data in enumerate(strange):
        found = verdict(path, media_type, data)
        assert found != "inert", f"case {number}"
        assert found is not None or not row_of(path, media_type).model, f"case {number}: a model file has a verdict"


@each(
    ("path", "media_type", "good"), [pytest.param(path, kind, good, id=row_of(path, kind).title) for path, kind, good, _ in CASES if good]
)
def test_what_is_understood_is_inert(path: str, media_type: str, good: bytes) -> None:
    assert verdict(path, media_type, good) == "inert"


@pytest.mark.parametrize(
    ("path", "in_model"),
    [
        ("update.bin!/lib/libc.so", False),
        ("pytorch_model.bin!/lib/libc.so", True),
        ("pytorch_model-00001-of-00002.bin!/lib/libc.so", True),
        ("model.pt!/lib/libc.so", True),
    ],
)
def test_programs_in_model_files(path: str, in_model: bool) -> None:
    row = look_for(about(path, ELF))
    assert ((row.title if row else "") == "program in a model file") == in_model
