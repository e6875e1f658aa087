"""What is trained is what runs, and what the teachers teach."""

from __future__ import annotations

import random

import numpy as np
import pytest

from training import pii_marked as texts
from training.pii_teachers import _verdict
from veritensor_ray.engines.pii.free_text.tagger import TAGS, TaggerNetwork
from veritensor_ray.engines.pii.free_text.word_features import SIZES, words


def test_the_network_that_runs_computes_what_was_trained() -> None:
    import torch

    from training.pii_network import GAP, Net, packed

    torch.manual_seed(3)
    net = Net().eval()
    some = [words(text).rows for text in ("Kay met Ünal O'Neill at 12 Main Street,\nSpringfield", "x", "to be or not to be " * 20)]
    rows, _, _ = packed([(r, np.zeros(r.shape[1], np.uint8), np.zeros(r.shape[1], np.float32)) for r in some])
    with torch.inference_mode():
        trained = torch.softmax(net(rows, (rows[0] != SIZES[0]).float()[None, None]), 1).numpy()
    running = TaggerNetwork(net.arrays())
    at = 0
    for one in some:
        size = one.shape[1]
        assert np.allclose(running.probabilities(one, np.zeros(size, np.int64)), trained[at : at + size], atol=0.02)
        at += size + GAP


def test_spans_become_tags_of_the_words_that_they_touch() -> None:
    text = "Dear Ms. Ann-Lee Fox, 1 High St."
    one = texts.marked(text, [(9, 20, "person"), (22, 31, "address"), (0, 4, "unknown")], "x")
    assert [TAGS[tag] for tag in one.tags] == ["O", "O", "B-person", "I-person", "I-person", "B-address", "I-address", "I-address"]


@pytest.mark.parametrize("named", [True, False])
def test_made_texts_have_a_tag_for_every_word(named: bool) -> None:
    if named:
        pytest.importorskip("faker")
        from training.pii_arranged import arranged as make
    else:
        from training.pii_marked import harmless as make
    rng = random.Random(1)
    found = list(make(rng))
    assert len(found) > 5000
    for one in rng.sample(found, 300):
        assert len(one.tags) == len(one.weights) == len(words(one.text).starts)
        assert one.tags.any() == named


def test_recased_texts_keep_their_tags() -> None:
    some = [texts.marked("Ann met Bo", [(0, 3, "person")], "x")] * 100
    found = list(texts.recased(random.Random(2), some))
    assert {one.text for one in found} == {"ann met bo", "ANN MET BO"}
    assert all((one.tags == some[0].tags).all() for one in found)


@pytest.mark.parametrize(
    ("tagger", "top", "spacy", "word", "street", "expected"),
    [
        ("person", 0.9, "PERSON", "Kay", False, ("person", 1.0)),
        ("", 0.0, "PERSON", "Kay", False, ("", 0.0)),  # one of two: teaches nothing
        ("person", 0.9, "", "Kay", False, ("", 0.1)),
        ("person", 0.4, "", "Kay", False, ("", 0.5)),
        ("person", 0.4, "", "kay", False, ("", 0.0)),  # spaCy knows names by their capitals
        ("organization", 0.9, "", "Acme", False, ("", 0.3)),
        ("person", 0.9, "", "ARISING", False, ("", 1.0)),
        ("person", 0.9, "ORG", "Kay", False, ("", 0.0)),
        ("organization", 0.8, "ORG", "Acme", False, ("organization", 1.0)),
        ("", 0.0, "GPE", "Rome", False, ("location", 0.5)),
        ("medical", 0.9, "", "fever", False, ("", 1.0)),  # clean text is about nobody's health
        ("address", 0.9, "", "12", True, ("address", 0.5)),
        ("address", 0.9, "", "530", False, ("", 0.7)),
        ("", 0.0, "", "word", False, ("", 1.0)),
    ],
)
def test_what_two_teachers_make_of_a_word(
    tagger: str, top: float, spacy: str, word: str, street: bool, expected: tuple[str, float]
) -> None:
    assert _verdict(tagger, top, spacy, word, street, None) == expected


@pytest.mark.parametrize(("word", "expected"), [("Gebiete", ("", 0.7)), ("usarás", ("", 0.7)), ("Anna", ("", 0.0))])
def test_in_other_languages_common_words_are_nobodys_names(word: str, expected: tuple[str, float]) -> None:
    assert _verdict("person", 0.9, "", word, False, frozenset({"gebiete"})) == expected
