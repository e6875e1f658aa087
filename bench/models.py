"""Measures the models: quality and speed of injection, pii and ocr, with the alternatives in the same run. Writes docs/models.md.

    python -m bench.models --data ../shared/data [--presidio PYTHON]

PYTHON is an interpreter that has presidio-analyzer and a spaCy model; without one that row is left out. Needs the `train` extra, whose
packages hold the clean documents. Sections: --only injection|pii|ocr|speed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pandas as pd

from training import texts as own
from training.documents import Document, collect
from training.injection_samples import even, kept_for_measuring, labelled
from veritensor_ray.config import Settings, load_settings
from veritensor_ray.engines.base import TextEngine
from veritensor_ray.engines.registry import create
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.testing import text_batch

ROOT = Path(__file__).parent.parent
SEED = 11
CLEAN = 2500
# Labels of the public sets and the rule that has to find them; what is not listed is not asked for.
PII = {
    "PERSON": "person", "ADDRESS": "address", "STREET_ADDRESS": "address", "ORGANIZATION": "organization", "CREDIT_CARD": "payment-card",
    "US_SSN": "us-ssn", "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email", "IP_ADDRESS": "ip-address", "IBAN_CODE": "iban",
    "MAC_ADDRESS": "mac-address", "CRYPTO": "crypto-address",
}  # fmt: skip


def loaded(name: str, settings: Settings | None = None) -> Any:
    """An engine, ready."""
    (engine,) = create(settings or load_settings(environ={}), [name])
    engine.load(ModelStore("embedded"))
    return engine


# ---------------------------------------------------------------- injection


def worst(engine: TextEngine, texts: Sequence[str], rules: Callable[[str], bool] = lambda _: True) -> np.ndarray[Any, Any]:
    """Per text 0: nothing, 1: medium, 2: high."""
    result = np.zeros(len(texts), int)
    for first in range(0, len(texts), 500):
        for hit in engine.scan_text(text_batch(texts[first : first + 500])):
            if rules(hit.rule):
                row = first + (hit.row or 0)
                result[row] = max(result[row], 2 if hit.severity == "high" or hit.severity == "critical" else 1)
    return result


def injection_sets(data: Path, rng: random.Random) -> dict[str, tuple[list[str], list[int]]]:
    """Texts that no model was trained on, by the row of the table that they stand for."""

    def public(name: str, part: bool) -> tuple[list[str], list[int]]:
        frame = labelled(data, name)
        frame = frame[[kept_for_measuring(name, t) for t in frame.text]] if part else frame
        frame = frame.sample(min(len(frame), 500), random_state=SEED)
        return list(frame.text), [int(x) for x in frame.label]

    sets = {
        "direct: deepset, a fifth kept apart": public("deepset_train", True),
        "direct: bastioncorpus, never trained on": public("bastioncorpus", False),
        "direct: tensortrust, never trained on": public("tensortrust", False),
        "in documents: piarena_short, never trained on": public("piarena_short", False),
        "benign requests that sound harmful: cyberseceval_frr, a fifth": public("cyberseceval_frr", True),
        "benign prompts: wildguard_benign, a fifth": public("wildguard_benign_60", True),
    }
    for line in own.lines():
        if line.kept_apart:
            name = {"tool": "tool output", "document": "in documents", "trigger": "benign with trigger words"}.get(line.genre, "direct")
            name = f"{name}: own lines kept apart" if line.language == "en" else f"other languages: {line.language}, own lines kept apart"
            texts, labels = sets.setdefault(name, ([], []))
            texts.append(own.choose(rng, line.text))
            labels.append(int(line.attack))
    return sets


def share(values: np.ndarray[Any, Any], least: int) -> float | None:
    return round(float((values >= least).mean()), 3) if len(values) else None


def injection(data: Path, clean: Sequence[Document]) -> dict[str, Any]:
    """Recall and false positives of the engine, and of phrase matching (the rules of `signatures` for the same category)."""
    engine, phrases = loaded("injection"), loaded("signatures")
    wanted = {rule.id for rule in phrases.rules() if rule.category == "prompt-injection"}
    result: dict[str, Any] = {}
    for name, (found, labels) in injection_sets(data, random.Random(SEED)).items():
        truth = np.array(labels)
        mine, theirs = worst(engine, found), worst(phrases, found, wanted.__contains__)
        result[name] = {
            "attacks": int(truth.sum()), "benign": int((truth == 0).sum()),
            **{f"{what} {level}": share(mine[truth == label], least) for label, what in ((1, "recall"), (0, "false"))
               for level, least in (("medium", 1), ("high", 2))},
            "phrases recall": share(theirs[truth == 1], 1), "phrases false": share(theirs[truth == 0], 1),
        }  # fmt: skip
    foreign = [row for name, row in result.items() if name.startswith("other languages")]
    counts = [(row["attacks"], row["benign"]) for row in foreign]
    result["other languages, all"] = {"attacks": sum(a for a, _ in counts), "benign": sum(b for _, b in counts)} | {
        key: round(sum((row[key] or 0) * row[of] for row in foreign) / sum(row[of] for row in foreign), 3)
        for key, of in (("recall medium", "attacks"), ("recall high", "attacks"), ("false medium", "benign"), ("false high", "benign"),
                        ("phrases recall", "attacks"), ("phrases false", "benign"))
    }  # fmt: skip
    found = [d.text[:4000] for d in clean]
    mine, theirs = worst(engine, found), worst(phrases, found, wanted.__contains__)
    for group in ("all", *sorted({d.group for d in clean})):
        of = np.array([group in ("all", d.group) for d in clean])
        result[f"clean documents: {group}"] = {
            "attacks": 0, "benign": int(of.sum()), "false medium": share(mine[of], 1), "false high": share(mine[of], 2),
            "phrases false": share(theirs[of], 1),
        }  # fmt: skip
    return result


def injection_speed(clean: Sequence[Document]) -> dict[str, Any]:
    """Windows per CPU second with and without the cascade, padding, and the library's own pipeline."""
    from transformers import pipeline

    from veritensor_ray.engines.injection.torch_backend import packed
    from veritensor_ray.engines.injection.windows import from_table

    texts = [d.text[:8000] for d in clean[:150]]
    slow = loaded("injection", load_settings(flags={"injection": {"cascade": False}}, environ={}))
    fast = loaded("injection")
    windows = from_table(slow.prepare(text_batch(texts)))
    spent = {}
    for name, engine in (("cascade", fast), ("every window", slow)):
        began = time.process_time()
        engine.scan_text(text_batch(texts))
        spent[name] = time.process_time() - began
    lengths = [[len(windows[i].ids) for i in batch] for batch in packed([len(window.ids) for window in windows], 4096)]
    padding = sum(max(batch) * len(batch) for batch in lengths) / sum(map(sum, lengths))
    folder = ModelStore("embedded").model("injection").folder
    short = sorted(random.Random(SEED).sample([d.text[: int(random.Random(i).lognormvariate(5, 0.9))] for i, d in enumerate(clean)], 600))
    random.Random(SEED).shuffle(short)
    plain = pipeline("text-classification", model=str(folder), tokenizer=str(folder), device=-1)
    began = time.process_time()
    plain(short, batch_size=32, truncation=True, max_length=128)
    piped = time.process_time() - began
    other = loaded("injection", load_settings(flags={"injection": {"cascade": False}}, environ={}))
    began = time.process_time()
    other.scan_text(text_batch([t[:400] for t in short]))
    ours = time.process_time() - began
    network = other._scorer.network.backend
    return {
        "windows": len(windows),
        "windows per CPU second, cascade": round(len(windows) / spent["cascade"], 1),
        "windows per CPU second, every window": round(len(windows) / spent["every window"], 1),
        "cascade ratio": round(spent["every window"] / spent["cascade"], 1),
        "computed per real token, documents": round(padding, 3),
        "computed per real token, short texts": round(network.computed / network.tokens, 3),
        "plain pipeline(batch_size=32) to ours, CPU seconds, short texts": round(piped / ours, 2),
    }


