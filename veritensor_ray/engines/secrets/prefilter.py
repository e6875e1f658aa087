"""Searches a buffer for all words of interest in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import yara

from veritensor_ray.engines import automaton
from veritensor_ray.engines.automaton import Automaton, Pattern
from veritensor_ray.engines.regex_syntax import width

TIMEOUT = 60  # seconds for one buffer: a deliberately slow text is then retried in halves


class _Word(NamedTuple):
    """A word of a group, as a pattern that matches exactly `length` bytes."""

    group: int
    source: str
    length: int
    caseless: bool


class Prefilter:
    """Groups of words, compiled once per process. `exact` words are case-sensitive; `any_case` words are not.

    A word in slashes is a pattern of fixed length.
    """

    def __init__(self, exact: Iterable[tuple[str, int]], any_case: Iterable[tuple[str, int]]) -> None:
        self._words = [_word(word, group, caseless) for words, caseless in ((exact, False), (any_case, True)) for word, group in words]
        self._find = self._automaton() if automaton.available() else self._yara()

    def find(self, data: bytes) -> Sequence[tuple[int, int]]:
        """Return group and offset of every match, ordered by word (as given) and then by offset."""
        return [(self._words[number].group, at) for number, at in sorted(self._find(data))]

    def _automaton(self) -> Any:
        scanner = Automaton(Pattern(number, word.source.encode(), word.caseless) for number, word in enumerate(self._words))
        lengths = [word.length for word in self._words]
        return lambda data: [(number, end - lengths[number]) for number, end in scanner.ends(data)]

    def _yara(self) -> Any:
        """Return a matcher that does not need Hyperscan. Of each word, it reports the first million matches."""
        lines = (f"${number} = /{word.source}/{'i' if word.caseless else ''}" for number, word in enumerate(self._words))
        compiled = yara.compile(source="rule words { strings:\n" + "\n".join(lines) + "\ncondition: any of them }", includes=False)
        quiet = {"warnings_callback": lambda *_: yara.CALLBACK_CONTINUE, "timeout": TIMEOUT}
        return lambda data: [
            (int(string.identifier[1:]), instance.offset)
            for match in compiled.match(data=data, **quiet)
            for string in match.strings
            for instance in string.instances
        ]


def _word(word: str, group: int, caseless: bool) -> _Word:
    pattern = word.startswith("/") and word.endswith("/") and len(word) > 2 and "[" in word
    source = word[1:-1] if pattern else re.escape(word).replace("/", r"\/")
    least, most = width(source)
    if least != most:
        raise ValueError(f"the pattern {word} has no fixed length")
    return _Word(group, source, least, caseless)
