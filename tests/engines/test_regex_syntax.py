"""What the engines need to know of a regular expression, from a parser that Python may change."""

from __future__ import annotations

import re

import pytest

from veritensor_ray.engines.regex_syntax import operations, parse, parts, width


@pytest.mark.parametrize(("pattern", "expected"), [("abc", (3, 3)), ("a[bc]{2}", (3, 3)), ("a?b", (1, 2)), ("", (0, 0))])
def test_the_width_of_a_match(pattern: str, expected: tuple[int, int]) -> None:
    assert width(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a", ["LITERAL"]),
        ("[^a]", ["NOT_LITERAL"]),
        (".", ["ANY"]),
        ("[a-c]", ["IN"]),
        (r"\b", ["AT"]),
        ("(a)", ["SUBPATTERN"]),
        ("aa|bb", ["BRANCH"]),
        ("a*", ["MAX_REPEAT"]),
        ("a*?", ["MIN_REPEAT"]),
    ],
)
def test_operations_have_these_names(pattern: str, names: list[str]) -> None:
    assert [operation for operation, _ in parse(pattern)] == [getattr(operations, name) for name in names]
    assert [operation for operation, _ in parse(pattern.encode())] == [getattr(operations, name) for name in names]


def test_inner_patterns_are_found_at_any_depth() -> None:
    [(_, argument)] = parse("(a|b(c))+")
    assert len([*parts(argument)]) == 1
    with pytest.raises(re.error):
        parse("(")
