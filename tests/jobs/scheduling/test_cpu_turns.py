"""Turns and places, by what was granted and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from veritensor_ray.jobs.scheduling.cpu_turns import BEGIN, CALL, RESUME, CpuTurns, Places


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def quiet() -> None:
    """Let everybody who can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


class Queue:
    """Takers of turns, and the order in which they came."""

    def __init__(self, turns: CpuTurns) -> None:
        self.turns, self.came, self.tasks = turns, [], {}  # type: ignore[var-annotated]

    def ask(self, name: str, machine: str, urgency: int, cpus: float = 1) -> None:
        async def taken() -> float:
            given = await self.turns.take(machine, urgency, cpus)
            self.came.append(name)
            return given

        self.tasks[name] = asyncio.ensure_future(taken())


def test_models_go_first_then_what_is_open_then_what_begins() -> None:
    async def work() -> None:
        queue = Queue(CpuTurns({"a": 1}))
        queue.ask("first", "a", BEGIN)
        await quiet()
        for name, urgency in (("begin", BEGIN), ("resume", RESUME), ("call", CALL), ("second call", CALL)):
            queue.ask(name, "a", urgency)
        await quiet()
        for _ in range(4):
            queue.turns.give("a", 1)
            await quiet()
        assert queue.came == ["first", "call", "second call", "resume", "begin"]

    run(work())


@pytest.mark.parametrize(("cpus", "asked", "at_once"), [(4, 1, 4), (4, 2, 2), (4, 3, 1), (2, 8, 1), (2, 0, 9)])
def test_never_more_than_there_are(cpus: int, asked: float, at_once: int) -> None:
    async def work() -> None:
        queue = Queue(CpuTurns({"a": cpus}))
        for number in range(9):
            queue.ask(str(number), "a", CALL, asked)
        await quiet()
        assert len(queue.came) == at_once
        done = 0
        while done < 9:
            queue.turns.give("a", await queue.tasks[queue.came[done]])
            done += 1
            await quiet()
        assert len(queue.came) == 9
        assert queue.turns.free("a") == cpus

    run(work())


def test_nothing_less_urgent_slips_past_who_waits_for_much() -> None:
    async def work() -> None:
        queue = Queue(CpuTurns({"a": 2}))
        queue.ask("small", "a", BEGIN)
        await quiet()
        queue.ask("big", "a", CALL, 2)
        queue.ask("late", "a", BEGIN)
        await quiet()
        assert queue.came == ["small"]
        queue.turns.give("a", 1)
        await quiet()
        assert queue.came == ["small", "big"]

    run(work())


def test_who_gives_up_waiting_keeps_nothing() -> None:
    async def work() -> None:
        queue = Queue(CpuTurns({"a": 1}))
        for name in ("first", "gone", "gone just when it came", "last"):
            queue.ask(name, "a", CALL)
        await quiet()
        queue.tasks["gone"].cancel()
        await quiet()
        queue.turns.give("a", 1)
        queue.tasks["gone just when it came"].cancel()
        await quiet()
        assert queue.came == ["first", "last"]

    run(work())


def test_a_machine_that_is_lost_holds_nobody_up_and_one_that_comes_helps() -> None:
    async def work() -> None:
        turns = CpuTurns({"a": 1})
        queue, places = Queue(turns), Places(turns, {"a": 1})
        queue.ask("works", "a", BEGIN)
        queue.ask("waits", "a", RESUME)
        assert await places.take() == "a"
        waiting = asyncio.ensure_future(places.take())
        await quiet()
        turns.update({"b": 2})
        places.update({"b": 1})
        await quiet()
        assert queue.came == ["works", "waits"], "what it waited for will say that the machine is lost"
        assert await waiting == "b"
        turns.give("a", 1)
        places.give("a")
        assert turns.free("b") == 2
        assert places.count == 1
        queue.ask("late", "a", CALL)
        await quiet()
        assert queue.came[-1] == "late"

    run(work())


def test_the_loss_of_a_machine_is_told_to_who_works_there_and_to_who_comes_later() -> None:
    async def work() -> None:
        places = Places(CpuTurns({"a": 1, "b": 1}), {"a": 1, "b": 1})
        first, second, other = places.loss("a"), places.loss("a"), places.loss("b")
        places.update({"b": 1, "c": 1})
        assert [one.done() for one in (first, second, places.loss("a"), other, places.loss("c"))] == [True, True, True, False, False]

    run(work())


def test_a_place_is_taken_where_cpus_are_free() -> None:
    async def work() -> None:
        turns = CpuTurns({"a": 3, "b": 2})
        places = Places(turns, {"a": 9, "b": 9})
        await turns.take("a", CALL, 2)
        assert await places.take() == "b"
        assert await places.take(near="a") == "a"
        await turns.take("a", CALL)
        assert await places.take(near="a") == "b", "near counts while a CPU is free there"
        turns.give("a", 3)
        assert await places.take() == "a"

    run(work())


def test_who_waits_for_a_place_gets_the_next_one_in_turn() -> None:
    async def work() -> None:
        places = Places(CpuTurns({"a": 1}), {"a": 1})
        await places.take()
        first, gone, last = (asyncio.ensure_future(places.take()) for _ in range(3))
        await quiet()
        gone.cancel()
        places.give("a")
        await quiet()
        assert (first.done(), last.done()) == (True, False)
        places.give("a")
        await quiet()
        assert last.done()

    run(work())


@pytest.mark.parametrize(
    ("free", "waiting", "shares", "counted"), [(0, 3, True, 0), (1, 3, True, 1), (3, 2, True, 2), (0, 3, False, 3), (3, 0, True, 0)]
)
def test_waiting_counts_as_far_as_cpus_are_idle(free: int, waiting: int, shares: bool, counted: int) -> None:
    async def work() -> None:
        turns = CpuTurns({"a": 4})
        places = Places(turns, {}, shares)
        for _ in range(4 - free):
            await turns.take("a", CALL)
        takers = [asyncio.ensure_future(places.take()) for _ in range(waiting)]
        await quiet()
        places.forget()
        told: list[float] = []
        turns.told.append(lambda seconds, idle: told.append(seconds))
        for _ in range(3):
            await asyncio.sleep(0.001)
            turns.count()
        assert places.waited() == pytest.approx(counted * sum(told))
        for taker in takers:
            taker.cancel()

    run(work())
