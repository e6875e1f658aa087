"""What is wrong with the description of a model is said before the model is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cases import each
from tests.engines.injection.building import save_model, sealed
from veritensor_ray.core.config import Settings, load_settings
from veritensor_ray.core.errors import ModelError, UsageError
from veritensor_ray.engines.injection import Injection
from veritensor_ray.engines.injection.described import described
from veritensor_ray.models.model_store import ONNX, Model, ModelStore

GOOD: dict[str, Any] = {"window_tokens": 32, "stride_tokens": 16, "thresholds": {"medium": 0.5, "high": 0.9}}
NAN = float("nan")


def test_a_model_without_a_linear_one_is_read_whole() -> None:
    found = described(Model("injection", Path("m"), "m", GOOD))
    assert (found.gate, found.mix, found.ceiling) == (None, (1.0, 0.0, 0.0), None)


@each(
    ("change", "where"),
    [
        ({"window_tokens": 0}, "window_tokens"),
        ({"window_tokens": "many"}, "window_tokens"),
        ({"stride_tokens": 0}, "stride_tokens"),
        ({"stride_tokens": 31}, "leaves out tokens"),
        ({"thresholds": {"medium": 0.5}}, "thresholds.high"),
        ({"thresholds": {"medium": 0, "high": 1}}, "thresholds.medium"),
        ({"thresholds": {"medium": 0.5, "high": NAN}}, "thresholds.high"),
        ({"thresholds": {"medium": 0.9, "high": 0.5}}, "below thresholds.medium"),
        ({"thresholds": {"low": 0.6, "medium": 0.5, "high": 0.9}}, "below thresholds.low"),
        ({"thresholds": "high"}, "thresholds"),
        ({"gate": NAN}, "gate"),
        ({"gate": "low"}, "gate"),
        ({"mix": ["a"]}, "mix"),
        ({"mix": [-1, 0, 0]}, "mix.1"),
        ({"ceiling": float("inf")}, "ceiling"),
    ],
)
def test_what_cannot_be_used_is_named(change: dict[str, Any], where: str) -> None:
    with pytest.raises(ModelError, match=f"calibration.json of m cannot be used: .*{where}.*Reinstall the pinned model"):
        described(Model("injection", Path("m"), "m", GOOD | change))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "cannot be read"),
        ("[]", "cannot be read: it is not a mapping"),
        ("[" * 100_000, "cannot be read"),
        ("\ufeff{}", "cannot be read"),
    ],
    ids=["empty", "a list", "too deep", "with a mark"],
)
def test_a_calibration_that_is_no_json_is_named(tmp_path: Path, content: str, says: str) -> None:
    home = save_model(tmp_path, ONNX)
    (home / "injection/calibration.json").write_text(content)
    sealed(home)
    with pytest.raises(ModelError, match=rf"calibration.json {says}"):
        ModelStore("embedded", home).model("injection")


@pytest.mark.slow
def test_a_gate_that_lets_nothing_through_fails_the_self_test(tmp_path: Path) -> None:
    home = save_model(tmp_path, ONNX)
    path = home / "injection/calibration.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"gate": 99.0}))
    sealed(home)
    with pytest.raises(ModelError, match="its first stage misses an attack"):
        Injection(Settings()).load(ModelStore("embedded", home))


@pytest.mark.parametrize(("higher", "lower"), [("high", "medium"), ("medium", "low"), ("high", "low")])
def test_thresholds_out_of_order_are_refused(higher: str, lower: str) -> None:
    with pytest.raises(
        UsageError,
        match=rf"^configuration key injection: {higher} \(0.3\) is below {lower} \(0.9\); every finding of severity {higher} also counts as {lower}$",
    ):
        load_settings(flags={"injection": {lower: 0.9, higher: 0.3}}, environ={})
