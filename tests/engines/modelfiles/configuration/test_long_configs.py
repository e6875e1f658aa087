"""Configuration that is longer than what is read of it, and texts that would take time by the square of their length."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engines.modelfiles.building import scan, scanned
from veritensor_ray.core import bounds
from veritensor_ray.core.detection import Hit, Judged
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.modelfiles.configuration import bracket_nodes, code_keys, config_look
from veritensor_ray.engines.modelfiles.configuration.config_judges import _YAML
from veritensor_ray.engines.modelfiles.configuration.nodes import MapNode, ScalarNode, read_document
from veritensor_ray.engines.modelfiles.configuration.program_texts import shell_danger
from veritensor_ray.engines.modelfiles.configuration.target_names import NamedTarget, judged_target
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy

BLANKS = b" " * 4096


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("config.json", b'{"class_name":' + BLANKS + b'"Lambda", "config": {}}', ["config_bytes"]),
        ("config.json", b"{" + BLANKS + BLANKS + b'"class_name": "Lambda", "config": {}}', ["config_bytes"]),
        ("models/model.json", b'{"graph_module": 1,' + BLANKS + b'"a": 1}', ["config_bytes"]),
        ("graph.pbtxt", b'node { op: "Relu" name: "a" }\n' + BLANKS + b'node { op: "ReadFile" }', ["config_bytes"]),
        ("graph.pbtxt", b"# a\n" + BLANKS + b'node { op: "ReadFile" name: "a" }', ["config_bytes"]),
        ("data.json", b'{"a":' + BLANKS + BLANKS + b'"b"}', []),
        ("notes.txt", b"a" + BLANKS + BLANKS + b'"class_name"', []),
    ],
)
def test_what_is_cut_off_is_a_gap(name: str, data: bytes, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_look, "LARGEST", 4096)
    assert [one.bound for one in scan(data, name) if isinstance(one, Gap)] == expected


def test_a_dangerous_name_behind_many_names_of_gin() -> None:
    lines = "".join(f"f.x{number} = @m{number}.net\n" for number in range(bounds.EFFECTS + 1))
    hits = [one.evidence for one in scan(f"{lines}f.y = @os.system\n".encode(), "a.gin") if isinstance(one, Hit)]
    assert hits == ["os.system"]


def test_too_many_names_of_gin_are_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "CONFIG_NODES", 3)
    found = scan(b"f.a = @m.a\nf.b = @m.b\nf.c = @m.c\nf.d = @m.d\nf.e = @os.system\n", "a.gin")
    assert [one.bound for one in found if isinstance(one, Gap)] == ["config_nodes"]


def pairs(modules: list[str], names: list[str]) -> bytes:
    """A mapping with so many modules and names under the keys that mean them."""
    fields = [(key, value) for value in modules for key in ("module",)] + [("name", value) for value in names]
    return ("{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in fields) + "}").encode()


def test_modules_and_names_are_judged_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def counting(text: str, policy: NamePolicy) -> NamedTarget:
        judged.append(text)
        return judged_target(text, policy)

    monkeypatch.setattr(code_keys, "judged_target", counting)
    data = pairs([f"m{number}" for number in range(99)] + ["os"], ["system", *(f"n{number}" for number in range(99))])
    found = scanned(data + b" _target_ ", "c.json")
    assert len([text for text in judged if text.count(".") == 1]) <= 100
    assert "os.system" in [one.evidence for one in found if isinstance(one, Hit)]


def test_a_mapping_with_too_many_modules_is_not_inert() -> None:
    data = pairs([f"m{number}" for number in range(20)], [f"n{number}" for number in range(20)])
    [judged] = [one for one in scanned(data + b" _target_ ", "c.json") if isinstance(one, Judged)]
    assert judged.verdict == "unknown"


def test_texts_in_a_row_are_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counting(value: Any = None, *place: Any) -> ScalarNode:
        made.append(len(value) if isinstance(value, str) else 1)
        return ScalarNode(value, *place)

    monkeypatch.setattr(bracket_nodes, "ScalarNode", counting)
    [root] = read_document(b"a: " + b'"xy" ' * 1000 + b'b: "c" "d", e: 1', "pbtxt").parsed.roots
    assert isinstance(root, MapNode)
    assert [(key, value) for key, _, value in root.named() if isinstance(value, ScalarNode) and value.value == "xy" * 1000]
    assert root.text("b") == "cd"
    assert sum(made) < 10_000


@pytest.mark.parametrize(
    ("text", "dangerous"),
    [
        ("| " + "a" * 190 + "/sh", True),
        ("| " + "a" * 500 + "/sh", False),
        ("curl x | " + "a" * 500 + "/bash", False),
        ("nc" + " -n" * 10 + " -e", True),
        ("nc" + " -n" * 500 + " -e", False),
        ("curl --data-binary @/etc/x", True),
        ("curl --data" + "a" * 500 + "@x", False),
        ("curl -F " + "a" * 500 + "=@x", False),
    ],
)
def test_parts_of_a_command_have_a_bounded_length(text: str, dangerous: bool) -> None:
    assert (shell_danger(text) is not None) == dangerous


def test_yaml_in_a_text_is_looked_for_line_by_line() -> None:
    found = _YAML.search("\n" * 100 + "  _target_: a.b")
    assert found is not None and found[0] == "  _target_:"  # not the empty lines as well, from each of which it would be tried
