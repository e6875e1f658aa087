"""The regular expressions with which the engine searches texts of files take no time by the square of a text's length where two repeats meet."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined]  # Python's own parser of patterns, which has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from tests.cases import each
from veritensor_ray.engines.modelfiles import chat_templates, configuration

SAMPLE = {chr(code) for code in range(128)} | {"é", "\u00a0"}
MANY = 1000  # repetitions from which a repeat counts as endless
SINGLE = (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY)
REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every pattern of the modules that judge configuration and templates."""
    for package in (configuration, chat_templates):
        for found in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{found.name}")
            own = ((f"{found.name}.{name}", value) for name, value in vars(module).items() if isinstance(value, re.Pattern))
            yield from ((name, value) for name, value in own if isinstance(value.pattern, str))


class Meeting:
    """Finds the endless repeats of a pattern that meet another one which takes the same characters, so that a text is cut in many ways."""

    def __init__(self, pattern: str, flags: int) -> None:
        self.flags, self.found = flags & ~re.UNICODE, 0
        self.tree = parser.parse(pattern, self.flags)
        self.walk(self.tree, set())

    def taken(self, item: tuple[Any, Any]) -> set[str]:
        """The characters that one item takes."""
        one = re._compiler.compile(parser.SubPattern(self.tree.state, [item]), self.flags)  # type: ignore[attr-defined]
        return {char for char in SAMPLE if one.match(char)}

    def walk(self, tree: Any, before: set[str]) -> set[str]:
        """Walk items in a row, of which `before` says what an endless repeat in front of them takes. Return the same for what is behind."""
        for kind, value in tree:
            if kind in REPEATS:
                before = self.repeat(kind, value, before)
            elif kind is codes.SUBPATTERN:
                before = self.walk(value[-1], before)
            elif kind is codes.BRANCH:
                before = set().union(*(self.walk(one, before) for one in value[1]))
            elif kind in SINGLE:
                before = set()
        return before

    def repeat(self, kind: Any, value: tuple[int, int, Any], before: set[str]) -> set[str]:
        """Walk a repeat."""
        least, most, tree = value
        kept = set() if least else before
        if len(tree) == 1 and tree[0][0] in SINGLE:
            if most < MANY:
                return kept
            taken = self.taken(tree[0])
            self.found += bool(taken & before)
            return kept if kind is codes.POSSESSIVE_REPEAT else kept | taken
        return kept | self.walk(tree, before)


@each(("name", "pattern"), [pytest.param(*one, id=one[0]) for one in patterns()])
def test_no_endless_repeats_meet(name: str, pattern: re.Pattern[str]) -> None:
    assert Meeting(pattern.pattern, pattern.flags).found == 0


@pytest.mark.parametrize(
    ("pattern", "meets"),
    [
        (r"a\s*:?\s*b", True),
        (r"a\s+(?:all)?\s*b", True),
        (r"[ \t-]*[\"']?[\w-]+:", True),
        (r"a\s*(?:\[?\s*\{|x)", True),
        (r"a\s*+:?\s*+b", False),
        (r"a\s*:\s*b", False),
        (r"a\s{0,9}:?\s*b", False),
    ],
)
def test_what_meets(pattern: str, meets: bool) -> None:
    assert bool(Meeting(pattern, 0).found) == meets
