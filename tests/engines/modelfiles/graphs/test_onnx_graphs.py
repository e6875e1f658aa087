"""ONNX: operators outside of the standard, files that tensors and contexts come from, and properties that are evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.cases import each
from tests.engines.modelfiles.graphs.assembling import field, scanned

CODE, FILES, NETWORK, EXTERNAL = "graph-code", "graph-file-access", "graph-network-access", "onnx-external-data"


def model(
    *nodes: Any, external: Sequence[tuple[str, str]] = (), props: Mapping[str, str] | None = None, domains: Sequence[str] = ()
) -> bytes:
    import onnx.helper

    tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
    if external:
        tensor.ClearField("float_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in external:
            tensor.external_data.add(key=key, value=value)
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["w"], ["y"]), *nodes], "g", [], [], [tensor])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(one, 18) for one in ("", *domains)])
    onnx.helper.set_model_props(made, dict(props or {}))
    return made.SerializeToString()  # type: ignore[no-any-return]  # the library has no types


def nested(node: Any) -> Any:
    """A node in a subgraph of a subgraph."""
    import onnx.helper

    inner = onnx.helper.make_graph(
        [onnx.helper.make_node("If", ["c"], ["z"], then_branch=onnx.helper.make_graph([node], "i", [], []))], "o", [], []
    )
    return onnx.helper.make_node("If", ["c"], ["z"], then_branch=inner)


def op(name: str, domain: str = "", **attributes: Any) -> Any:
    import onnx.helper

    return onnx.helper.make_node(name, ["w"], ["z"], domain=domain, **attributes)


def python_nodes() -> list[Any]:
    nodes = [
        op(name, domain)
        for name in ("PythonOp", "PyOp", "PyCustomOpDef", "PythonOpGrad")
        for domain in ("", "com.microsoft", "ai.onnx.contrib", "evil")
    ]
    return [*nodes, *map(nested, nodes[:3])]


@each("node", python_nodes, ids=lambda node: f"{node.domain}.{node.op_type}")
def test_python(node: Any) -> None:
    verdict, hits = scanned(model(node), "model.onnx")
    assert verdict == "dangerous"
    assert f"{CODE} high" in hits


@each(
    ("data", "expected"),
    lambda: [
        (model(op("EPContext", "com.microsoft", embed_mode=0, ep_cache_context="../../lib/evil.bin")), f"{FILES} high"),
        (model(op("EPContext", "com.microsoft", embed_mode=0, ep_cache_context="/opt/evil.so")), f"{FILES} high"),
        (model(op("EPContext", "com.microsoft", embed_mode=1, ep_cache_context="bytes", onnx_model_filename="../x.onnx")), f"{FILES} high"),
        (model(op("EPContext", "com.microsoft", embed_mode=0, ep_cache_context="ctx.bin")), "graph-compiled info"),
        (model(op("AzureTextToText", "com.microsoft.extensions", model_uri="https://evil.example")), f"{NETWORK} high"),
        (model(op("ATen", "com.microsoft", operator="aten::from_file")), f"{FILES} high"),
        (model(external=[("location", "a\\..\\..\\b")]), f"{EXTERNAL} high"),
        (model(external=[("location", "w.bin\x00.txt")]), f"{EXTERNAL} high"),
        (model(external=[("location", "\\\\host\\share")]), f"{EXTERNAL} high"),
        (model(external=[("location", "*/_ORT_MEM_ADDR_/*"), ("offset", "140737")]), f"{EXTERNAL} high"),
        (model(external=[("location", "weights\\w.bin")]), f"{EXTERNAL} medium"),
        (model(external=[("location", "")]), f"{EXTERNAL} medium"),
        (model(external=[("offset", "0")]), f"{EXTERNAL} medium"),
        (model(external=[("location", "w.bin"), ("offset", "-8")]), f"{EXTERNAL} medium"),
        (model(external=[("location", "w.bin"), ("length", "99999999999999999999")]), f"{EXTERNAL} medium"),
        (model(external=[("location", "w.bin"), ("length", "1e3")]), f"{EXTERNAL} medium"),
        (model(external=[("location", "w.bin"), ("__class__", "x")]), f"{EXTERNAL} high"),
        (model(external=[("location", "w.bin"), ("basepath", "/etc")]), f"{EXTERNAL} medium"),
        (model(props={"names": "__import__('os').system('id')"}), f"{CODE} high"),
        (model(props={"names": "eval('1')"}), f"{CODE} high"),
        (model(props={"custom_ops_library": "/opt/evil.so"}), "config-library high"),
        (model(props={"config": '{"_target_": "os.system"}'}), "config-target critical"),
        (model(props={"ort_config": '{"session_options": {"custom_ops_library": "/tmp/a.so"}}'}), f"{CODE} high"),
        (model(op("Evil", "evil.ops"), domains=["evil.ops"]), "onnx-custom-operators info"),
    ],
)  # fmt: skip
def test_findings(data: bytes, expected: str) -> None:
    assert expected in scanned(data, "model.onnx")[1]


@each(
    "data",
    lambda: [
        model(),
        model(nested(op("Relu"))),
        model(op("FusedMatMul", "com.microsoft")),
        model(external=[("location", "model.onnx_data"), ("offset", "0"), ("length", "4"), ("checksum", "ab")]),
        model(external=[("location", "weights/w..bin")]),
        model(props={"names": "{0: 'person', 1: 'car (red)'}", "stride": "32", "license": "AGPL (https://x.example)"}),
        model(props={"description": "Use it as model(x), then read the result"}),
    ],
)
def test_benign_twins(data: bytes) -> None:
    assert scanned(data, "model.onnx") == ("inert", set())


def test_an_operator_that_no_list_has_is_unknown() -> None:
    import onnx.helper

    assert scanned(model(op("Evil", "evil.ops")), "a.onnx")[0] == "unknown"
    assert scanned(model(op("NotYetInTheStandard")), "a.onnx")[0] == "unknown"
    assert scanned(model(op("EPContext", "com.microsoft", embed_mode=1, ep_cache_context="x")), "a.onnx")[0] == "unknown"
    assert scanned(model() + field(99, "?"), "a.onnx")[0] == "unknown"
    own = onnx.helper.make_function(
        "own", "F", ["a"], ["b"], [onnx.helper.make_node("Relu", ["a"], ["b"])], [onnx.helper.make_opsetid("", 18)]
    )
    made = onnx.load_from_string(model(op("F", "own")))
    made.functions.append(own)
    assert scanned(made.SerializeToString(), "a.onnx") == ("inert", set())
