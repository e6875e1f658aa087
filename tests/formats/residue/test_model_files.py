"""The bytes of model files: all are accounted for if a library wrote them, and text between them is found."""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Callable
from typing import Any

import h5py
import joblib
import numpy as np
import safetensors.numpy

from tests.cases import each
from tests.formats.model_files.building import GGUF_ARRAY, GGUF_STRING, gguf
from tests.formats.residue.accounts import PLANTED, both, found
from veritensor_ray.formats.records.recognise import masked_sum

RNG = np.random.default_rng(7)
NUMBERS = RNG.standard_normal((40, 60)).astype("f4")


def npy(array: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def safe(metadata: dict[str, str] | None = None) -> bytes:
    return safetensors.numpy.save({"a": NUMBERS, "b": NUMBERS[:3]}, metadata=metadata)


def onnx_model() -> bytes:
    import onnx

    made = onnx.helper
    weights = onnx.numpy_helper.from_array(NUMBERS, "weights")
    listed = made.make_tensor("listed", onnx.TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    node = made.make_node("MatMul", ["x", "weights"], ["y"], name="multiply", axes=[1, 2], scales=[1.0, 2.0])
    info = [made.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch_of_inputs", 60]) for name in ("x", "y")]
    model = made.make_model(made.make_graph([node], "graph", info[:1], info[1:], [weights, listed]))
    made.set_model_props(model, {"licence": "a licence"})
    return bytes(model.SerializeToString())


def dumped(value: Any, protocol: int = 5) -> bytes:
    return pickle.dumps(value, protocol)


def by_joblib(value: Any) -> bytes:
    out = io.BytesIO()
    joblib.dump(value, out)
    return out.getvalue()


def old_torch() -> bytes:
    import torch

    out = io.BytesIO()
    torch.save({"w": torch.tensor(NUMBERS), "n": torch.arange(9)}, out, _use_new_zipfile_serialization=False)
    return out.getvalue()


def gguf_of_numbers() -> bytes:
    return gguf([("general.name", GGUF_STRING, "a name"), ("tokens", GGUF_ARRAY, ["one", "two"]), ("general.file_type", 4, 1)], ["w", "v"])


def faiss() -> bytes:
    """A flat index."""
    head = (
        (60).to_bytes(4, "little") + (40).to_bytes(8, "little") + (1 << 20).to_bytes(8, "little") * 2 + b"\x01" + (1).to_bytes(4, "little")
    )
    return b"IxF2" + head + (40 * 60).to_bytes(8, "little") + NUMBERS.tobytes()


def field(number: int, data: bytes) -> bytes:
    """A field of a protocol buffer that is shorter than 128 bytes."""
    return bytes([number << 3 & 0x7F | 2 | (0x80 if number > 15 else 0), *([number >> 4] if number > 15 else []), len(data)]) + data


def record(data: bytes) -> bytes:
    """A record of a TFRecord file."""
    size = len(data).to_bytes(8, "little")
    return size + masked_sum(size).to_bytes(4, "little") + data + masked_sum(data).to_bytes(4, "little")


def example(*features: bytes) -> bytes:
    return record(field(1, b"".join(features)))


def feature(name: bytes, *values: bytes) -> bytes:
    return field(1, field(1, name) + b"".join(field(2, field(1, field(1, value))) for value in values))


def hdf5(libver: str = "earliest", plant: Callable[[Any], None] = lambda root: None) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver=libver) as root:
        root.attrs["model_config"] = '{"class_name": "Sequential", "config": ["some words", "and more of them"]}'
        root.attrs["a long name of an attribute"] = ["first text", "another text"]
        root.attrs["of a fixed length"] = np.array([b"twelve bytes", b"twelve again"])
        root["texts"] = np.array([f"text number {i} of many" for i in range(160)], dtype=h5py.string_dtype())
        root["a group of its own/of a fixed length"] = np.array([b"one of the values", b"and another value"])
        root.create_dataset("in chunks", data=RNG.standard_normal((100, 30)), chunks=(16, 16))
        root.create_dataset("compressed", data=NUMBERS, chunks=(16, 16), compression="gzip")
        root["records"] = np.array([(1, b"text in a record")], dtype=[("a numeric field", "i4"), ("a field of text", "S20")])
        root["a soft link"] = h5py.SoftLink("/a group of its own")
        plant(root)
    return out.getvalue()


def fill_value(root: Any) -> None:
    root.create_dataset("filled", shape=(4,), dtype="S23", fillvalue=PLANTED)


def comment(root: Any) -> None:
    h5py.h5o.set_comment(root["texts"].id, PLANTED)


def deleted(root: Any) -> None:
    root["x"] = np.array([PLANTED.decode()] * 3, dtype=h5py.string_dtype())
    del root["x"]


def outside(root: Any) -> None:
    made = root.create_dataset("cut", data=np.array([b"one value", PLANTED]), chunks=(2,), maxshape=(None,))
    root.flush()
    raw = made.id.read_direct_chunk((0,))[1]
    made.resize((1,))
    made.id.write_direct_chunk((0,), raw)


VALUE = {"text": "some words", "long": 1 << 40, "floats": [1.5, 2.5] * 20, "bytes": b"bytes that are text", "numbers": NUMBERS}
LINES = b"written to " + PLANTED + b"\n"
WRITTEN: dict[str, Callable[[], bytes]] = {
    "a.safetensors": lambda: safe({"format": "pt", "note": "some words"}),
    "b.safetensors": safe,
    "a.gguf": gguf_of_numbers,
    "a.npy": lambda: npy(NUMBERS),
    "texts.npy": lambda: npy(np.array(["some words", "and some more of them"])),
    "records.npy": lambda: npy(np.array([(1, b"some words")], dtype=[("number", "i4"), ("text", "S20")])),
    "objects.npy": lambda: npy(np.array(["some words", 2, None], object), allow_pickle=True),
    "fortran.npy": lambda: npy(np.asfortranarray(NUMBERS)),
    "a.onnx": onnx_model,
    **{f"{protocol}.pkl": (lambda protocol=protocol: dumped(VALUE, protocol)) for protocol in range(6)},  # type: ignore[misc]
    "a.joblib": lambda: by_joblib(VALUE),
    "a.pt": old_torch,
    "a.tfrecord": lambda: example(feature(b"text", b"some words")) * 3,
    "a.faiss": faiss,
    "a.h5": hdf5,
    "latest.h5": lambda: hdf5("latest"),
}


@each("name", WRITTEN)
def test_nothing_is_left_of_what_libraries_write(name: str) -> None:
    given, left = both(WRITTEN[name](), name)
    assert given or name in ("a.npy", "fortran.npy", "a.faiss")
    assert left == []


def in_header(data: bytes, at: int, inserted: bytes) -> bytes:
    """A safetensors file with more in its header."""
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + at] + inserted + data[8 + at : 8 + size]
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def gap_between_tensors() -> bytes:
    head = b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[40,44]}}'
    return len(head).to_bytes(8, "little") + head + bytes(10) + PLANTED + bytes(44 - 10 - len(PLANTED))


