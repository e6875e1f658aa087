"""How many bytes of the plan have been read, whatever shards do, and which artifact has been read for the longest time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from veritensor_ray.corpus.planning import PlanRow, Shard
from veritensor_ray.jobs.run_reporting import Reading
from veritensor_ray.jobs.scheduling.shard_progress import RunningShards
from veritensor_ray.pipeline.reading_progress import Position

TOKEN = "ghp_" + "a1B2" * 9


def shard(number: int, **sizes: int) -> Shard:
    return Shard(number, [PlanRow(number, name, name.encode(), 0, size, None, None) for name, size in sizes.items()])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still; the test moves it."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("position", "read"),
    [
        (Position(), 0),
        (Position(0, 7), 7),
        (Position(0, 0, "signatures", 9, 10), 0),
        (Position(1, 5), 15),
        (Position(1, 5000), 30),
        (Position(2), 30),
    ],
)
def test_bytes_read_in_a_shard(position: Position, read: int) -> None:
    running, work = RunningShards(b"k"), shard(0, a=10, b=20)
    with running.shard(work) as progress:
        progress.begin(work.rows)
        progress.reached(position)
        assert running.read == read


@pytest.mark.parametrize(("at", "read"), [(0, 0), (400, 0), (500, 100), (600, 200), (1000, 200)])
def test_row_groups_are_open_as_a_whole_but_only_their_part_counts(at: int, read: int) -> None:
    row = PlanRow(0, "a.parquet", b"a", 0, 1000, None, None, part=2, parts=5, kind="rowgroups", start=4, end=6)
    running = RunningShards(b"k")
    with running.shard(Shard(0, [row])) as progress:
        progress.begin([row])
        progress.reached(Position(0, at))
        assert running.read == read


def test_a_shard_that_lands_counts_as_planned_and_a_lost_one_not_at_all() -> None:
    running, first, second = RunningShards(b"k"), shard(0, a=10, b=20), shard(1, c=40)
    with running.shard(first) as progress:
        progress.begin(first.rows)
        progress.reached(Position(1, 3))
        progress.committed()
    with pytest.raises(asyncio.CancelledError), running.shard(second) as progress:
        progress.begin(second.rows)
        progress.reached(Position(0, 30))
        assert running.read == 60
        raise asyncio.CancelledError
    assert replace(running.reading(), effort=0.0) == Reading(30, 0)


def test_a_pass_over_one_artifact_counts_those_before_it_and_a_repeated_one_begins_anew() -> None:
    running, work = RunningShards(b"k"), shard(0, a=10, b=20, c=30)
    with running.shard(work) as progress:
        progress.begin([work.rows[2]])
        progress.reached(Position(0, 5))
        assert running.read == 35
        progress.begin(work.rows)
        assert running.read == 0


def test_text_counts_once_the_models_have_read_it(clock: list[float]) -> None:
    async def work() -> None:
        running, one = RunningShards(b"k"), shard(0, a=100)
        calls: list[asyncio.Future[Any]] = [asyncio.get_running_loop().create_future() for _ in range(2)]
        with running.shard(one) as progress:
            progress.begin(one.rows)
            for call, share in zip(calls, (0.25, 1.0), strict=True):
                progress.handed(call, Position(0, 80), share)
            progress.reached(Position(1))
            assert replace(running.reading(), effort=0.0) == Reading(0, 1, "a", "models", 0, 100, 0.0)
            for call, read in zip(calls, (20, 100), strict=True):
                call.set_result(None)
                await asyncio.sleep(0)
                assert running.read == read
            assert replace(running.reading(), effort=0.0) == Reading(100, 1, "a", "reading", 100, 100, 0.0)

    asyncio.run(work())


def test_between_two_batches_nothing_jumps_ahead() -> None:
    async def work() -> None:
        running, one = RunningShards(b"k"), shard(0, a=100)
        call: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with running.shard(one) as progress:
            progress.begin(one.rows)
            progress.handed(call, Position(1), 0.25)
            call.set_result(None)
            await asyncio.sleep(0)
            assert running.read == 25

    asyncio.run(work())


def test_the_models_are_at_the_artifact_whose_text_they_have_reached(clock: list[float]) -> None:
    async def work() -> None:
        running, one = RunningShards(b"k"), shard(0, a=10, b=80, c=10)
        call: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        rest: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with running.shard(one) as progress:
            progress.begin(one.rows)
            clock[0] += 5
            progress.handed(call, Position(3), 0.5)
            progress.handed(rest, Position(3), 1.0)
            assert replace(running.reading(), effort=0.0) == Reading(0, 1, "a", "models", 0, 10, 5.0)
            call.set_result(None)
            await asyncio.sleep(0)
            clock[0] += 7
            assert replace(running.reading(), effort=0.0) == Reading(50, 1, "b", "models", 40, 80, 7.0)

    asyncio.run(work())


def test_the_artifact_that_takes_longest_is_named(clock: list[float]) -> None:
    running, slow, quick, waiting = RunningShards(b"k"), shard(0, slow=100), shard(1, one=10, two=10), shard(2, later=5)
    with running.shard(slow) as first, running.shard(quick) as second, running.shard(waiting) as third:
        first.begin(slow.rows)
        first.reached(Position(0, 40, "reading", 40, 100))
        clock[0] += 8
        second.begin(quick.rows)
        second.reached(Position(1, 2, "reading", 2, 10))
        clock[0] += 2
        assert replace(running.reading(), effort=0.0) == Reading(52, 3, "slow", "reading", 40, 100, 10.0)
        for progress in (first, second, third):
            progress.committed()
    assert replace(running.reading(), effort=0.0) == Reading(125, 0)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("docs/a.txt", lambda seen: seen == "docs/a.txt"),
        (f"docs/{TOKEN}.txt", lambda seen: TOKEN[8:] not in seen and seen.startswith("docs/gh")),
        ("token=hunter2hunter2.txt", lambda seen: "hunter2" not in seen),
    ],
)
def test_secrets_in_names_are_masked(name: str, shown: Callable[[str], bool]) -> None:
    running, work = RunningShards(b"k"), shard(0, a=10)
    work.rows[0] = replace(work.rows[0], artifact=name)
    with running.shard(work) as progress:
        progress.begin(work.rows)
        assert shown(running.reading().artifact)


def test_effort_is_spread_over_bytes_and_empty_files_count_too() -> None:
    running, work = RunningShards(b"k"), shard(0, none=0, a=1_000_000, empty=0, b=3_000_000)
    each = [row.effort for row in work.rows]
    assert each[3] > each[1] > each[2] > 0
    with running.shard(work) as progress:
        progress.begin(work.rows)
        seen = []
        for position in (Position(), Position(1), Position(1, 500_000), Position(3), Position(3, 1_500_000)):
            progress.reached(position)
            seen.append(running.effort)
        assert seen == pytest.approx([0.0, 0.0, each[0] + each[1] / 2, sum(each[:3]), sum(each[:3]) + each[3] / 2])
        progress.committed()
        assert running.effort == pytest.approx(sum(each))
    with pytest.raises(ValueError, match="lost"), running.shard(work) as progress:
        progress.begin(work.rows)
        progress.reached(Position(3))
        raise ValueError("lost")
    assert running.effort == pytest.approx(sum(each))
    assert running.reading().effort == running.effort


def test_a_shard_of_empty_files_takes_effort_too() -> None:
    running, work = RunningShards(b"k"), shard(0, a=0, b=0)
    with running.shard(work) as progress:
        progress.begin(work.rows)
        assert running.effort == 0.0
        progress.committed()
    assert running.effort == pytest.approx(sum(row.effort for row in work.rows))
