"""Decides how many processes run where, before any of them starts: a run that does not fit is refused rather than left waiting."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from veritensor_ray.core.config import Resources, Settings
from veritensor_ray.core.errors import ResourceError
from veritensor_ray.core.wording import counted
from veritensor_ray.jobs.cluster import ray_internals

_WORKER_MEMORY = 400_000_000  # a worker that has imported this package and its dependencies
_ACTOR_MEMORY = {"embedded": 700_000_000, "standard": 3_000_000_000}  # a process that hosts a profile's models, with working memory
_LAG = 10  # half-seconds
_ASK_AGAIN, _SAY_AGAIN = 2.0, 60.0  # seconds, while other work holds the resources of a run


@dataclass(frozen=True, slots=True)
class Machine:
    """The free resources of a node: CPUs, GPUs, bytes of memory."""

    id: str
    cpus: float
    gpus: float = 0.0
    memory: float = math.inf


@dataclass(frozen=True, slots=True)
class Allotment:
    """The work of a run on one machine: `cpus` processes compute at once, out of `extract` extractions and the model actors of each stage."""

    machine: str
    cpus: int
    extract: int
    actors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Slots:
    """The result of the arithmetic. A model call holds `call_cpus` CPUs of its machine while it lasts; on a GPU it holds none."""

    shares: tuple[Allotment, ...]
    call_cpus: float = 1.0

    @property
    def cpus(self) -> int:
        """Processes that compute at once."""
        return sum(share.cpus for share in self.shares)

    @property
    def extract(self) -> int:
        """Extractions that are open at once."""
        return sum(share.extract for share in self.shares)

    @property
    def actors(self) -> int:
        """Model actors of all stages."""
        return sum(sum(share.actors) for share in self.shares)


def cpus() -> int:
    """Returns the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def fit(settings: Settings, stages: int, machines: Sequence[Machine]) -> Slots:
    """Divide machines between extraction and `stages` stages of models. Raises ResourceError if a run would wait forever.

    On CPUs, nothing owns a CPU: all processes take turns, and there are as many actors as could be busy at once. With GPUs, actors have
    CPUs of their own, so that a GPU never waits for an extraction.
    """
    resources, actor_memory = settings.resources, _ACTOR_MEMORY[settings.profile]
    able, limits = _able(stages * actor_memory, [machine for machine in machines if machine.cpus >= 1])
    allowed = _spread(int(min(resources.max_cpus or math.inf, sum(int(machine.cpus) for machine in able))), [int(m.cpus) for m in able])
    if not sum(allowed) or (resources.cpus or 0) > sum(allowed):
        wanted = resources.cpus or 1
        raise ResourceError(
            f"{wanted} extraction{'s need' if wanted > 1 else ' needs'} {wanted} CPU{'s' if wanted > 1 else ''}; "
            f"{_of(sum(m.cpus for m in machines), resources.max_cpus)}. Wait for other jobs (--wait-resources 30m), or change resources.cpus "
            "or max_cpus"
        )
    on_gpus = stages > 0 and resources.model_gpus > 0
    actors = _on_gpus(resources, stages, able) if on_gpus else _on_cpus(resources, stages, allowed, limits)
    left = [
        count - min(math.ceil(sum(own) * resources.model_cpus), count - 1) if on_gpus and count else count
        for count, own in zip(allowed, actors, strict=True)
    ]
    extract = _spread(resources.cpus, left) if resources.cpus else [min(*both) for both in zip(left, limits, strict=True)]
    shares = [Allotment(m.id, *numbers) for m, numbers in zip(able, zip(left, extract, actors, strict=True), strict=True) if numbers[0]]
    _check_memory(shares, {machine.id: machine.memory for machine in able}, actor_memory)
    return Slots(tuple(shares), 0.0 if on_gpus else resources.model_cpus)


