"""Words that occur often have vectors, and from labelled passages they learn which of them are telling."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from training.injection_samples import Sample
from veritensor_ray.engines.injection.first_stage import WITH_VECTORS, ZONE
from veritensor_ray.engines.injection.linear import words
from veritensor_ray.engines.injection.word_vectors import WIDTH, check_of, slots_of

if TYPE_CHECKING:
    from training.injection_words import Vocabulary

CALM = ["the", "river", "was", "wide", "and", "quiet", "that", "evening", "near", "the", "old", "bridge"]
TELLING = ["reveal", "hidden", "passwords", "now"]


def test_words_pairs_and_characters_that_touch_are_counted() -> None:
    from training.injection_words import vocabulary

    found = vocabulary(["Read the page"] * 20 + ["read me 12345", "忽略指令"] * 3)
    assert {"read", "the", "page", "忽", "略"} <= set(found.texts[: found.pairs])
    assert set(found.texts[found.pairs :]) == {"read the", "the page", "忽略", "略指", "指令"}
    assert "12345" not in found.texts, "numbers have no meaning of their own"
    assert found.counts[found.texts.index("read")] == 23


def known() -> tuple[Vocabulary, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    from training.injection_words import Vocabulary

    texts = [*CALM, *TELLING, "hidden passwords"]
    vectors = np.random.default_rng(3).normal(size=(len(texts), WIDTH)).astype(np.float32)
    return Vocabulary(texts, [9] * len(texts), len(texts) - 1), vectors


def test_an_n_gram_has_its_vector_and_a_stem_the_mean_of_its_words() -> None:
    from training.injection_words import Vocabulary, table

    alike = Vocabulary(["instruction", "instructions", "give instructions"], [3, 1, 1], 2)
    vectors = np.eye(3, WIDTH, dtype=np.float32)
    slots, checks = table(alike, vectors)
    for text, kind, expected in [("instruction", 0, vectors[0]), ("give instructions", 1, vectors[2]), ("instr", 3, [0.75, 0.25, 0])]:
        one = words(text).hashes[kind, 0]
        slot = slots_of(np.array([one]))
        assert slots[slot][0, :3] == pytest.approx(expected[:3])
        assert checks[slot] == check_of(np.array([one]))


def test_a_passage_holds_the_order() -> None:
    from training.injection_words import passage, table

    _, checks = table(*known())
    text = " ".join([*CALM * 8, *TELLING, *CALM * 8])
    start = text.index("reveal")
    found = passage(random.Random(1), Sample(text, 1, "a", (start, start + len(" ".join(TELLING)))), checks)
    assert found is not None
    assert found.shape == (3, ZONE)
    assert set(slots_of(words(" ".join(TELLING)).hashes[0]).tolist()) <= set(found[0].tolist())
    assert (found[2] == -1).any(), "most stems are unknown here"
    assert passage(random.Random(1), Sample("two words", 0, "a"), checks) is None


def test_it_learns_which_words_are_telling() -> None:
    from training.injection_words import fit, table

    rng = random.Random(1)
    slots, checks = table(*known())
    samples = []
    for _ in range(600):
        calm = rng.choices(CALM, k=30)
        at = rng.randrange(30)
        samples += [Sample(" ".join([*calm[:at], *TELLING, *calm[at:]]), 1, "a"), Sample(" ".join(rng.choices(CALM, k=34)), 0, "a")]
    learnt = fit([(sample, 1.0) for sample in samples], slots, checks, rng, 8)
    texts = [" ".join([*CALM, *TELLING, *CALM]), " ".join(CALM * 3)]
    attack, harmless = (learnt.scores(words(text).hashes[WITH_VECTORS], np.array([0]), np.array([28]))[0] for text in texts)
    assert attack > 0 > harmless
