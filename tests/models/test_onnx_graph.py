"""How many windows a graph computes at once. What is refused of a graph, the tests of the engines say that have one."""

from __future__ import annotations

import pytest

from veritensor_ray.config import Settings
from veritensor_ray.models.onnx_graph import windows_at_once


@pytest.mark.parametrize(
    ("address", "threads", "cpus", "expected"),
    [(None, 1, 4, 4), (None, 8, 4, 8), ("auto", 1, 4, 1), ("auto", 3, 4, 3)],
    ids=["a machine of one's own", "more are asked for", "a cluster", "more in a cluster"],
)
def test_windows_at_once_are_the_cpus_that_nobody_else_counts_on(
    monkeypatch: pytest.MonkeyPatch, address: str | None, threads: int, cpus: int, expected: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(cpus))
    settings = Settings.model_validate({"address": address, "resources": {"model_threads": threads}})
    assert windows_at_once(settings) == expected
