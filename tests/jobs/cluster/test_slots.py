"""The arithmetic of resources, on numbers: what it comes to, what it says, and that nothing starves whatever the mixture."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ResourceError
from veritensor_ray.jobs.cluster.slots import Allotment, Machine, Slots, _spread, described, fit


def laptop(cpus: float, gpus: float = 0, gigabytes: float = 1000) -> list[Machine]:
    return [Machine("m", cpus, gpus, gigabytes * 1e9)]


def shared(*numbers: Any) -> tuple[Allotment, ...]:
    return (Allotment("m", *numbers),)


@pytest.mark.parametrize(
    ("resources", "stages", "machine", "expected", "says"),
    [
        ({}, 1, laptop(1), Slots(shared(1, 1, (1,))), "1 CPU, shared by up to 1 extraction and 1 model actor as work arrives"),
        ({}, 1, laptop(2), Slots(shared(2, 2, (2,))), "2 CPUs, shared by up to 2 extractions and 2 model actors as work arrives"),
        ({}, 1, laptop(64), Slots(shared(64, 64, (64,))), "64 CPUs, shared by up to 64 extractions and 64 model actors as work arrives"),
        ({}, 0, laptop(4), Slots(shared(4, 4, ())), "4 CPUs: up to 4 extractions at once"),
        ({}, 3, laptop(4), Slots(shared(4, 4, (4, 4, 4))), "4 CPUs, shared by up to 4 extractions and 12 model actors as work arrives"),
        (
            {"max_cpus": 2},
            1,
            laptop(8),
            Slots(shared(2, 2, (2,))),
            "2 CPUs, shared by up to 2 extractions and 2 model actors as work arrives",
        ),
        (
            {"max_cpus": 2.5},
            1,
            laptop(8),
            Slots(shared(2, 2, (2,))),
            "2 CPUs, shared by up to 2 extractions and 2 model actors as work arrives",
        ),
        (
            {"model_actors": 3},
            1,
            laptop(2),
            Slots(shared(2, 2, (3,))),
            "2 CPUs, shared by up to 2 extractions and 3 model actors as work arrives",
        ),
        (
            {"model_actors": 1},
            1,
            laptop(8),
            Slots(shared(8, 8, (1,))),
            "8 CPUs, shared by up to 8 extractions and 1 model actor as work arrives",
        ),
        ({"cpus": 2}, 1, laptop(8), Slots(shared(8, 2, (8,))), "8 CPUs, shared by up to 2 extractions and 8 model actors as work arrives"),
        (
            {"model_cpus": 4},
            1,
            laptop(9),
            Slots(shared(9, 9, (2,)), 4),
            "9 CPUs, shared by up to 9 extractions and 2 model actors as work arrives",
        ),
        (
            {"model_cpus": 0},
            1,
            laptop(2),
            Slots(shared(2, 2, (2,)), 0),
            "2 CPUs, shared by up to 2 extractions and 2 model actors as work arrives",
        ),
        # memory: pairs of an extraction and an actor of each stage, rather than many of one kind
        (
            {},
            1,
            laptop(64, gigabytes=11),
            Slots(shared(64, 10, (10,))),
            "64 CPUs, shared by up to 10 extractions and 10 model actors as work arrives",
        ),
        ({}, 0, laptop(64, gigabytes=4), Slots(shared(64, 10, ())), "64 CPUs: up to 10 extractions at once"),
        # GPUs: actors have CPUs to themselves, and an extraction has one at least
        (
            {"model_gpus": 1},
            1,
            laptop(16, 8),
            Slots(shared(8, 8, (8,)), 0),
            "8 CPUs: up to 8 extractions at once, alongside 8 model actors on GPUs",
        ),
        (
            {"model_gpus": 1},
            1,
            laptop(8, 8),
            Slots(shared(1, 1, (8,)), 0),
            "1 CPU: up to 1 extraction at once, alongside 8 model actors on GPUs",
        ),
        (
            {"model_gpus": 0.25},
            1,
            laptop(16, 1),
            Slots(shared(12, 12, (4,)), 0),
            "12 CPUs: up to 12 extractions at once, alongside 4 model actors on GPUs",
        ),
        (
            {"model_gpus": 0.4},
            1,
            laptop(16, 2),
            Slots(shared(12, 12, (4,)), 0),
            "12 CPUs: up to 12 extractions at once, alongside 4 model actors on GPUs",
        ),
        (
            {"model_gpus": 0.25},
            3,
            laptop(16, 1),
            Slots(shared(13, 13, (1, 1, 1)), 0),
            "13 CPUs: up to 13 extractions at once, alongside 3 model actors on GPUs",
        ),
        (
            {"model_gpus": 2},
            1,
            laptop(16, 8),
            Slots(shared(12, 12, (4,)), 0),
            "12 CPUs: up to 12 extractions at once, alongside 4 model actors on GPUs",
        ),
        (
            {"model_gpus": 1, "max_gpus": 2},
            1,
            laptop(16, 8),
            Slots(shared(14, 14, (2,)), 0),
            "14 CPUs: up to 14 extractions at once, alongside 2 model actors on GPUs",
        ),
        (
            {"model_gpus": 1, "model_actors": 4, "max_gpus": 2},
            1,
            laptop(16, 8),
            Slots(shared(14, 14, (2,)), 0),
            "14 CPUs: up to 14 extractions at once, alongside 2 model actors on GPUs",
        ),
        (
            {"model_gpus": 0.25, "model_actors": 4, "max_gpus": 0.5},
            2,
            laptop(8, 4),
            Slots(shared(6, 6, (1, 1)), 0),
            "6 CPUs: up to 6 extractions at once, alongside 2 model actors on GPUs",
        ),
        # clusters: a head without CPUs does nothing, and what is asked for is spread
        (
            {},
            1,
            [Machine("head", 0), Machine("a", 4), Machine("b", 2)],
            Slots((Allotment("a", 4, 4, (4,)), Allotment("b", 2, 2, (2,)))),
            "6 CPUs on 2 machines, shared by up to 6 extractions and 6 model actors as work arrives",
        ),
        (
            {"max_cpus": 3, "model_actors": 3},
            1,
            [Machine("a", 4), Machine("b", 4)],
            Slots((Allotment("a", 2, 2, (2,)), Allotment("b", 1, 1, (1,)))),
            "3 CPUs on 2 machines, shared by up to 3 extractions and 3 model actors as work arrives",
        ),
        (
            {"model_gpus": 1},
            1,
            [Machine("cards", 4, 2), Machine("plain", 8)],
            Slots((Allotment("cards", 2, 2, (2,)), Allotment("plain", 8, 8, (0,))), 0),
            "10 CPUs on 2 machines: up to 10 extractions at once, alongside 2 model actors on GPUs",
        ),
        (
            {"model_gpus": 1},
            2,
            [Machine("a", 4, 1), Machine("b", 4, 1)],
            Slots((Allotment("a", 3, 3, (1, 0)), Allotment("b", 3, 3, (0, 1))), 0),
            "6 CPUs on 2 machines: up to 6 extractions at once, alongside 2 model actors on GPUs",
        ),
    ],
)
def test_what_fits(resources: dict[str, Any], stages: int, machine: list[Machine], expected: Slots, says: str) -> None:
    slots = fit(Settings.model_validate({"resources": resources}), stages, machine)
    assert slots == expected
    assert described(slots, stages, resources.get("model_gpus", 0) > 0) == says


@pytest.mark.parametrize(
    ("resources", "machine", "says"),
    [
        ({"cpus": 8}, laptop(4), "8 extractions need 8 CPUs; 4 are free. Wait for other jobs"),
        ({"max_cpus": 0.5}, laptop(4), "1 extraction needs 1 CPU; 4 are free, 0.5 are allowed"),
        ({}, laptop(0), "1 extraction needs 1 CPU; 0 are free"),
        ({}, laptop(0.5), "1 extraction needs 1 CPU; 0.5 are free"),
        ({}, [], "1 extraction needs 1 CPU; 0 are free"),
        ({}, laptop(4, gigabytes=1), "a worker with its model actors needs about 1.1 GB of memory, but only 1.0 GB are free"),
        (
            {"model_actors": 20},
            laptop(4, gigabytes=10),
            "4 extractions and 20 model actors need about 15.6 GB of memory, but only 10.0 GB are free",
        ),
        ({"model_gpus": 1}, laptop(4), "1 model actor with 1 GPUs each need 1; 0 are free"),
        ({"model_gpus": 1, "model_actors": 3}, laptop(4, 2), "3 model actors with 1 GPUs each need 3; 2 are free"),
        ({"model_gpus": 1, "max_gpus": 0.5}, laptop(4, 2), "1 model actor with 1 GPUs each need 1; 2 are free, 0.5 are allowed"),
    ],
)
def test_what_does_not(resources: dict[str, Any], machine: list[Machine], says: str) -> None:
    with pytest.raises(ResourceError, match=says.replace(".", r"\.")):
        fit(Settings.model_validate({"resources": resources}), 1, machine)


def test_the_models_of_a_hub_take_more_memory() -> None:
    for profile, actors in (("embedded", 18), ("standard", 5)):
        slots = fit(Settings.model_validate({"profile": profile}), 1, laptop(64, gigabytes=20))
        assert (slots.extract, slots.actors) == (actors, actors)


GRID = itertools.product((1, 2, 3, 8, 64), (0, 1, 8), (2, 20, 500), (None, 1, 5), (None, 1, 4), (1, 3), ("auto", 1, 7), (0, 0.3, 1))


def test_no_mixture_starves() -> None:
    """Whatever fits: something can be extracted, each stage has an actor, nobody is over a bound, and turns are enough for both."""
    fitting = 0
    for cpus, gpus, memory, max_cpus, max_gpus, stages, actors, share in GRID:
        given = {"max_cpus": max_cpus, "max_gpus": max_gpus, "model_actors": actors, "model_gpus": share}
        try:
            slots = fit(Settings.model_validate({"resources": given}), stages, laptop(cpus, gpus, memory))
        except ResourceError:
            continue
        (one,) = slots.shares
        fitting += 1
        assert 1 <= one.extract <= one.cpus <= min(cpus, max_cpus or cpus), given
        assert all(one.actors), given
        assert sum(one.actors) * share <= min(gpus, max_gpus or gpus) + 1e-9, given
        assert one.extract * 0.4 + sum(one.actors) * 0.7 <= memory, given
        assert slots.call_cpus <= one.cpus, given
    assert fitting > 1000


@pytest.mark.parametrize(
    ("total", "room", "expected"),
    [
        (0, [3, 3], [0, 0]),
        (5, [3, 3], [3, 2]),
        (9, [3, 3], [3, 3]),
        (5, [0, 1, 9], [0, 1, 4]),
        (2, [], []),
        (100_000, [90_000, 2, 90_000], [49_999, 2, 49_999]),
    ],
)
def test_in_turn_and_within_the_room_there_is(total: int, room: list[int], expected: list[int]) -> None:
    assert _spread(total, room) == expected
