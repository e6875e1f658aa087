"""Languages are recognized by their commonest words, and only the gate for those passages changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engines.injection.building import first_stage
from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.injection.first_stage import FirstStage
from veritensor_ray.engines.injection.languages import Languages
from veritensor_ray.engines.injection.linear import words

COMMON = {"de": "der die und nicht das ist", "en": "the and of not that is", "zh": "的一是不了"}
GERMAN, ENGLISH, CHINESE = "Das ist der Garten und nicht die Straße.", "That is the garden and not the road.", "这是一个花园，不是路。"


def languages(**ease: float) -> Languages:
    found = {word: code for code, known in COMMON.items() for word in words(known).hashes[0].tolist()}
    codes = list(COMMON)
    hashes = np.array(sorted(found), np.uint32)
    return Languages(
        hashes,
        np.array([codes.index(found[word]) for word in hashes.tolist()], np.uint8),
        np.array([ease.get(code, 0.0) for code in codes], np.float32),
        np.frombuffer("".join(codes).encode(), np.uint8).reshape(-1, 2),
    )


def eased(**ease: float) -> FirstStage:
    return replace(first_stage({"passwort": 30.0}, bias=-1.0), languages=languages(**ease))


@pytest.mark.parametrize(
    ("text", "added"),
    [
        (GERMAN, 1.5),
        (GERMAN.upper(), 1.5),
        (CHINESE, 2.0),
        (ENGLISH, 0.0),
        (f"{ENGLISH} {GERMAN} {GERMAN}", 1.5),
        (f"{ENGLISH} {ENGLISH} {GERMAN}", 0.0),
        ("der die", 0.0),  # too few to tell
        ("x = foo(bar)", 0.0),
        ("", 0.0),
    ],
)
def test_scores_are_eased_in_the_language_of_a_text(text: str, added: float) -> None:
    [score], [plain] = (model.scores([text]) for model in (eased(de=1.5, zh=2.0), replace(eased(), languages=None)))
    assert score == pytest.approx(plain + added)


def test_what_stands_beside_a_text_does_not_change_its_language() -> None:
    texts = [GERMAN, "", ENGLISH, "...", CHINESE * 3, GERMAN * 50]
    model = eased(de=1.5, zh=2.0)
    assert model.scores(texts).tolist() == pytest.approx([model.scores([text])[0] for text in texts])


def test_only_passages_in_that_language_are_eased() -> None:
    text = ENGLISH * 20 + GERMAN * 8 + ENGLISH * 20
    assert list(eased().zones([text], 0.0)) == []
    [(row, start, end)] = eased(de=1.5).zones(["...", text], 0.0)
    assert row == 1
    assert GERMAN * 8 in text[start:end]
    assert end - start < len(text) / 2


def test_they_are_saved_with_the_first_stage(tmp_path: Path) -> None:
    model = eased(de=1.5)
    model.save(tmp_path)
    loaded = FirstStage.load(tmp_path)
    assert loaded
    assert loaded.scores([GERMAN, ENGLISH]).tolist() == model.scores([GERMAN, ENGLISH]).tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"hashes": np.array([3, 1], np.uint32), "spoken": np.array([0, 0], np.uint8)},
        {"hashes": np.zeros(0, np.uint32), "spoken": np.zeros(0, np.uint8)},
        {"spoken": np.array([9], np.uint8)},
        {"ease": np.array([0.0, np.nan, 0.0], np.float32)},
        {"ease": np.zeros(3)},
        {"codes": np.zeros((1, 2), np.uint8)},
    ],
    ids=["not sorted", "empty", "of another length", "not a number", "of another type", "too few codes"],
)
def test_a_damaged_file_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "languages.safetensors"
    replace(languages(), **change).save(path)
    with pytest.raises(
        ModelError, match=r"languages.safetensors does not contain the common words of languages. Reinstall the pinned model"
    ):
        Languages.load(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(ModelError, match=r"languages.safetensors cannot be loaded: .* Reinstall the pinned model"):
        Languages.load(path)
