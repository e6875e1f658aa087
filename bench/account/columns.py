"""Places in columnar files: every role that a text can have in a table, written by pyarrow and fastavro, and the gaps between known ranges."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.orc
import pyarrow.parquet as pq

from bench.account.canary import FORMS, TEXT, Place, Sample, forms, in_all_forms, number_role, put, put_all, role

_QUIET = "nothing to see here"


class _Note(pa.ExtensionType):  # type: ignore[misc]
    """A type whose name and parameters are texts."""

    def __init__(self, name: str, parameters: bytes) -> None:
        self._parameters = parameters
        super().__init__(pa.int32(), name)

    def __arrow_ext_serialize__(self) -> bytes:
        return self._parameters

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, parameters: bytes) -> _Note:
        return cls("note", parameters)


def _named(array: Any, name: str = "a", **of_field: Any) -> pa.Table:
    return pa.table([array], pa.schema([pa.field(name, array.type, **of_field)]))


def _strings(texts: list[bytes], *, null: int | None = None, before: bytes = b"", behind: bytes = b"") -> pa.Array:
    """Return strings, one of them null although its bytes are there, with bytes that no string refers to."""
    offsets = [len(before)]
    for text in texts:
        offsets.append(offsets[-1] + len(text))
    valid = None if null is None else pa.py_buffer(bytes([(1 << len(texts)) - 1 - (1 << null)]))
    return pa.Array.from_buffers(
        pa.string(),
        len(texts),
        [valid, pa.py_buffer(struct.pack(f"<{len(offsets)}i", *offsets)), pa.py_buffer(before + b"".join(texts) + behind)],
    )


def _validity(*bits: bool) -> pa.Buffer:
    return pa.py_buffer(bytes([sum(bit << number for number, bit in enumerate(bits))]))


def _union(text: str, *, dense: bool) -> pa.Array:
    """Return a union whose values come from its first child."""
    types, children = pa.array([0, 0], pa.int8()), [pa.array(["a", "b"]), pa.array([text, text])]
    return pa.UnionArray.from_dense(types, pa.array([0, 1], pa.int32()), children) if dense else pa.UnionArray.from_sparse(types, children)


def _binary(form: str, text: str) -> pa.Table:
    return _named(pa.array([forms(text)[form]], pa.binary()))


def _fixed(form: str, text: str) -> pa.Table:
    return _named(pa.array([forms(text)[form]], pa.binary(len(forms(text)[form]))))


def _metadata(form: str, text: str) -> pa.Table:
    return _named(pa.array([1])).replace_schema_metadata({"note": b"\xff" + forms(text)[form]})


# A table for each role. In the last ones, no program shows the text as a value.
ROLES: dict[str, Callable[[str], pa.Table]] = {
    "cell": lambda t: _named(pa.array([t])),
    "cell of a long string": lambda t: _named(pa.array([t], pa.large_string())),
    "cell of a string view": lambda t: _named(pa.array([t], pa.string_view())),
    "cell in a list": lambda t: _named(pa.array([[[t]]])),
    "cell in a struct": lambda t: _named(pa.array([{"b": {"c": t}}])),
    "key of a map": lambda t: _named(pa.array([[(t, 1)]], pa.map_(pa.string(), pa.int32()))),
    "value of a map": lambda t: _named(pa.array([[(1, t)]], pa.map_(pa.int32(), pa.string()))),
    "value of a dictionary": lambda t: _named(pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([t]))),
    "repeated value": lambda t: _named(pa.RunEndEncodedArray.from_arrays(pa.array([3], pa.int32()), pa.array([t]))),
    **{f"binary cell{form}": partial(_binary, form) for form in FORMS},
    **{f"binary cell of fixed size{form}": partial(_fixed, form) for form in FORMS},
    "numbers whose bytes are text": lambda t: _named(pa.array(struct.unpack("<5q", t.encode()[:40]), pa.int64())),
    "column name": lambda t: _named(pa.array([1]), t),
    "name of a field in a struct": lambda t: _named(pa.array([{t: 1}])),
    "name of a field in a null": lambda t: _named(pa.array([None], pa.struct([(t, pa.int32())]))),
    "name of the items of a list": lambda t: _named(pa.array([[1]], pa.list_(pa.field(t, pa.int64())))),
    "metadata of the table": lambda t: _named(pa.array([1])).replace_schema_metadata({"note": t}),
    "key of the metadata of the table": lambda t: _named(pa.array([1])).replace_schema_metadata({t: "note"}),
    "JSON in the metadata of the table": lambda t: _named(pa.array([1])).replace_schema_metadata({"pandas": json.dumps({"columns": [{"name": t}]})}),
    **{f"bytes in the metadata of the table{form}": partial(_metadata, form) for form in FORMS},
    "metadata of a column": lambda t: _named(pa.array([1]), metadata={"note": t}),
    "key of the metadata of a column": lambda t: _named(pa.array([1]), metadata={t: "note"}),
    "time zone": lambda t: _named(pa.array([1], pa.timestamp("s", tz=t))),
    "name of a type": lambda t: _named(pa.ExtensionArray.from_storage(_Note(t, b""), pa.array([1], pa.int32()))),
    "parameters of a type": lambda t: _named(pa.ExtensionArray.from_storage(_Note("note", t.encode()), pa.array([1], pa.int32()))),
    "name of a column without rows": lambda t: _named(pa.array([], pa.string()), t),
    "value of a dictionary that no row has": lambda t: _named(pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(["a", t]))),
    "value of a dictionary of nulls": lambda t: _named(pa.DictionaryArray.from_arrays(pa.array([None], pa.int8()), pa.array([t]))),
    "value of a dictionary without rows": lambda t: _named(pa.DictionaryArray.from_arrays(pa.array([], pa.int8()), pa.array([t]))),
    "bytes of a null": lambda t: _named(_strings([b"a", t.encode()], null=1)),
    "bytes behind the last string": lambda t: _named(_strings([b"a"], behind=t.encode())),
    "bytes before the first string": lambda t: _named(_strings([b"a"], before=t.encode())),
    "row before a slice": lambda t: _named(pa.array([t, "a"]).slice(1)),
    "row behind a slice": lambda t: _named(pa.array(["a", t]).slice(0, 1)),
    "child of a null struct": lambda t: _named(pa.StructArray.from_buffers(pa.struct([("b", pa.string())]), 2, [_validity(True, False)], children=[pa.array(["a", t])])),
    "items of a null list": lambda t: _named(pa.ListArray.from_buffers(pa.list_(pa.string()), 2, [_validity(True, False), pa.py_buffer(struct.pack("<3i", 0, 1, 2))], children=[pa.array(["a", t])])),
    "items behind the last list": lambda t: _named(pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["a", t]))),
    "child of a dense union that no row has": lambda t: _named(_union(t, dense=True)),
    "child of a sparse union that no row has": lambda t: _named(_union(t, dense=False)),
}  # fmt: skip
Writer = Callable[[pa.Table, Any], None]


def _ipc(table: pa.Table, writer: Any) -> None:
    with writer:
        writer.write_table(table)


# The same for numbers.
_NUMBERS: dict[str, Callable[[int], pa.Table]] = {
    "number": lambda number: _named(pa.array([number])),
    "unsigned number": lambda number: _named(pa.array([number], pa.uint64())),
    "floating-point number": lambda number: _named(pa.array([float(number)])),
    "decimal number": lambda number: _named(pa.array([Decimal(number)], pa.decimal128(20, 2))),
    "number in a list": lambda number: _named(pa.array([[number]])),
    "number in a struct": lambda number: _named(pa.array([{"b": number}])),
    "number as a key of a map": lambda number: _named(pa.array([[(number, 1)]], pa.map_(pa.int64(), pa.int32()))),
    "number in a dictionary": lambda number: _named(pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([number]))),
    "number in a dictionary that no row has": lambda number: _named(pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([1, number]))),
    "duration": lambda number: _named(pa.array([number], pa.duration("ns"))),
}
# How a table is written, by what is added to the names of roles and the name of the file.
WRITERS: dict[tuple[str, str], Writer] = {
    ("", "a.parquet"): lambda table, out: pq.write_table(table, out),
    (", plain", "a.parquet"): lambda table, out: pq.write_table(table, out, compression="none", use_dictionary=False, store_schema=False),
    (", zstd", "a.parquet"): lambda table, out: pq.write_table(table, out, compression="zstd", data_page_version="2.0"),
    ("", "a.arrow"): lambda table, out: _ipc(table, pa.ipc.new_file(out, table.schema)),
    (", zstd", "a.feather"): lambda table, out: _ipc(table, pa.ipc.new_file(out, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd"))),
    ("", "stream.arrow"): lambda table, out: _ipc(table, pa.ipc.new_stream(out, table.schema)),
    ("", "a.orc"): lambda table, out: pa.orc.write_table(table, out),
    (", zlib", "a.orc"): lambda table, out: pa.orc.write_table(table, out, compression="zlib"),
}  # fmt: skip


def written(table: pa.Table, write: Writer) -> bytes:
    """Return the file of a table."""
    out = io.BytesIO()
    write(table, out)
    return out.getvalue()


def column_samples() -> Iterator[Sample]:
    """Yield files of a harmless table with the places in tables."""
    for (how, name), write in WRITERS.items():
        base = written(_named(pa.array([_QUIET, "and another line"])), write)
        yield Sample(name, base, partial(_places, base, how, write))
    yield Sample("a.avro", _avro({}, [{"t": _QUIET}]), _avro_places)


def _places(base: bytes, how: str, write: Writer) -> Iterator[Place]:
    for name, make in ROLES.items():
        try:
            yield from role(f"{name}{how}", partial(_of_role, make, write))
        except (pa.ArrowException, NotImplementedError, ValueError):
            continue  # the format has no such type
    for name, of_number in _NUMBERS.items():
        try:
            yield from number_role(f"{name}{how}", partial(_of_number, of_number, write))
        except (pa.ArrowException, NotImplementedError, ValueError):
            continue
    if base.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        yield from role("metadata of a batch", lambda text: _batch_metadata(text, base.startswith(b"ARROW1")))
    yield from _gaps(base)


def _of_role(make: Callable[[str], pa.Table], write: Writer, text: str) -> bytes:
    return written(make(text), write)


def _of_number(make: Callable[[int], pa.Table], write: Writer, number: int) -> bytes:
    return written(make(number), write)


def _batch_metadata(text: str, is_file: bool) -> bytes:
    out, batch = io.BytesIO(), pa.record_batch({"a": [1]})
    with (pa.ipc.new_file if is_file else pa.ipc.new_stream)(out, batch.schema) as stream:
        stream.write_batch(batch, custom_metadata={"note": text})
    return out.getvalue()


def _gaps(data: bytes) -> Iterator[Place]:
    """Yield places before the footer, whose length stands at the end of the file."""
    if data.startswith(b"PAR1"):
        footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    elif data.startswith(b"ARROW1"):
        footer = len(data) - 10 - int.from_bytes(data[-10:-6], "little")
        stream = written(_named(pa.array([TEXT, "b"])), WRITERS["", "stream.arrow"])
        batch = stream[8 + int.from_bytes(stream[4:8], "little") : -8]  # without the schema and the end
        yield put("batch that the footer does not name", "", data, footer, batch)
    else:
        return
    yield from put_all("gap before the footer", "", data, footer)


def _avro(schema: dict[str, Any], rows: list[dict[str, Any]], codec: str = "null", metadata: dict[str, str] | None = None) -> bytes:
    import fastavro

    out = io.BytesIO()
    whole = {"type": "record", "name": "r", "fields": [{"name": "t", "type": "string"}]} | schema
    fastavro.writer(out, fastavro.parse_schema(whole), rows, codec=codec, sync_marker=bytes(16), metadata=metadata or {})
    return out.getvalue()


def _avro_of(schema: Callable[[str], dict[str, Any]], rows: list[dict[str, Any]], text: str) -> bytes:
    return _avro(schema(text), rows)


def _avro_places() -> Iterator[Place]:
    rows, field = [{"t": _QUIET}], {"name": "t", "type": "string"}
    schemas: dict[str, Callable[[str], dict[str, Any]]] = {
        "description": lambda text: {"doc": text},
        "unknown property": lambda text: {"note": text},
        "key of an unknown property": lambda text: {text: 1},
        "description of a field": lambda text: {"fields": [field | {"doc": text}]},
        "default of a field": lambda text: {"fields": [field | {"default": text}]},
        "unknown property of a field": lambda text: {"fields": [field | {"note": {"a": [text]}}]},
        "logical type": lambda text: {"fields": [{"name": "t", "type": {"type": "string", "logicalType": text}}]},
    }
    for kind, schema in schemas.items():
        yield from role(f"schema: {kind}", partial(_avro_of, schema, rows))
    yield from role("cell", lambda text: _avro({}, [{"t": text}]))
    longs = {"fields": [{"name": "t", "type": "long"}]}
    yield from number_role("number", lambda number: _avro(longs, [{"t": number}]))
    yield from role("cell, deflate", lambda text: _avro({}, [{"t": text}], "deflate"))
    yield from role("metadata of the file", lambda text: _avro({}, rows, metadata={"note": text}))
    yield from role("key of the metadata of the file", lambda text: _avro({}, rows, metadata={text: "note"}))
    octets = {"fields": [{"name": "t", "type": "bytes"}]}
    yield from in_all_forms("bytes", "", lambda raw: _avro(octets, [{"t": raw}]))
