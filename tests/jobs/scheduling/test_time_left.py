"""The time left, as tables: what a run with this effort says while it proceeds at some speed. No clock is involved."""

from __future__ import annotations

from itertools import pairwise

import pytest

from veritensor_ray.jobs.scheduling.time_left import Pace


def series(
    effort: float, cpus: int, speed: float, waits: float = 0.0, steps: int = 50, stalls: tuple[float, float] = (0.0, 0.0)
) -> list[float]:
    """The time left in a run that takes `speed` times what its plan expects, and reads nothing for `waits` seconds.

    `stalls` is a share of the effort at which it stands still, and for how many seconds.
    """
    pace, shown, now = Pace(effort, cpus), [], 1000.0
    shown.append(pace.left(0.0, now))
    now += waits
    shown.append(pace.left(0.0, now))
    for step in range(1, steps + 1):
        now += speed * effort / cpus / steps
        shown.append(pace.left(effort * step / steps, now))
        if abs(step / steps - stalls[0]) < 1e-9:
            now += stalls[1]
            shown.append(pace.left(effort * step / steps, now))
    return shown


@pytest.mark.parametrize(
    ("effort", "cpus", "done", "seconds", "left"),
    [
        (100.0, 2, [], [], 50.0),  # nothing read yet: the plan's guess
        (100.0, 2, [0.0], [60.0], 50.0),  # loading models is not slow reading
        (100.0, 2, [10.0], [60.0], 45.0),  # and the first bytes say nothing about the speed
        (100.0, 2, [10.0, 40.0], [60.0, 75.0], 30.0),  # as expected
        (100.0, 2, [10.0, 40.0], [60.0, 90.0], 45.0),  # twice as slow, which half counts
        (100.0, 2, [10.0, 100.0], [60.0, 90.0], 0.0),
        (100.0, 2, [10.0, 120.0], [60.0, 90.0], 0.0),  # more than planned
        (0.0, 2, [0.0], [10.0], 0.0),
    ],
)
def test_the_time_left(effort: float, cpus: int, done: list[float], seconds: list[float], left: float) -> None:
    pace, shown = Pace(effort, cpus), effort / cpus
    for one, now in zip(done, seconds, strict=True):
        shown = pace.left(one, now)
    assert shown == pytest.approx(left)


@pytest.mark.parametrize(
    ("effort", "done", "committed", "left"),
    [
        (4.0, 0.0, 0, None),  # models may take longer to load than all of this
        (4.0, 3.9, 0, None),
        (400.0, 10.0, 0, 195.0),
        (400.0, 380.0, 0, None),
        (4.0, 3.9, 1, 2.0),  # never "0 s left" while something is
        (400.0, 380.0, 1, 10.0),
        (400.0, 400.0, 7, None),
    ],
)
def test_what_is_promised(effort: float, done: float, committed: int, left: float | None) -> None:
    assert Pace(effort, 2).promised(done, 60.0, committed, 7) == (left if left is None else pytest.approx(left))


@pytest.mark.parametrize("effort", [10.0, 100.0, 1000.0, 100_000.0])
@pytest.mark.parametrize("speed", [0.5, 1.0, 1.5, 2.0])
def test_it_does_not_rise_by_multiples(effort: float, speed: float) -> None:
    shown = series(effort, 2, speed, waits=20.0)
    worst = max(later / earlier for i, earlier in enumerate(shown) for later in shown[i:] if earlier > 1.0)
    assert worst <= max(1.01, speed)
    assert shown[-1] == 0.0


@pytest.mark.parametrize("speed", [0.25, 1.0, 4.0])
def test_what_is_measured_outweighs_the_guess(speed: float) -> None:
    """After half of a long run, the time left is right within a quarter, however wrong the guess was."""
    shown = series(4000.0, 4, speed, steps=100)
    assert shown[51] == pytest.approx(speed * 4000.0 / 4 / 2, rel=0.25)


def test_a_stall_makes_a_run_seem_slower_and_no_more() -> None:
    shown = series(100.0, 2, 1.0, stalls=(0.5, 20.0))
    assert max(later / earlier for earlier, later in pairwise(shown) if earlier > 1.0) < 2.0
