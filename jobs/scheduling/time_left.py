"""How long a run will still take: arithmetic over the effort that its plan expects and the time that passes. It looks at no clock."""

from __future__ import annotations

from dataclasses import dataclass

_LEAST, _SHARE, _MOST = 30.0, 0.2, 120.0  # CPU seconds of the plan's guess that count as measured; its share of the whole effort
_START, _SHORTEST = 30.0, 2.0  # seconds: what starting processes and loading models may take; the shortest time that is promised


@dataclass(slots=True)
class Pace:
    """What the effort of a run takes, in seconds. `effort` is the expected CPU seconds, on `cpus` CPUs.

    At first only the plan's guess is known. What has been measured since the first bytes were read outweighs it gradually, so that neither
    a slow start nor a wrong guess makes the time left jump. Loading models does not count as reading.
    """

    effort: float
    cpus: int
    began: float | None = None  # the time of the first bytes, and the effort that they took
    first: float = 0.0

    def left(self, done: float, now: float) -> float:
        """Return the seconds left at the time `now`, in seconds since any moment, when effort `done` is behind the run."""
        if self.began is None and done > 0:
            self.began, self.first = now, done
        guessed = min(max(_LEAST, _SHARE * self.effort), _MOST)
        took = now - self.began if self.began is not None else 0.0
        each = (guessed / self.cpus + took) / (guessed + max(0.0, done - self.first))
        return max(0.0, self.effort - done) * each

    def promised(self, done: float, now: float, committed: int, shards: int) -> float | None:
        """Return the seconds left as one may tell them, or None if there is nothing to tell.

        `committed` of the run's `shards` are. Until the first one is, its text may be read while the models are still being loaded, which the
        effort does not contain; so a time shorter than that takes is not promised.
        """
        left = self.left(done, now)
        if committed >= shards or (not committed and left < _START):
            return None
        return max(left, _SHORTEST)


__all__ = ["Pace"]
