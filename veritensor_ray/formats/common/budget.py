"""Keeps one account of everything that is expanded from an artifact, whichever code expands it, so that a bomb is stopped here.

Bytes are counted once, by the decoder that produced them. Plain copies (a slice of a tar, a stored entry, the spool) are not counted,
unless more is copied than the container holds: then its directory points at the same bytes again and again. This module does not depend on
any file format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded

SMALL = bounds.SMALL
# Limits that all files of an artifact share: once one is reached, nothing more is read.
SHARED = ("expanded_bytes", "expanded_ratio", "members")


class Budget:
    """Limits how many bytes may be expanded from an artifact of `size` bytes, and how many files it may hold.

    Once the budget has refused something, it keeps refusing.
    """

    def __init__(self, limits: Limits, size: int) -> None:
        self._limits = limits
        by_ratio = max(SMALL, limits.expanded_ratio * size)
        self._most, self._bound = min((int(limits.expanded_bytes), "expanded_bytes"), (by_ratio, "expanded_ratio"))
        self._members = self._bytes = 0
        self._in_vain = bounds.VAIN_STREAMS + 4 * size

    @property
    def error(self) -> LimitExceeded | None:
        """The reason why nothing more may be expanded, or None."""
        if self._bytes <= self._most:
            return None
        times = f", {self._limits.expanded_ratio} times its size" if self._bound == "expanded_ratio" and self._most > SMALL else ""
        return LimitExceeded(self._bound, f"its contents expand to more than {self._most} bytes{times}; the rest was not read")

    @property
    def left(self) -> int:
        """The number of bytes that may still be expanded."""
        return max(0, self._most - self._bytes)

    def add(self, count: int) -> None:
        """Count bytes that were expanded. Raises LimitExceeded."""
        self._bytes += count
        if self._bytes > self._most and (error := self.error):
            raise error

    @property
    def may_try(self) -> bool:
        """Whether more bytes may be tried that perhaps only look like a compressed stream or text."""
        return self._in_vain > 0

    def in_vain(self, count: int) -> None:
        """Count bytes of work that was wasted, or may have been, on what is neither a compressed stream nor text. Raises LimitExceeded."""
        self._in_vain -= count
        if not self.may_try:
            raise LimitExceeded(
                "vain_streams", "too many bytes look like compressed streams or text and are neither; the rest was not searched for them"
            )

    def pieces(self, made: Iterator[bytes], known: int = 0) -> Iterator[bytes]:
        """Pass the pieces through and count them, skipping the first `known` bytes.

        The piece that exceeds the limit is still yielded; LimitExceeded follows it.
        """
        self.add(0)
        yield from _counted(made, self.add, known)

    def member(self, depth: int) -> None:
        """Count a file at `depth` (1 for files in the artifact itself). Raises LimitExceeded."""
        if depth > self._limits.depth:
            raise LimitExceeded("depth", f"files are nested more than {self._limits.depth} levels deep")
        self._members += 1
        if self._members > self._limits.members:
            raise LimitExceeded("members", f"it holds more than {self._limits.members} files; the rest was not read")


class Copies:
    """Counts the bytes that a container of `size` bytes hands out unchanged.

    Bytes beyond the container's own size count as expanded.
    """

    def __init__(self, budget: Budget, size: int) -> None:
        self.budget, self._own = budget, size

    @property
    def left(self) -> int:
        """The number of bytes that may still be copied."""
        return self._own + self.budget.left

    def add(self, count: int) -> None:
        """Count bytes that were copied. Raises LimitExceeded."""
        own = min(self._own, count)
        self._own -= own
        if count > own:
            self.budget.add(count - own)

    def pieces(self, copied: Iterator[bytes], known: int = 0) -> Iterator[bytes]:
        """The same as `Budget.pieces`, for copied bytes."""
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