# ---------------------------------------------------------------- pii


Span = tuple[int, int, str]


def pii_sets(data: Path) -> dict[str, list[tuple[str, list[Span]]]]:
    """Public sets, their labels under our names; spans of labels that are not asked for are kept as '-', where anything may be found."""
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
    """Precision, recall and F1 by type and over all; a hit is a span of the same type with at least half of the union in common."""
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
    """Presidio's default analyzer over the same texts, in its own interpreter."""
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


def pii(data: Path, clean: Sequence[Document], python: str | None) -> dict[str, Any]:
    """F1 by type, alarms on clean text, megabytes per CPU second, with and without the gate, beside presidio."""
    flags: dict[str, dict[str, Any]] = {"gate on": {}, "gate off": {"gate": False}, "patterns only": {"free_text": False}}
    engines = {name: loaded("pii", load_settings(flags={"pii": value}, environ={})) for name, value in flags.items()}
    result: dict[str, Any] = {}
    for set_name, rows in pii_sets(data).items():
        texts = [t for t, _ in rows]
        for name, engine in engines.items():
            if name != "patterns only":
                began = time.process_time()
                spans = predicted(engine, texts)
                spent = time.process_time() - began
                result[f"{set_name}, {name}"] = {
                    "types": f1(zip((s for _, s in rows), spans, strict=True)),
                    "mb_per_cpu_second": round(sum(len(t.encode()) for t in texts) / spent / 1e6, 4),
                }
        if python and set_name == "presidio_synth_v2":
            answer = presidio(python, texts)
            spans = [[(a, b, PII.get({"LOCATION": "-"}.get(label, label), "-")) for a, b, label in found] for found in answer["found"]]
            result[f"{set_name}, presidio ({answer['model']})"] = {
                "types": f1(zip((s for _, s in rows), [[s for s in one if s[2] != "-"] for one in spans], strict=True)),
                "mb_per_cpu_second": round(sum(len(t.encode()) for t in texts) / answer["seconds"] / 1e6, 4),
            }
    by_group: dict[str, list[str]] = defaultdict(list)
    for document in clean[:800]:
        by_group["mixed documents"].append(document.text[:4000])
    mixed = by_group["mixed documents"][:250]
    size = sum(len(t.encode()) for t in mixed)
    speeds = {}
    for name, engine in engines.items():
        began = time.process_time()
        engine.scan_text(text_batch(mixed))
        speeds[name] = round(size / (time.process_time() - began) / 1e6, 3)
    if python:
        few = mixed[:40]
        speeds["presidio"] = round(sum(len(t.encode()) for t in few) / presidio(python, few)["seconds"] / 1e6, 4)
    result["speed on mixed documents, MB per CPU second"] = speeds
    return result


