"""Many patterns in one pass over a buffer, where Hyperscan can be imported; it knows neither rules nor texts."""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple


class Pattern(NamedTuple):
    """A pattern of bytes, in the syntax that Hyperscan, Python and YARA share, and the number that it is reported by. A NUL is written as `\\x00`."""

    number: int
    source: bytes
    caseless: bool = False


class Automaton:
    """Compiled patterns. Several may have one number; none reports where it began, which would cost more than the pass itself."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        numbers, sources, caseless = zip(*patterns, strict=True)
        hyperscan: Any = importlib.import_module("hyperscan")
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = [hyperscan.HS_FLAG_CASELESS if one else 0 for one in caseless]
        self._database.compile(expressions=sources, ids=numbers, flags=flags, elements=len(sources))
        self._lock = threading.Lock()  # a database has one scratch space, and gives the interpreter away while it runs

    def ends(self, data: bytes) -> list[tuple[int, int]]:
        """Number and end of every match, each once, nearly in order of the ends."""
        found: list[tuple[int, int]] = []

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found.append((number, end))

        with self._lock:
            self._database.scan(data, match_event_handler=note)
        return found


@functools.cache
def available() -> bool:
    """Whether there is a Hyperscan that this machine's processor can run."""
    try:
        Automaton([Pattern(0, b"word")])
    except Exception:  # noqa: BLE001  # no wheel for this Python, or a processor that it was not made for: all is found without it, only slower
        return False
    return True
