"""Measure `pii` on labeled sets, on real text not used in training, on real documents by kind, and its speed, against presidio.

It does not depend on any model: the engine is measured with its shipped settings.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.injection import loaded
from bench.injection_texts import SEED
from training import pii_marked as marked
from training.reading import read_folder, unpacked
from veritensor_ray.core.config import load_settings
from veritensor_ray.engines.base import TextEngine
from veritensor_ray.engines.pii.free_text.tagger import FILE, TAGS, Tagger, TaggerNetwork, Verge
from veritensor_ray.engines.pii.free_text.word_features import words
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.testing import text_batch

MEDICAL = "pii.medical"
NAMES = ("person", "organization")
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SPEED_BYTES = 500_000  # per kind
GATES: dict[str, dict[str, Any]] = {"tagger on": {}, "tagger off": {"gate": False}}
# Labels of the public sets and the rule that must find them. Other labels are ignored.
PII = {
    "PERSON": "person", "ADDRESS": "address", "STREET_ADDRESS": "address", "ORGANIZATION": "organization", "CREDIT_CARD": "payment-card",
    "US_SSN": "us-ssn", "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email", "IP_ADDRESS": "ip-address", "IBAN_CODE": "iban",
    "MAC_ADDRESS": "mac-address", "CRYPTO": "crypto-address",
}  # fmt: skip


Span = tuple[int, int, str]


def pii_sets(data: Path) -> dict[str, list[tuple[str, list[Span]]]]:
    """Return the public sets with our label names. Spans of ignored labels are kept as '-', where any finding is accepted."""
    sets = {}
    for name in ("presidio_synth_v2", "presidio_generated_large"):
        frame = pd.read_parquet(data / "pii" / f"{name}.parquet")
        sets[name] = [
            (t, [(a, b, PII.get(label, "-")) for a, b, label in json.loads(s)]) for t, s in zip(frame.text, frame.spans, strict=True)
        ]
    return sets


def overlap(one: Span, two: Span) -> float:
    shared = min(one[1], two[1]) - max(one[0], two[0])
    return max(0, shared) / (max(one[1], two[1]) - min(one[0], two[0]))


def f1(rows: Iterable[tuple[list[Span], list[Span]]]) -> dict[str, dict[str, float]]:
    """Return precision, recall and F1 by type and overall.

    A hit is a span of the same type that shares at least half of the union.
    """
    hits, found, wanted = Counter[str](), Counter[str](), Counter[str]()
    for truth, predicted in rows:
        asked = [t for t in truth if t[2] != "-"]
        elsewhere = [t for t in truth if t[2] == "-"]
        for span in predicted:
            right = any(t[2] == span[2] and overlap(t, span) >= 0.5 for t in asked)
            if right or not any(overlap(t, span) > 0 for t in elsewhere):
                found[span[2]] += 1
                hits[span[2]] += right
        for t in asked:
            wanted[t[2]] += 1
            hits["+" + t[2]] += any(t[2] == span[2] and overlap(t, span) >= 0.5 for span in predicted)
    table = {}
    for name in [*sorted(wanted), "all"]:
        names = sorted(wanted) if name == "all" else [name]
        true, seen, there = (sum(c[n] for n in names) for c in (hits, found, wanted))
        caught = sum(hits["+" + n] for n in names)
        precision, recall = true / max(seen, 1), caught / max(there, 1)
        table[name] = {
            "spans": there, "precision": round(precision, 3), "recall": round(recall, 3),
            "F1": round(2 * precision * recall / max(precision + recall, 1e-9), 3),
        }  # fmt: skip
    return table


def predicted(engine: TextEngine, texts: Sequence[str]) -> list[list[Span]]:
    result: list[list[Span]] = [[] for _ in texts]
    for hit in engine.scan_text(text_batch(texts)):
        result[hit.row or 0].append((hit.start, hit.end, hit.rule.partition(".")[2]))
    return [[s for s in spans if s[2] in set(PII.values())] for spans in result]


PRESIDIO = """
import json, sys, time
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
import spacy
name = sorted(spacy.util.get_installed_models())[0]
nlp = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": name}]}).create_engine()
engine = AnalyzerEngine(nlp_engine=nlp)
texts = json.load(sys.stdin)
engine.analyze(text=texts[0], language="en")
began = time.process_time()
found = [[(r.start, r.end, r.entity_type) for r in engine.analyze(text=t, language="en")] for t in texts]
json.dump({"model": name, "seconds": time.process_time() - began, "found": found}, sys.stdout)
"""


def presidio(python: str, texts: Sequence[str]) -> dict[str, Any]:
    """Run Presidio's default analyzer over the same texts, in its own interpreter."""
    done = subprocess.run(
        [python, "-c", PRESIDIO],
        input=json.dumps(list(texts)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    answer: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return answer


def strangers(data: Path, python: str | None) -> dict[str, Any]:
    """Measure labeled real text that was not used in training: names of persons and organizations."""
    engine = loaded("pii", load_settings(flags={}, environ={}))
    found: dict[str, Any] = {}
    sets: dict[str, list[marked.Marked]] = defaultdict(list)
    for one in marked.labelled(data, kept_apart=True):
        sets[one.source].append(one)
    for name, some in sets.items():
        texts = [one.text for one in some]
        truth = [_spans(one) for one in some]
        found[name] = f1(zip(truth, _names(predicted(engine, texts)), strict=True))
        if python:
            answer = presidio(python, texts)
            theirs = [[(a, b, PII.get(label, "-")) for a, b, label in one] for one in answer["found"]]
            found[f"{name}, presidio ({answer['model']})"] = f1(zip(truth, _names(theirs), strict=True))
    return found


def languages() -> dict[str, Any]:
    """Measure names in sentences of ten languages that were written for this. In the file, [ ] are around persons and { } around organizations."""
    sets: dict[str, list[tuple[str, list[Span]]]] = defaultdict(list)
    for line in (Path(__file__).parent / "names_by_language.tsv").read_text("utf-8").splitlines():
        language, _, marked_text = line.partition("\t")
        sets[language].append(unmarked(marked_text))
    engine = loaded("pii", load_settings(flags={}, environ={}))
    return {
        language: f1(zip([spans for _, spans in rows], _names(predicted(engine, [text for text, _ in rows])), strict=True))
        for language, rows in sets.items()
    }


def unmarked(line: str) -> tuple[str, list[Span]]:
    """Return a text without its marks, and the names that they enclosed."""
    text, spans, start = "", list[Span](), 0
    for part in re.split(r"([\[\]{}])", line):
        if part in ("[", "{"):
            start = len(text)
        elif part in ("]", "}"):
            spans.append((start, len(text), "person" if part == "]" else "organization"))
        else:
            text += part
    return text, spans


def _names(found: Sequence[Sequence[Span]]) -> list[list[Span]]:
    return [[span for span in some if span[2] in ("person", "organization")] for some in found]


def _spans(one: marked.Marked) -> list[Span]:
    """Return the spans of a text. Places are kept as '-', where any finding is accepted."""
    found, spans = words(one.text), list[Span]()
    for i, tag in enumerate(TAGS[t] for t in one.tags):
        part, _, kind = tag.partition("-")
        if part == "B":
            spans.append((int(found.starts[i]), int(found.ends[i]), "-" if kind == "location" else kind))
        elif part == "I":
            spans[-1] = (spans[-1][0], int(found.ends[i]), spans[-1][2])
    return spans


def left_out(data: Path) -> dict[str, Any]:
    """Measure the tagger alone: the threshold that is best on all other sets, and the F1 it gives on the set left out."""
    model = ModelStore("embedded").model("pii")
    network = TaggerNetwork.load(model.folder / FILE)
    sets: dict[str, list[tuple[str, list[Span]]]] = defaultdict(list)
    for one in marked.labelled(data, kept_apart=True):
        sets[one.source].append((one.text, _spans(one)))
    sets["presidio_synth_v2"] = pii_sets(data)["presidio_synth_v2"]
    scores: dict[float, dict[str, dict[str, float]]] = {}
    for threshold in THRESHOLDS:
        tagger = Tagger(network, {kind: Verge(threshold, threshold) for kind in NAMES}, 48)
        scores[threshold] = {}
        for name, rows in sets.items():
            found = [[(one.start, one.end, one.rule) for one in tagged.settled] for tagged in tagger.read([text for text, _ in rows])]
            counted = f1(zip(([t for t in truth if t[2] in (*NAMES, "-")] for _, truth in rows), found, strict=True))
            scores[threshold][name] = {kind: counted[kind]["F1"] for kind in NAMES}
    result: dict[str, Any] = {}
    for kind in NAMES:
        for name in sets:
            elsewhere = {t: sum(by[other][kind] for other in sets if other != name) for t, by in scores.items()}
            chosen = max(elsewhere, key=elsewhere.__getitem__)
            own = max(scores, key=lambda t, name=name, kind=kind: scores[t][name][kind])  # type: ignore[misc]
            result[f"{kind}, {name}"] = {
                "threshold": chosen, "F1": scores[chosen][name][kind], "best threshold": own, "best F1": scores[own][name][kind],
            }  # fmt: skip
    return result


def documents(data: Path) -> dict[str, Any]:
    """Count findings in the real documents by kind, rule and severity, and documents in which a model reports `high`."""
    engine = loaded("pii", load_settings(flags={}, environ={}))
    severity = {rule.id: rule.severity for rule in engine.rules()}
    kinds: dict[str, Any] = {}
    for kind, folder in unpacked(data / "real"):
        rows, batches = read_folder(folder)
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        high: set[int] = set()
        began, size = time.process_time(), 0
        for batch in batches:
            owners = batch.column("artifact").to_pylist()
            size += sum(len(text.encode()) for text in batch.column("text").to_pylist() if text)
            for hit in engine.scan_text(batch):
                counts[hit.rule][hit.severity or severity[hit.rule]] += 1
                if hit.rule == MEDICAL and hit.severity == "high":  # a pattern has the severity of the rule
                    high.add(owners[hit.row or 0])
        kinds[kind] = {
            "documents": len(rows),
            "MB": round(size / 1e6, 2),
            "CPU seconds": round(time.process_time() - began, 2),
            "findings": {rule: dict(some) for rule, some in sorted(counts.items())},
            "high": len(high),
        }
    return kinds


def speed(data: Path, python: str | None) -> dict[str, Any]:
    """Return the megabytes per CPU second over real documents of all kinds in equal amounts.

    Measured are the whole engine, patterns alone, names alone, and the model without the tagger.
    """
    rng = random.Random(SEED)
    texts: list[str] = []
    for _, folder in unpacked(data / "real"):
        _, batches = read_folder(folder)
        segments = [text for batch in batches for text in batch.column("text").to_pylist() if text]
        rng.shuffle(segments)
        taken = 0
        while segments and taken < SPEED_BYTES:
            texts.append(segments.pop())
            taken += len(texts[-1].encode())
    size = sum(len(text.encode()) for text in texts) / 1e6
    whole, patterns = (loaded("pii", load_settings(flags={"pii": flags}, environ={})) for flags in ({}, {"free_text": False}))
    spent = {"patterns and names": _spent(whole, texts), "patterns": _spent(patterns, texts)}
    found = {name: round(size / seconds, 3) for name, seconds in spent.items()}
    found["names"] = round(size / max(spent["patterns and names"] - spent["patterns"], 1e-9), 3)
    few = rng.sample(texts, max(1, len(texts) // 100))
    ungated = loaded("pii", load_settings(flags={"pii": {"gate": False}}, environ={}))
    few_size = sum(len(text.encode()) for text in few) / 1e6
    found["the model reads all text"] = round(few_size / _spent(ungated, few), 4)
    if python:
        found["presidio"] = round(few_size / presidio(python, few)["seconds"], 4)
    return {"MB": round(size, 1), "MB per CPU second": found}


def _spent(engine: TextEngine, texts: Sequence[str]) -> float:
    began = time.process_time()
    engine.scan_text(text_batch(texts))
    return time.process_time() - began


def measure(data: Path, python: str | None) -> dict[str, Any]:
    """Run all measurements."""
    return {
        "sets": labelled_sets(data, python),
        "strangers": strangers(data, python),
        "languages": languages(),
        "left out": left_out(data),
        "documents": documents(data),
        "speed": speed(data, python),
    }


def labelled_sets(data: Path, python: str | None) -> dict[str, Any]:
    """Return F1 by type on texts with labeled identifiers, with and without the tagger, and for presidio."""
    engines = {name: loaded("pii", load_settings(flags={"pii": flags}, environ={})) for name, flags in GATES.items()}
    found: dict[str, Any] = {}
    for set_name, rows in pii_sets(data).items():
        texts = [text for text, _ in rows]
        truth = [spans for _, spans in rows]
        for name, engine in engines.items():
            found[f"{set_name}, {name}"] = f1(zip(truth, predicted(engine, texts), strict=True))
        if python and set_name == "presidio_synth_v2":
            answer = presidio(python, texts)
            theirs = [[(a, b, PII.get({"LOCATION": "-"}.get(label, label), "-")) for a, b, label in one] for one in answer["found"]]
            found[f"{set_name}, presidio ({answer['model']})"] = f1(
                zip(truth, [[s for s in one if s[2] != "-"] for one in theirs], strict=True)
            )
    return found