def gap_in_gguf() -> bytes:
    data = gguf([], ["w", "v"])
    begin = len(data) - 96
    between = begin + -begin % 32 + 4
    return data[:between] + PLANTED + data[between + len(PLANTED) :]


def with_space() -> Any:
    """An array whose fields do not stand side by side."""
    made = np.zeros(2, {"names": ["x", "y"], "formats": ["f4", "S9"], "offsets": [0, 40]})
    made["x"] = 1.5
    return made


PLACES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "safetensors: an unknown field": ("a.safetensors", lambda: in_header(safe(), 6, b'"note":"%s",' % PLANTED)),
    "safetensors: a key of an unknown field": ("a.safetensors", lambda: in_header(safe(), 6, b'"%s":1,' % PLANTED)),
    "safetensors: a key of the metadata": ("a.safetensors", lambda: safe({PLANTED.decode(): "x"})),
    "safetensors: between tensors": ("a.safetensors", gap_between_tensors),
    "safetensors: at the end": ("a.safetensors", lambda: safe() + PLANTED),
    "GGUF: a key": ("a.gguf", lambda: gguf([(PLANTED.decode(), 4, 1)])),
    "GGUF: between tensors": ("a.gguf", gap_in_gguf),
    "GGUF: at the end": ("a.gguf", lambda: gguf([], ["w"]) + PLANTED),
    "npy: in the padding of the header": ("a.npy", lambda: npy(NUMBERS).replace(b"}" + b" " * 25, b"}# " + PLANTED)),
    "npy: a title": ("a.npy", lambda: npy(np.zeros(2, [((PLANTED.decode(), "x"), "f4")]))),
    "npy: at the end": ("a.npy", lambda: npy(NUMBERS) + PLANTED),
    "npy: a field of bytes": (
        "a.npy",
        lambda: npy(np.array([(1.5, b""), (2.5, b"")], [("x", "f4"), ("y", "V23")])).replace(bytes(23), PLANTED),
    ),
    "npy: between fields": ("a.npy", lambda: npy(with_space()).replace(bytes(23), PLANTED, 1)),
    "ONNX: an unknown field": ("a.onnx", lambda: onnx_model() + field(40, PLANTED)),
    "ONNX: an unknown field of the graph": ("a.onnx", lambda: onnx_model() + field(7, field(90, PLANTED))),
    "ONNX: a key": ("a.onnx", lambda: onnx_model() + field(14, field(1, PLANTED) + field(2, b"value"))),
    "ONNX: a second key": ("a.onnx", lambda: onnx_model() + field(14, field(1, PLANTED) + field(1, b"key"))),
    "HDF5: a fill value": ("a.h5", lambda: hdf5(plant=fill_value)),
    "HDF5: a comment": ("a.h5", lambda: hdf5(plant=comment)),
    "HDF5: a value that nothing refers to": ("a.h5", lambda: hdf5(plant=deleted)),
    "HDF5: outside of a dataset": ("a.h5", lambda: hdf5(plant=outside)),
    "HDF5: a name of an attribute": ("a.h5", lambda: hdf5(plant=lambda root: root.attrs.update({PLANTED.decode(): 1}))),
    "HDF5: a name of a field": ("a.h5", lambda: hdf5(plant=lambda root: root.update(x=np.zeros(2, [(PLANTED.decode(), "f4")])))),
    "HDF5: at the end": ("a.h5", lambda: hdf5() + PLANTED),
    "ONNX: at the end": ("a.onnx", lambda: onnx_model() + PLANTED),
    "pickle: bytes in UTF-16": ("a.pkl", lambda: dumped(PLANTED.decode().encode("utf-16-le"))),
    "pickle: a long number": ("a.pkl", lambda: dumped(["x" * 9, int.from_bytes(PLANTED, "little")])),
    "pickle: in bytes of all kinds": ("a.pkl", lambda: dumped(bytes(range(256)) + PLANTED + bytes(range(256)))),
    "pickle: in place of a number": ("0.pkl", lambda: b"(lp0\nI" + PLANTED + b"\naVsome words\np1\na."),
    "pickle: a name": ("0.pkl", lambda: b"cos\n" + PLANTED + b"\n(tR."),
    "pickle: after STOP": ("a.pkl", lambda: dumped(VALUE) + PLANTED),
    "torch: after the tensors": ("a.pt", lambda: old_torch() + PLANTED),
    "joblib: after STOP": ("a.joblib", lambda: by_joblib(VALUE) + PLANTED),
    "TFRecord: a feature with two values": ("a.tfrecord", lambda: example(feature(b"name", PLANTED, b"another"))),
    "TFRecord: the name of a list of numbers": ("a.tfrecord", lambda: example(field(1, field(1, PLANTED) + field(2, field(3, b"\x01"))))),
    "TFRecord: a stream in an odd record": (
        "a.tfrecord",
        lambda: record(bytes(range(200, 250)) + zlib.compress(LINES * 2) + bytes(range(200, 250))),
    ),
    "TFRecord: after the last record": ("a.tfrecord", lambda: example(feature(b"name", b"value")) + bytes(20) + PLANTED),
    "FAISS: at the end": ("a.faiss", lambda: faiss() + PLANTED),
}


@each(("name", "made"), PLACES.values(), ids=PLACES)
def test_text_in_places_that_no_program_shows_is_found(name: str, made: Callable[[], bytes]) -> None:
    assert found(made(), name)