def _able(models: float, machines: Sequence[Machine]) -> tuple[list[Machine], list[int]]:
    """Returns machines with enough memory, and how many extractions with actors of `models` bytes fit on each. Raises ResourceError if none has."""
    each = _WORKER_MEMORY + models
    counts = {machine: int(min(machine.memory / each, machine.cpus)) for machine in machines}
    if machines and not any(counts.values()):
        raise ResourceError(
            f"a worker{' with its model actors' if models else ''} needs about {each / 1e9:.1f} GB of memory, but "
            f"only {max(machine.memory for machine in machines) / 1e9:.1f} GB are free; end other programs, or use a larger machine"
        )
    able = [machine for machine in machines if counts[machine]]
    return able, [counts[machine] for machine in able]


def _check_memory(shares: Sequence[Allotment], memory: Mapping[str, float], actor_memory: float) -> None:
    """Raises ResourceError if the user asked for more actors than fit into memory."""
    for share in shares:
        needed = share.extract * _WORKER_MEMORY + sum(share.actors) * actor_memory
        if needed > memory[share.machine]:
            raise ResourceError(
                f"{share.extract} extractions and {sum(share.actors)} model actors need about {needed / 1e9:.1f} GB of memory, but "
                f"only {memory[share.machine] / 1e9:.1f} GB are free; lower resources.model_actors or cpus"
            )


def _on_cpus(resources: Resources, stages: int, allowed: Sequence[int], limits: Sequence[int]) -> list[tuple[int, ...]]:
    """Returns the actors of each stage by machine: the requested number, dealt out in turn, or as many as could be busy at once."""
    if resources.model_actors == "auto":
        return [
            (min(max(1, int(count / max(resources.model_cpus, 1))), limit) if count else 0,) * stages
            for count, limit in zip(allowed, limits, strict=True)
        ]
    asked = _spread(resources.model_actors, [resources.model_actors if count else 0 for count in allowed])
    return [(count,) * stages for count in asked]


