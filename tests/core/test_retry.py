"""When what failed is tried again."""

from __future__ import annotations

import math
from collections.abc import Callable
from email.utils import formatdate

import pytest

from veritensor_ray.core import retry
from veritensor_ray.core.retry import Again, persistent, retry_after


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(retry, "time", made)
    monkeypatch.setattr("random.random", lambda: 0.5)
    return made


def failing(*faults: Exception) -> Callable[[], int]:
    """Work that raises one fault after the other, then gives their number."""
    left = list(faults)

    def work() -> int:
        if left:
            raise left.pop(0)
        return len(faults)

    return work


@pytest.mark.parametrize(
    ("waits", "slept"),
    [
        ([], []),
        ([None, None, None], [2.0, 4.0, 8.0]),
        ([7.0, None], [7.0, 4.0]),
        ([86_400.0], [retry.LONGEST_WAIT]),
        ([0.0], [0.0]),
    ],
)
def test_it_waits_longer_each_time_or_as_told(waits: list[float | None], slept: list[float], clock: Clock) -> None:
    work = failing(*(Again("busy", wait) for wait in waits))
    assert persistent(work, 3, 2.0, math.inf) == len(waits)
    assert clock.slept == slept


@pytest.mark.parametrize(("retries", "seconds", "slept"), [(0, math.inf, 0), (2, math.inf, 2), (9, 5.0, 1), (9, 0.0, 0)])
def test_the_last_fault_is_raised_when_tries_or_time_are_used_up(retries: int, seconds: float, slept: int, clock: Clock) -> None:
    work = failing(*(Again(f"busy {i}") for i in range(20)))
    with pytest.raises(Again, match=f"busy {slept}$"):
        persistent(work, retries, 2.0, clock.now + seconds)
    assert len(clock.slept) == slept


def test_other_faults_are_not_tried_again(clock: Clock) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        persistent(failing(ValueError("nonsense")), 3, 2.0, math.inf)
    assert clock.slept == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("", None), ("soon", None), ("120", 120.0), (" 5 ", 5.0), ("-5", None), (formatdate(1060), 60.0), (formatdate(10), 0.0)],
)
def test_retry_after(value: str | None, seconds: float | None, clock: Clock) -> None:
    assert retry_after(value) == seconds
