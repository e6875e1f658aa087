"""Trains, calibrates and measures the embedded injection model: a six-layer transformer and a linear model, mixed.

Round 1 learns from labelled and written windows, round 2 from raw windows of documents that raised false alarms. The linear
model sees the same windows. A logistic mixture of both is fitted on texts kept apart; thresholds are then set per document on
clean documents of packages, and of whole kinds, that were never trained on.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DebertaV2ForSequenceClassification, PreTrainedTokenizerFast

from training import card, texts
from training.base import (
    Tokens,
    base_weights,
    batches,
    cut_words,
    deberta_config,
    micro_batches,
    padded,
    select,
    write_json,
    write_tokenizer,
)
from training.documents import Document, excerpt, share
from training.injection_samples import (
    MEASURE_ONLY,
    TRAIN_ON,
    WINDOW,
    Sample,
    even,
    first_round,
    hard_windows,
    kept_for_measuring,
    labelled,
    second_round,
)
from veritensor_ray.engines.injection.linear import BITS, Linear, words
from veritensor_ray.engines.injection.windows import ZONE, ZONE_STRIDE, Cutter

STRIDE = 64
LAYERS = (0, 1, 2, 3, 4, 5)
WORDS = 16_000
MOST_CHARS = 3000  # of one document, about 12 windows: bounds what calibration costs
Array = np.ndarray[Any, Any]
BF16 = bool(torch.cpu._is_avx512_bf16_supported())


# ---------------------------------------------------------------- the two models


def new_transformer(rows: list[int]) -> DebertaV2ForSequenceClassification:
    """The chosen layers and words of the base under a fresh head; embeddings frozen."""
    config = deberta_config(
        len(LAYERS), len(rows), num_labels=2, id2label={0: "SAFE", 1: "INJECTION"}, label2id={"SAFE": 0, "INJECTION": 1}
    )
    model = DebertaV2ForSequenceClassification(config)
    missing = model.load_state_dict({"deberta." + k: v for k, v in select(base_weights(), rows, LAYERS).items()}, strict=False)
    assert not missing.unexpected_keys and all(k.startswith(("pooler", "classifier")) for k in missing.missing_keys)
    model.deberta.embeddings.requires_grad_(False)
    return model


def train(
    model: DebertaV2ForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    samples: Sequence[Sample],
    rate: float,
    rng: random.Random,
) -> None:
    """One epoch of batches of about 64 samples, gathered from micro-batches."""
    ids: list[Tokens] = tokenizer([s.text for s in samples], truncation=True, max_length=WINDOW)["input_ids"]
    labels = torch.tensor([s.label for s in samples])
    head = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("deberta")]
    body = [p for n, p in model.named_parameters() if p.requires_grad and n.startswith("deberta")]
    optimizer = torch.optim.AdamW([{"params": body, "lr": rate}, {"params": head, "lr": 4 * rate}], weight_decay=0.01)
    steps = max(1, len(samples) // 64)
    warm = max(1, int(0.06 * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / warm, max(0.02, (steps - s) / max(1, steps - warm))))
    model.train()
    begin, waiting, step, losses = time.time(), 0, 0, [0.0]
    for batch in micro_batches([len(i) for i in ids], rng):
        with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
            logits = model(**padded([ids[i] for i in batch])).logits
        loss = torch.nn.functional.cross_entropy(logits.float(), labels[batch], label_smoothing=0.03, reduction="sum")
        (loss / 64).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item() / len(batch))
        waiting += len(batch)
        if waiting >= 64:
            torch.nn.utils.clip_grad_norm_(body + head, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            waiting, step = 0, step + 1
            if step % 50 == 0:
                print(f"step {step}/{steps} loss {np.mean(losses[-300:]):.3f} {time.time() - begin:.0f} s", flush=True)


def logits_of(model: DebertaV2ForSequenceClassification, ids: Sequence[Tokens]) -> Array:
    """Log odds of an injection in each window."""
    model.eval()
    lengths = [len(i) for i in ids]
    result = np.zeros(len(ids))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=BF16):
        for batch in batches(lengths, sorted(range(len(ids)), key=lengths.__getitem__), 4096):
            logits = model(**padded([ids[i] for i in batch])).logits.float()
            result[batch] = (logits[:, 1] - logits[:, 0]).numpy()
    return result


def fit_linear(found: Sequence[str], labels: Sequence[int]) -> Linear:
    """TF-IDF and logistic regression on hashed n-grams, rare ones left out."""
    index, ends = [], [0]
    for text in found:
        cut = words(text)
        index.append(cut.between(0, len(cut.starts)).astype(np.int32))
        ends.append(ends[-1] + len(index[-1]))
    present = sp.csr_matrix((np.ones(ends[-1], np.float32), np.concatenate(index), ends), shape=(len(found), 1 << BITS))
    seen = np.bincount(present.indices, minlength=1 << BITS)
    rarity = np.where(seen < 3, 0, np.round(16 * (np.log((1 + len(found)) / (1 + seen)) + 1)) / 16).astype(np.float32)
    norms = np.sqrt(np.maximum(present @ rarity**2, 1e-6))
    fitted = LogisticRegression(C=8.0, max_iter=300).fit(sp.diags(1 / norms) @ present @ sp.diags(rarity), labels)
    return Linear((fitted.coef_[0] * rarity).astype(np.float16).astype(np.float32), rarity, float(fitted.intercept_[0]))


# ---------------------------------------------------------------- both, asked as the engine asks them


def highest(values: Array, owners: Sequence[int], count: int) -> Array:
    result = np.full(count, -30.0)
    np.maximum.at(result, list(owners), values)
    return result


@dataclass(slots=True)
class Detector:
    """What the engine computes: log odds = a · transformer + b · linear + c, of windows that the gate lets through."""

    model: DebertaV2ForSequenceClassification
    tokenizer: PreTrainedTokenizerFast
    linear: Linear
    mix: tuple[float, float, float] = (1.0, 0.0, 0.0)
    gate: float | None = None

    def whole(self, found: Sequence[str]) -> dict[str, Array]:
        """The highest score of a text's windows by each model and mixed; `zone` is what a gate would look at."""
        windows = Cutter(self.tokenizer.backend_tokenizer, WINDOW, STRIDE, self.linear).windows(found)
        deep, linear, owners = (
            logits_of(self.model, [list(w.ids) for w in windows]),
            np.array([w.linear for w in windows]),
            [w.row for w in windows],
        )
        zone = [self.linear.scores(t, s := np.arange(0, max(1, len(t) - ZONE_STRIDE), ZONE_STRIDE), s + ZONE).max() for t in found]
        by = {"transformer": deep, "linear": linear, "mixed": self._mixed(deep, linear)}
        return {name: highest(values, owners, len(found)) for name, values in by.items()} | {
            "zone": np.array(zone),
            "windows": np.array(len(windows)),
        }

    def behind(self, found: Sequence[str]) -> tuple[Array, int]:
        """The same as the engine computes it, mixed and only where the gate lets it; and the number of windows."""
        windows = Cutter(self.tokenizer.backend_tokenizer, WINDOW, STRIDE, self.linear, self.gate).windows(found)
        mixed = self._mixed(logits_of(self.model, [list(w.ids) for w in windows]), np.array([w.linear for w in windows]))
        return highest(mixed, [w.row for w in windows], len(found)), len(windows)

    def _mixed(self, deep: Array, linear: Array) -> Array:
        a, b, c = self.mix
        return np.asarray(a * deep + b * linear + c)


def odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def probability(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def thresholds(scores: Array) -> dict[str, float]:
    """Log odds. `medium`: at most 1 of 200 clean documents reaches it. `high`: 1 of 10,000, with fewer a margin above all."""
    ranked = np.sort(scores)[::-1]
    margin = 0.0 if len(ranked) >= 10_000 else 0.15
    return {"medium": float(ranked[len(ranked) // 200]) + 1e-3, "high": float(ranked[len(ranked) // 10_000]) + margin + 1e-3}


def mixing_set(data: Path, documents: Sequence[Document], rng: random.Random) -> list[Sample]:
    """Texts kept apart from both models: our own lines, the parts of sets, attacks placed in documents, raw windows."""
    found = [
        Sample(texts.choose(rng, line.text), int(line.attack), line.language) for line in texts.lines() if line.kept_apart for _ in range(2)
    ]
    for name in TRAIN_ON:
        frame = labelled(data, name)
        found += [Sample(t[:620], int(y), name) for t, y in zip(frame.text, frame.label, strict=True) if kept_for_measuring(name, t)]
    attacks = [s.text for s in found if s.label]
    for document in even(documents, rng, len(attacks)):
        host = excerpt(rng, document.text, full=True)
        at = host.find(" ", len(host) // 3) + 1
        found.append(Sample(host[:at] + rng.choice(attacks)[:300] + "\n" + host[at:][:120], 1, "placed"))
    found += [Sample(t, 0, "raw") for t in (excerpt(rng, d.text, full=True) for d in even(documents, rng, 3 * len(attacks))) if t]
    return found


def fit_mixture(asked: dict[str, Array], labels: Array) -> tuple[float, float, float]:
    """The mixture's three numbers."""
    fitted = LogisticRegression(C=10.0).fit(np.stack([asked["transformer"], asked["linear"]], 1), labels)
    a, b = fitted.coef_[0]
    return round(float(a), 4), round(max(float(b), 0.0), 4), round(float(fitted.intercept_[0]), 4)


def find_gate(asked: dict[str, Array], labels: Array, mix: tuple[float, float, float], medium: float) -> float:
    """One in two hundred attacks that the mixture finds may fall behind it."""
    a, b, c = mix
    hits = asked["zone"][(labels == 1) & (a * asked["transformer"] + b * asked["linear"] + c >= medium)]
    return round(float(np.quantile(hits, 0.005)), 3)


# ---------------------------------------------------------------- measurement


def measured_sets(data: Path, rng: random.Random) -> dict[str, list[Sample]]:
    """Texts that were not trained on, by what they are of."""
    sets: dict[str, list[Sample]] = {}
    for name in (*MEASURE_ONLY, *TRAIN_ON):
        frame = labelled(data, name)
        if name in TRAIN_ON:
            frame = frame[[kept_for_measuring(name, t) for t in frame.text]]
        if len(frame):
            frame = frame.sample(min(len(frame), 500), random_state=rng.randrange(2**31))
            sets[name] = [Sample(t, int(y), name) for t, y in zip(frame.text, frame.label, strict=True)]
    for line in texts.lines():
        if line.kept_apart:
            name = f"own lines kept apart, {'en ' + line.genre if line.language == 'en' else line.language}"
            sets.setdefault(name, []).append(Sample(texts.choose(rng, line.text), int(line.attack), name))
    return sets


def measure(detector: Detector, data: Path, levels: dict[str, dict[str, float]], rng: random.Random) -> dict[str, Any]:
    """Per set and model: recall on injections and false positives on benign texts at both thresholds."""
    table: dict[str, Any] = {}
    for name, samples in measured_sets(data, rng).items():
        found = [s.text[:MOST_CHARS] for s in samples]
        scores = detector.whole(found)
        scores["cascade"], _ = detector.behind(found)
        labels = np.array([s.label for s in samples])
        row: dict[str, Any] = {"injections": int(labels.sum()), "benign": int((labels == 0).sum())}
        for who, limits in levels.items():
            for level, limit in limits.items():
                for label, what in ((1, "recall"), (0, "false")):
                    hits = scores[who][labels == label] >= limit
                    row[f"{who}_{what}_{level}"] = round(float(hits.mean()), 3) if len(hits) else None
        table[name] = row
    return table


def as_table(table: dict[str, Any], clean: dict[str, Any]) -> str:
    """Markdown."""
    head = ["set", "injections / benign", "recall medium", "high", "false medium", "high", "transformer alone", "linear alone"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]

    def cell(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    for name, row in table.items():
        mine = [row[f"cascade_{k}_{v}"] for k in ("recall", "false") for v in ("medium", "high")]
        others = [" / ".join(filter(None, (cell(row[f"{w}_{k}_medium"]) for k in ("recall", "false")))) for w in ("transformer", "linear")]
        lines.append(f"| {name} | {row['injections']} / {row['benign']} | " + " | ".join([*map(cell, mine), *others]) + " |")
    for group, rates in clean.items():
        lines.append(f"| clean documents: {group} | 0 / {rates['documents']} | | | {rates['medium']:.4f} | {rates['high']:.4f} | | |")
    return "\n".join(lines)


# ---------------------------------------------------------------- the whole


def export(detector: Detector, out: Path) -> None:
    """The folder that the engine loads without a hub."""
    out.mkdir(parents=True, exist_ok=True)
    half = {k: v.half().contiguous() for k, v in detector.model.state_dict().items()}
    save_file(half, out / "model.safetensors", metadata={"format": "pt"})
    detector.linear.save(out / "linear.safetensors")
    config = {k: v for k, v in detector.model.config.to_diff_dict().items() if k not in ("_name_or_path", "torch_dtype")}
    config |= {"architectures": ["DebertaV2ForSequenceClassification"], "dtype": "float32", "num_labels": 2}
    config |= {"id2label": {"0": "SAFE", "1": "INJECTION"}, "label2id": {"SAFE": 0, "INJECTION": 1}}
    write_json(out / "config.json", config)
    write_tokenizer(detector.tokenizer, out)


def load(out: Path) -> Detector:
    """The files as they were written."""
    model = AutoModelForSequenceClassification.from_pretrained(out, dtype=torch.float32)
    return Detector(model, AutoTokenizer.from_pretrained(out), Linear.load(out / "linear.safetensors"))


def fit(data: Path, documents: Sequence[Document], out: Path, seed: int, scale: float) -> list[Sample]:
    """Both rounds of training; writes the files and returns what was trained on."""
    rng = random.Random(seed)
    samples = first_round(data, documents, rng, scale)
    print(f"round 1: {len(samples)} samples", sorted(Counter((s.label, s.source) for s in samples).items()), flush=True)
    raw = [t for t in (excerpt(rng, d.text, full=True) for d in even(documents, rng, int(40_000 * scale))) if t]
    linear = fit_linear([s.text for s in samples] + raw, [s.label for s in samples] + [0] * len(raw))
    tokenizer, rows = cut_words([s.text for s in samples] + raw[:5000], WORDS)
    model = new_transformer(rows)
    train(model, tokenizer, samples, 1e-4, rng)
    detector = Detector(model, tokenizer, linear)
    export(detector, out)
    count = int(24_000 * scale)

    def alarm(found: list[str]) -> Array:
        return logits_of(model, tokenizer(found, truncation=True, max_length=WINDOW)["input_ids"])

    false = hard_windows(documents, alarm, rng, count, int(5000 * scale))
    again = second_round(samples, false, documents, rng, scale)
    print(f"round 2: {len(again)} samples", flush=True)
    train(model, tokenizer, again, 6e-5, rng)
    suspicious = hard_windows(
        documents, lambda found: np.array([linear.scores(t, [0], [len(t)])[0] for t in found]), rng, 2 * count, count // 4
    )
    more = [*raw, *false, *suspicious]
    detector.linear = fit_linear([s.text for s in samples] + more, [s.label for s in samples] + [0] * len(more))
    export(detector, out)
    return [*samples, *again]


def calibrate(
    data: Path, out: Path, documents: Sequence[Document], seed: int, count: int, trained_on: dict[str, list[int]]
) -> dict[str, Any]:
    """Mixture, thresholds, gate and measurements of the files in `out`; writes calibration.json and returns what the card says."""
    rng = random.Random(seed + 2)
    detector = load(out)
    kept = [d for d in documents if not d.may_train]
    halves = [d for d in kept if share(d.text) < 0.2], [d for d in kept if share(d.text) >= 0.2]
    apart = mixing_set(data, halves[0], rng)
    labels, asked = np.array([s.label for s in apart]), detector.whole([s.text for s in apart])
    detector.mix = fit_mixture(asked, labels)
    held = list({d.text: d for d in even(halves[1], rng, count)}.values())
    clean = [d.text[:MOST_CHARS] for d in held]
    seen = detector.whole(clean)
    detector.gate = find_gate(asked, labels, detector.mix, thresholds(seen["mixed"])["medium"])
    seen["cascade"], passed = detector.behind(clean)
    levels = {who: thresholds(seen[who]) for who in ("cascade", "mixed", "transformer", "linear")}
    for i in np.argsort(-seen["cascade"])[:25]:
        print(f"clean {seen['cascade'][i]:.2f} {held[i].group} {held[i].package} {held[i].text[:80]!r}", flush=True)
    table = measure(detector, data, levels, rng)
    groups = {"all": np.ones(len(held), bool)} | {g: np.array([d.group == g for d in held]) for g in sorted({d.group for d in held})}
    rates = {g: {"documents": int(m.sum())} | {k: float((seen["cascade"][m] >= t).mean()) for k, t in levels["cascade"].items()}
             for g, m in groups.items()}  # fmt: skip
    shown = as_table(table, rates)
    share_passed = passed / int(seen["windows"])
    print(shown, levels, detector.mix, detector.gate, f"passed {share_passed:.4f}", sep="\n", flush=True)
    limits = {level: round(probability(value), 6) for level, value in levels["cascade"].items()}
    facts = {"window_tokens": WINDOW, "stride_tokens": STRIDE, "thresholds": limits, "mix": detector.mix, "gate": detector.gate,
             "passed_by_the_gate": round(share_passed, 4), "clean_documents": len(held), "measured": table, "clean": rates, "trained_on": trained_on}  # fmt: skip
    write_json(out / "calibration.json", facts)
    return facts | {"table": shown, "parameters": sum(p.numel() for p in detector.model.parameters()) / 1e6}


def run(
    data: Path, documents: Sequence[Document], out: Path, seed: int, scale: float, count: int, measure_only: bool, command: str
) -> None:
    """What `python -m training injection` does: train unless only measured, calibrate, describe, seal."""
    train_on = [d for d in documents if d.may_train]
    if measure_only:
        trained_on = json.loads((out / "calibration.json").read_text())["trained_on"]
    else:
        samples = fit(data, train_on, out, seed, scale)
        trained_on = {
            name: [sum(s.source == name and s.label == label for s in samples) for label in (0, 1)] for name in {s.source for s in samples}
        }
    facts = calibrate(data, out, documents, seed, count, trained_on)
    card.write(out, data, facts, train_on, command)