def _on_gpus(resources: Resources, stages: int, machines: Sequence[Machine]) -> list[tuple[int, ...]]:
    """Returns the same for GPUs: `auto` uses all of them; `max_gpus` reduces the number of actors, but not to zero."""
    share = resources.model_gpus
    room = [_fitting(machine.gpus, share) for machine in machines]
    bound = int((resources.max_gpus or math.inf) / share + 1e-9) if resources.max_gpus else sum(room)
    of_each = min(sum(room), bound) // stages if resources.model_actors == "auto" else resources.model_actors
    if resources.max_gpus and resources.model_actors != "auto":
        of_each = min(of_each, max(1, bound // stages))
    actors = max(1, of_each) * stages
    if actors > min(sum(room), bound):
        raise ResourceError(
            f"{counted(actors, 'model actor')} with {share:g} GPUs each need {actors * share:g}; "
            f"{_of(sum(m.gpus for m in machines), resources.max_gpus)}. Lower resources.model_gpus or model_actors"
        )
    columns = []
    for _ in range(stages):
        columns.append(_spread(of_each, room))
        room = [have - taken for have, taken in zip(room, columns[-1], strict=True)]
    return list(zip(*columns, strict=True))


def _fitting(gpus: float, share: float) -> int:
    """Returns how many actors fit on a machine's GPUs: Ray places several with a fraction on one GPU, and none across two."""
    if share >= 1:
        return int(gpus / share + 1e-9)
    return int(gpus) * int(1 / share + 1e-9) + int(gpus % 1 / share + 1e-9)


def _spread(total: int, room: Sequence[int]) -> list[int]:
    """Deals out `total` in turn, giving nobody more than there is room for."""
    given = [0] * len(room)
    while total > 0 and (open_ := [n for n, most in enumerate(room) if given[n] < most]):
        each = max(1, min(total // len(open_), min(room[n] - given[n] for n in open_)))
        for n in open_[:total]:
            given[n] += each
            total -= each
    return given


def _of(free: float, bound: float | None) -> str:
    return f"{free:g} are free" + (f", {bound:g} are allowed" if bound else "")


def described(slots: Slots, stages: int, on_gpus: bool) -> str:
    """Returns a sentence that describes the result of `fit`."""
    where = f"{slots.cpus} CPU{'s' if slots.cpus > 1 else ''}" + (f" on {len(slots.shares)} machines" if len(slots.shares) > 1 else "")
    extractions = f"{counted(slots.extract, 'extraction')}"
    if not stages:
        return f"{where}: up to {extractions} at once"
    actors = f"{counted(slots.actors, 'model actor')}"
    if on_gpus:
        return f"{where}: up to {extractions} at once, alongside {actors} on GPUs"
    return f"{where}, shared by up to {extractions} and {actors} as work arrives"


def stages_of(resources: Resources, models: int) -> int:
    """Returns the number of actor pools for `models` engines with a model."""
    return min(models, 1) if resources.model_pools == "shared" else models


def fit_here(settings: Settings, models: int) -> Slots:
    """Runs `fit` for this machine and an embedded Ray, with `models` engines that have a model, ignoring GPUs. Raises ResourceError."""
    here = Machine("here", cpus(), memory=psutil.virtual_memory().available)
    on_cpus = settings.model_copy(update={"resources": settings.resources.model_copy(update={"model_gpus": 0.0})})
    return fit(on_cpus, stages_of(settings.resources, models), [here])


def machines() -> list[Machine]:
    """Returns the living nodes of the Ray that this process has joined, with the free resources of each."""
    import ray

    free = ray_internals.free_resources()
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    return [_machine(node, free[node]) for node in sorted(alive) if node in free]


def _machine(node: str, free: Mapping[str, Any]) -> Machine:
    return Machine(node, float(free.get("CPU", 0)), float(free.get("GPU", 0)), float(free.get("memory", 0)))


def arithmetic(
    settings: Settings,
    stages: int,
    note: Callable[[str], None] = lambda _: None,
    take: Callable[[Slots, list[Machine]], None] = lambda _slots, _found: None,
) -> tuple[Slots, list[Machine]]:
    """Runs `fit` over the free resources, takes them, and returns both. Raises ResourceError if the run would wait forever, or has waited in vain.

    `take` raises it if another run is faster.
    """
    found = _settled()
    give_up = time.monotonic() + (settings.cluster.wait_resources or 0)
    said = -math.inf
    while True:
        try:
            slots = fit(settings, stages, found)
            take(slots, found)
        except ResourceError as error:
            if time.monotonic() >= give_up:
                raise ResourceError("\n".join([str(error), *_others(settings)])) from None
            if time.monotonic() - said > _SAY_AGAIN:
                said = time.monotonic()
                note(f"waiting for resources, for up to {give_up - said:.0f} s more: {error}")
                for line in _others(settings):
                    note(line)
            time.sleep(_ASK_AGAIN)
            found = machines()
        else:
            return slots, found


def _others(settings: Settings) -> list[str]:
    """Returns who holds the cluster's CPUs and GPUs; an embedded Ray has nobody else."""
    return holders() if settings.cluster_address else []


def _settled() -> list[Machine]:
    """Returns the free resources. Ray's answer lags behind work that has just ended, so while some are taken it is asked again for some seconds."""
    import ray

    total = ray.cluster_resources().get("CPU", 0.0)
    for _ in range(_LAG):
        found = machines()
        if sum(machine.cpus for machine in found) >= total:
            break
        time.sleep(0.5)
    return found


def holders() -> list[str]:
    """Returns who holds the cluster's CPUs and GPUs, one line per job; without the dashboard, a line saying that this is unknown."""
    try:
        held = ray_internals.holders()
    except Exception as error:  # noqa: BLE001  # the state API is a separate service, and this is only an extra line in a message
        return [f"  the holders are unknown: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}"]
    return [
        f"  {who} holds {resources['CPU']:g} CPUs, {resources['GPU']:g} GPUs"
        for who, resources in held.items()
        if resources["CPU"] or resources["GPU"]
    ]
