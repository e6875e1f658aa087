"""Windows to log odds: both models mixed, and where in a window the order stands; it knows no hits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from veritensor_ray.engines.injection.network import Network
from veritensor_ray.engines.injection.windows import Cutter, TokenWindow, sentences

NEAR = 0.1  # log odds around a threshold; batches and half precision moved scores by less


@dataclass(frozen=True, slots=True)
class Scorer:
    """`mix` holds a, b and c of log odds = a · transformer + b · linear + c, where a is not negative.

    The transformer is taken at `ceiling`, if there is one, where it says more.
    """

    cutter: Cutter
    network: Network
    mix: tuple[float, float, float]
    ceiling: float | None = None

    def scores(self, windows: Sequence[TokenWindow], thresholds: Sequence[float] = ()) -> list[float]:
        """Log odds of an injection in each window.

        With thresholds, a window that cannot reach the lowest of them whatever the transformer says is not computed, and counts as -inf.
        Where scores move with their batch, one that is near a threshold is computed again by itself.
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
        """The log odds of one window, whatever stands beside it elsewhere."""
        return self._mixed(window, self.network.alone(window))

    def highest(self, text: str) -> float:
        """Of all windows of a text, the gate aside."""
        return max(self.scores(replace(self.cutter, gate=None).windows([text])), default=-math.inf)

    def place(self, text: str, enough: float) -> tuple[int, int]:
        """Where in a window's text the order stands: the sentence, or two neighbours, that score highest alone, if they score enough."""
        ranges = sentences(text)
        if len(ranges) < 2:
            return 0, len(text)
        cutter = replace(self.cutter, gate=None, stride=self.cutter.size - 2)  # no overlap: two tokens frame a window
        pieces = cutter.windows([text[start:end] for start, end in ranges])
        score, best = max(zip(self.scores(pieces, [enough]), pieces, strict=True), key=itemgetter(0), default=(-math.inf, None))
        if best is None or score < enough:
            return 0, len(text)
        start, end = ranges[best.row]
        return start, start + len(text[start:end].rstrip())

    def _mixed(self, window: TokenWindow, deep: float) -> float:
        a, b, c = self.mix
        return float(a * (deep if self.ceiling is None else min(deep, self.ceiling)) + b * window.linear + c)

    def _most(self, window: TokenWindow) -> float:
        """What the score of a window can be at most."""
        return math.inf if self.ceiling is None else self._mixed(window, self.ceiling)
