"""Measure `injection` on unfamiliar documents and labeled sets, against phrases, the first stage alone and another detector.

Results are counts, not shares, so that rows can be added up and intervals computed. A cell is [attacks found, attacks, false positives,
benign texts]; a real document counts as a benign text. It does not depend on the page.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.injection_texts import OWN, QUESTIONS, QUOTING, SEED, Texts, as_texts, documents, rows_of
from veritensor_ray.core.config import Settings, load_settings
from veritensor_ray.engines.base import PreparingEngine, TextEngine
from veritensor_ray.engines.registry import create
from veritensor_ray.models.model_store import ModelStore

Array = np.ndarray[Any, np.dtype[Any]]
Cell = list[int]
Cells = dict[str, Cell]
MEDIUM, HIGH = 0.005, 0.0005  # the shares of real documents that may raise an alert
DEFENDER_DOCUMENTS, DEFENDER_ROWS = 400, 200  # it is slow: documents in total, and texts per set
WHOLE = 1 << 30  # characters: by default, the defender reads only 10,000 of a text
SPEED_DOCUMENTS = 20  # per kind
EACH = 20  # without the first stage, one window in this many is read and stands for the others
LEVELS = ("low", "medium", "high")
# The columns of the tables: engine and severity, or another detector and its threshold.
COLUMNS = ("medium", "high", "phrases", "first stage medium", "first stage high", "defender 0.5 %", "defender as shipped")


def loaded(name: str, settings: Settings | None = None) -> Any:
    """Return a loaded engine."""
    (engine,) = create(settings or load_settings(environ={}), [name])
    engine.load(ModelStore("embedded"))
    return engine


def threshold(scores: Array, share: float) -> float:
    """Return the lowest threshold that at most this share of the scores reaches."""
    ranked = np.sort(scores[~np.isnan(scores)])[::-1]
    return float(np.nextafter(ranked[int(share * len(ranked))], np.inf))


def tally(alarms: Array, labels: Array) -> Cell:
    """Return a cell."""
    attacks = labels == 1
    return [int(n) for n in (alarms[attacks].sum(), attacks.sum(), alarms[~attacks].sum(), (~attacks).sum())]


def added(many: Iterable[Mapping[str, Cell]]) -> Cells:
    """Add up the cells of several rows."""
    rows = list(many)
    columns = rows[0] if rows else {}
    return {column: [sum(numbers) for numbers in zip(*(row[column] for row in rows), strict=True)] for column in columns}


# ---------------------------------------------------------------- detectors


class Phrases:
    """The YARA rules of `signatures` for the same category."""

    def __init__(self) -> None:
        self._engine: TextEngine = loaded("signatures")
        self._wanted = {rule.id for rule in self._engine.rules() if rule.category == "prompt-injection"}

    def alarms(self, texts: Texts) -> Array:
        """Return, for each text, whether a rule matches."""
        found = np.zeros(len(texts.labels), bool)
        for batch in texts.batches:
            owners = batch.column("artifact").to_numpy()
            found[[owners[hit.row or 0] for hit in self._engine.scan_text(batch) if hit.rule in self._wanted]] = True
        return found


class Injection:
    """The engine itself, and its first stage alone: the highest log odds of the windows that it passes."""

    def __init__(self) -> None:
        self.engine: PreparingEngine = loaded("injection")

    def scores(self, texts: Texts) -> tuple[Array, Array]:
        """Return, for each text, its level (0, or one more than the index in LEVELS) and the first stage's score."""
        levels, linear = np.zeros(len(texts.labels), int), np.full(len(texts.labels), -np.inf)
        for batch in texts.batches:
            owners, prepared = batch.column("artifact").to_numpy(), self.engine.prepare(batch)
            np.maximum.at(linear, owners[prepared.column("row").to_numpy()], prepared.column("first").to_numpy())
            for hit in self.engine.scan_prepared(batch, prepared):
                owner = owners[hit.row or 0]
                levels[owner] = max(levels[owner], 1 + LEVELS.index(hit.severity))
        return levels, linear


class Defender:
    """The classifier of stackone-defender with its own chunks, over the whole text."""

    def __init__(self) -> None:
        from stackone_defender.classifiers.tier2_classifier import Tier2Classifier

        self._classifier = Tier2Classifier({"max_text_length": WHOLE})
        self._classifier.warmup()
        self.own = float(self._classifier.get_config()["high_risk_threshold"])

    def score(self, text: str) -> float:
        """Return the highest score of the chunks of a text."""
        return float(self._classifier.classify_by_chunks(text)["score"])


def scores_of_some(score: Callable[[str], float], texts: Texts, most: int) -> Array:
    """Return a slow detector's scores of a seeded sample of the texts; NaN for the others."""
    result, whole = np.full(len(texts.labels), np.nan), texts.whole()
    for number in np.random.default_rng(SEED).permutation(len(whole))[:most]:
        result[number] = score(whole[number])
    return result


# ---------------------------------------------------------------- quality


