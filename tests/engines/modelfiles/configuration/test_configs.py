"""Configuration beside models: remote code, adapters, Keras, Hydra."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.cases import each
from tests.engines.modelfiles.building import scan
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.modelfiles.configuration.config_look import LARGEST

LAMBDA = {"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAA==", None, None]}}


def judged(name: str, value: Any) -> list[tuple[str, str | None, str | None]]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return [(hit.rule.removeprefix("modelfiles."), hit.severity, hit.evidence) for hit in scan(data, name) if isinstance(hit, Hit)]


@each(
    ("name", "value", "expected"),
    [
        ("config.json", {"auto_map": {"AutoModel": "m.C"}}, [("remote-code", None, "m.C")]),
        ("config.json", {"auto_map": {"AutoModel": "a/b--m.C"}}, [("remote-code", "high", "a/b--m.C")]),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["t.A", None]}}, [("remote-code", None, "t.A")]),
        ("config.json", {"text_config": {"auto_map": {"AutoConfig": "m.C"}}}, [("remote-code", None, "m.C")]),
        ("config.json", {"trust_remote_code": True}, [("remote-code", None, "trust_remote_code")]),
        ("config.json", {"trust_remote_code": False}, []),
        ("config.json", {"custom_pipelines": {"x": {"impl": "p.Pipe"}}}, [("remote-code", None, "custom_pipelines: p.Pipe")]),
        ("config.json", b'{"auto_map": {"A": "a/b--m.C"}, "auto_map": {}}', [("remote-code", "high", "a/b--m.C")]),
        ("config.json", "\ufeff".encode() + b'{"trust_remote_code": true}', [("remote-code", None, "trust_remote_code")]),
        ("config.json", json.dumps({"trust_remote_code": True}).encode("utf-16"), [("remote-code", None, "trust_remote_code")]),
        ("adapter_config.json", {"base_model_name_or_path": "https://x.example/m"}, [("adapter-base", "medium", "https://x.example/m")]),
        ("adapter_config.json", {"base_model_name_or_path": "/home/x/m"}, [("adapter-base", None, "/home/x/m")]),
        ("adapter_config.json", {"base_model_name_or_path": "C:\\m"}, [("adapter-base", None, "C:\\m")]),
        ("adapter_config.json", {"base_model_name_or_path": "owner/name"}, [("adapter-base", None, "owner/name")]),
        ("adapter_config.json", {"base_model_name_or_path": "name"}, []),
        ("adapter_config.json", {"auto_mapping": {"parent_library": "transformers_modules.x"}}, [("remote-code", None, "transformers_modules.x")]),
        ("adapter_config.json", {"auto_mapping": {"parent_library": "transformers.models.bert"}}, []),
        ("tokenizer_config.json", {"chat_template": "{{ x.__class__ }}"}, [("template-escape", None, "__class__")]),
        ("tokenizer_config.json", {"chat_template": [{"name": "a", "template": "{% include 'f' %}"}]}, [("template-file-access", None, "include f")]),
        ("chat_template.json", {"chat_template": "{{ x.__mro__ }}"}, [("template-escape", None, "__mro__")]),
        ("model_index.json", {"unet": ["diffusers", "U"], "_class_name": "P"}, []),
        ("model_index.json", {"unet": ["my_unet", "U"]}, [("remote-code", None, "my_unet.U")]),
        ("modules.json", [{"type": "sentence_transformers.models.Transformer"}], []),
        ("modules.json", [{"type": "custom_st.Transformer"}], [("remote-code", None, "custom_st.Transformer")]),
        ("config.json", {"class_name": "Sequential", "config": {"layers": [LAMBDA]}}, [("keras-lambda", None, "Lambda l")]),
        ("config.json", {"class_name": "system", "module": "os", "config": {}}, [("keras-module", "critical", "os.system")]),
        ("config.json", {"class_name": "function", "module": "subprocess", "config": "run"}, [("keras-module", "critical", "subprocess.run")]),
        ("config.json", {"class_name": "Mine", "module": "my.layers", "config": {}}, [("keras-module", None, "my.layers.Mine")]),
        ("config.json", {"class_name": "Dense", "module": "keras.layers", "config": {"units": 1}}, []),
        ("config.json", {"class_name": "Mine", "module": None, "registered_name": "Custom>Mine", "config": {}}, []),
        ("config.json", {"_target_": "os.system", "command": "x"}, [("config-target", None, "os.system")]),
        ("config.json", {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000}, []),
        ("model_index.json", b'{"\\ud800": ["\\udfff", "U"]}', [("remote-code", None, "\ufffd.U")]),
        ("page.jinja", b"{% extends 'base' %}{{ self.title() }}{{ x.__class__.__name__ }}{% strange %}", []),
        ("page.jinja", b"{{ x.__class__.__base__.__subclasses__() }}", [("template-escape", None, "__subclasses__")]),
        ("additional_chat_templates/tool.jinja", b"{% include 'x' %}", [("template-file-access", None, "include x")]),
        ("data.json", {"auto_map": {"AutoModel": "m.C"}}, [("remote-code", None, "m.C")]),
        ("c.yaml", b"model:\n  _target_: subprocess.Popen\n", [("config-target", None, "subprocess.Popen")]),
        ("c.yaml", b"- _target_: 'builtins.eval'\n- \"_target_\": torch.optim.Adam\n", [("config-target", None, "builtins.eval")]),
        ("chat_template.jinja", b"\n{{ x.__class__ }}", [("template-escape", None, "__class__")]),
    ],
)  # fmt: skip
def test_findings(name: str, value: Any, expected: list[tuple[str, str | None, str | None]]) -> None:
    assert judged(name, value) == expected


def test_the_place_of_a_template_in_its_own_file() -> None:
    data = b"line one\r\nl\xc3\xadne two\r\n{{ x.__class__ }}\r\n"
    [hit] = [hit for hit in scan(data, "chat_template.jinja") if isinstance(hit, Hit)]
    assert data[hit.start : hit.end] == b"{{ x.__class__ }}"


def test_the_places_of_many_findings_in_a_template() -> None:
    lines = [b"{{ x\xc3\xa9.__class__ }}".replace(b"x", b"x" * number) + b"\n" for number in range(1, 50)]
    lines = [line.replace(b"__class__", b"__c%d_class__" % number) for number, line in enumerate(lines)]
    hits = [hit for hit in scan(b"".join(lines), "chat_template.jinja") if isinstance(hit, Hit)]
    assert [b"".join(lines)[hit.start : hit.end] + b"\n" for hit in hits] == lines


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b'{"a": ' * 50_000, b'{"a": 1' + b"0" * 5000 + b"}", b"{" + b" " * LARGEST])
def test_what_is_no_configuration(data: bytes) -> None:
    assert [type(found) for found in scan(data, "config.json")] in ([Gap], [])


def test_damage_raises_nothing() -> None:
    data = json.dumps(
        {"auto_map": {"A": ["a--b.c", None]}, "chat_template": "{{ x.__class__ }}", "layers": [LAMBDA], "_target_": "os.system"}
    ).encode()
    chance = random.Random(1)
    for cut in range(len(data)):
        scan(data[:cut], "config.json")
        changed = bytearray(data)
        changed[cut] = chance.randrange(256)
        scan(bytes(changed), "config.json")


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        [],
        {},
        {"auto_map": 3},
        {"auto_map": [[[[[["a"]]]]]]},
        {"chat_template": {"a": {"b": 1}}},
        {"class_name": {"a": 1}, "config": 7, "module": []},
    ],
)
def test_odd_values(value: Any) -> None:
    assert [one for one in judged("config.json", value) if one[0] != "remote-code"] == []
