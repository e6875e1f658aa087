"""Functions of `operator` in skops' schema: what they reach when they are called, with twins that name attributes of data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engines.modelfiles.building import found


def node(loader: str, module: str, kind: str, **content: Any) -> dict[str, Any]:
    return {"__class__": kind, "__module__": module, "__loader__": loader, "__id__": 1, **content}


def getter(kind: str, *values: object) -> dict[str, Any]:
    constants = [node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True) for value in values]
    return node("OperatorFuncNode", "operator", kind, attrs=node("TupleNode", "builtins", "tuple", content=constants))


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        (getter("methodcaller", "system", "echo"), ["config-target"]),
        (getter("methodcaller", "__reduce_ex__", 2), ["config-target"]),
        (getter("attrgetter", "__init__.__globals__"), ["config-target"]),
        (getter("itemgetter", "__builtins__"), ["config-target"]),
        (getter("methodcaller", "predict", 1), []),
        (getter("attrgetter", "coef_"), []),
        (getter("itemgetter", 0), []),
        (getter("itemgetter", "column of names"), []),
    ],
)
def test_getters(value: dict[str, Any], rules: list[str]) -> None:
    assert [rule for rule, _ in found(json.dumps({**value, "protocol": 2, "_skops_version": "0.13"}).encode(), "schema.json")] == rules
