"""Starts an embedded Ray or joins a cluster, and does the arithmetic of resources before anything can hang."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from veritensor_ray.config import Resources, Settings
from veritensor_ray.errors import CannotRunError, ResourceError, UsageError

_WORKER_MEMORY = 400_000_000  # a worker that has our packages imported
_LAG = 10  # half seconds
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True, slots=True)
class Slots:
    """What the arithmetic came to: extractions at once, and CPUs a model actor is accounted for."""

    extract: int
    model_cpus: float


def start(settings: Settings) -> bool:
    """Connect to `address`, or start a local Ray that ends with this process; false where this process has one already.

    Raises CannotRunError.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in _ENVIRONMENT.items()})
    if settings.address and settings.address.startswith(("http://", "https://")):
        raise UsageError(
            f"address {settings.address}: jobs over HTTP are not available in this version; use ray://HOST:10001, HOST:6379 or auto"
        )
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        return False
    if not settings.address:
        # a token of this run's own, in memory: Ray would write one to the home folder, readable by all
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ.pop("RAY_ADDRESS", None)
    import ray

    if not settings.address:
        _forget_token()
    options: dict[str, Any] = {
        "log_to_driver": settings.verbose,
        "logging_level": "ERROR" if settings.verbose else "CRITICAL",  # Ray reports every death that the driver deals with
        "namespace": f"veritensor-{secrets.token_hex(4)}",
    }
    if settings.address:
        options["address"] = settings.address
    else:
        options |= {
            "address": "local",  # or Ray would join another run's cluster on this machine
            "num_cpus": cpus(),
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "object_store_memory": _object_store(settings.resources),
        }
    try:
        ray.init(**options)
    except Exception as error:  # whatever Ray raises, the remedy is the same
        where = settings.address or "an embedded Ray"
        raise CannotRunError(f"cannot start {where}: {error}. `veritensor-ray doctor` looks for the cause") from error
    return True


def _forget_token() -> None:
    """Make Ray read mode and token again: it keeps those it found when it was imported, or those of the last run."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def _object_store(resources: Resources) -> int:
    free = psutil.virtual_memory().available
    shared = psutil.disk_usage("/dev/shm").free if Path("/dev/shm").exists() else free  # noqa: S108  # Ray's own place for objects
    return int(max(80_000_000, min(2 * resources.window_bytes, free * 0.2, shared * 0.8)))


def arithmetic(settings: Settings, model_stages: int) -> Slots:
    """How many extractions fit beside the model actors. Raises ResourceError where the run would wait for ever."""
    import ray

    resources = settings.resources
    free = _settled(ray.available_resources, resources, model_stages)
    free_cpus, free_gpus = free.get("CPU", 0.0), free.get("GPU", 0.0)
    actors = resources.model_actors * model_stages
    need_gpus = actors * resources.model_gpus
    if need_gpus > free_gpus:
        raise ResourceError(
            f"{actors} model actors need {need_gpus:g} GPUs, and {free_gpus:g} are free; lower resources.model_gpus or model_actors"
        )
    model_cpus = resources.model_cpus
    if not settings.address and free_cpus - actors * model_cpus < 1:
        model_cpus = 0.0  # on a small machine model actors share the CPUs with extraction
    left = free_cpus - actors * model_cpus
    wanted = resources.cpus or int(left)
    if left < 1 or wanted > left:
        total = ray.cluster_resources().get("CPU", 0.0)
        raise ResourceError(
            f"{actors} model actors with {model_cpus:g} CPUs each and {max(1, wanted)} extractions need {actors * model_cpus + max(1, wanted):g} CPUs; "
            f"{free_cpus:g} of {total:g} are free. Wait for other jobs, or lower resources.cpus, model_actors or model_cpus"
        )
    if not settings.address:
        _check_memory(wanted + actors)
    return Slots(wanted, model_cpus)


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


def stop(settings: Settings, started: bool) -> None:
    """Let go of what `start` started; a Ray that was there before goes on."""
    if not started:
        return
    import ray

    ray.shutdown()
    if not settings.address:
        os.environ.pop("RAY_AUTH_TOKEN", None)
