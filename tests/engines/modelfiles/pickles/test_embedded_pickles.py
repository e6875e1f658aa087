"""Pickles inside files of other formats, and in their rows; each with a twin that holds a harmless pickle."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.engines.modelfiles.building import attack, dumps, found, stack_global, text
from tests.pipeline.test_extract import scanned
from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.modelfiles.effects import Effect
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.pickles.embedded_pickles import scan_embedded

HARMLESS = np.array(["a", None], object)
SYSTEM = ("dangerous-pickle", "posix.system")


def _typed(pickled: bytes) -> pa.Table:
    field = pa.field("e", pa.int64(), metadata={b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickled})
    return pa.table([pa.array([1, 2])], schema=pa.schema([field]))


def _arrow(pickled: bytes, writer: Callable[..., Any]) -> bytes:
    out, table = io.BytesIO(), _typed(pickled)
    with writer(out, table.schema) as file:
        file.write_table(table)
    return out.getvalue()


def _parquet(pickled: bytes) -> bytes:
    out = io.BytesIO()
    pq.write_table(_typed(pickled), out)
    return out.getvalue()


def _hdf5(attribute: bytes, objects: bytes) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["CLASS"], file.attrs["made"] = "GROUP", np.bytes_(attribute)
        rows = file.create_dataset("objects", (1,), dtype=h5py.vlen_dtype(np.uint8))
        rows[0] = np.frombuffer(objects, np.uint8)
    return out.getvalue()


def _msgpack(pickled: bytes) -> bytes:
    """What msgpack-numpy writes for an array of objects."""

    def binary(data: bytes) -> bytes:
        return b"\xc5" + len(data).to_bytes(2, "big") + data

    pairs = ((b"nd", b"\xc3"), (b"type", binary(b"|O")), (b"kind", binary(b"O")), (b"shape", b"\x91\x02"), (b"data", binary(pickled)))
    return b"\x85" + b"".join(binary(key) + value for key, value in pairs)


FORMATS: dict[str, Callable[[Any], bytes]] = {
    "a.arrow": lambda value: _arrow(dumps(value), pa.ipc.new_file),
    "b.arrow": lambda value: _arrow(dumps(value, 0), pa.ipc.new_file),
    "a.arrows": lambda value: _arrow(dumps(value), pa.ipc.new_stream),
    "a.parquet": lambda value: _parquet(dumps(value)),
    "a.h5": lambda value: _hdf5(dumps(value, 0), dumps(1)),
    "b.h5": lambda value: _hdf5(b"text", dumps(value)),
    "a.msgpack": lambda value: _msgpack(dumps(value)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name: str) -> None:
    assert SYSTEM in found(FORMATS[name](attack()), name)
    assert found(FORMATS[name](HARMLESS), name) == []


def test_the_middle_of_a_long_file_is_left_to_its_reader() -> None:
    data = bytes(1000) + dumps(attack()) + bytes(5000) + dumps(attack()) + bytes(1000)
    both = [hit.start for hit in scan_embedded(io.BytesIO(data), NamePolicy())]  # type: ignore[union-attr]
    assert len(both) == 1  # a name is reported once
    assert not list(scan_embedded(io.BytesIO(data), NamePolicy(), ends=500))


LONG = b"X" + (2 << 20).to_bytes(4, "little") + bytes(2 << 20) + b"0"  # a text of 2 MiB, and a POP
MANY = b"]0" * (1 << 20)
CALLED = stack_global("posix", "system") + text("x") + b"\x85R."


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"\x80\x02]q\xff\xff" * 300 + dumps(attack()), {"posix.system"}, id="places that are not pickles"),
        pytest.param(b"\x80\x02]q\xff" * 1000 + b"\xff" + dumps(attack()), {"embedded_walked"}, id="too many of them"),
        pytest.param(b"\x80\x02]ccollections\nOrderedDict\n)R." * 100 + dumps(attack()), {"posix.system"}, id="harmless calls"),
        pytest.param(b"\x80\x04" + LONG + CALLED, {"posix.system"}, id="a long text before the call"),
        pytest.param(b"\x80\x04]" + MANY + CALLED, {"embedded_pickle"}, id="many values before the call"),
        pytest.param(b"\x80\x04]" + CALLED[:-1] + MANY, {"posix.system", "embedded_pickle"}, id="many values behind the call"),
        pytest.param(b"\x80\x02X\xff\xff\0\0" * 300, set(), id="texts that the file does not hold"),
        pytest.param(b"\x80\x02X\xff\xff\0\0\xff" * 200, set(), id="texts with no opcode behind them"),
    ],
)
def test_decoys_hide_nothing(monkeypatch: pytest.MonkeyPatch, data: bytes, said: set[str]) -> None:
    monkeypatch.setattr(bounds, "EMBEDDED_WALKED", 5 << 18)
    found = {
        one.bound if isinstance(one, Gap) else one.evidence
        for one in scan_embedded(io.BytesIO(data), NamePolicy())
        if not isinstance(one, Effect)
    }
    assert found == said


def test_a_pickle_far_behind_the_beginning(tmp_path: Path) -> None:
    with (tmp_path / "a.h5").open("w+b") as file:
        file.truncate(300 << 20)
        file.seek(0, 2)
        file.write(dumps(attack()))
        assert [one.evidence for one in scan_embedded(file, NamePolicy())] == ["posix.system"]  # type: ignore[union-attr]


def _rows(value: Any) -> dict[str, bytes]:
    """Files that hold a pickle as text."""
    pickled = dumps(value)
    plain, url, digits = base64.b64encode(pickled).decode(), base64.urlsafe_b64encode(pickled).decode(), pickled.hex()
    return {
        "a.json": json.dumps([{"id": 1, "blob": plain}]).encode(),
        "a.jsonl": json.dumps({"blob": digits}).encode() + b"\n",
        "a.csv": f"id,blob\n1,{plain}\n".encode(),
        "a.yaml": f"blob: {url}\n".encode(),
        "a.txt": b"The object:\n" + base64.b64encode(dumps(value, 0)) + b"\n",
        "b.txt": b"The object:\n" + base64.b64encode(dumps(value, 2)) + b"\n",
    }


def test_rows(tmp_path: Path) -> None:
    for folder, value in (("attack", attack()), ("twin", HARMLESS)):
        (tmp_path / folder).mkdir()
        for name, data in _rows(value).items():
            (tmp_path / folder / name).write_bytes(data)
    said = {
        plan.artifact: {found["evidence"] for found in row["findings"] if found["rule_id"] == "modelfiles.dangerous-pickle"}
        for plan, row in scanned(tmp_path, engines=["modelfiles"])
    }
    assert said == {path: {"posix.system"} if path.startswith("attack") else set() for path in said}
    assert len(said) == 12
