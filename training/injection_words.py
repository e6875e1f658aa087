"""Train the vectors of words that the first stage of `injection` judges meaning by. It does not depend on the transformer.

Words, pairs of words and stems begin with what multilingual-e5-small says of each alone, in its most telling dimensions, so that words of
the same meaning are near each other in all languages. They and a small network then learn from labelled passages: the most telling words
of a passage decide.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from training.e5 import HIDDEN, base, encoder, tokenizer
from training.injection_samples import Sample
from veritensor_ray.engines.injection.first_stage import WITH_VECTORS, ZONE
from veritensor_ray.engines.injection.linear import STEM, words
from veritensor_ray.engines.injection.word_vectors import SHORT, SLOTS, STEP, WIDTH, WordVectors, check_of, slots_of
from veritensor_ray.engines.word_forms import bounds, lowered, points_of

MOST_WORDS, MOST_PAIRS, MOST_CHARACTERS = 170_000, 60_000, 45_000  # of the vocabulary
LONGEST = 32  # characters of a word
READ = 5000  # characters of a text that words are counted in
LAYER = 64
DROPPED = 0.15  # of the words of a passage, each time it is learnt
_PLAIN = (1.0, 1.0, 0.0)  # a mix, until the first stage is fitted
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Vocabulary:
    """N-grams as texts, with how often each occurs: words, and then pairs, from `pairs` on."""

    texts: list[str]
    counts: list[int]
    pairs: int


def vocabulary(texts: Iterable[str]) -> Vocabulary:
    """The words and pairs that occur most. In scripts without spaces, a word is a character, and a pair is two adjacent characters."""
    single, pairs, characters = Counter[str](), Counter[str](), Counter[str]()
    for text in texts:
        low = lowered(text[:READ])
        starts, ends = (found.tolist() for found in bounds(points_of(low)))
        found = [low[a:b][:LONGEST] for a, b in zip(starts, ends, strict=True)]
        single.update(found)
        for i in range(len(found) - 1):
            between = starts[i + 1] - ends[i]
            if not between:  # only in scripts without spaces
                characters[found[i] + found[i + 1]] += 1
            elif between == 1:
                pairs[f"{found[i]} {found[i + 1]}"] += 1
    chosen = [w for w, n in single.most_common() if n > 2 and len(re.findall(r"\d", w)) < 2][:MOST_WORDS]
    beside = [p for p, n in pairs.most_common(4 * MOST_PAIRS) if n > 19 and not re.search(r"\d", p)][:MOST_PAIRS]
    touching = [p for p, n in characters.most_common(MOST_CHARACTERS) if n > 2]
    counts = [single[w] for w in chosen] + [pairs[p] for p in beside] + [characters[p] for p in touching]
    return Vocabulary([*chosen, *beside, *touching], counts, len(chosen))


def described(texts: Sequence[str]) -> Array:
    """What the whole multilingual model says of each text alone, in its `WIDTH` most telling dimensions, shape (texts, WIDTH)."""
    source = base()
    pieces = tokenizer(list(zip(source.pieces, map(float, source.scores), strict=True)))
    network = encoder(source, range(len(source.pieces)), range(12)).eval()
    ids = [one.ids[:12] for start in range(0, len(texts), 5000) for one in pieces.encode_batch(list(texts[start : start + 5000]))]
    by_length = defaultdict(list)
    for i, one in enumerate(ids):
        by_length[len(one)].append(i)
    states = np.zeros((len(ids), HIDDEN), np.float32)
    began = time.time()
    with torch.inference_mode():
        for length, some in sorted(by_length.items()):
            for start in range(0, len(some), 512):
                batch = some[start : start + 512]
                states[batch] = network(torch.tensor([ids[i] for i in batch])).mean(1).numpy()
            print(f"{len(some)} n-grams of {length} pieces, {time.time() - began:.0f} s", flush=True)
    states /= np.linalg.norm(states, axis=1, keepdims=True) + 1e-6
    states -= states.mean(0)
    drawn = states[np.random.default_rng(0).choice(len(states), min(60_000, len(states)), replace=False)]
    telling = states @ np.linalg.svd(drawn, full_matrices=False)[2][:WIDTH].T
    return np.asarray(0.5 * telling / telling.std(0))


def table(known: Vocabulary, vectors: Array) -> tuple[Array, Array]:
    """Vectors and checks by slot. Where several n-grams have one slot, the most frequent has it. A stem has the mean of its words."""
    stems = defaultdict(list)
    found: list[tuple[int, int, Array]] = []
    for i, (text, count) in enumerate(zip(known.texts, known.counts, strict=True)):
        hashes = words(text).hashes
        pair = i >= known.pairs
        if hashes.shape[1] == 1 + pair:
            found.append((count, int(hashes[1 if pair else 0, 0]), vectors[i]))
        if not pair:
            stems[text[:STEM]].append(i)
    for stem, some in stems.items():
        hashes = words(stem).hashes
        if len(some) > 1 and hashes.shape[1] == 1:
            counts = np.array([known.counts[i] for i in some], float)
            found.append((int(counts.sum()), int(hashes[3, 0]), counts @ vectors[some] / counts.sum()))
    result, checks = np.zeros((1 << SLOTS, WIDTH), np.float32), np.zeros(1 << SLOTS, np.uint8)
    for _, one, vector in sorted(found, key=lambda item: item[:2]):  # the most frequent last
        hashed = np.array([one], np.uint32)
        result[slots_of(hashed)], checks[slots_of(hashed)] = vector, check_of(hashed)
    return result, checks


class _Judge(nn.Module):
    """`WordVectors` as it learns. The last row of the table is that of unknown n-grams, and stays zero."""

    def __init__(self, vectors: Array) -> None:
        super().__init__()
        whole = torch.tensor(np.vstack([vectors, np.zeros((1, WIDTH), np.float32)]))
        self.vectors = nn.EmbeddingBag.from_pretrained(whole, freeze=False, mode="sum", padding_idx=len(vectors))
        self.inner, self.outer = nn.Linear(2 * WIDTH, LAYER), nn.Linear(LAYER, 1)

    def forward(self, passages: Sequence[Array]) -> torch.Tensor:
        """Log odds of passages, each given as slots, shape (3, words), with -1 for what is unknown."""
        ranges = [(i, a, min(a + SHORT, p.shape[1])) for i, p in enumerate(passages) for a in range(0, max(1, p.shape[1] - STEP), STEP)]
        owners = torch.tensor([i for i, _, _ in ranges])
        near = self._means([passages[i][:, a:b] for i, a, b in ranges])
        both = torch.cat([near, self._means(passages)[owners]], 1)
        scores = self.outer(torch.relu(self.inner(both)))[:, 0]
        return torch.full((len(passages),), -30.0).scatter_reduce(0, owners, scores, "amax")

    def _means(self, passages: Sequence[Array]) -> torch.Tensor:
        known = [p[p >= 0] for p in passages]
        starts = np.cumsum([0, *(len(k) for k in known[:-1])])
        sums = self.vectors(torch.from_numpy(np.concatenate(known)), torch.from_numpy(starts))
        return torch.as_tensor(sums / torch.tensor([float(p.shape[1]) for p in passages])[:, None])

    def frozen(self, checks: Array) -> WordVectors:
        """What the engine reads."""
        found = self.vectors.weight.detach().numpy()[:-1] * (checks > 0)[:, None]
        scale = np.quantile(np.abs(found[checks > 0]), 0.9995) / 127
        eight = np.clip(np.round(found / scale), -127, 127).astype(np.int8)
        inner, bias, outer, last = (
            np.array(one.detach().numpy(), order="C")
            for one in (self.inner.weight.T, self.inner.bias, self.outer.weight[0], self.outer.bias)
        )
        return WordVectors(eight, checks, np.array([scale], np.float32), inner, bias, outer, last, np.array(_PLAIN, np.float32))


def passage(rng: random.Random, sample: Sample, checks: Array) -> Array | None:
    """The slots of the words of a sample, shape (3, words): those around its order, if it has too many. None if it has hardly any."""
    found = words(sample.text)
    hashes = found.hashes[WITH_VECTORS]
    slots = slots_of(hashes).astype(np.int64)
    slots = np.where(checks[slots] == check_of(hashes), slots, -1)
    count = slots.shape[1]
    if count < 3:
        return None
    middle = rng.randrange(count)
    if sample.span:
        middle = int(np.searchsorted(found.starts, sum(sample.span) / 2)) + rng.randint(-8, 8)
    start = max(0, min(count - ZONE, middle - ZONE // 2))
    return slots[:, start : start + ZONE]


def fit(samples: Iterable[tuple[Sample, float]], vectors: Array, checks: Array, rng: random.Random, epochs: int) -> WordVectors:
    """Vectors and network, learnt from passages of samples, each with its weight."""
    judge = _Judge(vectors)
    made = [(p, float(sample.label), weight) for sample, weight in samples if (p := passage(rng, sample, checks)) is not None]
    layers = [*judge.inner.parameters(), *judge.outer.parameters()]
    optimizer = torch.optim.AdamW([{"params": layers, "lr": 2e-3}, {"params": [judge.vectors.weight], "lr": 7e-4, "weight_decay": 0.0}])
    drop, began = np.random.default_rng(rng.randrange(2**31)), time.time()
    for epoch in range(epochs):
        rng.shuffle(made)
        total = 0.0
        for start in range(0, len(made), 1024):
            batch = made[start : start + 1024]
            scores = judge([np.where(drop.random(p.shape[1]) < DROPPED, -1, p) for p, _, _ in batch])
            labels, weight = torch.tensor([label for _, label, _ in batch]), torch.tensor([w for *_, w in batch])
            loss = nn.functional.binary_cross_entropy_with_logits(scores, labels, weight=weight)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(batch)
        print(f"word vectors, epoch {epoch}: loss {total / len(made):.3f}, {time.time() - began:.0f} s", flush=True)
    return judge.frozen(checks)