# ---------------------------------------------------------------- report


def ocr() -> dict[str, Any]:
    from bench.ocr import measure

    return dict(measure(SEED))


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    lines += ["| " + " | ".join("" if c is None else str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines)


def report(results: dict[str, Any]) -> str:
    """docs/models.md."""
    parts = [
        "# What the models do",
        "",
        f"Measured by `make bench-models` on {results['machine']}. Profile `embedded`. Sections may come from separate runs of it on that machine.",
        "",
    ]
    if "injection" in results:
        keys = ("attacks", "benign", "recall medium", "recall high", "false medium", "false high", "phrases recall", "phrases false")
        parts += ["## Prompt injection", "", "`phrases`: the YARA rules of `signatures` for the same category, on the same texts.", "",
                  _table(("texts", *keys), ([name, *(row.get(k) for k in keys)] for name, row in results["injection"].items())), ""]  # fmt: skip
        parts += ["Thresholds and what was trained on: [model card](../veritensor_ray/models/embedded/injection/README.md). Own lines kept apart come from the "
                  "same authors as those trained on and flatter; so does a fifth of a set whose other fifths were trained on.", ""]  # fmt: skip
    if "injection speed" in results:
        parts += ["## Speed of injection", "", _table(("", ""), results["injection speed"].items()), ""]
    if "pii" in results:
        parts += [
            "## Personal data",
            "",
            "A hit has the right type and shares half of the union with the labelled span. Cities, dates, titles and ages are not asked for.",
            "",
        ]
        for name, row in results["pii"].items():
            if "types" in row:
                columns = ("spans", "precision", "recall", "F1")
                parts += [f"### {name}", "", _table(("type", *columns), ([kind, *(one[k] for k in columns)] for kind, one in row["types"].items())),
                          "", f"{row['mb_per_cpu_second']} MB per CPU second.", ""]  # fmt: skip
            else:
                parts += [f"### {name}", "", _table(("", ""), row.items()), ""]
    if "ocr" in results:
        shown = ("recall", "plain_recall", "seconds", "plain_seconds")
        parts += ["## Text in images", "", "Word recall; `plain` is EasyOCR with the same weights and its own settings.", "",
                  _table(("pages", *shown), ([name, *(row.get(k) for k in shown)] for name, row in results["ocr"].items())), ""]  # fmt: skip
    return "\n".join(parts).rstrip() + "\n"


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {__import__('torch').__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--presidio", metavar="PYTHON", help="interpreter that has presidio-analyzer and a spaCy model")
    parser.add_argument("--only", action="append", choices=["injection", "speed", "pii", "ocr"])
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    chosen = args.only or ["injection", "speed", "pii", "ocr"]
    store = ROOT / "bench" / "models.json"
    results = json.loads(store.read_text()) if args.only and store.exists() else {}
    results["machine"] = machine()
    clean = (
        even([d for d in collect([], random.Random(SEED)) if not d.may_train], random.Random(SEED), CLEAN) if set(chosen) - {"ocr"} else []
    )
    clean = list({d.text: d for d in clean}.values())
    steps: dict[str, tuple[str, Callable[[], Any]]] = {
        "injection": ("injection", lambda: injection(args.data, clean)),
        "speed": ("injection speed", lambda: injection_speed(clean)),
        "pii": ("pii", lambda: pii(args.data, clean, args.presidio)),
        "ocr": ("ocr", ocr),
    }
    for name in chosen:
        key, step = steps[name]
        began = time.time()
        results[key] = step()
        sys.stderr.write(f"{name}: {time.time() - began:.0f} s\n{json.dumps(results[key], indent=1)}\n")
        store.write_text(json.dumps(results, indent=2) + "\n")
    (ROOT / "docs" / "models.md").write_text(report(results))


if __name__ == "__main__":
    main()