class Bench:
    """All detectors, with thresholds for those that need one, set on the same real documents that the rows are about."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._phrases, self._injection, self._defender = Phrases(), Injection(), Defender()
        self.thresholds: dict[str, float] = {}

    def scored(self, texts: Texts, most: int) -> dict[str, Array]:
        """Return the scores of each detector for each text."""
        levels, linear = self._injection.scores(texts)
        defender = scores_of_some(self._defender.score, texts, min(most, self._most or most))
        return {"levels": levels, "linear": linear, "phrases": self._phrases.alarms(texts), "defender": defender}

    def calibrate(self, scored: Iterable[Mapping[str, Array]]) -> None:
        """Set the other detectors' thresholds so that they may raise as many alerts on documents as ours."""
        many = list(scored)
        linear, defender = (np.concatenate([one[name] for one in many]) for name in ("linear", "defender"))
        self.thresholds = {
            "first stage medium": threshold(linear, MEDIUM),
            "first stage high": threshold(linear, HIGH),
            "defender 0.5 %": threshold(defender, MEDIUM),
            "defender as shipped": self._defender.own,
        }

    def cells(self, scored: Mapping[str, Array], labels: Array) -> Cells:
        """Return a cell for each column."""
        known = ~np.isnan(scored["defender"])
        found = {
            "medium": tally(scored["levels"] >= 2, labels),
            "high": tally(scored["levels"] >= 3, labels),
            "phrases": tally(scored["phrases"], labels),
        }
        for column, least in self.thresholds.items():
            ours = column.startswith("first stage")
            found[column] = tally(scored["linear"] >= least, labels) if ours else tally(scored["defender"][known] >= least, labels[known])
        return found


def measure(data: Path, most: int | None = None) -> dict[str, Any]:
    """Return cells of the real documents by kind, of each part of a set, and by language; of at most `most` texts each."""
    bench = Bench(most)
    about = ModelStore("embedded").model("injection").settings
    kinds = documents(data, most)
    seen = {}
    for kind, texts in kinds.items():
        _tell(kind)
        seen[kind] = bench.scored(texts, DEFENDER_DOCUMENTS // len(kinds))
    bench.calibrate(scored for kind, scored in seen.items() if kind not in QUOTING)
    rows, by_language = _sets(bench, set(about.get("trained_on", ())), most)
    return {
        "most": most,
        "model": about["thresholds"],
        "thresholds": bench.thresholds,
        "documents": {
            kind: {
                "trained": kind in about.get("trained_kinds", ()),
                "quoting": kind in QUOTING,
                "cells": bench.cells(seen[kind], texts.labels),
            }
            for kind, texts in kinds.items()
        },
        "sets": rows,
        "languages": by_language,
    }


def _sets(bench: Bench, trained_on: set[str], most: int | None) -> tuple[list[dict[str, Any]], dict[str, Cells]]:
    rows: list[dict[str, Any]] = []
    languages: dict[str, list[Cells]] = {}
    for question in QUESTIONS:
        for part in question.parts:
            _tell(part.name)
            frame = rows_of(part, most)
            texts = as_texts(frame)
            scored = bench.scored(texts, DEFENDER_ROWS)
            trained = part.source == OWN or part.source in trained_on
            cells = bench.cells(scored, texts.labels)
            rows.append({"question": question.name, "texts": part.name, "trained": trained, "cells": cells})
            if part.by_language:
                for language in sorted(set(frame.lang)):
                    of = (frame.lang == language).to_numpy()
                    cells = bench.cells({name: values[of] for name, values in scored.items()}, texts.labels[of])
                    languages.setdefault(language, []).append(cells)
    return rows, {language: added(cells) for language, cells in sorted(languages.items())}


def _tell(name: str) -> None:
    """Report on standard error what is being measured."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {name}\n")


# ---------------------------------------------------------------- speed


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call, and its result."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def speed(data: Path, most: int | None = None) -> dict[str, float]:
    """Return the megabytes per CPU second of the first stage and of the whole engine, and what the stage saves."""
    texts = list(documents(data, most or SPEED_DOCUMENTS).values())
    batches = [batch for one in texts for batch in one.batches]
    size = sum(one.bytes for one in texts) / 1e6
    engine: PreparingEngine = loaded("injection")
    every: PreparingEngine = loaded("injection", load_settings(flags={"injection": {"cascade": False}}, environ={}))
    first, prepared = cpu_seconds(lambda: [engine.prepare(batch) for batch in batches])
    rest, _ = cpu_seconds(lambda: [engine.scan_prepared(*both) for both in zip(batches, prepared, strict=True)])
    cut, everything = cpu_seconds(lambda: [every.prepare(batch) for batch in batches])
    some = [table.take(np.arange(0, table.num_rows, EACH)) for table in everything]
    read, _ = cpu_seconds(lambda: [every.scan_prepared(*both) for both in zip(batches, some, strict=True)])
    windows, passed = (sum(table.num_rows for table in tables) for tables in (everything, prepared))
    return {
        "real documents, MB": round(size, 2),
        "first stage, MB per CPU second": round(size / first, 2),
        "whole engine, MB per CPU second": round(size / (first + rest), 2),
        "windows": windows,
        "share of windows that the first stage passes to the transformer": round(passed / windows, 4),
        "CPU time without the first stage, as a multiple of that with it": round((cut + EACH * read) / (first + rest), 1),
    }
