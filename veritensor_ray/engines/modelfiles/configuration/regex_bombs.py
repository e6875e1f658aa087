"""Decides whether a regular expression of a tokenizer can take exponential time. It is parsed into an automaton, never run.

A loop is a bomb if some text can pass through it in two ways, and something behind it can fail: then every repetition doubles the ways.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from veritensor_ray.engines.regex_syntax import operations, parse

_PROPERTY = re.compile(r"\\[pP](?:\{\^?\w+\}|\w)")
_POSITIONS = 60  # of a pattern that is examined
_STEPS = 200_000  # pairs of positions that are compared
_MANY = 8  # repetitions from which a counted loop is like an endless one
_WIDE = frozenset("\n\r\té中\u0301") | {chr(code) for code in range(32, 127)}  # stands for all characters


@dataclass(slots=True)
class _Part:
    """What a piece of a pattern contributes: the positions with which it begins and ends, and in how many ways it may be empty (two are many)."""

    first: Counter[int] = field(default_factory=Counter)
    last: Counter[int] = field(default_factory=Counter)
    empty: int = 1


class _Automaton:
    """The positions of a pattern (each consumes a character), and how often one may follow another."""

    def __init__(self) -> None:
        self.sets: list[frozenset[str]] = []
        self.follow: dict[int, Counter[int]] = {}
        self.asserts = False
        self.steps = _STEPS

    def sequence(self, pattern: Any) -> _Part:
        """Return what a sequence contributes. Raises ValueError for a pattern with too many positions."""
        whole = _Part()
        for operation, argument in pattern:
            part = self.item(operation, argument)
            self._joined(whole.last, part.first)
            first = whole.first + _times(part.first, whole.empty)
            last = part.last + _times(whole.last, part.empty)
            whole = _Part(first, last, min(2, whole.empty * part.empty))
        return whole

    def _joined(self, lasts: Counter[int], firsts: Counter[int]) -> None:
        for one in lasts:
            for other in firsts:
                self.follow.setdefault(one, Counter())[other] += min(2, lasts[one] * firsts[other])

    def item(self, operation: Any, argument: Any) -> _Part:
        """Return what one operation contributes."""
        if operation in (operations.MAX_REPEAT, operations.MIN_REPEAT):
            return self._repeated(*argument)
        if operation is operations.BRANCH:
            return self._branches([self.sequence(one) for one in argument[1]], sum(1 for one in argument[1] if not len(one)))
        if operation is operations.SUBPATTERN:
            return self.sequence(argument[-1])
        if operation in (operations.ASSERT, operations.ASSERT_NOT, operations.AT):
            self.asserts = True
            return _Part()
        if operation in (operations.POSSESSIVE_REPEAT, operations.ATOMIC_GROUP):  # without a way back
            return self._position(_WIDE, empty=operation is operations.POSSESSIVE_REPEAT and argument[0] == 0)
        if operation in (operations.GROUPREF, operations.GROUPREF_EXISTS):
            return _Part()
        return self._position(_samples(operation, argument))

    def _position(self, characters: frozenset[str], empty: bool = False) -> _Part:
        if len(self.sets) >= _POSITIONS:
            raise ValueError("too many positions")
        self.sets.append(characters)
        at = len(self.sets) - 1
        return _Part(Counter([at]), Counter([at]), int(empty))

    def _branches(self, branches: list[_Part], blank: int) -> _Part:
        """Return what branches contribute. `blank` of them have no text: the parser leaves those of `(x|x)`, whose beginnings are equal."""
        whole = _Part(empty=min(2, max(blank, *(min(1, one.empty) for one in branches))))
        for one in branches:
            whole.first += one.first
            whole.last += one.last
        return whole

    def _repeated(self, least: int, most: int, pattern: Any) -> _Part:
        part = self.sequence(pattern)
        if most >= _MANY:
            self._joined(part.last, part.first)
        return _Part(part.first, part.last, max(part.empty, int(least == 0)))

    def bomb(self, end: _Part) -> bool:
        """Return whether two equal ways lead through a loop that is left only by what can fail."""
        onward = [self._onward(at) for at in range(len(self.sets))]
        for at in range(len(self.sets)):
            loop = {other for other in onward[at] if at in onward[other]}
            if at in loop and (self.asserts or not loop & set(end.last)) and self._twice(at):
                return True
        return False

    def _onward(self, at: int) -> set[int]:
        found, stack = set[int](), [at]
        while stack:
            for other in self.follow.get(stack.pop(), ()):
                if other not in found:
                    found.add(other)
                    stack.append(other)
        return found

    def _twice(self, at: int) -> bool:
        """Return whether some text leads from a position to itself by two ways. Pairs of positions are searched, with whether they differed."""
        start = (at, at, False)
        queue, known = deque([start]), {start}
        while queue and self.steps > 0:
            one, other, apart = queue.popleft()
            for step in self._steps(one, other, apart):
                if step == (at, at, True):
                    return True
                if step not in known:
                    known.add(step)
                    queue.append(step)
        return False

    def _steps(self, one: int, other: int, apart: bool) -> Iterator[tuple[int, int, bool]]:
        for first, ways in self.follow.get(one, Counter()).items():
            for second in self.follow.get(other, Counter()):
                self.steps -= 1
                if self.sets[first] & self.sets[second]:
                    yield first, second, apart or first != second or (one == other and ways > 1)


def _times(positions: Counter[int], ways: int) -> Counter[int]:
    return Counter({one: min(2, count * ways) for one, count in positions.items() if ways})


def _samples(operation: Any, argument: Any) -> frozenset[str]:
    """Return the sample characters that one position accepts, and its own literal characters."""
    if operation is operations.LITERAL:
        return frozenset(chr(argument))
    if operation is operations.NOT_LITERAL:
        return _WIDE - {chr(argument)}
    if operation is operations.ANY:
        return _WIDE
    found, negated = set[str](), False
    for kind, value in argument if operation is operations.IN else ():
        if kind is operations.NEGATE:
            negated = True
        elif kind is operations.LITERAL:
            found.add(chr(value))
        elif kind is operations.RANGE:
            found.update(chr(code) for code in range(value[0], min(value[1], value[0] + 127) + 1))
        elif kind is operations.CATEGORY:
            found.update(char for char in _WIDE if _CATEGORIES[value](char))
    return _WIDE - found if negated else frozenset(found)


_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    operations.CATEGORY_DIGIT: str.isdigit,
    operations.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    operations.CATEGORY_SPACE: str.isspace,
    operations.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    operations.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    operations.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}


def _pythonic(pattern: str) -> str:
    """Return a pattern of Oniguruma with properties as classes that Python knows: `\\p{L}` as letters, `\\p{N}` as digits, others as a letter."""

    def shown(match: re.Match[str]) -> str:
        name = match[0].strip("\\pP{}^")
        kinds = {"N": "0-9", "Z": "\\s", "L": "a-zA-Z\u00e9\u4e2d", "H": "a-zA-Z\u00e9\u4e2d"}  # the first letter of a property decides
        return kinds.get(name[:1], "\u0301.'")

    out, inside, at = [], False, 0
    while at < len(pattern):
        if found := _PROPERTY.match(pattern, at):
            out.append(shown(found) if inside else f"[{shown(found)}]")
            at = found.end()
            continue
        step = 2 if pattern[at] == "\\" else 1
        inside = pattern[at] == "[" or (inside and pattern[at] != "]")
        out.append(pattern[at : at + step])
        at += step
    return "".join(out)


def is_bomb(pattern: str) -> bool:
    """Return whether a pattern can take exponential time. One that does not parse, or is too long to examine, counts as none."""
    if len(pattern) > 5000:
        return False
    automaton = _Automaton()
    try:
        end = automaton.sequence(parse(_pythonic(pattern)))
    except (re.error, ValueError, RecursionError, OverflowError):
        return False
    return automaton.bomb(end)
