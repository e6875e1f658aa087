"""Machines that come and go, by what turns, extractions and actors there are then; the pools are real, and start nothing here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.engines.base import Engine
from veritensor_ray.engines.registry import create
from veritensor_ray.jobs.cluster.claim import Claim
from veritensor_ray.jobs.cluster.machines import Machines
from veritensor_ray.jobs.cluster.slots import Machine, fit
from veritensor_ray.jobs.scheduling.actor_pool import Pool
from veritensor_ray.jobs.scheduling.cpu_turns import CpuTurns, Places

A, B, C = Machine("a", 2), Machine("b", 4), Machine("c", 1)
BUSY = Machine("a", 0)  # as it looks while this run has its CPUs
CARDS = Machine("cards", 8, 2)


@pytest.fixture(scope="module")
def engines() -> Sequence[Engine]:
    settings = Settings.model_validate({"plugins": ["veritensor_ray.testing:ObedientModel"], "engines": ["fake-model"]})
    return create(settings, ("fake-model",))


@pytest.mark.parametrize(
    ("given", "first", "then", "turns", "extractions", "actors"),
    [
        ({}, [A], [BUSY], {"a": 2}, 2, 2),  # nothing changed: what is not free is this run's own
        ({}, [A], [BUSY, B], {"a": 2, "b": 4}, 6, 6),
        ({}, [A, B], [BUSY], {"a": 2}, 2, 2),
        ({}, [A, B], [BUSY, C], {"a": 2, "c": 1}, 3, 3),
        ({}, [A], [], {}, 0, 0),
        ({"max_cpus": 2}, [A], [BUSY, B], {"a": 1, "b": 1}, 2, 2),
        ({"model_actors": 3}, [A, B], [B], {"b": 4}, 4, 3),
        ({"cpus": 5}, [A, B], [B], {"b": 4}, 3, 4),  # fewer than were asked for, rather than an end: b had three of the five
        ({"model_gpus": 1}, [A, CARDS], [BUSY], {"a": 2}, 2, 0),  # without a card what is left waits for one
        ({"model_gpus": 1}, [A, CARDS], [BUSY, CARDS, B], {"a": 2, "cards": 6, "b": 4}, 12, 2),
    ],
)
def test_the_work_is_divided_anew(
    given: dict[str, Any],
    first: list[Machine],
    then: list[Machine],
    turns: dict[str, float],
    extractions: int,
    actors: int,
    engines: Sequence[Engine],
) -> None:
    async def work() -> None:
        settings = Settings.model_validate({"resources": given})
        slots = fit(settings, 1, first)
        desk = CpuTurns({one.machine: one.cpus for one in slots.shares})
        places = Places(desk, {one.machine: one.extract for one in slots.shares})
        pool = Pool(
            None, engines, desk, {one.machine: one.actors[0] for one in slots.shares}, slots.call_cpus, settings.resources.model_gpus
        )
        machines = Machines(settings, first, slots, desk, places, [pool], Claim(settings.resources))
        machines.follow(then)
        assert {name: desk.free(name) for name in "abc" if desk.free(name) >= 0} == {k: v for k, v in turns.items() if k in "abc"}
        assert places.count == extractions
        assert pool.size == actors
        machines.follow(first)
        assert (places.count, pool.size) == (slots.extract, slots.actors), "and back again"

    asyncio.run(work())
