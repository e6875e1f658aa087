"""The arithmetic of resources, done before anything can hang: how much fits, who holds the rest. It starts nothing."""

from __future__ import annotations

import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from veritensor_ray.config import Resources, Settings
from veritensor_ray.errors import ResourceError

_WORKER_MEMORY = 400_000_000  # a worker that has our packages imported
_LAG = 10  # half seconds
_SOME = 0.01  # CPUs; an actor that asks for none may be placed on a head that has no models
_ASK_AGAIN, _SAY_AGAIN = 2.0, 60.0  # seconds, while others hold what a run needs


@dataclass(frozen=True, slots=True)
class Slots:
    """What the arithmetic came to: extractions at once, actors of each stage, and the CPUs that one is accounted for."""

    extract: int
    actors: int
    model_cpus: float


def cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def arithmetic(settings: Settings, model_stages: int, note: Callable[[str], None] = lambda _: None) -> Slots:
    """How many extractions fit beside how many model actors. Raises ResourceError where the run would wait for ever, or waited in vain."""
    import ray

    free = _settled(ray.available_resources, settings.resources, model_stages)
    give_up = time.monotonic() + (settings.cluster.wait_resources or 0)
    said = -math.inf
    while True:
        try:
            slots = _fit(settings, model_stages, free, ray.cluster_resources())
            break
        except ResourceError as error:
            if time.monotonic() >= give_up:
                who = holders() if settings.address else []
                raise ResourceError("\n".join([str(error), *who])) from None
            if time.monotonic() - said > _SAY_AGAIN:
                said = time.monotonic()
                note(f"waiting for resources, at most {give_up - said:.0f} s more: {error}")
                for line in holders():
                    note(line)
            time.sleep(_ASK_AGAIN)
            free = ray.available_resources()
    if not settings.address:
        _check_memory(slots.extract + slots.actors * model_stages)
    return slots


def _fit(settings: Settings, model_stages: int, free: Mapping[str, float], total: Mapping[str, float]) -> Slots:
    resources = settings.resources
    free_cpus = min(free.get("CPU", 0.0), resources.max_cpus or math.inf)
    free_gpus = min(free.get("GPU", 0.0), resources.max_gpus or math.inf)
    per_stage = resources.model_actors
    if resources.max_gpus and model_stages and resources.model_gpus:  # fewer actors rather than none
        per_stage = min(per_stage, max(1, int(resources.max_gpus / (resources.model_gpus * model_stages))))
    actors = per_stage * model_stages
    if actors * resources.model_gpus > free_gpus:
        raise ResourceError(
            f"{actors} model actors need {actors * resources.model_gpus:g} GPUs; {_of(free_gpus, total.get('GPU', 0.0), resources.max_gpus)}. "
            "Lower resources.model_gpus or model_actors"
        )
    model_cpus = max(resources.model_cpus, _SOME) if settings.address else resources.model_cpus
    if not settings.address and free_cpus - actors * model_cpus < 1:
        model_cpus = 0.0  # on a small machine model actors share the CPUs with extraction
    left = free_cpus - actors * model_cpus
    wanted = resources.cpus or int(left)
    if left < 1 or wanted > left:
        raise ResourceError(
            f"{actors} model actors with {model_cpus:g} CPUs each and {max(1, wanted)} extractions need {actors * model_cpus + max(1, wanted):g} "
            f"CPUs; {_of(free_cpus, total.get('CPU', 0.0), resources.max_cpus)}. Wait for other jobs (--wait-resources 30m), or lower "
            "resources.cpus, model_actors or model_cpus"
        )
    return Slots(wanted, per_stage, model_cpus)


def _of(free: float, total: float, bound: float | None) -> str:
    return f"{free:g} of {total:g} are free" + (f", {bound:g} are allowed" if bound else "")


def holders() -> list[str]:
    """Who holds the cluster's CPUs and GPUs, a line for each job; without the dashboard nobody knows, and that is the line."""
    from ray.util.state import list_actors, list_jobs, list_tasks

    try:
        names = {job.job_id: job.submission_id or job.entrypoint for job in list_jobs(limit=1000) if job.job_id}
        held: dict[str, Counter[str]] = defaultdict(Counter)
        actors = list_actors(filters=[("state", "=", "ALIVE")], detail=True, limit=10_000)
        tasks = list_tasks(filters=[("state", "=", "RUNNING"), ("type", "=", "NORMAL_TASK")], detail=True, limit=10_000)
        for one in (*actors, *tasks):
            held[one.job_id].update({name: one.required_resources.get(name, 0) for name in ("CPU", "GPU")})
    except Exception as error:  # noqa: BLE001  # the state API is a service of its own, and this is an extra line in a message
        return [f"  who holds them is not known: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}"]
    return [
        f"  {names.get(job, 'a driver')} (job {job}) holds {counts['CPU']:g} CPUs, {counts['GPU']:g} GPUs"
        for job, counts in sorted(held.items())
        if counts["CPU"] or counts["GPU"]
    ]


def _settled(available: Callable[[], dict[str, float]], resources: Resources, model_stages: int) -> dict[str, float]:
    """What is free. The answer lags behind what just ended, so too little of it is asked for again for some seconds."""
    wanted = (resources.cpus or 1) + resources.model_cpus * resources.model_actors * model_stages
    for _ in range(_LAG):
        free = available()
        if free.get("CPU", 0.0) >= min(wanted, cpus()):
            break
        time.sleep(0.5)
    return free


def _check_memory(processes: int) -> None:
    available = psutil.virtual_memory().available
    if available < processes * _WORKER_MEMORY:
        raise ResourceError(
            f"{processes} workers need about {processes * _WORKER_MEMORY / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are available; "
            "lower resources.cpus"
        )
