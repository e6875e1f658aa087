"""Stages of CPU time: what is measured, for how much it counts, and what is left out of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from veritensor_ray.corpus import stage_times
from veritensor_ray.corpus.stage_times import LARGE, StageTimes


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A process that has used as many CPU seconds as the only item says."""
    used = [0.0]
    monkeypatch.setattr(stage_times, "process_time", lambda: used[0])
    yield used


@pytest.mark.parametrize("count", [1, 16, 170, 1_700])
def test_the_files_that_are_measured_stand_for_all(count: int) -> None:
    times = StageTimes()
    weights = [times.weight(100) for _ in range(count)]
    assert sum(weights) == pytest.approx(count, abs=17)
    assert sum(map(bool, weights)) <= 16 + count / 17, "only a few ask for the time"


@pytest.mark.parametrize("period", [2, 3, 4, 8, 16])
def test_files_of_kinds_that_take_turns_are_measured_alike(period: int) -> None:
    times = StageTimes()
    by_kind = [0] * period
    for number in range(17 * period * 10):
        by_kind[number % period] += times.weight(100)
    assert max(by_kind) - min(by_kind) <= 34


def test_a_large_file_is_always_measured() -> None:
    times = StageTimes()
    assert {times.weight(LARGE) for _ in range(100)} == {1}


def test_what_happens_aside_is_no_part_of_the_stage_around_it(clock: list[float]) -> None:
    times = StageTimes()
    began = times.now()
    clock[0] = 3.0
    times.aside("reading", 1.0)
    times.add("signatures", began, 2)
    assert times.take() == {"reading": 1.0, "signatures": 4.0}
    assert times.take() == {}
    began = times.now()
    clock[0] = 3.5
    times.add("pii", began)
    assert times.take() == {"pii": 0.5}


def test_seconds_of_a_stage_add_up(clock: list[float]) -> None:
    times = StageTimes()
    for used, _ in zip(itertools.count(1), range(3), strict=False):
        began = times.now()
        clock[0] = float(used)
        times.add("pii", began)
    assert times.take() == {"pii": 3.0}
