"""How much work hostile graphs cause: it is counted, because clocks differ."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.engines.modelfiles.graphs.assembling import (
    alarms,
    constant,
    graph,
    node,
    paddle,
    paddle_op,
    scanned,
    tflite,
)
from veritensor_ray.core import bounds
from veritensor_ray.engines.modelfiles.graphs import paddle_programs, python_code, tensorflow_access, torch_operators
from veritensor_ray.engines.modelfiles.graphs.constants import Constant, Constants
from veritensor_ray.engines.modelfiles.keras import keras_names, keras_nodes
from veritensor_ray.formats.common import flatbuffer

LONG = "w" * 100_000
FILES = "graph-file-access"


class Counting:
    """Counts the calls of a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.times = function, 0

    def __call__(self, *args: Any) -> Any:
        self.times += 1
        return self.function(*args)

    def __get__(self, instance: Any, owner: Any) -> Callable[..., Any]:
        return lambda *args: self(instance, *args)


class LongestMatched:
    """A pattern that remembers the longest text that it was compared with."""

    def __init__(self) -> None:
        self.longest = 0

    def fullmatch(self, text: str) -> re.Match[str] | None:
        self.longest = max(self.longest, len(text))
        return None


@pytest.mark.parametrize("source", ["getattr(" * 12 + "1" + ", 'a')" * 12, "f" + "()" * 100])
def test_nested_calls_in_python(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(python_code.dotted)
    monkeypatch.setattr(python_code, "dotted", counting)
    python_code.calls_of(source)
    assert counting.times < 500


def joined(levels: int) -> bytes:
    """A graph whose nodes each add the text of the one before to itself."""
    nodes = [node(f"n{level}", "AddV2", [f"n{level - 1}"] * 2) for level in range(1, levels + 1)]
    return graph(constant("n0", "text"), *nodes, node("r", "ReadFile", [f"n{levels}"]))


def test_joins_of_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(Constants.of)
    monkeypatch.setattr(Constants, "of", counting)
    assert alarms(joined(8), "frozen.pb") == set()
    assert counting.times < 10
    assert scanned(joined(200), "frozen.pb")[0] == "unknown"


@pytest.mark.parametrize(
    ("between", "source"),
    [
        ([node(f"i{number}", "Identity", [f"i{number - 1}" if number else "j"]) for number in range(40)], "i39"),
        ([constant("e", "-"), node("k", "StringJoin", ["j", *(["e"] * 40)])], "k"),
        ([node("p", "Pack", [*[f"unknown{number}" for number in range(40)], "j"])], "p"),
    ],
)
def test_paths_that_come_a_long_way(between: list[bytes], source: str) -> None:
    parts = [constant("a", "/et"), constant("b", "c/passwd"), node("j", "StringJoin", ["a", "b"])]
    assert scanned(graph(*parts, *between, node("r", "ReadFile", [source])), "frozen.pb")[1] == {f"{FILES} high"}


def test_nodes_in_a_circle_are_no_proof() -> None:
    nodes = [node("a", "Identity", ["b"]), node("b", "Pack", ["a", "c"]), constant("c", "model"), node("s", "SaveV2", ["a"])]
    assert scanned(graph(*nodes), "frozen.pb") == ("unknown", set())
    assert scanned(graph(nodes[0], node("b", "Pack", ["c"]), *nodes[2:]), "frozen.pb") == ("inert", set())


def test_texts_that_are_passed_on_too_often_are_lost() -> None:
    given = [Constant(str(number), (0, 1), "c") for number in range(50)]
    constants = Constants({"c": given, "d": given[:1]}, {"p": ("Pack", ["c", "d"])}, _left=60)
    assert (constants.of("p"), constants.lost) == ([], 1)
    assert Constants(constants.texts, constants.joins).of("p") == given


def test_repeated_keys_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(keras_names.judge_name)
    monkeypatch.setattr(keras_nodes, "judge_name", counting)
    names = "".join(f'"class_name": "A{number}", "module": "m{number}", ' for number in range(20))
    alarms(f'{{{names}"config": {{}}}}'.encode(), "model.keras", "config.json")
    assert 0 < counting.times <= 36


@pytest.mark.parametrize(
    ("module", "pattern", "data", "name"),
    [
        (tensorflow_access, "_LIBRARIES", graph(node("x", "Placeholder"), node("y", LONG)), "frozen.pb"),
        (torch_operators, "_REACHING", f"def f(x):\n  return ops.aten.{LONG}(x)\n".encode(), "m.pt!/m/code/__torch__.py"),
        (paddle_programs, "_PATHS", paddle(paddle_op("relu", {LONG: "../../x"})), "a.pdmodel"),
        (paddle_programs, "_ENGINES", paddle(paddle_op(LONG)), "a.pdmodel"),
        (keras_nodes, "_PATHS", json.dumps({"class_name": "Dense", "config": {LONG: "x"}}).encode(), "m.keras!/config.json"),
        (keras_nodes, "_TOKENS", json.dumps({"class_name": "Dense", "config": {LONG: ["x"]}}).encode(), "m.keras!/config.json"),
    ],
)
def test_long_names(module: Any, pattern: str, data: bytes, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    matched = LongestMatched()
    monkeypatch.setattr(module, pattern, matched)
    path, _, member = name.partition("!/")
    assert scanned(data, path, member or None)[0] != "dangerous"
    assert matched.longest <= bounds.NAME


@pytest.mark.parametrize("judge", [tensorflow_access.access_of, keras_names._active])
def test_long_names_of_functions(judge: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    matched = LongestMatched()
    for module in (tensorflow_access, keras_names):
        monkeypatch.setattr(module, "_OF_NAMES", ((matched, ("", "", "")),))
    assert judge("n" * 100_000) is None  # a name that no cache knows
    assert 0 < matched.longest <= bounds.NAME


def test_a_text_that_tables_share(monkeypatch: pytest.MonkeyPatch) -> None:
    data, lengths = tflite((32, LONG)), list[int]()

    def reading(self: flatbuffer.FlatFile, at: int, size: int) -> bytes:
        lengths.append(size)
        return data[at : at + size]

    monkeypatch.setattr(flatbuffer.FlatFile, "read", reading)
    table = flatbuffer.FlatTable.root(flatbuffer.FlatFile(io.BytesIO(data)))
    assert [len(code.text(1)) for code in table.tables(1)] == [bounds.PATH]
    assert max(lengths) == bounds.PATH
