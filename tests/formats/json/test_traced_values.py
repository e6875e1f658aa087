"""TracedString values are those of Python's parser, and each string stands where it says."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from veritensor_ray.formats.json.literals import Number
from veritensor_ray.formats.json.traced_values import TracedList, TracedObject, TracedScalar, TracedString, traced_objects, traced_pairs
from veritensor_ray.formats.json.value_tree import text_of, value_of

BASE = 1000
texts = st.text(max_size=6) | st.sampled_from(['"', "\\", "[,]", "{:}", "a\nb"])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from([4929421234567897, 1e10]) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12)
written = st.builds(json.dumps, values, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 1]))
twice = written.map(lambda text: f'{{"a": {text}, "b": 1.50, "a": [{text}]}}')


def seen(value: Any) -> Any:
    """A value as readers see it: strings, numbers that they yield as text, and None in place of everything else."""
    if isinstance(value, (list, tuple)):
        return type(value)(seen(item) for item in value)
    text = text_of(value)
    return None if text is None else text.encode("utf-8", "replace").decode()


def strings(value: Any) -> list[TracedString]:
    """All strings and numbers of a traced value, keys included."""
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in strings(item)]
    if isinstance(value, dict):
        return [text for pair in value.items() for text in strings(pair)]
    return [value] if isinstance(value, TracedString) else []


@settings(max_examples=100, deadline=None)
@given(written | twice)
def test_pairs_are_those_of_the_parser(text: str) -> None:
    value = traced_pairs(text, BASE)
    assert seen(value) == seen(value_of(text))
    for one in strings(value):
        literal = one.literal
        edge = 0 if isinstance(literal, Number) else 1  # the quotes
        assert seen(json.loads(text[literal.start - BASE - edge : literal.end - BASE + edge])) == one


@settings(max_examples=100, deadline=None)
@given(written)
def test_objects_are_those_of_the_parser(text: str) -> None:
    value = traced_objects(text)
    expected = json.loads(text)
    assert repr(value) == repr(expected)
    todo = [(value, expected)]
    while todo:
        one, its = todo.pop()
        assert isinstance(one, (TracedString, TracedList, TracedObject, TracedScalar))
        assert json.loads(text[one.start : one.end]) == its
        todo += zip(one.values(), its.values(), strict=True) if isinstance(one, dict) else ()
        todo += zip(one, its, strict=True) if isinstance(one, list) else ()
