"""TensorFlow Lite, Torch7, TensorRT, OpenVINO, Paddle and Core ML: custom code in them, and that what the libraries write is quiet."""

from __future__ import annotations

import json
import random
import struct

import pytest

from tests.cases import each
from tests.engines.modelfiles.graphs.assembling import Flat, alarms, core_ml, field, fields, paddle, paddle_op, scanned, tflite
from veritensor_ray.engines.modelfiles.graphs.found import operators

CODE, FILES, NETWORK, CUSTOM, MALFORMED = (
    "graph-code",
    "graph-file-access",
    "graph-network-access",
    "graph-custom-operators",
    "graph-malformed",
)


@each(
    ("data", "expected"),
    [
        (tflite((32, "FlexReadFile")), {FILES}),
        (tflite((32, "FlexWriteFile")), {FILES}),
        (tflite((32, "FlexPyFunc")), {CODE}),
        (tflite((32, "FlexEagerPyFunc")), {CODE}),
        (tflite((32, "FlexDebugIdentityV2")), {NETWORK}),
        (tflite((32, "FlexEvil")), {CUSTOM}),
        (tflite((32, "EvilOp")), {CUSTOM}),
        (tflite((0, ""), (32, "run_shell")), {CUSTOM}),
        (tflite((0, ""), buffers=[{1: 1 << 40, 2: 16}]), {MALFORMED}),
        (tflite((0, ""))[:40], {MALFORMED}),
        (tflite((0, ""), metadata=["../../evil"]), {FILES}),
        (Flat().root({0: 3, 1: [], 2: [], 8: [{0: "../../weights.bin"}]}), {FILES}),
    ],
)
def test_tflite(data: bytes, expected: set[str]) -> None:
    assert alarms(data, "model.tflite") == expected
    assert alarms(data, "model.bin") == expected


@pytest.mark.parametrize("codes", [[(0, "")], [(0, ""), (206, "")], [(32, "FlexMatMul")], [(32, "TFLite_Detection_PostProcess")]])
def test_tflite_benign(codes: list[tuple[int, str]]) -> None:
    assert scanned(tflite(*codes, metadata=["TFLITE_METADATA", "min_runtime_version"]), "model.tflite") == ("inert", set())


def test_files_behind_a_tflite_model_are_not_proven() -> None:
    assert scanned(tflite((0, "")) + b"PK\x05\x06" + bytes(18), "model.tflite") == ("unknown", set())


def test_tflite_with_any_damage_is_read_to_its_end() -> None:
    data = tflite((32, "FlexMatMul"), (0, ""), metadata=["x"])
    chance = random.Random(7)
    for _ in range(500):
        broken = bytearray(data)
        for _ in range(3):
            broken[chance.randrange(8, len(broken))] = chance.randrange(256)
        scanned(bytes(broken), "a.tflite")


def lua_int(value: int) -> bytes:
    return struct.pack("<i", value)


def lua_text(text: bytes) -> bytes:
    return lua_int(len(text)) + text


def lua_object(index: int, name: bytes, content: bytes) -> bytes:
    return lua_int(4) + lua_int(index) + lua_text(b"V 1") + lua_text(name) + content


def lua_table(index: int, *pairs: tuple[bytes, bytes]) -> bytes:
    values = b"".join(lua_int(2) + lua_text(key) + value for key, value in pairs)
    return lua_int(3) + lua_int(index) + lua_int(len(pairs)) + values


def lua_function(index: int, code: bytes) -> bytes:
    return lua_int(8) + lua_int(index) + lua_text(code) + lua_table(index + 1)


STORAGE = lua_object(9, b"torch.FloatStorage", struct.pack("<q", 2) + bytes(8))
TENSOR = lua_object(8, b"torch.FloatTensor", lua_int(1) + struct.pack("<qqq", 2, 1, 1) + STORAGE)
NUMBER = lua_int(1) + struct.pack("<d", 1.5)


@pytest.mark.parametrize(
    ("data", "verdict", "expected"),
    [
        (lua_object(1, b"nn.Sequential", lua_table(2, (b"weight", TENSOR), (b"n", NUMBER))), "inert", set()),
        (lua_table(1, (b"bias", TENSOR), (b"on", lua_int(5) + lua_int(1))), "inert", set()),
        (b"4\n1\n3\nV 1\n13\nnn.Sequential\n3\n2\n0\n", "inert", set()),
        (lua_object(1, b"nn.Sequential", lua_table(2, (b"forward", lua_function(3, b"\x1bLJ\x02 os.execute id")))), "dangerous", {CODE}),
        (lua_table(1, (b"f", lua_int(6) + lua_text(b"\x1bLua io.popen") + lua_int(0))), "dangerous", {CODE}),
        (lua_table(1, (b"chunk", lua_int(2) + lua_text(b"\x1bLJ\x02abc"))), "dangerous", {CODE}),
        (lua_function(1, b"\x1bLJ\x02 os.execute"), "dangerous", {CODE}),
        (lua_object(1, b"evil.Class", lua_table(2)), "unknown", set()),
        (lua_object(1, b"nn.Linear", lua_table(2, (b"weight", TENSOR[:-4]))), "unknown", set()),
    ],
)
def test_torch7(data: bytes, verdict: str, expected: set[str]) -> None:
    assert scanned(data, "net.t7")[0] == verdict
    assert alarms(data, "net.t7") == expected


