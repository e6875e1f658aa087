"""A GLiNER model run by PyTorch, with a tiny model of random weights: it loads, reads, repeats itself, and fails its self-test."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests.engines.mapped import mapped_share
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.pii.free_text.gliner_torch import GlinerTorch
from veritensor_ray.engines.pii.free_text.passages_read import FreeText, _by_line
from veritensor_ray.engines.pii.joining import PiiSpan
from veritensor_ray.models.model_store import Model

pytestmark = pytest.mark.slow

CALIBRATION = {"labels": {"person": "person", "address": "street address"}, "thresholds": {"default": 0.3}, "window_words": 20}
TEXTS = ["Maria went home.", "x", "a longer text with words " * 4, "Maria went home."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with weights, configuration and tokenizer; its backbone is gone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gliner import GLiNER, GLiNERConfig
        from transformers import BertConfig, BertModel, BertTokenizerFast

        base = tmp_path_factory.mktemp("backbone")
        letters = [chr(code) for code in range(33, 127)]
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
        (base / "vocab.txt").write_text("\n".join(words))
        BertTokenizerFast(vocab_file=str(base / "vocab.txt")).save_pretrained(base)
        BertModel(
            BertConfig(vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
        ).save_pretrained(base)
        config = GLiNERConfig(model_name=str(base), span_mode="token_level", hidden_size=32, num_rnn_layers=1, max_len=64)
        target = tmp_path_factory.mktemp("model")
        GLiNER.from_config(config, backbone_from_pretrained=True).save_pretrained(target, safe_serialization=True)
        for file in base.iterdir():
            file.unlink()
    return target


def test_a_model_that_knows_nothing_fails_its_self_test(folder: Path) -> None:
    with pytest.raises(ModelError, match="fails its self-test"):
        FreeText(Model("pii", folder, "tiny", {**CALIBRATION, "thresholds": {"default": 0.99}}), Settings())


def test_reads_in_order_and_repeats_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FreeText, "_self_test", lambda *_: None)
    reader = FreeText(Model("pii", folder, "tiny", CALIBRATION), Settings())
    first = reader.read(TEXTS)
    again = FreeText(Model("pii", folder, "tiny", CALIBRATION), Settings()).read(TEXTS)
    assert [[(f.rule, f.start, f.end) for f in found] for found in first] == [[(f.rule, f.start, f.end) for f in found] for found in again]
    monkeypatch.setattr(GlinerTorch, "_forward", None)
    assert reader.read(TEXTS) == first, "equal texts are read once"
    assert [(f.rule, f.start, f.end) for f in first[0]] == [(f.rule, f.start, f.end) for f in first[3]]
    assert all(
        f.rule in ("person", "address") and 0 <= f.start < f.end <= len(text)
        for found, text in zip(first, TEXTS, strict=True)
        for f in found
    )
    assert reader.read([]) == []


@pytest.mark.parametrize("gone", ["model.safetensors", "gliner_config.json"])
def test_a_broken_folder_is_a_model_error(folder: Path, tmp_path: Path, gone: str) -> None:
    for file in folder.iterdir():
        if file.name != gone:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="cannot be loaded"):
        FreeText(Model("pii", tmp_path, "tiny", CALIBRATION), Settings())


@pytest.mark.parametrize(
    ("rule", "text", "found"),
    [
        ("person", "Kay\n\nPeggy Banczak", ["Kay", "Peggy Banczak"]),
        ("person", "Maria Schneider", ["Maria Schneider"]),
        ("address", "12 Main Street\nSpringfield, IL 62701", ["12 Main Street\nSpringfield, IL 62701"]),
        ("address", "4 Pine Drive, Leeds\n77 Mill Road, York", ["4 Pine Drive, Leeds", "77 Mill Road, York"]),
        ("address", "5 Rue X\nParis\n75001", ["5 Rue X\nParis\n75001"]),
    ],
)
def test_names_end_with_their_line(rule: str, text: str, found: list[str]) -> None:
    assert [text[one.start : one.end] for one in _by_line(text, PiiSpan(rule, 0, len(text), 0.9))] == found


def test_all_actors_of_a_node_share_one_set_of_weights(folder: Path) -> None:
    network = GlinerTorch(folder, ["person"], 4096, 1)._model.model
    assert mapped_share(network, folder / "model.safetensors") > 0.99
