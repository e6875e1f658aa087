"""Windows to log odds: both models mixed, and where in a window the order stands; it knows no thresholds by view and no hits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from veritensor_ray.engines.injection.network import Network
from veritensor_ray.engines.injection.windows import Cutter, TokenWindow, sentences


@dataclass(frozen=True, slots=True)
class Scorer:
    """`mix` holds a, b and c of log odds = a · transformer + b · linear + c."""

    cutter: Cutter
    network: Network
    mix: tuple[float, float, float]

    def scores(self, windows: Sequence[TokenWindow]) -> list[float]:
        """Log odds of an injection in each window."""
        return [self._mixed(window, deep) for window, deep in zip(windows, self.network.score(windows), strict=True)]

    def alone(self, window: TokenWindow) -> float:
        """The same for one window, whatever stood beside it in a batch."""
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
        best, score = 0, -math.inf
        for piece, value in zip(pieces, self.scores(pieces), strict=True):
            if value > score:
                best, score = piece.row, value
        if score < enough:
            return 0, len(text)
        start, end = ranges[best]
        return start, start + len(text[start:end].rstrip())

    def _mixed(self, window: TokenWindow, deep: float) -> float:
        a, b, c = self.mix
        return float(a * deep + b * window.linear + c)
