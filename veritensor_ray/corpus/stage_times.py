"""CPU seconds of a process by what they were spent on, measured so rarely that the measuring costs next to nothing.

Asking the system for the CPU time takes two thirds of a microsecond. Batches and larger files are always measured. Of the small files of a
pass, the first few are, and then one of many, which counts for all of them: a prime number, so that files that alternate are met alike.
"""

from __future__ import annotations

from collections import defaultdict
from time import process_time

PROCESSES, LOADING = "processes", "loading"  # starting processes and handing work to them; loading models
READING, HASHING, EXTRACTION, FINDINGS, COMMIT = "reading", "hashing", "extraction", "findings", "commit"
LARGE = 1 << 16  # bytes of a file for which a few more microseconds do not matter
_FIRST, _ONE_IN = 16, 17


class StageTimes:
    """Adds up the CPU seconds of one pass. What nobody adds is left to whoever knows the CPU seconds of the whole."""

    def __init__(self) -> None:
        self._seconds = defaultdict[str, float](float)
        self._small = 0
        self._apart = 0.0

    def weight(self, size: int) -> int:
        """Return for how many files the next one of `size` bytes counts, or 0 if it is not measured."""
        if size >= LARGE:
            return 1
        self._small += 1
        if self._small <= _FIRST:
            return 1
        return 0 if self._small % _ONE_IN else _ONE_IN

    def now(self) -> float:
        """Return the CPU seconds of this process so far, without those that `aside` has added to another stage."""
        return process_time() - self._apart

    def add(self, stage: str, since: float, weight: int = 1) -> None:
        """Add the CPU seconds since a moment of `now`."""
        self._seconds[stage] += (process_time() - self._apart - since) * weight

    def aside(self, stage: str, seconds: float) -> None:
        """Add CPU seconds that are spent in the midst of another stage, and do not belong to it."""
        self._seconds[stage] += seconds
        self._apart += seconds

    def take(self) -> dict[str, float]:
        """Return the seconds by stage since the last call."""
        taken = dict(self._seconds)
        self._seconds.clear()
        return taken
