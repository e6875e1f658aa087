"""Matches many patterns in one pass over a buffer, if Hyperscan can be imported. It does not depend on any rules."""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple


class Pattern(NamedTuple):
    """A byte pattern in the syntax that Hyperscan, Python and YARA share, and the number that reports it. A NUL is written as `\\x00`."""

    number: int
    source: bytes
    caseless: bool = False


class Automaton:
    """Compiled patterns. Several may share one number. Where a match begins is not reported: that would cost more than the pass itself."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        numbers, sources, caseless = zip(*patterns, strict=True)
        hyperscan: Any = importlib.import_module("hyperscan")
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = [hyperscan.HS_FLAG_CASELESS if one else 0 for one in caseless]
        self._database.compile(expressions=sources, ids=numbers, flags=flags, elements=len(sources))
        self._ended: type[Exception] = hyperscan.ScanTerminated
        self._lock = threading.Lock()  # a database has one scratch space, and releases the GIL while it runs

    def ends(self, data: bytes) -> list[tuple[int, int]]:
        """Return the number and end (in bytes) of every match, each once, roughly ordered by their ends."""
        found: list[tuple[int, int]] = []

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found.append((number, end))

        with self._lock:
            self._database.scan(data, match_event_handler=note)
        return found

    def holds(self, data: bytes) -> bool:
        """Return whether there is a match. The search ends at the first one."""
        with self._lock:
            try:
                self._database.scan(data, match_event_handler=lambda *_: True)
            except self._ended:
                return True
        return False


@functools.cache
def available() -> bool:
    """Return whether Hyperscan is installed and runs on this machine's processor."""
    try:
        Automaton([Pattern(0, b"word")])
    except Exception:  # noqa: BLE001  # no wheel for this Python, or an unsupported processor: findings stay the same, but take longer
        return False
    return True
