"""Pickles of NumPy and dumps of joblib become safetensors with the arrays that these libraries load, and only if they hold nothing besides."""

from __future__ import annotations

import io
import pickle
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from tests.cases import each
from tests.formats.model_files.torch.checkpoints import PAYLOAD, Command
from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.model_files.safetensors import write
from veritensor_ray.formats.model_files.safetensors.from_pickles import to_safetensors
from veritensor_ray.formats.opened_files import opened

TYPES = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
BASE = np.arange(24, dtype="f4").reshape(2, 3, 4)
OBJECTS = np.empty((2, 2), object)
OBJECTS[:] = [[BASE, BASE[0]], [BASE[1], BASE.T]]
VALUES: dict[str, Any] = {
    "types": {name: np.arange(6).astype(name).reshape(2, 3) for name in TYPES},
    "orders": {"turned": BASE.T, "part": BASE[:, 1:, ::2], "fortran": np.asfortranarray(BASE), "row": BASE[0, 1]},
    "shapes": {"scalar": np.array(1.5), "empty": np.zeros((0, 3)), "one": np.ones(1), "large": np.arange(5000.0)},
    "containers": {"layers": [BASE, {"w": BASE}, (BASE[0], BASE[1])], "ordered": OrderedDict(a=BASE), "ü": BASE, "none": {}},
    "objects": {"some": OBJECTS, "one": np.array({"a": BASE}, object)},
    "alone": BASE,
    "twice": [BASE, BASE],
}


def flat(value: Any, path: str = "") -> dict[str, np.ndarray[Any, Any]]:
    if isinstance(value, np.ndarray) and value.dtype == object:
        items = {".".join(map(str, index)): value[index] for index in np.ndindex(value.shape)}
    elif isinstance(value, (list, tuple)):
        items = {str(number): one for number, one in enumerate(value)}
    elif isinstance(value, dict):
        items = value
    else:
        return {path or "array": value}
    return {name: one for key, inner in items.items() for name, one in flat(inner, ".".join(filter(None, (path, key)))).items()}


def converted(data: bytes, name: str = "a.pkl") -> tuple[str, dict[str, np.ndarray[Any, Any]]]:
    """Return what is said about a file, and its arrays, as the library of safetensors loads them."""
    from safetensors.numpy import load

    with tempfile.TemporaryFile() as out:
        said = to_safetensors(opened(io.BytesIO(data), name, Limits()), out, lambda: None)
        out.seek(0)
        return said, load(out.read())


def assert_same(found: dict[str, np.ndarray[Any, Any]], expected: dict[str, np.ndarray[Any, Any]]) -> None:
    assert {name: (one.dtype, one.shape) for name, one in found.items()} == {name: (one.dtype, one.shape) for name, one in expected.items()}
    for name, one in expected.items():
        np.testing.assert_array_equal(found[name], one)


def dumped(value: Any, **options: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.joblib")
        joblib.dump(value, path, **options)
        return path.read_bytes()


def saved(value: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, value, allow_pickle=True)
    return out.getvalue()


def planted(data: bytes) -> bytes:
    """A pickle that runs a command before anything else."""
    at = 2 if data[:1] == b"\x80" else 0
    return data[:at] + PAYLOAD + b"tR0" + data[at:]


@each("name", VALUES)
@each("protocol", range(6))
def test_pickles_of_every_protocol(name: str, protocol: int) -> None:
    value = VALUES[name]
    said, found = converted(planted(pickle.dumps(value, protocol)))
    expected = flat(value)
    assert said == f"safetensors with {len(expected)} array{'s' * (len(expected) > 1)}"
    assert_same(found, expected)


@each("name", VALUES)
@each("protocol", [2, 3, 4, 5])
def test_dumps_of_joblib(name: str, protocol: int) -> None:
    assert_same(converted(dumped(VALUES[name], protocol=protocol), "a.joblib")[1], flat(VALUES[name]))


@pytest.mark.parametrize("compress", [3, ("zlib", 1), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3), ("lz4", 3)], ids=str)
def test_dumps_that_are_compressed(compress: Any) -> None:
    value = VALUES["orders"] | VALUES["objects"]
    assert_same(converted(dumped(value, compress=compress), "a.joblib.z")[1], flat(value))


@pytest.mark.parametrize(
    "value", [VALUES["containers"], OBJECTS, VALUES["objects"]["one"]], ids=["a dict", "objects", "without dimensions"]
)
def test_npy_files_with_objects(value: Any) -> None:
    assert_same(converted(saved(value), "a.npy")[1], flat(value))


