"""Thresholds of the PII model and what it finds, exactly and by overlap; it knows no training."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from training import pii_samples as samples
from training.documents import Document
from training.pii_marked import Scored
from training.pii_pieces import Piece, text_of
from veritensor_ray.engines.pii.free_text.chunks import chunks

Span = tuple[int, int, str]
Text = tuple[str, list[Span]]
FLOOR = 0.15  # spans below it are not looked at
FALSE_ALARMS = 0.01  # of the clean windows, per label
GRID = [round(0.2 + 0.02 * i, 2) for i in range(39)]


class Reader:
    """Reads texts as the engine does, each only once: in windows, asked for labels and sinks, in bf16 where the processor has it."""

    def __init__(self, model: Any, labels: Sequence[str], sinks: Sequence[str], floor: float = FLOOR) -> None:
        self._model, self._labels, self._asked, self._floor = model, labels, [*labels, *sinks], floor
        self._read: dict[str, list[Scored]] = {}
        self._fast = bool(torch.cpu._is_avx512_bf16_supported())

    def read(self, texts: Sequence[str]) -> list[list[Scored]]:
        """Spans of each text at or above the floor."""
        new = [text for text in dict.fromkeys(texts) if text not in self._read]
        self._read |= {text: [] for text in new}
        windows = sorted(((text, a, text[a:b]) for text in new for a, b in chunks(text, samples.LONGEST)), key=lambda w: len(w[2]))
        for begin in range(0, len(windows), 32):
            batch = windows[begin : begin + 32]
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._fast):
                answers = self._model.inference([w[2] for w in batch], self._asked, flat_ner=True, threshold=self._floor, batch_size=32)
            for (text, at, _), entities in zip(batch, answers, strict=True):
                self._read[text] += [
                    (at + e["start"], at + e["end"], e["label"], float(e["score"])) for e in entities if e["label"] in self._labels
                ]
        return [self._read[text] for text in texts]


def above(found: Sequence[Sequence[Scored]], thresholds: Mapping[str, float]) -> list[list[Span]]:
    return [[(a, b, label) for a, b, label, score in spans if score >= thresholds[label]] for spans in found]


def marked(pieces: Iterable[Piece]) -> Text:
    """A text and its spans."""
    pieces, spans, at = list(pieces), [], 0
    for part, label in pieces:
        if label:
            spans.append((at, at + len(part), label))
        at += len(part)
    return text_of(pieces), spans


def _overlap(one: Span, other: Span) -> float:
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared / (max(one[1], other[1]) - min(one[0], other[0])) if shared > 0 else 0.0


def _hits(gold: list[Span], guess: list[Span], least: float) -> int:
    """Pairs of one label, each span in one pair at most."""
    pairs = sorted(((_overlap(g, p), i, j) for i, g in enumerate(gold) for j, p in enumerate(guess)), reverse=True)
    left, right = set(), set()
    for shared, i, j in pairs:
        if shared >= least and i not in left and j not in right:
            left.add(i)
            right.add(j)
    return len(left)


def _words(text: str, spans: Iterable[Span]) -> set[int]:
    return {m.start() for a, b, _ in spans for m in re.finditer(r"\w+", text) if a < m.end() and m.start() < b}


def scores(hits: int, guessed: int, there: int) -> dict[str, float]:
    precision, recall = hits / guessed if guessed else 0.0, hits / there if there else 0.0
    total = precision + recall
    return {"p": round(precision, 3), "r": round(recall, 3), "f1": round(2 * precision * recall / total, 3) if total else 0.0}


def evaluate(texts: Sequence[Text], guesses: Sequence[Sequence[Span]], labels: Sequence[str]) -> dict[str, Any]:
    """Per label, and for all of `labels` together: exact spans, spans that share half of their extent, and words."""
    count: dict[str, dict[str, list[int]]] = defaultdict(lambda: {"exact": [0, 0, 0], "overlap": [0, 0, 0], "words": [0, 0, 0]})
    for (text, gold), guess in zip(texts, guesses, strict=True):
        for label in labels:
            mine, theirs = [g for g in gold if g[2] == label], [p for p in guess if p[2] == label]
            if not mine and not theirs:
                continue
            left, right = _words(text, mine), _words(text, theirs)
            for name, row in (("exact", [_hits(mine, theirs, 1.0), len(theirs), len(mine)]), ("overlap", [_hits(mine, theirs, 0.5), len(theirs), len(mine)]),
                              ("words", [len(left & right), len(right), len(left)])):  # fmt: skip
                for key in (label, "all labels"):
                    count[key][name] = [a + b for a, b in zip(count[key][name], row, strict=True)]
    return {label: {"spans": by["exact"][2]} | {name: scores(*row) for name, row in by.items()} for label, by in count.items()}


def thresholds(
    texts: Sequence[Text], found: Sequence[Sequence[Scored]], clean: Sequence[Sequence[Scored]], labels: Sequence[str]
) -> dict[str, float]:
    """For each label the best overlap F1 among the thresholds with few enough false alarms."""
    chosen = {}
    for label in labels:
        allowed = [t for t in GRID if _alarms(clean, label, t) <= FALSE_ALARMS] or [GRID[-1]]
        by = {
            t: evaluate(texts, [[(a, b, x) for a, b, x, s in spans if x == label and s >= t] for spans in found], [label]) for t in allowed
        }
        chosen[label] = max(allowed, key=lambda t, by=by, label=label: (by[t].get(label, {}).get("overlap", {}).get("f1", 0.0), t))  # type: ignore[misc]
    return chosen


def _alarms(clean: Sequence[Sequence[Scored]], label: str, threshold: float) -> float:
    return sum(any(x == label and s >= threshold for *_, x, s in spans) for spans in clean) / max(1, len(clean))


def sets(data: Path, rng: random.Random) -> dict[str, Callable[[], list[Text]]]:
    """Measured besides our own lines; the labels that a set knows are those of its spans."""
    return {
        "presidio_synth_v2": lambda: [marked(p) for p, _ in samples.labelled(data, "presidio_synth_v2")],
        "presidio_synth_v2, address parts not joined": lambda: [
            marked(p) for p, _ in samples.labelled(data, "presidio_synth_v2", parts=True)
        ],
        "presidio_recognizer_tests, persons": lambda: [marked(p) for p, _ in samples.labelled(data, "presidio_recognizer_tests")],
        f"{samples.TRAINED_SET} (trained on)": lambda: [marked(p) for p, _ in rng.sample(samples.labelled(data, samples.TRAINED_SET), 500)],
    }


def calibration(
    model: Any, labels: Sequence[str], sinks: Sequence[str], data: Path, documents: Sequence[Document], rng: random.Random, count: int
) -> dict[str, Any]:
    """Thresholds, false alarms on clean windows, and a table of every set."""
    reader = Reader(model, labels, sinks)
    held = [(language, marked(pieces)) for language, pieces in samples.held_out(rng)]
    excerpts = samples.clean(rng, [d for d in documents if d.group != "games"], count)
    clean = reader.read(excerpts)
    own = [text for _, text in held]
    limits = thresholds(own, reader.read([t for t, _ in own]), clean, labels)
    _show_alarms(excerpts, clean, limits)
    tests = {"own held-out lines": own}
    tests |= {
        f"own held-out lines, {wanted}": [text for language, text in held if language == wanted] for wanted in ("en", "de", "fr", "es")
    }
    tests |= {name: load() for name, load in sets(data, rng).items()}
    table = {}
    for name, those in tests.items():
        known = [label for label in labels if any(x == label for _, spans in those for *_, x in spans)]
        guesses = above(reader.read([t for t, _ in those]), limits)
        table[name] = evaluate(those, guesses, known)
        if name == "presidio_synth_v2":
            _show(those, guesses, known, rng)
        for label, row in table[name].items():
            print(f"{name:56} {label:13} {row}", flush=True)
    alarms = {label: round(_alarms(clean, label, limits[label]), 4) for label in labels}
    print(limits, alarms, len(excerpts), flush=True)
    return {"thresholds": limits, "false_alarms": alarms, "clean_windows": len(excerpts), "measured": table}


def _show_alarms(excerpts: Sequence[str], clean: Sequence[Sequence[Scored]], limits: Mapping[str, float]) -> None:
    """The false alarms with the highest scores, to read."""
    rows = [
        (s, x, excerpts[i][a:b], excerpts[i][max(0, a - 40) : b + 40])
        for i, spans in enumerate(clean)
        for a, b, x, s in spans
        if s >= limits[x]
    ]
    for row in sorted(rows, reverse=True)[:40]:
        print("false alarm", row, flush=True)


def _show(texts: Sequence[Text], guesses: Sequence[Sequence[Span]], labels: Sequence[str], rng: random.Random) -> None:
    """Some errors, to read."""
    wrong = [
        (t, [(t[a:b], x) for a, b, x in gold if x in labels], [(t[a:b], x) for a, b, x in guess if x in labels])
        for (t, gold), guess in zip(texts, guesses, strict=True)
    ]
    wrong = [row for row in wrong if row[1] != row[2]]
    for row in rng.sample(wrong, min(60, len(wrong))):
        print("error", row, flush=True)
