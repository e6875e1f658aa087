"""ONNX Runtime: the same score always, and what is wrong with a model is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engines.injection.building import random_ids, save_onnx
from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.injection.onnx_classifier import OnnxBackend
from veritensor_ray.models.model_store import ONNX

pytestmark = pytest.mark.slow

MANY = random_ids(*(3 + 7 * i % 60 for i in range(30)))


def test_scores_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    save_onnx(tmp_path)
    first, again, more = OnnxBackend(tmp_path, 1), OnnxBackend(tmp_path, 1), OnnxBackend(tmp_path, 2)
    scores = first.scores(MANY).tolist()
    assert len(set(scores)) > 20, "random weights tell these windows apart"
    assert again.scores(MANY[::-1]).tolist()[::-1] == scores
    assert more.scores(MANY).tolist() == scores
    assert first.scores([]).tolist() == []


def test_the_graph_in_the_test_is_one_whose_scores_would_depend_on_padding(tmp_path: Path) -> None:
    """Else no test here could tell."""
    backend = OnnxBackend(save_onnx(tmp_path), 1)
    assert backend.alone([*MANY[3], 0, 0, 0]) != backend.alone(MANY[3])


def edited(change: Callable[[Any], object]) -> Callable[[Path], object]:
    """The graph with something done to it."""

    def do(file: Path) -> None:
        import onnx

        model = onnx.load(file)
        change(model)
        onnx.save(model, file)

    return do


def elsewhere(file: Path) -> None:
    """Weights in a file beside."""
    import onnx

    onnx.save_model(onnx.load(file), file, save_as_external_data=True, location="weights.data", size_threshold=0)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "cannot be loaded: .*"),
        (lambda file: file.write_bytes(file.read_bytes()[:700]), "cannot be loaded: .*"),
        (lambda file: file.write_bytes(b""), "cannot be loaded: .*"),
        (lambda file: file.write_bytes(b"\x00" * 64), "cannot be loaded: .*"),
        (edited(lambda model: model.graph.initializer.pop()), "cannot be loaded: .*"),
        (edited(lambda model: setattr(model.graph.node[0], "op_type", "Nonsense")), "cannot be loaded: .*"),
        (edited(lambda model: setattr(model.graph.node[0], "domain", "com.stranger")), "cannot be loaded: .*"),
        (edited(lambda model: model.graph.output.pop()), "(cannot be loaded: |takes ).*"),
        (edited(lambda model: model.graph.output.extend([model.graph.input[0]])), "takes .* and returns .*, not input_ids and score"),
        (elsewhere, "stores weights in other files. Such models are not loaded"),
    ],
)
def test_a_damaged_model_is_refused(tmp_path: Path, damage: Callable[[Path], object], says: str) -> None:
    damage(save_onnx(tmp_path) / ONNX)
    with pytest.raises(ModelError, match=rf"{tmp_path}/model\.onnx {says}.*Reinstall the pinned model"):
        OnnxBackend(tmp_path, 1)


def test_tokens_that_the_weights_do_not_know_are_an_error(tmp_path: Path) -> None:
    backend = OnnxBackend(save_onnx(tmp_path), 1)
    with pytest.raises(ModelError, match=r"model\.onnx cannot be run: .*Reinstall the pinned model"):
        backend.scores([[1, 4_000, 2]])
    assert np.isfinite(backend.alone([1, 5, 2])), "the next window is scored as if nothing had been"
