"""One account of what is made out of an artifact, whatever makes it: a bomb ends here; it knows no format.

Bytes are counted where a decoder made them, once. What only copies them (a slice of a tar, a stored entry, the spool) counts
nothing, unless it copies more than there is: then a directory points at the same bytes again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from veritensor_ray import bounds
from veritensor_ray.config import Limits
from veritensor_ray.errors import LimitExceeded

SMALL = bounds.SMALL
SHARED = ("expanded_bytes", "expanded_ratio", "members")  # bounds of all files together: where one is reached, nothing more is read


class Budget:
    """What may be made out of an artifact of `size` bytes, and how many files may be in it. What it refused once it refuses for ever."""

    def __init__(self, limits: Limits, size: int) -> None:
        self._limits = limits
        by_ratio = max(SMALL, limits.expanded_ratio * size)
        self._most, self._bound = min((int(limits.expanded_bytes), "expanded_bytes"), (by_ratio, "expanded_ratio"))
        self._members = self._bytes = 0

    @property
    def error(self) -> LimitExceeded | None:
        """Why nothing more may be made, if so."""
        if self._bytes <= self._most:
            return None
        times = f", {self._limits.expanded_ratio} times its size" if self._bound == "expanded_ratio" and self._most > SMALL else ""
        return LimitExceeded(self._bound, f"what is packed in it comes to more than {self._most} bytes{times}; the rest was not read")

    @property
    def left(self) -> int:
        """How many bytes may still be made."""
        return max(0, self._most - self._bytes)

    def add(self, count: int) -> None:
        """Count bytes that were made. Raises LimitExceeded."""
        self._bytes += count
        if self._bytes > self._most and (error := self.error):
            raise error

    def pieces(self, made: Iterator[bytes], known: int = 0) -> Iterator[bytes]:
        """The same pieces, counted from byte `known` on. The one that is too much is given out; LimitExceeded comes behind it."""
        self.add(0)
        yield from _counted(made, self.add, known)

    def member(self, depth: int) -> None:
        """Count a file at `depth`, 1 for those in the artifact itself. Raises LimitExceeded."""
        if depth > self._limits.depth:
            raise LimitExceeded("depth", f"files are packed in files more than {self._limits.depth} deep")
        self._members += 1
        if self._members > self._limits.members:
            raise LimitExceeded("members", f"more than {self._limits.members} files are packed in it; the rest was not read")


class Copies:
    """What a container of `size` bytes gives out as it stands there. What is more than it holds counts as made."""

    def __init__(self, budget: Budget, size: int) -> None:
        self.budget, self._own = budget, size

    @property
    def left(self) -> int:
        """How many bytes may still be copied."""
        return self._own + self.budget.left

    def add(self, count: int) -> None:
        """Count bytes that were copied. Raises LimitExceeded."""
        own = min(self._own, count)
        self._own -= own
        if count > own:
            self.budget.add(count - own)

    def pieces(self, copied: Iterator[bytes], known: int = 0) -> Iterator[bytes]:
        """As for `Budget`."""
        return _counted(copied, self.add, known)


def _counted(pieces: Iterator[bytes], add: Callable[[int], None], known: int) -> Iterator[bytes]:
    for piece in pieces:
        old, known = min(known, len(piece)), max(0, known - len(piece))
        try:
            add(len(piece) - old)
        except LimitExceeded:
            yield piece
            raise
        yield piece