def test_arrays_that_are_larger_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "CHUNK", 100)
    value = {"a": np.arange(4000.0).reshape(40, 100).T, "b": np.arange(3000).reshape(2, 300, 5).transpose(2, 0, 1)}
    for data in (pickle.dumps(value), dumped(value)):
        assert_same(converted(data)[1], value)


class Own(np.ndarray[Any, Any]):
    """A class of somebody else's arrays."""


def given(value: Any) -> bytes:
    """A pickle in which something unknown is given the array that it returns."""
    data = pickle.dumps(value, 2)
    return b"\x80\x02cwebbrowser\nopen\n" + data[2:-1] + b"q\xfe\x85R0h\xfe."


REFUSED: list[tuple[Any, str]] = [
    ({"a": BASE, "n": 3}, "'n' is a value of type int, not an array"),
    ({"a": BASE, "n": None}, "'n' is nothing, not an array"),
    ({"a": BASE, "t": "text"}, "'t' is a value of type str, not an array"),
    ({"a": BASE, "x": Command()}, "'x' is a result of posix.system, not an array"),
    ({"a": [BASE, np.float64(1)]}, "'a.1' is a result of numpy._core.multiarray.scalar, not an array"),
    ({"a": BASE.astype(">f4")}, "'a' is an array whose numbers are not stored with the lowest byte first, not an array"),
    ({"a": BASE.astype("c16")}, "'a' is an array of the type c16, which safetensors lacks, not an array"),
    ({"a": np.array(["x"])}, "'a' is an array of the type U1, which safetensors lacks, not an array"),
    ({"a": np.zeros(2, [("x", "f4")])}, "'a' is an array of the type V4, which safetensors lacks, not an array"),
    ({1: BASE}, "a name in it is not a text"),
    ({"a.b": BASE, "a": {"b": BASE}}, "the name 'a.b' occurs twice"),
    ({}, "it holds no arrays"),
    ({"a": BASE.view(Own)}, "'a' is an array of another class, not an array"),
    ({"a": {BASE.size}}, "'a' is a set, not an array"),
]


@each(("value", "reason"), REFUSED)
@each("dump", [pickle.dumps, dumped])
def test_everything_else_is_refused_with_a_reason(value: Any, reason: str, dump: Callable[[Any], bytes]) -> None:
    if dump is dumped and reason.startswith("'a' is an array") and not isinstance(value["a"], Own):
        reason = reason.replace("'a' is", "it holds").removesuffix(", not an array")  # nobody knows where the pickle goes on
    with pytest.raises(CannotRewriteError) as refused:
        converted(dump(value))
    assert str(refused.value) == reason


def test_damaged_and_dangerous_files_are_refused() -> None:
    plain, other, container = pickle.dumps({"a": BASE}), dumped({"a": BASE, "b": BASE}), [BASE]
    cases = [
        (plain + b"more", "something follows its pickle"),
        (plain + plain, "something follows its pickle"),
        (given(BASE), "something besides its arrays is given them and may change them"),
        (given(container), "something besides its arrays is given them and may change them"),
        (dumped({"a": BASE})[:-60], "it holds an array that is cut off"),
        (other[: len(other) // 2], ""),
        (plain[:-30], "its pickle is damaged"),
        (plain[:-1] + b"\x8e\xff\xff\xff\xff\x00\x00\x00\x00", f"its pickle has more than {bounds.ARRAYS_PICKLE:,} bytes"),
        (plain.replace(b"K\x02K\x03K\x04\x87", b"K\x02K\x03K\x05\x87"), "an array whose values do not have its size"),
        (pickle.dumps([np.broadcast_to(np.zeros(1, "i1"), (1 << 20,)).copy()] * 1, 2)[:200], "its pickle is damaged"),
    ]
    for data, reason in cases:
        with pytest.raises(CannotRewriteError) as refused:
            converted(data)
        assert reason in str(refused.value), (reason, str(refused.value))
    twice: list[Any] = [container, container]
    with pytest.raises(CannotRewriteError, match="a container stands in it twice"):
        converted(pickle.dumps(twice))
    many = [BASE] * 500
    with pytest.raises(CannotRewriteError, match="its arrays repeat values"):
        converted(pickle.dumps(many))


@each("at", range(0, 400, 7))
def test_a_changed_byte_never_makes_another_array(at: int) -> None:
    data = bytearray(dumped(VALUES["containers"]))
    data[at % len(data)] ^= 0x15
    try:
        found = converted(bytes(data))[1]
    except CannotRewriteError:
        return
    loaded = joblib.load(io.BytesIO(bytes(data)))
    assert_same(found, flat(loaded))