def test_torch7_in_ascii_with_many_numbers_hides_nothing() -> None:
    hidden = b"0 0\n2\n1\nf\n8\n7\n9\n\x1bLJ popen\n3\n9\n0"  # behind the last number, unless some are taken for the length of a text
    head = b"3\n1\n2\n2\n1\nw\n4\n2\n3\nV 1\n18\ntorch.FloatStorage\n1000004\n"
    assert scanned(head + b"0 " * 1_000_000 + b"2 %d %b\n1\n1.5\n" % (len(hidden), hidden), "net.t7")[0] != "inert"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"ptrt" + bytes(range(256)) * 4, set()),
        (b"ftrt" + bytes(64) + b"\0EfficientNMS_TRT\0InstanceNormalization_TRT\0", set()),
        (b"\x20\0\0\0" + b'{"stride": 32, "names": {"0": "a"}}' + b"ptrt" + bytes(99), set()),
        (b"ptrt" + bytes(64) + b"\0EvilPlugin\0", {CUSTOM}),
        (b"ptrt" + bytes(64) + b"\0/tmp/libevil.so\0", {CODE}),
        (b"ptrt" + bytes(64) + b"\0/bin/sh -c id\0", {CODE}),
    ],
)
def test_engines_are_code(data: bytes, expected: set[str]) -> None:
    verdict, hits = scanned(data, "model.engine")
    assert verdict != "inert"
    assert "graph-compiled info" in hits
    assert alarms(data, "model.engine") == expected


def openvino(layer: str, head: str = "") -> bytes:
    return f'<?xml version="1.0"?>{head}<net name="m" version="11"><layers>{layer}</layers><edges/></net>'.encode()


@each(
    ("data", "expected"),
    [
        (openvino('<layer id="0" name="x" type="Parameter" version="opset1"><data shape="1,3" element_type="f32"/></layer>'), set()),
        (openvino('<layer id="0" name="x" type="Const" version="opset1"><data offset="0" size="128"/></layer>'), set()),
        (openvino('<layer id="0" name="x" type="Evil" version="extension"/>'), {CUSTOM}),
        (openvino('<layer id="0" name="x" type="Const" version="opset1"><data offset="-8" size="128"/></layer>'), {MALFORMED}),
        (openvino('<layer id="0" name="x" type="Const" version="opset1"><data offset="0" size="99999999999999999"/></layer>'), {MALFORMED}),
        (openvino('<layer id="0" name="x" type="A" version="opset1"><data library="/tmp/evil"/></layer>'), {FILES}),
        (openvino('<layer id="0" name="x" type="A" version="opset1"><data impl="libevil.so"/></layer>'), {CODE}),
        (openvino("<layer/>", '<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), {"external-entity"}),
        (openvino('<layer type="A" version="opset1" offset="\u00b2"/><layer type="B" version="evil"/>'), {CUSTOM}),
        (openvino('<layer type="A" version="opset1" offset="--1"/><layer type="B" version="evil"/>'), {CUSTOM}),
        (
            openvino('<layer type="ReLU" version="opset1"/>' * 1_001 + '<layer type="B" version="evil" library_path="/tmp/x"/>'),
            {CUSTOM, FILES},
        ),
        (openvino('<layer type="B" version="evil"/>')[:-20], {CUSTOM}),
        (b'<?xml version="1.0"?><project version="4"><layer type="Evil" version="extension"/></project>', set()),
    ],
)
def test_openvino(data: bytes, expected: set[str]) -> None:
    assert alarms(data, "model.xml") == expected


@each(
    ("op", "expected"),
    [
        (paddle_op("py_func"), {CODE}),
        (paddle_op("py_layer"), {CODE}),
        (paddle_op("run_program"), {CODE}),
        (paddle_op("load", {"file_path": "/etc/passwd"}), {FILES}),
        (paddle_op("save_combine", {"file_path": "../../x"}), {FILES}),
        (paddle_op("load_combine"), {FILES}),
        (paddle_op("read_file", {"filename": "/etc/passwd"}), {FILES}),
        (paddle_op("send_v2"), {NETWORK}),
        (paddle_op("listen_and_serv", {"endpoint": "0.0.0.0:80"}), {NETWORK}),
        (paddle_op("conv2d", {"model_path": "/etc/passwd"}), {FILES}),
        (paddle_op("my_own_op"), {CUSTOM}),
        (paddle_op("tensorrt_engine"), set()),
        (paddle_op("conv2d", {"struct_name": "/Block/Conv/", "op_callstack": "/home/x/train.py"}), set()),
        (paddle_op("matmul_v2"), set()),
    ],
)
def test_paddle(op: bytes, expected: set[str]) -> None:
    data = paddle(paddle_op("relu"), op)
    assert alarms(data, "model.pdmodel") == expected
    assert alarms(data, "__model__") == expected


def test_paddle_verdicts() -> None:
    assert scanned(paddle(paddle_op("relu"), paddle_op("pool2d")), "a.pdmodel") == ("inert", set())
    assert scanned(paddle(paddle_op("tensorrt_engine")), "a.pdmodel")[0] == "unknown"
    assert scanned(paddle(paddle_op("relu")) + field(99, "?"), "a.pdmodel")[0] == "unknown"


def test_many_operators_of_paddle_hide_none() -> None:
    own = sorted(operators("paddle"))[:1_001]
    assert len(own) == 1_001
    assert CUSTOM in alarms(paddle(*map(paddle_op, own), paddle_op("my_own_op")), "model.pdmodel")


def pir(name: str, **attributes: str) -> bytes:
    made = [{"AT": {"#": "0.a_str", "D": value}, "N": key} for key, value in attributes.items()]
    block = {"#": "block_0", "args": [], "ops": [{"#": name, "A": made, "I": [{"%": 1}], "O": []}]}
    return json.dumps(
        {"base_code": {"magic": "pir", "version": 4}, "program": {"regions": [{"#": "region_0", "blocks": [block]}]}}
    ).encode()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pir("1.py_func"), {CODE}),
        (pir("1.load_combine", file_path="/etc/passwd"), {FILES}),
        (pir("3.evil_op"), {CUSTOM}),
        (pir("1.relu", struct_name="/Block/ReLU/"), set()),
    ],
)
def test_paddle_in_json(data: bytes, expected: set[str]) -> None:
    assert alarms(data, "inference.json") == expected
    assert scanned(data, "inference.json")[0] == ("inert" if not expected else scanned(data, "inference.json")[0])
    assert alarms(data[:1] + b" " * 5_000 + data[1:], "inference.json") == expected


