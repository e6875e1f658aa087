"""Starts a Ray for this process alone: on loopback only, without processes that it does not need, and with retries.

`_node_ip_address="127.0.0.1"` alone does not keep Ray on this machine. Ray takes it for 'find my address', looks up the route to a public
address, and then listens on the address it found. In addition, the one module that runs without a dashboard queries the metadata
services of three clouds, one of them by name, before it checks whether usage statistics are off. `make e2e-offline` notices both if this
module is left out.

Its files are in a folder that only this user may enter (jobs/ray_folder.py), since Ray opens its own to everyone.

On a busy machine Ray gives up early: its raylet ends if the port files of its agents do not exist within 15 seconds, which no setting
extends, and the agents spend seconds of CPU time on imports. So the files exist from the start, and this module waits for the agents.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._private import node as ray_node
from ray._private import ray_constants
from ray._private import worker as ray_worker
from ray._raylet import persist_port  # type: ignore[attr-defined]  # compiled

from veritensor_ray.errors import CannotRunError
from veritensor_ray.jobs import ray_folder
from veritensor_ray.jobs.ray_folder import RayFolder

_SWITCH = (
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # meant for desktops that ask before a program may listen; off means loopback only, on Linux too
)
_TRIES = 3
_PATIENCE = 180.0  # seconds to wait for the agents in one try
_LAST_LOGS = 10.0  # seconds for Ray's processes to end by themselves, before their folder is removed
_SLOW = {  # other timeouts of Ray: its defaults of 30 and 60 seconds are too short if many processes start at once
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_gcs_server_port_wait_time_s": "120",
    "RAY_worker_register_timeout_seconds": "300",
}
_NONE = -1  # as a port: the service does not run
_QUIET_PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
_LOGS = ("raylet.err", "gcs_server.err", "dashboard_agent.err", "runtime_env_agent.err")
_FATAL = re.compile(r"^\[[^\]]* [CF] \d+ \d+\]|Check failed|exited immediately|^[\w.]*(?:Error|Exception|Exit): ")
_STAMP = re.compile(r"^\[[^\]]*\] \(\w+\) ")
_folders: list[RayFolder] = []  # of the Ray that runs in this process


class _EmbeddedNode(ray_node.Node):  # type: ignore[misc]  # Ray ships no types
    """The processes of an embedded Ray: no dashboard, which would only collect usage data, and no autoscaler."""

    made: list[_EmbeddedNode]
    tails_logs: bool
    between: Callable[[], None]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.made.append(self)
        super().__init__(*arguments, **options)

    def start_api_server(self, **_options: Any) -> None:
        """Start nothing: an embedded Ray needs no dashboard."""

    def start_monitor(self) -> None:
        """Start nothing: an embedded Ray does not grow."""

    def start_log_monitor(self) -> None:
        """Start the log monitor only if the driver shows the logs of workers."""
        if self.tails_logs:
            super().start_log_monitor()

    def start_raylet(self, *arguments: Any, **options: Any) -> None:
        """Start the raylet and wait for its agents. Raises CannotRunError if they do not come up."""
        self._ray_params.runtime_env_agent_port = _free_port()
        ours = [self._promise(name, _NONE) for name in _QUIET_PORTS]
        ours.append(self._promise("runtime_env_agent_port", self._ray_params.runtime_env_agent_port))
        super().start_raylet(*arguments, **options)
        _wait_for([ours[-1], ours[-2]], self.all_processes[ray_constants.PROCESS_TYPE_RAYLET][0].process, self.between)

    def _promise(self, name: str, port: int) -> tuple[Path, int]:
        """Write an agent's port file before the agent does. Returns the file and its inode number."""
        persist_port(self.get_session_dir_path(), self._node_id, name, port)
        path = Path(self.get_session_dir_path()) / f"{name}_{self._node_id}"
        return path, path.stat().st_ino

    def fatal(self) -> str:
        """Returns the last errors that the processes logged; empty if they logged none."""
        paths = [Path(self.get_logs_dir_path()) / name for name in _LOGS]
        found = [
            f"{path.name} says: {_STAMP.sub('', line)[:500]}"
            for path in paths
            if path.exists()
            for line in path.read_text(errors="replace").splitlines()
            if _FATAL.search(line)
        ]
        return "; ".join(found[:2])

    def end(self) -> None:
        """Kill the processes that this node started, and no others."""
        below = _families(self)
        self.kill_all_processes(check_alive=False)
        _kill(below)


