"""Runs text rules only where the automaton saw a part of one of their strings. The result is the same as for the whole text."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yara

from veritensor_ray.engines import automaton
from veritensor_ray.engines.automaton import Automaton, Pattern
from veritensor_ray.engines.signatures.fragments import Fragment, of_string

TIMEOUT = 60  # seconds for one buffer: a deliberately slow text is then retried in halves
EARNED = 64 << 20  # bytes that a process must have matched before the automaton saves more time than it takes to build
# YARA examines 1,024 bytes on both sides of a few bytes that occur in every match of a string, and no match is longer than that.
REACH = 2304
_CUT = 128  # bytes at the edge of a window in which a match is ignored, because the edge may have caused it
_DEARER = 4  # total size of the windows, in buffers, from which matching all rules at once is cheaper
_RULE = re.compile(r"^rule\s+(\w+).*?^\}", re.MULTILINE | re.DOTALL)
_STRINGS = re.compile(r"^\s*strings:\s*?\n(.*?)^\s*condition:\s*any of them\s*^\}", re.MULTILINE | re.DOTALL)


def instances(compiled: Any, data: bytes, externals: Mapping[str, Any]) -> Iterator[tuple[str, str, int, int]]:
    """Yield namespace, rule, start and end of every string match. A rule without strings matches the beginning of the data."""
    # matches of a string after the first million are dropped, without a warning
    quiet = {"warnings_callback": lambda *_: yara.CALLBACK_CONTINUE, "timeout": TIMEOUT}
    for match in compiled.match(data=data, externals=dict(externals), **quiet):
        found = False
        for string in match.strings:
            for instance in string.instances:
                found = True
                yield match.namespace, match.rule, instance.offset, instance.offset + instance.matched_length
        if not found:
            yield match.namespace, match.rule, 0, min(16, len(data))


class _String(NamedTuple):
    """One string of a rule, as a separate rule. `part` occurs in all its matches."""

    space: str
    rule: str
    source: str
    part: Fragment | None


class NarrowedRules:
    """Rules whose condition is `any of them`. `sources` maps a namespace to its source text."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._compiled: dict[int, Any] = {}
        self._seen = 0

    def match(self, data: bytes) -> Iterator[tuple[str, str, int, int]] | None:
        """Yield the same as `instances` of all rules, or return None if matching all rules at once is cheaper."""
        self._seen += len(data)
        if self._seen < EARNED or not automaton.available():
            return None
        found = self._windows(data)
        if sum(end - start for some in found.values() for start, end in some) > _DEARER * len(data):
            return None
        return (one for number, some in found.items() for one in self._in(number, data, some))

    def _windows(self, data: bytes) -> dict[int, list[tuple[int, int]]]:
        """Return the windows in which each string has to be searched, in the order of the rules."""
        strings, owners, scanner = self._prepared
        ends: dict[int, list[int]] = defaultdict(list)
        for number, end in scanner.ends(data):
            for string in owners[number]:
                ends[string].append(end)
        found = {number: windows(sorted(some), len(data)) for number, some in ends.items()}
        found.update((number, [(0, len(data))]) for number, string in enumerate(strings) if string.part is None)
        return dict(sorted(found.items()))

    def _in(self, number: int, data: bytes, some: Sequence[tuple[int, int]]) -> Iterator[tuple[str, str, int, int]]:
        space, rule, source, _ = self._prepared[0][number]
        if number not in self._compiled:
            self._compiled[number] = yara.compile(source=source, includes=False)
        for first, last in some:
            # a pattern may require the border of the text before or after its words, but a window's edge is not one
            low, high = _CUT if first else 0, last - first - (_CUT if last < len(data) else 0)
            for _, _, start, end in instances(self._compiled[number], data[first:last], {}):
                if start >= low and end <= high:
                    yield space, rule, first + start, first + end

    @functools.cached_property
    def _prepared(self) -> tuple[list[_String], list[list[int]], Automaton]:
        """All strings, the numbers of the strings for each pattern, and the automaton."""
        strings = [string for space, source in self._sources.items() for string in _strings(space, source)]
        numbers: dict[Fragment, list[int]] = {}
        for number, string in enumerate(strings):
            if string.part:
                numbers.setdefault(string.part, []).append(number)
        patterns = (Pattern(number, part.pattern, part.caseless) for number, part in enumerate(numbers))
        return strings, list(numbers.values()), Automaton(patterns)


def _strings(space: str, source: str) -> Iterator[_String]:
    for rule in _RULE.finditer(source):
        found = _STRINGS.search(rule[0])
        if found is None:
            raise ValueError(
                f"{space}.yar: the strings of {rule[1]} cannot be separated. Write each on its own line, and use `any of them`"
            )
        for line in filter(str.strip, found[1].splitlines()):
            yield _String(space, rule[1], f"rule {rule[1]} {{ strings: {line}\ncondition: any of them }}", of_string(line))


def windows(ends: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Return windows around ascending positions, merging those that overlap."""
    found: list[tuple[int, int]] = []
    for end in ends:
        first, last = max(0, end - REACH), min(size, end + REACH)
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found
