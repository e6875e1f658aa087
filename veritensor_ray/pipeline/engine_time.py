"""The CPU time that an engine has spent on the text of each artifact, and whether it may go on.

A text can be made so slow for one engine that a file would hold up its shard for hours, with progress all the while. It does not depend on Ray.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.word_forms import Array

_LEAST = 1_000_000  # bytes of text; the time for fewer says little about a file


@dataclass(slots=True)
class _Spent:
    seconds: float = 0.0
    size: int = 0


class EngineTime:
    """Counts CPU seconds by engine and artifact, and refuses what comes after too many of them per megabyte."""

    def __init__(self, seconds_per_mb: float) -> None:
        self._most = seconds_per_mb
        self._spent: dict[tuple[str, int], _Spent] = {}
        self._over: dict[str, set[int]] = {}  # artifacts by engine
        self._refused: set[tuple[str, int]] = set()
        self._gaps: list[tuple[int, Gap]] = []

    def charge(self, engine: str, texts: pa.RecordBatch, seconds: float) -> None:
        """Divide CPU seconds that an engine spent on a batch among its artifacts, by amount of text."""
        sizes = np.bincount(texts.column("artifact").to_numpy(), pc.fill_null(pc.binary_length(texts.column("text")), 0).to_numpy())
        whole = max(sizes.sum(), 1)
        for artifact in np.flatnonzero(sizes).tolist():
            spent = self._spent.setdefault((engine, artifact), _Spent())
            spent.seconds += seconds * float(sizes[artifact] / whole)
            spent.size += int(sizes[artifact])
            if spent.seconds > self._most * max(spent.size, _LEAST) / 1e6:
                self._over.setdefault(engine, set()).add(artifact)

    def kept(self, engine: str, texts: pa.RecordBatch) -> Array | None:
        """Return the numbers of the rows that the engine may still read, or None if it may read all of them."""
        over = self._over.get(engine)
        if not over:
            return None
        artifacts = texts.column("artifact").to_numpy()
        refused = np.isin(artifacts, list(over))
        for artifact in set(artifacts[refused].tolist()):
            if (engine, artifact) not in self._refused:
                self._refused.add((engine, artifact))
                reason = f"{engine} took more than {self._most:g} CPU seconds per megabyte of text, so it did not check the rest"
                self._gaps.append((artifact, Gap(reason, engine=engine, bound="engine_seconds")))
        return np.flatnonzero(~refused) if refused.any() else None

    def take(self) -> list[tuple[int, Gap]]:
        """Return the gaps since the last call, each with its artifact."""
        gaps, self._gaps = self._gaps, []
        return gaps
