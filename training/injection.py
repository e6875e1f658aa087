"""Trains, calibrates and measures the embedded injection model: a six-layer multilingual transformer behind a first stage, mixed.

The first stage learns first: a linear model from labelled windows, from raw windows of clean documents, and from those of all their windows
that it took for attacks; then vectors of words from the same. The transformer learns what gets past it: attacks, and the benign windows
that look most like them to the first stage; in two more rounds, those that it took for attacks itself. A mixture of both is chosen for
recall at equal false alarms on clean documents. Thresholds are then set per document on whole clean documents of packages and kinds that were never trained on.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer

from training import card, injection_early_end, injection_languages, injection_network, injection_words, texts
from training.base import write_json
from training.documents import REAL_NEVER_TRAINED, Document
from training.e5 import LAYERS, base, cut_words, encoder, restore
from training.injection_data import MEASURE_ONLY, STRANGERS, TRAIN_ON, held_out
from training.injection_grammar import PROBES
from training.injection_network import EarlyEnd, Network, export
from training.injection_samples import (
    WINDOW,
    WRITTEN,
    Sample,
    first_round,
    long_round,
    raw_windows,
    second_round,
    third_round,
)
from training.injection_thresholds import UNREAD, by_kind, rates, thresholds
from veritensor_ray.engines.injection import calibrated_scores
from veritensor_ray.engines.injection.first_stage import FirstStage
from veritensor_ray.engines.injection.linear import BITS, Linear, words
from veritensor_ray.engines.injection.windows import Cutter
from veritensor_ray.engines.injection.word_vectors import WordVectors

STRIDE = 96
WORDS = 48_000
EPOCHS = 4  # of the vectors of words
HARD = 40_000  # windows of clean documents
MIXED = 2000  # characters of a text that the two sides of the first stage are mixed by
PASSING = 0.03  # of the characters of real documents that the transformer reads, at most
CEILING = 8.0  # log odds that the transformer is taken at
MEASURED = 400  # texts of a set
ENDS = 10_000, 8000, 16_000  # windows that the early end learns from: attacks, harmless samples, clean documents
# The rounds after the first: how many false alarms each learns, at which rate, beside which samples. A model that learns on has one alone.
LEARNS = ((3500, 8e-5, second_round), (3000, 8e-5, third_round))
LEARNS_ON = ((7000, 8e-5, long_round),)
# How much of the last round is taken, beside the network before it, which knows more of what it has never met.
TAKES, TAKES_ON = 0.5, 0.3
ORDERS_IN = ("real: chat", "real: spam", "real: promptguide")  # kinds that hold orders to models: no alarm there is false by itself
IN_DOUBT = 0.5  # from the limit of the early end: eight bits may decide otherwise about such a window
GOLDEN = Path(__file__).parent.parent / "tests/engines/injection/golden.json"
# How much an attack of a small set of strangers counts for the linear model, beside one of ours.
WEIGHTS = {"deepset_train": 3.0, "bipia_indocument_train": 3.0, "attacks_atr": 2.0, "attacks_multilingual_agent": 2.0, "injecagent_dh": 2.0,
           WRITTEN: 2.0, **dict.fromkeys(STRANGERS, 2.0)}  # fmt: skip
# Benign texts in the words of attacks are for the transformer to tell apart. The first stage would learn from them to pass over those words.
TWIN = 0.15  # how much one of them counts for the first stage
PLAIN = ("raw windows", "sentences with trigger words", "windows past the first stage")
Array = np.ndarray[Any, Any]


def weight_of(sample: Sample) -> float:
    """How much a sample counts for the first stage."""
    if sample.label:
        return WEIGHTS.get(sample.source, 1.0)
    return 1.0 if sample.source in PLAIN or sample.source.startswith("benign_") else TWIN


# ---------------------------------------------------------------- the linear model


def counts_of(found: Sequence[str]) -> sp.csr_matrix:
    """How often each bucket occurs in each text."""
    index, counts, ends = [], [], [0]
    for text in found:
        buckets, times = np.unique(words(text).buckets.ravel(), return_counts=True)
        index.append(buckets.astype(np.int32))
        counts.append(times.astype(np.float32))
        ends.append(ends[-1] + len(buckets))
    return sp.csr_matrix((np.concatenate(counts), np.concatenate(index), ends), shape=(len(found), 1 << BITS))


def fit_linear(present: sp.csr_matrix, labels: Array, weights: Array) -> Linear:
    """TF-IDF and logistic regression on hashed n-grams, rare ones left out."""
    seen = np.bincount(present.indices, minlength=1 << BITS)
    rarity = np.where(seen < 3, 0, np.round(16 * (np.log((1 + present.shape[0]) / (1 + seen)) + 1)) / 16).astype(np.float32)
    norms = np.sqrt(np.maximum(present @ rarity**2, 1e-6))
    scaled = (sp.diags(1 / norms) @ present @ sp.diags(rarity)).tocsr()
    fitted = LogisticRegression(C=8.0, max_iter=60, tol=1e-3).fit(scaled, labels, sample_weight=weights)
    return Linear((fitted.coef_[0] * rarity).astype(np.float16).astype(np.float32), rarity, float(fitted.intercept_[0]))


def learn_linear(samples: Sequence[Sample], documents: Sequence[Document], rng: random.Random) -> tuple[Linear, list[str], list[str]]:
    """The linear model, random raw windows, and the windows of clean documents that look most like attacks to it."""
    raw = raw_windows(documents, rng, 60_000, full=True)
    present = counts_of([s.text for s in samples] + raw)
    labels = np.array([s.label for s in samples] + [0] * len(raw))
    weights = np.array([weight_of(s) for s in samples] + [1.0] * len(raw))
    hard = hardest(FirstStage(fit_linear(present, labels, weights)), documents)
    present = sp.vstack([present, counts_of(hard)])
    labels, weights = np.append(labels, np.zeros(len(hard))), np.append(weights, np.ones(len(hard)))
    return fit_linear(present, labels, weights), raw, hard


def hardest(first: FirstStage, documents: Sequence[Document]) -> list[str]:
    """The windows of clean documents that look most like attacks to a first stage."""
    every = list(dict.fromkeys(w for d in documents for w in d.windows() if len(w) > 20))
    return [every[i] for i in np.argsort(-first.scores(every))[:HARD]]


def learn_first_stage(
    data: Path, samples: Sequence[Sample], documents: Sequence[Document], rng: random.Random
) -> tuple[FirstStage, list[str], list[str]]:
    """The first stage, random raw windows, and the windows of clean documents that look most like attacks to it."""
    linear, raw, hard = learn_linear(samples, documents, rng)
    known = injection_words.vocabulary([*(d.text for d in documents), *(s.text for s in samples)])
    vectors, checks = injection_words.table(known, injection_words.described(known.texts))
    clean = [Sample(text, 0, "raw windows") for text in (*raw, *hard)]
    meaning = injection_words.fit([(s, weight_of(s)) for s in (*samples, *clean)], vectors, checks, rng, EPOCHS)
    first, _ = gated(FirstStage(linear, replace(meaning, mix=first_mix(data, linear, meaning, raw, rng))), documents)
    return first, raw, hardest(first, documents)


def first_stage_of(start: Path, documents: Sequence[Document], rng: random.Random) -> tuple[FirstStage, list[str], list[str]]:
    """The same of a model that learns on. Its first stage stays: one that learnt again from more languages missed more that is English."""
    loaded = FirstStage.load(start)
    assert loaded
    first, _ = gated(loaded, documents)
    return first, raw_windows(documents, rng, 60_000, full=True), hardest(first, documents)


def first_mix(data: Path, linear: Linear, meaning: WordVectors, raw: Sequence[str], rng: random.Random) -> Array:
    """How much wording and meaning each count: what tells attacks that neither has learnt from clean texts."""
    apart = [(one.text, True) for one in texts.written() if one.kept_apart and one.attack]
    for name in TRAIN_ON:
        frame = held_out(data, name)
        chosen = frame[(frame.label == 1) | name.startswith("benign_")]
        apart += rng.sample(list(zip(chosen.text, chosen.label == 1, strict=True)), min(200, len(chosen)))
    apart += [(text, False) for text in rng.sample(list(raw), min(5000, len(raw)))]
    found, labels = [text[:MIXED] for text, _ in apart], [attack for _, attack in apart]
    sides = [FirstStage(linear, replace(meaning, mix=np.array(mix, np.float32))).scores(found) for mix in ((1, 0, 0), (0, 1, 0))]
    fitted = LogisticRegression(C=1.0, class_weight="balanced").fit(np.stack(sides, 1), labels)
    return np.array([*fitted.coef_[0], fitted.intercept_[0]], np.float32)


# ---------------------------------------------------------------- the transformer


def select(
    samples: Sequence[Sample], first: FirstStage, raw: Sequence[str], hard: Sequence[str], rng: random.Random, scale: float
) -> list[Sample]:
    """What the transformer learns in round 1: it reads what gets past the first stage, so mostly such windows."""

    def n(count: int) -> int:
        return int(count * scale)

    attacks = [s for s in samples if s.label]
    benign = [s for s in samples if not s.label and s.source != "raw windows"]
    likely = 1 / (1 + np.exp(-(first.scores([s.text for s in benign]) + 2))) + 0.05
    drawn = np.random.default_rng(rng.randrange(2**31)).choice(
        len(benign), min(n(12_500), len(benign)), replace=False, p=likely / likely.sum()
    )
    chosen = rng.sample(attacks, min(n(16_500), len(attacks))) + [benign[i] for i in drawn]
    chosen += [Sample(t, 0, "windows past the first stage") for t in rng.sample(list(hard), min(n(9500), len(hard)))]
    chosen += [Sample(t, 0, "raw windows") for t in rng.sample(list(raw), min(n(3000), len(raw)))]
    rng.shuffle(chosen)
    return chosen


def token_ids(tokenizer: Tokenizer, found: Sequence[str]) -> list[list[int]]:
    tokenizer.no_padding()
    tokenizer.enable_truncation(WINDOW)
    return [one.ids for one in tokenizer.encode_batch(list(found))]


def new_network(
    documents: Sequence[Document], samples: Sequence[Sample], raw: Sequence[str], rng: random.Random, scale: float
) -> tuple[Network, Tokenizer]:
    """The base, cut, and made whole again on text of many languages."""
    source = base()
    pool = [s.text for s in samples] + list(raw) + [d.text[:2500] for d in documents]
    tokenizer, rows = cut_words(source, pool, WORDS)
    made, whole = encoder(source, rows, LAYERS), encoder(source, rows, range(12)).eval().requires_grad_(False)
    tokenizer.enable_truncation(100)
    some = rng.sample(pool, min(len(pool), int(6000 * scale)))
    restore(made, whole, [one.ids for one in tokenizer.encode_batch([t[:400] for t in some])], rng)
    return Network(made), tokenizer


# ---------------------------------------------------------------- both, asked as the engine asks them


@dataclass(frozen=True)
class Asked:
    """Windows of texts that got past a gate: whose they are, and what each model says of them."""

    owners: Array
    whole: Array
    token: Array
    first: Array
    texts: int

    def highest(self, values: Array) -> Array:
        """Of each text; `UNREAD` where none of its windows was read."""
        result = np.full(self.texts, UNREAD)
        np.maximum.at(result, self.owners, values)
        return result

    def mixed(self, share: float, weight: float) -> Array:
        """Before it is scaled to log odds: the transformer's two numbers and `weight` times the first stage's."""
        return np.minimum(share * self.whole + (1 - share) * self.token, CEILING) + weight * self.first


def ask(network: Network, tokenizer: Tokenizer, first: FirstStage, gate: float, found: Sequence[Sequence[str]]) -> Asked:
    """Of texts, each given as its segments."""
    owner = [i for i, segments in enumerate(found) for _ in segments]
    windows = Cutter(tokenizer, WINDOW, STRIDE, first, gate).windows([s for segments in found for s in segments])
    distinct = list(dict.fromkeys(tuple(w.ids) for w in windows))
    at = {ids: i for i, ids in enumerate(distinct)}
    whole, token = injection_network.scores(network, distinct)
    index = [at[tuple(w.ids)] for w in windows]
    return Asked(
        np.array([owner[w.row] for w in windows], int), whole[index], token[index], np.array([w.first for w in windows]), len(found)
    )


def attacks_apart(data: Path, rng: random.Random) -> dict[str, list[str]]:
    """Attacks that nothing was trained on, by set."""
    sets = {}
    for name in (*MEASURE_ONLY, *TRAIN_ON):
        frame = held_out(data, name)
        found = list(frame[frame.label == 1].text)
        if found:
            sets[name] = rng.sample(found, min(MEASURED, len(found)))
    return sets


def loose_gate(first: FirstStage, documents: Sequence[Document], passing: float) -> float:
    """The lowest gate that lets no more than a share of the characters of documents pass."""
    segments = [s for d in documents for s in (d.segments or (d.text,))]
    size, low, high = sum(map(len, segments)), -6.0, 6.0
    for _ in range(10):
        gate = (low + high) / 2
        low, high = (gate, high) if sum(b - a for _, a, b in first.zones(segments, gate)) > passing * size else (low, gate)
    return round(high, 3)


def gated(first: FirstStage, documents: Sequence[Document]) -> tuple[FirstStage, float]:
    """A first stage that eases the gate in other languages, and the gate."""
    plain = replace(first, languages=None)
    gate = loose_gate(plain, [d for d in documents if d.group.startswith("real: ") and d.group not in ORDERS_IN], PASSING)
    return replace(plain, languages=injection_languages.learn(plain, gate, documents)), gate


def find_mixture(clean: Asked, documents: Sequence[Document], attacks: dict[str, Asked]) -> tuple[float, float]:
    """The share and the weight that find most attacks of a set at `medium`, on average, where the thresholds are set on these clean documents."""

    def recall(share: float, weight: float) -> float:
        limit = thresholds(by_kind(documents, clean.highest(clean.mixed(share, weight))))["medium"]
        return float(np.mean([(one.highest(one.mixed(share, weight)) > limit).mean() for one in attacks.values()]))

    found = {pair: recall(*pair) for pair in itertools.product((0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0))}
    for pair, value in sorted(found.items(), key=lambda item: -item[1])[:8]:
        print(f"share {pair[0]} weight {pair[1]} recall {value:.3f}", flush=True)
    return max(found, key=found.__getitem__)


# ---------------------------------------------------------------- the whole


@dataclass(frozen=True)
class Learnt:
    """What training leaves, before it is calibrated."""

    network: Network
    early: EarlyEnd
    tokenizer: Tokenizer
    first: FirstStage
    trained_on: dict[str, list[int]]


def fit(
    data: Path, documents: Sequence[Document], seed: int, scale: float, left_out: Sequence[str], start: Path | None, rounds: bool
) -> Learnt:
    """The first stage, all rounds of the transformer and its early end, from documents that may be trained on.

    `start`: a model whose transformer learns on, or stays as it is without `rounds`.
    """
    rng = random.Random(seed)
    samples = first_round(data, documents, rng, scale, left_out)
    print(f"{len(samples)} samples", sorted(Counter((s.label, s.source) for s in samples).items()), flush=True)
    if start:
        first, raw, hard = first_stage_of(start, documents, rng)
        network, tokenizer = injection_network.restored(start / "model.onnx"), Tokenizer.from_file(str(start / "tokenizer.json"))
    else:
        first, raw, hard = learn_first_stage(data, samples, documents, rng)
        network, tokenizer = new_network(documents, samples, raw, rng, scale)
    every: list[Sample] = []
    before: dict[str, Any] = {}
    if not start:
        every += select(samples, first, raw, hard, rng, scale)
        print(f"round 1: {len(every)} samples", flush=True)
        injection_network.train(network, tokenizer, every, 1.5e-4, rng)
    for number, (most, rate, of) in enumerate((LEARNS_ON if start else LEARNS) if rounds else (), 2):
        found = [*rng.sample(hard, min(len(hard), int(20_000 * scale))), *rng.sample(raw, min(len(raw), int(8000 * scale)))]
        found += [s.text for s in rng.sample([s for s in samples if not s.label], int(12_000 * scale))]
        alarm = in_eight_bits(network, tokenizer, found)
        again = of(samples, [found[i] for i in np.argsort(-alarm)[: int(most * scale)]], rng, scale)
        print(
            f"round {number}: {len(again)} samples; {int((alarm > 0).sum())} of {len(found)} benign windows are taken for attacks",
            flush=True,
        )
        before = {name: value.clone() for name, value in network.state_dict().items()}
        injection_network.train(network, tokenizer, again, rate, rng)
        every += again
    if before:
        take = TAKES_ON if start else TAKES
        network.load_state_dict({name: (1 - take) * before[name] + take * value for name, value in network.state_dict().items()})
    counts = Counter((s.source, s.label) for s in every)
    if start:
        for name, (benign, attacks) in json.loads((start / "calibration.json").read_text("utf-8"))["trained_on"].items():
            counts.update({(name, 0): benign, (name, 1): attacks})
    trained_on = {name: [counts[name, label] for label in (0, 1)] for name, _ in counts}
    return Learnt(network, end_early(data, network, tokenizer, first, samples, [*hard, *raw], rng, scale), tokenizer, first, trained_on)


def end_early(
    data: Path,
    network: Network,
    tokenizer: Tokenizer,
    first: FirstStage,
    samples: Sequence[Sample],
    clean: Sequence[str],
    rng: random.Random,
    scale: float,
) -> EarlyEnd:
    """The early end of a network that has learnt, from windows of attacks and of clean documents."""
    found = []
    for pool, most in (
        ([s.text for s in samples if s.label], ENDS[0]),
        ([s.text for s in samples if not s.label], ENDS[1]),
        (clean, ENDS[2]),
    ):
        found += rng.sample(list(pool), min(int(most * scale), len(pool)))
    apart = [text for name, some in attacks_apart(data, rng).items() if name in TRAIN_ON for text in some]
    windows = Cutter(tokenizer, WINDOW, STRIDE, first, None).windows(apart)
    return injection_early_end.learn(network, token_ids(tokenizer, found), [list(w.ids) for w in windows], rng)


def in_eight_bits(network: Network, tokenizer: Tokenizer, found: Sequence[str]) -> Array:
    """What the exported network says of windows: twice as fast, and good enough to choose by."""
    from veritensor_ray.engines.injection.onnx_classifier import OnnxBackend

    with tempfile.TemporaryDirectory() as folder:
        export(network, 0.5, Path(folder) / "model.onnx")
        return np.asarray(OnnxBackend(Path(folder), 1).scores(token_ids(tokenizer, found)))


def calibrate(data: Path, out: Path, learnt: Learnt, documents: Sequence[Document], seed: int) -> dict[str, Any]:
    """Mixture, gate and thresholds; writes all files but the card, and returns what that says."""
    rng = random.Random(seed + 2)
    network, tokenizer = learnt.network, learnt.tokenizer
    first, gate = gated(learnt.first, documents)
    attacks = attacks_apart(data, rng)
    clean = ask(network, tokenizer, first, gate, [d.segments or (d.text,) for d in documents])
    asked = {name: ask(network, tokenizer, first, gate, [[t] for t in found]) for name, found in attacks.items()}
    counted = np.array([d.group not in ORDERS_IN for d in documents])
    chosen = [d for d, c in zip(documents, counted, strict=True) if c]
    share, weight = find_mixture(_only(clean, counted), chosen, {name: one for name, one in asked.items() if name in TRAIN_ON})
    scale, bias = _as_odds(
        clean.highest(clean.mixed(share, weight))[counted],
        np.concatenate([one.highest(one.mixed(share, weight)) for name, one in asked.items() if name in TRAIN_ON]),
    )
    mix = (round(scale, 4), round(scale * weight, 4), round(bias, 4))
    export(network, share, out / "model.onnx", learnt.early)
    first.save(out)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(out / "tokenizer.json"))
    facts: dict[str, Any] = {"window_tokens": WINDOW, "stride_tokens": STRIDE, "mix": mix, "gate": gate, "ceiling": CEILING, "share": share,
                             "ease": injection_languages.by_code(first.languages) if first.languages else {}}  # fmt: skip
    scores = scores_as_shipped(out, facts, [d.segments or (d.text,) for d in chosen])
    kinds = by_kind(chosen, scores)
    levels = thresholds(kinds)
    for i in np.argsort(-scores)[:40]:
        print(f"clean {scores[i]:.2f} {chosen[i].group} {chosen[i].package}", flush=True)
    recall = {}
    for name, found in attacks.items():
        reached = scores_as_shipped(out, facts, [[t] for t in found])
        recall[name] = {"attacks": len(found)} | {k: round(float((reached >= v).mean()), 3) for k, v in levels.items()}
    facts |= {"thresholds": {k: calibrated_scores.probability(v) for k, v in levels.items()}, "clean": rates(kinds), "recall": recall,
              "trained_kinds": sorted({d.group.removeprefix("real: ") for d in documents if d.group.startswith("real: ")} - set(REAL_NEVER_TRAINED)),
              "trained_on": learnt.trained_on}  # fmt: skip
    write_json(out / "calibration.json", facts)
    print(json.dumps({k: facts[k] for k in ("mix", "gate", "share", "thresholds", "clean", "recall")}, indent=1), flush=True)
    return facts


def _only(asked: Asked, chosen: Array) -> Asked:
    """Some of the texts."""
    number = np.cumsum(chosen) - 1
    of = chosen[asked.owners]
    return Asked(number[asked.owners[of]], asked.whole[of], asked.token[of], asked.first[of], int(chosen.sum()))


def _as_odds(clean: Array, attacks: Array) -> tuple[float, float]:
    """Scale and bias that make log odds of scores, where clean texts and attacks are equally many."""
    found = np.concatenate([clean, attacks])
    read = found > UNREAD
    labels = np.array([0] * len(clean) + [1] * len(attacks))
    fitted = LogisticRegression(C=10.0, class_weight="balanced").fit(found[read][:, None], labels[read])
    return float(fitted.coef_[0][0]), float(fitted.intercept_[0])


def scores_as_shipped(out: Path, facts: dict[str, Any], found: Sequence[Sequence[str]]) -> Array:
    """The highest log odds of texts, each given as its segments, by the files in `out` and the engine's own code; -inf where nothing was read."""
    from veritensor_ray.engines.injection.encoder_network import Network as Shipped
    from veritensor_ray.engines.injection.scoring import Scorer

    cutter = Cutter(Tokenizer.from_file(str(out / "tokenizer.json")), WINDOW, STRIDE, FirstStage.load(out), facts["gate"])
    scorer = Scorer(cutter, Shipped(out, 4096), tuple(facts["mix"]), facts["ceiling"])
    owner = [i for i, segments in enumerate(found) for _ in segments]
    windows = cutter.windows([s for segments in found for s in segments])
    result = np.full(len(found), -np.inf)
    np.maximum.at(result, [owner[w.row] for w in windows], scorer.scores(windows))
    return result


