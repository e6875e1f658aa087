"""The word tagger: where its verdicts lie, and that they depend on the text alone. The weights are drawn by chance."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.cases import each
from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.pii.free_text import tagger as module
from veritensor_ray.engines.pii.free_text.tagger import DILATIONS, KINDS, TAGS, Tagged, Tagger, TaggerNetwork, Verge, verges_of
from veritensor_ray.engines.pii.free_text.word_features import SIZES

TEXTS = [
    "Please send it to Maria Schneider, 12 Main Street.\nKay\nPeggy Banczak said so.",
    "",
    " \n ",
    "x",
    "𝐀 naïve Ünal — 😀 and Zoë,\r\nJörg",
    "one two three four five six seven eight nine ten " * 30,
]


def arrays(seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    widths = (8, *[12] * len(DILATIONS))
    found = {f"table.{i}": rng.integers(-127, 127, (size, 8)).astype(np.int8) for i, size in enumerate(SIZES)}
    found["scales"] = np.full(len(SIZES), 0.01, np.float32)
    for i, width in enumerate(widths[:-1]):
        found[f"layer.{i}.weight"] = rng.normal(0, 0.3, (3, width, 12)).astype(np.float16)
        found[f"layer.{i}.bias"] = np.zeros(12, np.float32)
    found["out.weight"] = rng.normal(0, 0.5, (12, len(TAGS))).astype(np.float16)
    found["out.bias"] = np.zeros(len(TAGS), np.float32)
    return found


def make(low: float = 0.3, high: float = 0.6, window: int = 48, settles: bool = True) -> Tagger:
    return Tagger(TaggerNetwork(arrays()), {kind: Verge(low, high) for kind in KINDS[:4]}, window, settles)


def test_a_verdict_depends_on_no_other_text() -> None:
    tagger = make()
    assert sum(len(one.settled) for one in tagger.read(TEXTS)) > 5
    assert tagger.read(TEXTS) == [tagger.read([text])[0] for text in TEXTS]


def test_blocks_and_cuts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make().read(TEXTS)
    monkeypatch.setattr(module, "_BLOCK", 17)
    assert make().read(TEXTS) == whole


@pytest.mark.parametrize("block", [7, 17, 2048])
def test_no_word_sees_another_text(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    lengths = [1, 2, 9, 1, 3, 4, 5, 6, 7, 2, 6, 30]
    rows = np.random.default_rng(2).integers(0, min(SIZES), (len(SIZES), sum(lengths)), dtype=np.uint32)
    network = TaggerNetwork(arrays())
    together = network.probabilities(rows, np.repeat(np.array([2, 3, 5, 6, 7, 8, 9, 10, 11, 20, 21, 22]), lengths))
    ends = np.cumsum(lengths)
    alone = [network.probabilities(rows[:, end - size : end], np.zeros(size, np.int64)) for end, size in zip(ends, lengths, strict=True)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-6)


def test_a_long_text_is_cut_at_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 120)
    monkeypatch.setattr("veritensor_ray.engines.word_forms.AT_ONCE", 120)
    text = "\n".join(TEXTS[0].replace("\n", " ") for _ in range(5))
    assert [part for _, part in module._cut("ab\ncd" * 60)] != []
    assert "".join(part for _, part in module._cut(text)) == text
    assert all(text[start : start + len(part)] == part and len(part) < 120 for start, part in module._cut(text))
    found = make().read([text])[0]
    assert found.settled
    assert all(0 <= one.start < one.end <= len(text) for one in found.settled)


def test_settled_spans_begin_and_end_at_words() -> None:
    for text, found in zip(TEXTS, make().read(TEXTS), strict=True):
        for one in found.settled:
            assert text[one.start : one.end] == text[one.start : one.end].strip()
            assert one.rule in KINDS[:4]
            assert 0.5 <= one.score <= 1


def test_a_name_ends_with_its_line_and_an_address_does_not() -> None:
    found = [one for text in TEXTS for one in make(0.01, 0.01).read([text])[0].settled if "\n" in text[one.start : one.end]]
    assert {one.rule for one in found} <= {"address"}


def test_what_is_not_settled_is_a_passage_around_its_doubts() -> None:
    sure, doubting = make(0.3, 0.6), make(0.3, 0.6, settles=False)
    for text in TEXTS:
        settled, (found,) = sure.read([text])[0].settled, doubting.read([text])
        assert found.settled == ()
        doubts = [doubt for passage in found.unclear for doubt in passage.doubts]
        assert all(any(a <= one.start and one.end <= b for a, b in doubts) for one in settled)
        for passage in found.unclear:
            assert all(passage.start <= a < b <= passage.end for a, b in passage.doubts)
            assert len(text[passage.start : passage.end].split()) <= 48


def test_nothing_is_looked_for_without_verges() -> None:
    assert Tagger(TaggerNetwork(arrays()), {}, 48).read(TEXTS) == [Tagged()] * len(TEXTS)


def test_in_clinical_text_every_suspicion_of_a_diagnosis_is_a_doubt() -> None:
    """Also in its own text alone, whatever stands beside it."""
    tagger = Tagger.embedded(48, True, {})
    symptom = "There was some coughing since."
    clinical = f"The patient has hypertension and type 2 diabetes mellitus. {symptom}"
    alone, *_, among = tagger.read([symptom, "The patient has hypertension, asthma and diabetes.", clinical])
    assert _doubted(symptom, alone) == []
    assert _doubted(clinical, among) == ["coughing"]


def _doubted(text: str, found: Tagged) -> list[str]:
    return [text[start:end] for passage in found.unclear for start, end in passage.doubts]


GOOD = {kind: [0.4, 0.9] for kind in KINDS[:-1]}


def test_bounds_are_raised_to_the_threshold_of_a_user() -> None:
    assert verges_of({"tagger": GOOD}, {"person": 0.95})["person"] == Verge(0.4, 0.95)


@each(
    "bounds",
    [
        None,
        {},
        [],
        "x",
        {"person": [0.4, 0.9]},
        *(GOOD | {"person": wrong} for wrong in (0.5, [0.5], [0.9, 0.4], [math.nan] * 2, [0.4, "x"])),
    ],
)
def test_a_calibration_without_bounds_is_no_empty_one(bounds: object) -> None:
    with pytest.raises(ModelError, match="limits for the tagger"):
        verges_of({"tagger": bounds}, {})


def test_a_file_of_weights_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "tagger.safetensors"
    good = arrays()
    save_file(good, path)
    assert TaggerNetwork.load(path).probabilities(np.zeros((5, 3), np.uint32), np.array([0, 1, 1])).shape == (3, len(TAGS))
    for name, value in {
        "out.bias": np.full(len(TAGS), np.nan, np.float32),
        "table.0": good["table.0"][:-1],
        "out.weight": np.ascontiguousarray(good["out.weight"][:, :-1]),
        "layer.1.weight": np.ascontiguousarray(good["layer.1.weight"][:2]),
        "layer.2.bias": good["layer.2.bias"][:-1],
        "table.2": np.ascontiguousarray(good["table.2"][:, :-1]),
    }.items():
        save_file(good | {name: value}, path)
        with pytest.raises(ModelError, match="Reinstall"):
            TaggerNetwork.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be loaded"):
        TaggerNetwork.load(path)


def test_what_is_remembered_is_bounded_by_texts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 5000)
    tagger = make()
    for start in range(0, 400, 20):
        tagger.read([f"cell {n}" for n in range(start, start + 20)])
        assert len(tagger._known) <= 5000 / module._ENTRY
