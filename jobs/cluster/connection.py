"""Starts an embedded Ray or joins a cluster, and disconnects again."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from veritensor_ray.core.config import Resources, Settings, resolve_secret
from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.uris import real_bases
from veritensor_ray.jobs.cluster import ray_internals
from veritensor_ray.jobs.cluster.slots import cpus

_OWN_FOLDER = re.compile(r"\S*/vr-[^/\s]+/r")  # of a Ray that belongs to a run (jobs/cluster/ray_folder.py)
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    **ray_internals.WORKER_SETTINGS,
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "ORT_DISABLE_TELEMETRY": "1",
}


_kept: list[bool] = []  # for each block of `kept`, whether a Ray was started in it


def start(settings: Settings) -> bool:
    """Connect to `address`, or start a local Ray that ends with this process. Returns False if this process already has a Ray.

    Raises CannotRunError.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in _ENVIRONMENT.items()})
    if settings.cluster_address and settings.cluster_address.startswith(("http://", "https://")):
        raise UsageError(
            f"{settings.cluster_address} accepts jobs and cannot be joined: use HOST:6379 or auto to join, or `veritensor-ray submit` to submit the run as a job"
        )
    if settings.cluster_address and (token := resolve_secret(settings.cluster.token)):
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        _check_driver_path(settings)
        return False
    if not settings.cluster_address:
        # this run's own token, in memory only: Ray would write one to the home folder, readable by everyone
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ.pop("RAY_ADDRESS", None)
    untested = ray_internals.unproven()
    import ray

    address = _knock(settings) if settings.cluster_address else None
    if not address:
        ray_internals.reread_token()
    options: dict[str, Any] = {
        "job_config": ray_internals.job_without_driver_path(),
        "log_to_driver": settings.verbose,
        "logging_level": "ERROR" if settings.verbose else "CRITICAL",  # Ray logs every death of a worker, although the driver handles it
        "namespace": f"veritensor-{secrets.token_hex(4)}",
    }
    try:
        with _own_sigterm() as deal_with_signals:
            if address:
                ray.init(address=address, **options)
            else:
                from veritensor_ray.jobs.cluster import embedded

                embedded.start(options | _alone(settings), deal_with_signals)
    except CannotRunError:
        raise
    except Exception as error:  # whatever Ray raises, the remedy is the same
        what = f"join {settings.cluster_address}" if settings.cluster_address else "start an embedded Ray"
        advice = untested or "`veritensor-ray doctor` checks for the cause"
        raise CannotRunError(f"cannot {what}: {error}. {advice}") from error
    return True


def _knock(settings: Settings) -> str:
    """Contact the cluster before Ray does, which waits for minutes, and prepare the token that it requires. Returns the address to join.

    Raises UsageError or CannotRunError.
    """
    from veritensor_ray.jobs.cluster.reachability import cluster_token, joinable

    address = str(settings.cluster_address)
    if "://" in address:
        return address  # an address in one of Ray's own forms
    if address == "auto":
        address = _here()
    token = cluster_token(settings)
    if joinable(address, token):
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": str(token)}
        ray_internals.reread_token()
    return address


def _here() -> str:
    """Returns the address of the Ray that a job runs in, or of the only one that this user or root has started on this machine.

    Ray itself would also take the word of `ray_current_cluster`, a file that outlives its Ray and that any user can write, or join the Ray
    of another user or run. Raises CannotRunError.
    """
    if (named := os.environ.get("RAY_ADDRESS") or "auto") != "auto":
        try:
            return ray_internals.named_address(named)
        except (ConnectionError, ValueError) as error:
            raise CannotRunError(f"RAY_ADDRESS={named} names no Ray to join ({error}); unset it, or give --address HOST:6379") from None
    found = sorted(set(_heads()))
    if not found:
        raise CannotRunError("you have no Ray on this machine to join; start one, or name a cluster with --address HOST:6379")
    if len(found) > 1:
        raise CannotRunError(f"several Rays run on this machine, at {', '.join(found)}; name the one to join with --address HOST:6379")
    return found[0]


def _heads() -> Iterator[str]:
    """Yields the addresses of clusters that have a node here, started by this user or root, except Rays that belong to a run."""
    for process in psutil.process_iter(["cmdline", "uids"]):
        found = ray_internals.raylet(" ".join(process.info["cmdline"] or ()))
        mine = process.info["uids"] is not None and process.info["uids"].real in (0, os.getuid())
        if mine and found and not _OWN_FOLDER.fullmatch(found[1]):
            yield found[0]


def _alone(settings: Settings) -> dict[str, Any]:
    """Returns the options for a Ray that only this process uses."""
    return {
        "address": "local",  # otherwise Ray would join another run's cluster on this machine
        "num_cpus": cpus(),
        "include_dashboard": False,
        "object_store_memory": _object_store(settings.resources),
    }


@contextlib.contextmanager
def _own_sigterm() -> Iterator[Callable[[], None]]:
    """Keep the SIGTERM handler of the code that started this process, if there is one.

    Signals that arrive inside the block are handled at its end, or when the yielded function is called. Ray would install two handlers
    instead: one in Python that ends the process in the middle of its work, and one in C++ that prints a trace and aborts.
    """
    before: Any = signal.getsignal(signal.SIGTERM)
    received: list[tuple[int, Any]] = []

    def deal() -> None:
        while received:
            before(*received.pop())

    if not callable(before):
        yield deal
        return
    signal.signal(signal.SIGTERM, lambda number, frame: received.append((number, frame)))
    try:
        with ray_internals.without_sigterm_handlers():
            yield deal
    finally:
        signal.signal(signal.SIGTERM, before)
    deal()


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[None]:
    """Call `start` and `stop` around a block; a nested block does nothing. Within `kept`, what was started stays for the next block."""
    started = start(settings)
    try:
        yield
    finally:
        if _kept:
            _kept[-1] |= started
        else:
            stop(settings, started)


@contextlib.contextmanager
def kept(settings: Settings) -> Iterator[None]:
    """Let the Ray that one run within the block starts serve the following ones too, if there is one."""
    _kept.append(False)
    try:
        yield
    finally:
        started = _kept.pop()
        stop(settings, started)


def _check_driver_path(settings: Settings) -> None:
    """Raises UsageError if workers of a Ray that this process started earlier would import modules of the corpus."""
    guard = Guard(*real_bases(settings.sources))
    for folder in ray_internals.driver_path():
        if guard.within(folder):
            raise UsageError(
                f"this process started Ray in {folder}, which belongs to the corpus, so Ray's workers would run modules from there. Call "
                "ray.shutdown() first; this run then starts its own Ray"
            )


def _object_store(resources: Resources) -> int:
    free = psutil.virtual_memory().available
    shared = psutil.disk_usage("/dev/shm").free if Path("/dev/shm").exists() else free  # noqa: S108  # Ray's own place for objects
    return int(max(80_000_000, min(2 * resources.window_bytes, free * 0.2, shared * 0.8)))


def stop(settings: Settings, started: bool) -> None:
    """Undo `start`: shut down or leave the Ray that it started or joined. A Ray that existed before keeps running."""
    if not started:
        return
    if settings.cluster_address:
        import ray

        ray.shutdown()
        return
    from veritensor_ray.jobs.cluster import embedded

    embedded.stop()
    os.environ.pop("RAY_AUTH_TOKEN", None)
