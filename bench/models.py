"""Measures the models: quality and speed of injection, pii and ocr, with the alternatives in the same run. Writes docs/models.md.

    python -m bench.models --data ../shared/data [--presidio PYTHON]

PYTHON is an interpreter that has presidio-analyzer and a spaCy model; without one that row is left out. Needs the extras `bench` and
`train`, whose packages hold what is measured beside injection, and clean documents. Sections: --only injection|speed|pii|ocr. The lines
of the README that quote the measurements of injection are written too. --sample N is a quick look at injection and its speed: at most N
texts of each set and of each kind of document, the page on standard output, no file changed.
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
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pandas as pd

from bench import injection, injection_page
from bench.injection import loaded
from bench.injection_page import table
from bench.injection_texts import DATA, SEED
from veritensor_ray.config import load_settings
from veritensor_ray.engines.base import TextEngine
from veritensor_ray.testing import text_batch

ROOT = Path(__file__).parent.parent
CLEAN = 2500
# Labels of the public sets and the rule that has to find them; what is not listed is not asked for.
PII = {
    "PERSON": "person", "ADDRESS": "address", "STREET_ADDRESS": "address", "ORGANIZATION": "organization", "CREDIT_CARD": "payment-card",
    "US_SSN": "us-ssn", "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email", "IP_ADDRESS": "ip-address", "IBAN_CODE": "iban",
    "MAC_ADDRESS": "mac-address", "CRYPTO": "crypto-address",
}  # fmt: skip


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


def clean_documents() -> list[str]:
    """Documents of the installed packages that no model was trained on, no kind of them favoured."""
    from training.documents import collect
    from training.injection_samples import even

    untrained = [document for document in collect([], random.Random(SEED)) if not document.may_train]
    return list(dict.fromkeys(document.text for document in even(untrained, random.Random(SEED), CLEAN)))


def pii(data: Path, python: str | None) -> dict[str, Any]:
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
    mixed = [text[:4000] for text in clean_documents()[:250]]
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


def report(results: dict[str, Any]) -> str:
    """docs/models.md."""
    parts = [
        "# What the models do",
        "",
        f"Measured by `make bench-models` on {results['machine']}. Profile `embedded`. Sections may come from separate runs of it on that machine.",
        "",
    ]
    if "injection" in results:
        parts += injection_page.section(results["injection"])
    if "injection speed" in results:
        parts += injection_page.speed_section(results["injection speed"])
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
                parts += [f"### {name}", "", table(("type", *columns), ([kind, *(one[k] for k in columns)] for kind, one in row["types"].items())),
                          "", f"{row['mb_per_cpu_second']} MB per CPU second.", ""]  # fmt: skip
            else:
                parts += [f"### {name}", "", table(("", ""), row.items()), ""]
    if "ocr" in results:
        shown = ("recall", "plain_recall", "seconds", "plain_seconds")
        parts += ["## Text in images", "", "Word recall; `plain` is EasyOCR with the same weights and its own settings.", "",
                  table(("pages", *shown), ([name, *(row.get(k) for k in shown)] for name, row in results["ocr"].items())), ""]  # fmt: skip
    return "\n".join(parts).rstrip() + "\n"


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {__import__('torch').__version__}"


def quote(results: dict[str, Any], readme: str) -> str:
    """The README with the lines about injection as they were measured; without a measurement, as it is."""
    if not {"injection", "injection speed"} <= set(results):
        return readme
    old = [line for line in readme.splitlines(keepends=True) if line.startswith("| injection, ")]
    new = [f"{line}\n" for line in injection_page.quoted(results["injection"], results["injection speed"])]
    before, _, rest = readme.partition("".join(old))
    return before + "".join(new) + rest


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--presidio", metavar="PYTHON", help="interpreter that has presidio-analyzer and a spaCy model")
    parser.add_argument("--only", action="append", choices=["injection", "speed", "pii", "ocr"])
    parser.add_argument("--sample", type=int, metavar="N", help="a quick look at injection: at most N texts of a kind; writes nothing")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if args.sample:
        looked = {"injection": injection.measure(args.data, args.sample), "injection speed": injection.speed(args.data, args.sample)}
        print(report({"machine": machine()} | looked))
        return
    store = ROOT / "bench" / "models.json"
    results = json.loads(store.read_text()) if args.only and store.exists() else {}
    results["machine"] = machine()
    steps: dict[str, tuple[str, Callable[[], Any]]] = {
        "injection": ("injection", lambda: injection.measure(args.data)),
        "speed": ("injection speed", lambda: injection.speed(args.data)),
        "pii": ("pii", lambda: pii(args.data, args.presidio)),
        "ocr": ("ocr", ocr),
    }
    for name in args.only or steps:
        key, step = steps[name]
        began = time.time()
        results[key] = step()
        sys.stderr.write(f"{name}: {time.time() - began:.0f} s\n{json.dumps(results[key], indent=1)}\n")
        store.write_text(json.dumps(results, indent=2) + "\n")
    (ROOT / "docs" / "models.md").write_text(report(results))
    readme = ROOT / "README.md"
    readme.write_text(quote(results, readme.read_text()))


if __name__ == "__main__":
    main()
