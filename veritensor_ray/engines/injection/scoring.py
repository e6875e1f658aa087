"""Scores windows with both models combined, and locates the injection within a window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from veritensor_ray.engines.injection.encoder_network import Network
from veritensor_ray.engines.injection.mixing import Mix, combined
from veritensor_ray.engines.injection.windows import Cutter, TokenWindow, sentences

NEAR = 0.1  # log odds around a threshold; batching and half precision shift scores by less


@dataclass(frozen=True, slots=True)
class Scorer:
    """Combines both models: log odds = a · transformer + b · first stage + c, where `mix` holds a (not negative), b and c.

    The transformer's score is capped at `ceiling`, if there is one.
    """

    cutter: Cutter
    network: Network
    mix: Mix
    ceiling: float | None = None

    def scores(self, windows: Sequence[TokenWindow], thresholds: Sequence[float] = ()) -> list[float]:
        """Return the log odds of an injection in each window.

        With thresholds, a window that cannot reach the lowest of them, whatever the transformer's score, is not computed and scores -inf.
        If scores depend on the batch, one that is near a threshold is computed again by itself.
        """
        least = min(thresholds, default=-math.inf)
        reachable = [i for i, window in enumerate(windows) if self._most(window) >= least]
        scores = [-math.inf] * len(windows)
        for i, deep in zip(reachable, self.network.score([windows[i] for i in reachable]), strict=True):
            scores[i] = self._mixed(windows[i], deep)
            if not self.network.exact and any(abs(scores[i] - threshold) < NEAR for threshold in thresholds):
                scores[i] = self.alone(windows[i])
        return scores

    def alone(self, window: TokenWindow) -> float:
        """Return the log odds of one window, independently of any other."""
        return self._mixed(window, self.network.alone(window))

    def highest(self, text: str) -> float:
        """Return the highest score of all windows of a text, ignoring the gate."""
        return max(self.scores(replace(self.cutter, gate=None).windows([text])), default=-math.inf)

    def place(self, text: str, enough: float) -> tuple[int, int]:
        """Return where in a window's text the injection is.

        This is the highest-scoring sentence or pair of sentences, or the whole window if none scores `enough`.
        """
        ranges = sentences(text)
        if len(ranges) < 2:
            return 0, len(text)
        cutter = replace(self.cutter, gate=None, stride=self.cutter.size - 2)  # no overlap; two tokens frame a window
        pieces = cutter.windows([text[start:end] for start, end in ranges])
        score, best = max(zip(self.scores(pieces, [enough]), pieces, strict=True), key=itemgetter(0), default=(-math.inf, None))
        if best is None or score < enough:
            return 0, len(text)
        start, end = ranges[best.row]
        return start, start + len(text[start:end].rstrip())

    def _mixed(self, window: TokenWindow, deep: float) -> float:
        return combined(self.mix, self.ceiling, deep, window.first)

    def _most(self, window: TokenWindow) -> float:
        """Return the highest score that a window can have."""
        return math.inf if self.ceiling is None else self._mixed(window, self.ceiling)
