"""Where in a buffer anything of interest may stand: all words in one pass of YARA; it knows not what the words mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yara

TIMEOUT = 60  # seconds for one buffer: a text made to be slow is then tried in halves


class Prefilter:
    """Groups of words, compiled once per process; `exact` are case-sensitive, `any_case` are not. A word in slashes is a pattern."""

    def __init__(self, exact: Iterable[tuple[str, int]], any_case: Iterable[tuple[str, int]]) -> None:
        lines: list[str] = []
        self._groups: list[int] = []
        for words, flag in ((exact, ""), (any_case, " nocase")):
            for word, group in words:
                lines.append(f"${len(self._groups)} = {_quoted(word)}{flag}")
                self._groups.append(group)
        self._compiled: Any = yara.compile(
            source="rule words { strings:\n" + "\n".join(lines) + "\ncondition: any of them }", includes=False
        )

    def find(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Group and place of every word, in no order. A word that stands there a million times is seen so often and no more."""
        quiet = {"warnings_callback": lambda *_: yara.CALLBACK_CONTINUE, "timeout": TIMEOUT}
        for match in self._compiled.match(data=data, **quiet):
            for string in match.strings:
                group = self._groups[int(string.identifier[1:])]
                for instance in string.instances:
                    yield group, instance.offset


def _quoted(word: str) -> str:
    if word.startswith("/") and word.endswith("/") and len(word) > 2 and "[" in word:
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
