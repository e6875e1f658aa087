"""Learns the common words of languages, and how much weaker the evidence of the first stage of `injection` is in each.

Words come from our own texts, which say their language. The evidence is weighed on clean documents: in each language as many of their
passages pass the gate as in any other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from training import texts
from training.documents import Document
from veritensor_ray.engines.injection.first_stage import FirstStage, spoken_in
from veritensor_ray.engines.injection.languages import Languages
from veritensor_ray.engines.injection.linear import words

COMMON = 300  # words of a language
READ = 8000  # characters of a document that is one text
LINES = 400  # of a document in which every line stands alone
PASSING = 0.03  # of the passages of clean documents in a language
ENOUGH = 300  # passages; a language with fewer has the mean of the others
GATE_OF = "en"  # the gate is that of this language
Array = np.ndarray[Any, Any]


def learn(first: FirstStage, gate: float, documents: Sequence[Document]) -> Languages:
    """Languages with what each needs for its share of passages to pass a gate."""
    known = common_words()
    scores, spoken = _passages(replace(first, languages=None), known, documents)
    ease = np.full(len(known.ease), np.nan, np.float32)
    for number in range(len(ease)):
        if (found := scores[spoken == number]).size >= ENOUGH:
            ease[number] = max(0.0, gate - np.quantile(found, 1 - PASSING))
    ease[list(by_code(known)).index(GATE_OF)] = 0
    ease[np.isnan(ease)] = np.nanmean(ease)
    return replace(known, ease=ease.round(3))


def by_code(known: Languages) -> dict[str, float]:
    """What is added in each language."""
    return {bytes(code).decode(): round(float(ease), 3) for code, ease in zip(known.codes, known.ease, strict=True)}


def common_words() -> Languages:
    """The words that are commonest in each language, each counted for the one in which it makes up the largest share."""
    seen: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for one in texts.written():
        seen[one.language].update(words(one.text[:READ]).hashes[0].tolist())
    codes, largest = sorted(seen), dict[int, tuple[float, int]]()
    for number, code in enumerate(codes):
        total = seen[code].total()
        for word, count in seen[code].most_common(COMMON):
            largest[word] = max(largest.get(word, (0.0, 0)), (count / total, number))
    hashes = np.array(sorted(largest), np.uint32)
    spoken = np.array([largest[word][1] for word in hashes.tolist()], np.uint8)
    letters = np.frombuffer("".join(codes).encode(), np.uint8).reshape(-1, 2)
    return Languages(hashes, spoken, np.zeros(len(codes), np.float32), letters)


def _passages(first: FirstStage, known: Languages, documents: Sequence[Document]) -> tuple[Array, Array]:
    """The log odds of all passages of documents, and the number of the language of each."""
    found = [s for d in documents for s in (d.segments[:LINES] or (d.text[:READ],))]
    pieces = [(one.scores, known.likeliest(spoken_in(one.passages, one.found, known))) for one in first.judged(found)]
    return np.concatenate([scores for scores, _ in pieces]), np.concatenate([spoken for _, spoken in pieces])