RELU = field(1, "relu") + field(130, field(10, b""))
CUSTOM_LAYER = field(1, "c") + field(500, field(10, "EvilLayer"))


def mil(operation: str, blob: str = "") -> bytes:
    value = field(5, field(1, blob) + field(2, 64)) if blob else field(3, field(1, field(4, field(1, "text"))))
    made = field(1, operation) + field(5, field(1, "val") + field(2, value))
    return field(2, field(1, "main") + field(2, field(2, "CoreML7") + field(3, field(1, "CoreML7") + field(2, field(3, made)))))


@each(
    ("data", "verdict", "expected"),
    [
        (core_ml(500, field(1, RELU)), "inert", set()),
        (core_ml(403, fields(1, [RELU, RELU])), "inert", set()),
        (core_ml(502, mil("const", "@model_path/weights/weight.bin")), "inert", set()),
        (core_ml(502, mil("relu")), "inert", set()),
        (core_ml(500, fields(1, [RELU, CUSTOM_LAYER])), "unknown", {CUSTOM}),
        (core_ml(500, field(1, field(605, field(1, field(1, CUSTOM_LAYER))))), "unknown", {CUSTOM}),
        (core_ml(555, field(10, "EvilModel")), "unknown", {CUSTOM}),
        (core_ml(555, field(10, "M") + field(30, field(1, "p") + field(2, field(20, "/etc/passwd")))), "dangerous", {CUSTOM, FILES}),
        (core_ml(202, field(1, core_ml(555, field(10, "EvilModel")))), "unknown", {CUSTOM}),
        (core_ml(556, field(1, field(1, field(1, "../../evil.mlmodelc")))), "dangerous", {FILES}),
        (core_ml(502, mil("const", "@model_path/../../etc/passwd")), "dangerous", {FILES}),
        (core_ml(502, mil("const", "/etc/passwd")), "dangerous", {FILES}),
        (core_ml(502, mil("custom_layer")), "unknown", {CUSTOM}),
        (core_ml(502, mil("not_yet_known")), "unknown", set()),
        (core_ml(302, field(1, field(1, 1))), "unknown", set()),
    ],
)
def test_core_ml(data: bytes, verdict: str, expected: set[str]) -> None:
    assert scanned(data, "m.mlpackage/Data/com.apple.CoreML/model.mlmodel")[0] == verdict
    assert alarms(data, "model.mlmodel") == expected


@pytest.mark.parametrize(
    ("path", "expected"), [("com.apple.CoreML/model.mlmodel", set()), ("../../etc/passwd", {FILES}), ("/etc/passwd", {FILES})]
)
def test_core_ml_packages(path: str, expected: set[str]) -> None:
    data = json.dumps({"fileFormatVersion": "1.0.0", "itemInfoEntries": {"A": {"author": "x", "path": path}}}).encode()
    assert alarms(data, "m.mlpackage/Manifest.json") == expected
    assert alarms(data, "m.mlpackage.zip", "m.mlpackage/Manifest.json") == expected
    assert alarms(data, "site/manifest.json") == set()
