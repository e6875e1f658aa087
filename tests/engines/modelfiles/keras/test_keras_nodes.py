"""Keras of every version: code, paths, addresses and shapes in its configuration, wherever that stands, with a benign twin for each."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import h5py
import pytest

from tests.cases import each
from tests.engines.modelfiles.graphs.assembling import alarms, everything, field, graph, node, saved_model, scanned
from veritensor_ray.engines.base import Hit

CODE, FILES, NETWORK, MODULE, LAMBDA, SHAPE = (
    "graph-code", "graph-file-access", "graph-network-access", "keras-module", "keras-lambda", "graph-exhaustion",
)  # fmt: skip
BYTECODE = "4wEAAAAAAAAAAAAAAAAAAAABAAAAUwAAAHMMAAAA"


def layer(name: str, module: str | None = "keras.layers", /, **config: Any) -> dict[str, Any]:
    made = {"class_name": name, "config": config, "registered_name": None}
    return made if module is None else {"module": module, **made}


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


def model(*layers: Any) -> dict[str, Any]:
    return layer("Sequential", "keras", name="m", layers=[layer("InputLayer", batch_shape=[None, 4], dtype="float32"), *layers])


def in_keras(config: Any) -> tuple[bytes, str, str | None]:
    return json.dumps(config).encode(), "model.keras", "config.json"


def in_json(config: Any) -> tuple[bytes, str, str | None]:
    return json.dumps(config).encode(), "architecture.json", None


def in_yaml(config: Any) -> tuple[bytes, str, str | None]:
    return ("# a model\n" + json.dumps(config)).encode(), "model.yaml", None


def in_hdf5(config: Any) -> tuple[bytes, str, str | None]:
    out = io.BytesIO()
    with h5py.File(out, "w") as root:
        root.attrs["model_config"] = json.dumps(config)
    return out.getvalue(), "model.h5", None


def in_metadata(config: Any) -> tuple[bytes, str, str | None]:
    entry = field(2, 1) + field(3, "root") + field(4, "_tf_keras_network") + field(5, json.dumps(config))
    return field(1, entry), "keras_metadata.pb", None


def in_saved_model(config: Any) -> tuple[bytes, str, str | None]:
    objects = field(1, field(4, field(1, "_tf_keras_layer") + field(3, json.dumps(config))))
    body = field(2, graph(node("x", "Placeholder"))) + field(7, objects)
    return saved_model(b"")[:2] + field(2, body), "saved_model.pb", None


PLACES = (in_keras, in_json, in_yaml, in_hdf5, in_metadata, in_saved_model)
Place = Callable[[Any], tuple[bytes, str, str | None]]
ATTACKS: list[tuple[Any, str]] = [
    (layer("Lambda", function=[BYTECODE, None, None], function_type="lambda"), LAMBDA),
    (layer("Lambda", None, function={"class_name": "__tuple__", "items": [BYTECODE, None, None]}), LAMBDA),
    (layer("Lambda", function={"class_name": "__lambda__", "config": {"code": BYTECODE}}), LAMBDA),
    (layer("Dense", activation={"class_name": "__lambda__", "config": {"value": BYTECODE}}), LAMBDA),
    (layer("Lambda", function="system", function_type="function", module="os"), MODULE),
    (layer("Lambda", function=function("os", "system")), MODULE),
    (layer("Lambda", None, function="os.system", function_type="function"), MODULE),
    (layer("TorchModuleWrapper", module={"class_name": "Linear", "config": {"bytes_value": "gAJ9"}}), CODE),
    (layer("TFSMLayer", filepath="/opt/evil_model", call_endpoint="serve"), CODE),
    (layer("TFSMLayer", filepath="../model"), CODE),
    (layer("TFSMLayer", filepath="https://evil.example/model"), CODE),
    (layer("JaxLayer", call_fn={"class_name": "__lambda__", "config": {"value": BYTECODE}}), CODE),
    (layer("FlaxLayer", module={"class_name": "Evil"}), CODE),
    (layer("TimeDistributed", layer=layer("TFSMLayer", filepath="/opt/evil")), CODE),
    (layer("Bidirectional", layer=layer("Wrapper", layer=layer("Lambda", function=[BYTECODE]))), LAMBDA),
    (layer("StringLookup", vocabulary="/etc/passwd"), FILES),
    (layer("IntegerLookup", vocabulary="../../../etc/passwd"), FILES),
    (layer("TextVectorization", vocabulary="file:///etc/passwd"), FILES),
    (layer("IndexLookup", "keras.src.layers.preprocessing.index_lookup", vocabulary="C:\\secret.txt"), FILES),
    (layer("StringLookup", vocabulary="https://evil.example/v.txt"), NETWORK),
    (layer("StringLookup", None, vocabulary="~/.aws/credentials"), FILES),
    (layer("Custom", weights_path="/etc/shadow"), FILES),
    (function("keras.utils", "get_file"), MODULE),
    (function("keras.src.utils.file_utils", "get_file"), NETWORK),
    (function("tf_keras.utils", "get_file"), NETWORK),
    (function("keras._tf_keras.keras.utils", "get_file"), NETWORK),
    (function("keras.config", "enable_unsafe_deserialization"), CODE),
    (function("keras.src.saving.serialization_lib", "enable_unsafe_deserialization"), CODE),
    (function("keras.src.backend.common.global_state", "set_global_attribute"), CODE),
    (function("keras.src.utils.python_utils", "func_load"), CODE),
    (layer("func_load", "keras.src.utils.python_utils"), CODE),
    (function("keras.models", "load_model"), CODE),
    (function("keras.saving", "load_model"), CODE),
    (function("keras.utils", "load_img"), FILES),
    (function("keras.utils", "image_dataset_from_directory"), FILES),
    (function("keras.datasets.mnist", "load_data"), NETWORK),
    (layer("CSVLogger", "keras.callbacks", filename="/opt/x"), FILES),
    (layer("RemoteMonitor", "keras.callbacks", root="http://evil.example"), NETWORK),
    (function("keras.src.utils.file_utils.os", "system"), MODULE),
    (function("keras.src.saving.saving_lib.zipfile", "ZipFile"), MODULE),
    (function("keras.src.utils.io_utils.subprocess", "run"), MODULE),
    (function("keras.utils", "no_such_function"), MODULE),
    (function("builtins", "eval"), MODULE),
    (function("subprocess", "run"), MODULE),
    (layer("Mine", "my_package.layers"), MODULE),
    ({"class_name": "Dense", "config": {"fn_module": "os", "fn_name": "system"}}, MODULE),
    ({"fn_module": "my.module", "fn_name": "f"}, MODULE),
    ({"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess", "registered_name": None, "config": [1]}, MODULE),
    (layer("TFOpLambda", None, function="io.read_file"), CODE),
    (layer("TFOpLambda", None, function="io.write_file"), CODE),
    (layer("SlicingOpLambda", None, function="io.matching_files"), CODE),
    (layer("TFOpLambda", None, function="numpy_function"), CODE),
    (layer("TFOpLambda", None, function="py_function"), CODE),
    (layer("TFOpLambda", None, function="compat.v1.py_func"), CODE),
    (layer("TFOpLambda", None, function="raw_ops.WriteFile"), FILES),
    (layer("TFOpLambda", None, function="load_op_library"), CODE),
    (layer("TFOpLambda", None, function="saved_model.load"), CODE),
    (layer("TensorFlowOpLayer", None, node_def='name: "x"\nop: "ReadFile"\ninput: "y"'), FILES),
    (layer("Dense", units=10**12), SHAPE),
    (layer("Dense", units=1 << 31), SHAPE),
    (layer("Dense", units=10**18), SHAPE),
    (layer("Reshape", target_shape=[100_000, 100_000, 100]), SHAPE),
    (layer("Embedding", input_dim=10**15, output_dim=4), SHAPE),
    (layer("ZeroPadding2D", padding=[[10**6, 10**6], [10**6, 10**6]]), SHAPE),
]  # fmt: skip


@each("place", PLACES)
@each(("attack", "rule"), ATTACKS, ids=[str(number) for number in range(len(ATTACKS))])
def test_attacks(attack: Any, rule: str, place: Place) -> None:
    data, path, member = place(model(attack))
    assert rule in alarms(data, path, member)
    assert scanned(data, path, member)[0] != "inert"


BENIGN: list[Any] = [
    layer("Dense", units=64, activation="relu", kernel_initializer=layer("GlorotUniform", "keras.initializers", seed=1 << 62)),
    layer("Dense", activation=function("builtins", "relu"), kernel_regularizer=layer("L2", "keras.regularizers", l2=0.01)),
    layer("StringLookup", vocabulary=["/", "~", "http://a.example", "../x", "C:"], mask_token=None, oov_token="[UNK]"),
    layer("TextVectorization", vocabulary=None, standardize="lower_and_strip_punctuation", split="whitespace"),
    layer("TimeDistributed", layer=layer("Bidirectional", layer=layer("LSTM", units=3))),
    layer("Embedding", input_dim=250_000, output_dim=4096),
    layer("Resizing", height=224, width=224, interpolation="bilinear"),
    layer("TFOpLambda", None, function="math.reduce_mean"),
    layer("TFOpLambda", None, function="io.decode_jpeg"),
    layer("SlicingOpLambda", None, function="__operators__.getitem"),
    layer("Reshape", target_shape=[512, 512, 3]),
    layer("GetItem", "keras.src.ops.numpy"),
    layer("Add", None),
    layer("LayerScale", "keras.src.applications.convnext", projection_dim=96),
    layer("Activation", activation="hard_silu"),
    {"class_name": "__tensor__", "config": {"value": [1.0], "dtype": "float32"}},
]


@each("place", PLACES)
@each("twin", BENIGN, ids=[str(number) for number in range(len(BENIGN))])
def test_benign_twins(twin: Any, place: Place) -> None:
    assert scanned(*place(model(twin))) == ("inert", set())


def test_escapes_in_hdf5_hide_nothing() -> None:
    config = json.dumps(model(layer("Lambda", function=[BYTECODE]))).replace("class_name", "class\\u005fname")
    data = hdf5_of(lambda root: root.attrs.__setitem__("model_config", config))
    assert scanned(data, "model.h5")[0] == "dangerous"


def test_a_custom_class_is_unknown() -> None:
    assert scanned(*in_keras(model({"module": None, "class_name": "Mine", "config": {}, "registered_name": "pkg>Mine"}))) == (
        "unknown",
        set(),
    )
    assert scanned(*in_keras(model(layer("StringLookup", vocabulary="vocab.txt")))) == ("unknown", set())


def test_a_finding_is_at_the_name() -> None:
    data, path, member = in_keras(model(layer("TFSMLayer", filepath="/opt/evil")))
    hits = [one for one in everything(data, path, member) if isinstance(one, Hit)]
    assert data[hits[0].start : hits[0].end] == b'"TFSMLayer"'


def test_a_layer_that_occurs_often_is_one_finding() -> None:
    data, path, member = in_keras(model(*[layer("Mine", "my_package.layers")] * 50))
    assert len([one for one in everything(data, path, member) if isinstance(one, Hit) and one.rule == f"modelfiles.{MODULE}"]) == 1


def test_repeated_and_broken_keys() -> None:
    data = b'{"class_name": "Dense", "class_name": "Lambda", "config": {"function": ["4wEA"]}, "class_name": "Dense"}'
    assert alarms(data, "model.keras", "config.json") == {LAMBDA}
    broken = json.dumps(model(layer("Lambda", function=[BYTECODE]))).encode()[:-3]
    assert LAMBDA in alarms(broken, "model.keras", "config.json")


@pytest.mark.parametrize(
    "data",
    [
        b'{"class_name": "Algebra", "teacher": "https://x.example", "module": "Mathematics 101"}',
        b'[{"class_name": "Algebra", "room": 10000000000000}]',
        b'{"module": "my.module", "function": "main"}',
        b'{"class_name": null, "config": {"path": "/etc/passwd"}}',
    ],
)
def test_other_json_is_none(data: bytes) -> None:
    assert alarms(data, "school.json") == set()


def hdf5_of(fill: Callable[[Any], None], **options: Any) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", **options) as root:
        fill(root)
    return out.getvalue()


def virtual(root: Any, name: str) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(name, "data", (4,))
    root.create_virtual_dataset("layers/dense/vars/0", layout)


def linked(root: Any, *names: str) -> None:
    for number, name in enumerate(names):
        root[f"link{number:03}"] = h5py.ExternalLink(name, "/")


@pytest.mark.parametrize(
    ("data", "verdict", "expected"),
    [
        (hdf5_of(lambda root: linked(root, *["part.h5"] * 100, "/etc/passwd")), "dangerous", {"hdf5-external-data"}),
        (hdf5_of(lambda root: virtual(root, "../../secret.h5"), libver="latest"), "dangerous", {"hdf5-external-data"}),
        (hdf5_of(lambda root: virtual(root, "/etc/secret.h5")), "dangerous", {"hdf5-external-data"}),
        (hdf5_of(lambda root: root.create_dataset("w", (1 << 40,), "f4", chunks=(1 << 20,))), "unknown", {SHAPE}),
        (hdf5_of(lambda root: root.create_dataset("w", data=[1.0] * 64)), "inert", set()),
    ],
)
def test_datasets(data: bytes, verdict: str, expected: set[str]) -> None:
    assert scanned(data, "model.weights.h5")[0] == verdict
    assert alarms(data, "model.weights.h5") == expected
