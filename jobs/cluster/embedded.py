"""Starts a Ray for this process alone: on loopback only, without processes that it does not need, and with retries.

`_node_ip_address="127.0.0.1"` alone does not keep Ray on this machine. Ray takes it for 'find my address', looks up the route to a public
address, and then listens on the address it found. In addition, the one module that runs without a dashboard queries the metadata
services of three clouds, one of them by name, before it checks whether usage statistics are off. `make e2e-offline` notices both if this
module is left out.

Its files are in a folder that only this user may enter (jobs/cluster/ray_folder.py), since Ray opens its own to everyone.

On a busy machine Ray gives up early, although its agents spend seconds of CPU time on imports. So this module waits for them, and tries
again in a fresh session. What Ray is made to do differently is in jobs/cluster/ray_internals.py.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import ray

from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.jobs.cluster import ray_folder, ray_internals
from veritensor_ray.jobs.cluster.ray_folder import RayFolder

_TRIES = 3
_PATIENCE = 180.0  # seconds to wait for the agents in one try
_LAST_LOGS = 10.0  # seconds for Ray's processes to end by themselves, before their folder is removed
_LOGS = ("raylet.err", "gcs_server.err", "dashboard_agent.err", "runtime_env_agent.err")
_FATAL = re.compile(r"^\[[^\]]* [CF] \d+ \d+\]|Check failed|exited immediately|^[\w.]*(?:Error|Exception|Exit): ")
_STAMP = re.compile(r"^\[[^\]]*\] \(\w+\) ")
_folders: list[RayFolder] = []  # of the Ray that runs in this process


def start(options: dict[str, Any], between: Callable[[], None] = lambda: None) -> None:
    """Call `ray.init` with these options, in a fresh session each time. `between` is called while it waits, and may raise.

    Raises CannotRunError with the errors that Ray's own processes logged; the logs stay until the next run.
    """
    for name, value in ray_internals.START_TIMEOUTS.items():
        os.environ.setdefault(name, value)
    folder = ray_folder.make()
    try:
        _start(options | ray_internals.init_options(folder.rays), between)
    except CannotRunError:
        raise
    except BaseException:
        folder.remove()
        raise
    _folders.append(folder)


def stop() -> None:
    """End the Ray that `start` started, and remove its folder."""
    node = ray_internals.current_node()
    processes = _families(node) if node is not None else []
    ray.shutdown()
    _, left = psutil.wait_procs(processes, timeout=_LAST_LOGS)
    _kill(left)
    while _folders:
        _folders.pop().remove()


def folder() -> Path:
    """Returns the private folder of the Ray that `start` started."""
    return _folders[-1].path


def _start(options: dict[str, Any], between: Callable[[], None]) -> None:
    said, wait = "", functools.partial(_wait_for, between)
    for _ in range(_TRIES):
        with ray_internals.quiet_nodes(bool(options.get("log_to_driver")), wait) as made:
            try:
                ray.init(**options)
                return
            except BaseException as error:
                said = next((fatal for node in made if (fatal := _logged_errors(node))), "") or str(error)
                started = any(ray_internals.pids(node) for node in made)
                ray.shutdown()
                for node in made:
                    _end(node)
                if not isinstance(error, Exception) or not started:
                    raise
    raise CannotRunError(_advice(said, ray_internals.logs(made[0])))


def _advice(said: str, logs: Path) -> str:
    cpus, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    busy = "wait until the machine is less busy, or give this process dedicated CPUs (taskset, or a CPU set for the container)"
    remedy = busy if load > 2 * cpus else "check the logs for the cause"
    return (
        f"cannot start an embedded Ray after {_TRIES} tries: {said.rstrip('.')}. All logs are in {logs} until the next run. This process may use {cpus} CPUs, and the load "
        f"average of the last minute is {load:.1f}: {remedy}, or join a Ray that is already running (--address auto)"
    )


def _logged_errors(node: Any) -> str:
    """Returns the last errors that the processes of a node logged; empty if they logged none."""
    paths = [ray_internals.logs(node) / name for name in _LOGS]
    found = [
        f"{path.name} says: {_STAMP.sub('', line)[:500]}"
        for path in paths
        if path.exists()
        for line in path.read_text(errors="replace").splitlines()
        if _FATAL.search(line)
    ]
    return "; ".join(found[:2])


def _end(node: Any) -> None:
    """Kill the processes that a node started, and no others."""
    below = _families(node)
    ray_internals.kill(node)
    _kill(below)


def _wait_for(between: Callable[[], None], files: Sequence[tuple[Path, int]], raylet: Any) -> None:
    """Wait until the agents have replaced the prepared port files with their own. Raises CannotRunError."""
    give_up = time.monotonic() + _PATIENCE
    while any(path.stat().st_ino == ours for path, ours in files):
        if raylet.poll() is not None:
            raise CannotRunError("the raylet ended while its agents started")
        if time.monotonic() > give_up:
            raise CannotRunError(f"Ray's agents did not come up within {_PATIENCE:g} s")
        between()
        time.sleep(0.05)


def _families(node: Any) -> list[psutil.Process]:
    """Returns the processes that a node started, and all their descendants."""
    found = []
    for pid in ray_internals.pids(node):
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
    return found


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()  # psutil also compares start times, so a reused process id is not killed
    psutil.wait_procs(processes, timeout=10)
