"""The levels of the injection model, from the highest scores of clean documents; it knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.documents import Document

LOW_RATE, MEDIUM_RATE = 0.02, 0.005  # of clean documents, at most
MOST_OF_A_KIND, LARGE = 0.02, 100  # of the documents of a kind, if it has so many
MARGIN = 0.5  # log odds of `high` above every clean document
UNREAD = -30.0  # or lower: no window of the document was read
Array = np.ndarray[Any, Any]


def by_kind(documents: Sequence[Document], scores: Array) -> dict[str, Array]:
    """The highest scores of documents, kind by kind.

    Documents of a package whose highest scores are equal repeat one text, as translations repeat what nobody has translated: the first counts.
    """
    kinds: dict[str, list[float]] = {}
    seen: set[tuple[str, str, float]] = set()
    for document, score in zip(documents, scores.tolist(), strict=True):
        key = (document.group, document.package, score)
        if score <= UNREAD or key not in seen:
            kinds.setdefault(document.group, []).append(score)
        seen.add(key)
    return {group: np.array(kinds[group]) for group in sorted(kinds)}


def thresholds(kinds: dict[str, Array]) -> dict[str, float]:
    """Log odds. `low` and `medium`: half of what may alarm, since strangers alarm more often. `medium`: all that may alarm of real documents,
    and of no large kind more than one in fifty.

    `high`: a margin above everything. These are more documents than a user has, so nothing is extrapolated as `models calibrate` does.
    """
    pooled = np.sort(np.concatenate(list(kinds.values())))[::-1]
    low, medium = (float(pooled[int(len(pooled) * rate / 2)]) for rate in (LOW_RATE, MEDIUM_RATE))
    if real := [scores for kind, scores in kinds.items() if kind.startswith("real: ")]:
        strictest = np.sort(np.concatenate(real))[::-1]
        medium = max(medium, float(strictest[int(len(strictest) * MEDIUM_RATE)]))
    for scores in kinds.values():
        if len(scores) >= LARGE:
            medium = max(medium, float(np.sort(scores)[::-1][int(len(scores) * MOST_OF_A_KIND)]))
    return {"low": min(low, medium) + 1e-3, "medium": medium + 1e-3, "high": max(float(pooled[0]), medium) + MARGIN}


def rates(kinds: dict[str, Array]) -> dict[str, dict[str, int]]:
    """By kind: documents, how many reach each threshold, and how many would if the thresholds had been set without that kind."""
    levels, found = thresholds(kinds), {}
    for kind, scores in kinds.items():
        others = thresholds({name: one for name, one in kinds.items() if name != kind})
        found[kind] = {"documents": len(scores)} | {k: int((scores >= v).sum()) for k, v in levels.items()}
        found[kind] |= {f"{k} left out": int((scores >= v).sum()) for k, v in others.items()}
    return {"all": {key: sum(row[key] for row in found.values()) for key in next(iter(found.values()))}} | found
