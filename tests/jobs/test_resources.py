"""The arithmetic of resources, on numbers."""

from __future__ import annotations

from typing import Any

import pytest

from veritensor_ray.config import Settings
from veritensor_ray.errors import ResourceError
from veritensor_ray.jobs.resources import Slots, _fit

CLUSTER = {"address": "auto"}


@pytest.mark.parametrize(
    ("settings", "stages", "free", "expected"),
    [
        ({}, 1, {"CPU": 4}, Slots(3, 1, 1.0)),
        ({}, 0, {"CPU": 4}, Slots(4, 1, 1.0)),
        ({}, 1, {"CPU": 1}, Slots(1, 1, 0.0)),  # a laptop: actors and extraction share
        ({"resources": {"max_cpus": 2}}, 1, {"CPU": 8}, Slots(1, 1, 1.0)),
        ({"resources": {"max_cpus": 2, "model_actors": 2}}, 1, {"CPU": 8}, Slots(2, 2, 0.0)),
        (CLUSTER | {"resources": {"model_actors": 2, "model_cpus": 0}}, 1, {"CPU": 4}, Slots(3, 2, 0.01)),
        (CLUSTER | {"resources": {"model_actors": 4, "model_gpus": 1}}, 1, {"CPU": 8, "GPU": 4}, Slots(4, 4, 1.0)),
        (CLUSTER | {"resources": {"model_actors": 4, "model_gpus": 1, "max_gpus": 2}}, 1, {"CPU": 8, "GPU": 4}, Slots(6, 2, 1.0)),
        (CLUSTER | {"resources": {"model_actors": 4, "model_gpus": 0.25, "max_gpus": 0.5}}, 2, {"CPU": 8, "GPU": 4}, Slots(6, 1, 1.0)),
    ],
)
def test_what_fits(settings: dict[str, Any], stages: int, free: dict[str, float], expected: Slots) -> None:
    assert _fit(Settings.model_validate(settings), stages, free, free) == expected


@pytest.mark.parametrize(
    ("settings", "free", "says"),
    [
        ({"resources": {"cpus": 8}}, {"CPU": 4}, "8 extractions need 9 CPUs; 4 of 4 are free"),
        ({"resources": {"max_cpus": 0.5}}, {"CPU": 4}, "0.5 of 4 are free, 0.5 are allowed"),
        (CLUSTER, {"CPU": 1}, "need 2 CPUs; 1 of 1 are free. Wait for other jobs"),
        (CLUSTER | {"resources": {"model_gpus": 1}}, {"CPU": 4}, "1 model actors need 1 GPUs; 0 of 0 are free"),
        (CLUSTER | {"resources": {"model_gpus": 1, "max_gpus": 0.5}}, {"CPU": 4, "GPU": 2}, "0.5 of 2 are free, 0.5 are allowed"),
    ],
)
def test_what_does_not(settings: dict[str, Any], free: dict[str, float], says: str) -> None:
    with pytest.raises(ResourceError, match=says.replace(".", r"\.")):
        _fit(Settings.model_validate(settings), 1, free, free)