def golden(out: Path, learnt: Learnt, facts: dict[str, Any], path: Path) -> None:
    """What the whole model says of texts of our own in full precision, for the test that holds eight bits to it.

    Texts for which eight bits may decide otherwise whether a window ends early are left out.
    """
    rng = random.Random(1)
    apart = [texts.choose(rng, line.text) for line in texts.lines() if line.kept_apart]
    found = rng.sample(apart, 120) + [text for text, _ in PROBES]
    windows = Cutter(learnt.tokenizer, WINDOW, STRIDE, FirstStage.load(out), None).windows(found)
    ids = [list(w.ids) for w in windows]
    whole, token = injection_network.scores(learnt.network, ids)
    above = injection_network.above_limit(learnt.network, learnt.early, ids)
    a, b, c = facts["mix"]
    rows: dict[int, float] = {}
    for w, one, two, far in zip(windows, whole, token, above, strict=True):
        deep = injection_network.ENDED if far < 0 else min(facts["share"] * one + (1 - facts["share"]) * two, facts["ceiling"])
        rows[w.row] = max(rows.get(w.row, -math.inf), a * deep + b * w.first + c)
    doubtful = {w.row for w, far in zip(windows, above, strict=True) if abs(far) < IN_DOUBT}
    ranked = sorted(rows.keys() - doubtful, key=lambda row: rows[row])
    chosen = [ranked[i] for i in np.linspace(0, len(ranked) - 1, 64).astype(int)]
    write_json(path, {"texts": [{"text": found[row], "score": round(rows[row], 4)} for row in chosen]})


def run(
    data: Path,
    documents: Sequence[Document],
    out: Path,
    seed: int,
    scale: float,
    left_out: Sequence[str],
    start: Path | None,
    rounds: bool,
    command: str,
) -> None:
    """What `python -m training injection` does: train, calibrate, describe, seal."""
    out.mkdir(parents=True, exist_ok=True)
    trained = [d for d in documents if d.may_train]
    learnt = fit(data, trained, seed, scale, left_out, start, rounds)
    facts = calibrate(data, out, learnt, [d for d in documents if not d.may_train], seed)
    facts["parameters"] = sum(p.numel() for p in learnt.network.parameters()) / 1e6
    golden(out, learnt, facts, GOLDEN)
    card.write(out, data, facts, trained, command)