def start(options: dict[str, Any], between: Callable[[], None] = lambda: None) -> None:
    """Call `ray.init` with these options, in a fresh session each time. `between` is called while it waits, and may raise.

    Raises CannotRunError with the errors that Ray's own processes logged; the logs stay until the next run.
    """
    for name, value in _SLOW.items():
        os.environ.setdefault(name, value)
    folder = ray_folder.make()
    try:
        _start(options | {"_temp_dir": str(folder.rays)}, between)
    except CannotRunError:
        raise
    except BaseException:
        folder.remove()
        raise
    _folders.append(folder)


def stop() -> None:
    """End the Ray that `start` started, and remove its folder."""
    node = ray_worker._global_node
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
    said = ""
    for _ in range(_TRIES):
        with _alone(bool(options.get("log_to_driver")), between) as made:
            try:
                ray.init(**options)
                return
            except BaseException as error:
                said = next((fatal for node in made if (fatal := node.fatal())), "") or str(error)
                started = any(node.all_processes for node in made)
                ray.shutdown()
                for node in made:
                    node.end()
                if not isinstance(error, Exception) or not started:
                    raise
    raise CannotRunError(_advice(said, made[0].get_logs_dir_path()))


def _advice(said: str, logs: str) -> str:
    cpus, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    busy = "wait until the machine is less busy, or give this process dedicated CPUs (taskset, or a CPU set for the container)"
    remedy = busy if load > 2 * cpus else "check the logs for the cause"
    return (
        f"cannot start an embedded Ray after {_TRIES} tries: {said.rstrip('.')}. All logs are in {logs} until the next run. This process may use {cpus} CPUs, and the load "
        f"average of the last minute is {load:.1f}: {remedy}, or join a Ray that is already running (--address auto)"
    )


@contextlib.contextmanager
def _alone(tails_logs: bool, between: Callable[[], None]) -> Iterator[list[_EmbeddedNode]]:
    """Keep everything that `ray.init` starts in this block, and its child processes, on loopback. Yields the nodes that were created."""
    made: list[_EmbeddedNode] = []
    kind = type("_EmbeddedNode", (_EmbeddedNode,), {"made": made, "tails_logs": tails_logs, "between": staticmethod(between)})
    before, cluster, usual = os.environ.get(_SWITCH), ray_constants.ENABLE_RAY_CLUSTER, ray_node.Node
    os.environ[_SWITCH], ray_constants.ENABLE_RAY_CLUSTER, ray_node.Node = "0", False, kind
    try:
        yield made
    finally:
        ray_constants.ENABLE_RAY_CLUSTER, ray_node.Node = cluster, usual
        if before is None:
            del os.environ[_SWITCH]
        else:
            os.environ[_SWITCH] = before


def _wait_for(files: list[tuple[Path, int]], raylet: Any, between: Callable[[], None]) -> None:
    """Wait until the agents have replaced the prepared port files with their own. Raises CannotRunError."""
    give_up = time.monotonic() + _PATIENCE
    while any(path.stat().st_ino == ours for path, ours in files):
        if raylet.poll() is not None:
            raise CannotRunError("the raylet ended while its agents started")
        if time.monotonic() > give_up:
            raise CannotRunError(f"Ray's agents did not come up within {_PATIENCE:g} s")
        between()
        time.sleep(0.05)


def _families(node: ray_node.Node) -> list[psutil.Process]:
    """Returns the processes that a node started, and all their descendants."""
    started = [one.process.pid for many in node.all_processes.values() for one in many]
    found = []
    for pid in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
    return found


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()  # psutil also compares start times, so a reused process id is not killed
    psutil.wait_procs(processes, timeout=10)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
