"""Everything private or undocumented of Ray that this package uses, with the reason for each. No other module touches any of it.

Ray may change all of this without notice. PROVEN names the versions that pass tests/jobs/cluster/test_ray_internals.py: run it with another one
before you add that to PROVEN and to pyproject.toml. Ray is imported inside the functions, because clients that only ask for a constant must
not wait for it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pkgutil
import re
import socket
import ssl
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.core.wording import counted

PROVEN = ">=2.60,<2.61"  # also the bound in pyproject.toml
_INSTALL = f"`pip install 'ray[default]{PROVEN}'`"
# What can be looked up without starting Ray. If a method that is overridden here had another name, Ray would silently do what it must not.
_NEEDED = (
    *(f"ray:ObjectRefGenerator.{name}" for name in ("_get_next_ref_n", "_consume_next_ref_n")),
    *(f"ray._common.usage.usage_lib:{name}" for name in ("usage_stats_enabled", "_usage_stats_report_url")),
    *(f"ray._private.node:Node.start_{name}" for name in ("api_server", "log_monitor", "monitor", "raylet")),
    *(f"ray._private.node:Node.{name}" for name in ("get_logs_dir_path", "get_session_dir_path", "kill_all_processes")),
    *(f"ray._private.ray_constants:{name}" for name in ("ENABLE_RAY_CLUSTER", "PROCESS_TYPE_RAYLET")),
    *(f"ray._private.services:{name}" for name in ("canonicalize_bootstrap_address_or_die", "get_webui_url_from_internal_kv")),
    "ray._private.state:available_resources_per_node",
    "ray._private.utils:set_sigterm_handler",
    *(f"ray._private.worker:{name}" for name in ("_global_node", "global_worker")),
    *(f"ray._raylet:{name}" for name in ("AuthenticationTokenLoader.reset_cache", "Config.initialize", "persist_port")),
    "ray.job_config:JobConfig._runtime_env_has_working_dir",
    "ray.job_submission:JobSubmissionClient._do_request",
    *(f"ray.util.state:list_{name}" for name in ("actors", "jobs", "placement_groups", "tasks")),
)

# --- Constants ---

# Meant for desktops that ask before a program may listen. Off, it keeps all ports on loopback on Linux too, which no documented option does.
LOOPBACK_SWITCH = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
# Timeouts of the start, because the defaults of 30 and 60 seconds are too short if many processes start at once.
START_TIMEOUTS = {
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_gcs_server_port_wait_time_s": "120",
    "RAY_worker_register_timeout_seconds": "300",
}
WORKER_SETTINGS = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # because a driver in `uv run` would have each worker build an environment, from an index
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # because the default, under which a task without GPUs sees them, has changed before
    "RAY_idle_worker_killing_time_threshold_ms": "600000",  # because Ray ends idle workers after a second, and soon starts others
}
# The longest path in Ray's folder, because the kernel bounds the path of a socket and Ray fails obscurely if it is exceeded.
LONGEST_PATH = "session_2026-11-29_04-20-05_123456_4194304/sockets/plasma_store.10"
# The option of a task that makes it pause while two objects wait to be taken, because without it a fast extraction fills the memory.
PAUSING = {"_generator_backpressure_num_objects": 2}
# A resource that only the head has, because no other field of a node tells which of them is the head.
HEAD_RESOURCE = "node:__internal_head__"
# Where a head reports to unless this variable says otherwise, because the official switch does not keep it from reporting.
REPORT_VARIABLE, REPORTS_TO = "RAY_USAGE_STATS_REPORT_URL", "https://usage-stats.ray.io/"
# A file in the home folder, because a head without it asks the metadata services of three clouds where it runs.
BOOTSTRAP = "ray_bootstrap_config.yaml"
# The first request of every driver, because Ray takes minutes to say that it was refused for its token.
CLUSTER_ID_METHOD = "/ray.rpc.NodeInfoGcsService/GetClusterId"

_NO_AGENT = "No available agent to submit job"
_CLIENT_LOGGER = "ray.dashboard.modules.job.sdk"
_NO_PORT = -1  # says that a service does not run
_AWAITED_PORTS = ("dashboard_agent_listen_port", "runtime_env_agent_port")
_PORTS = ("metrics_agent_port", "metrics_export_port", *_AWAITED_PORTS)
_RAYLET = re.compile(r"\S*/raylet\s(?=.*--gcs-address=([^\s=]+:\d+))(?=.*--temp-dir=(\S*)\s)")


# --- Versions ---


def unproven() -> str | None:
    """Says that the installed Ray is none of the proven versions, and what to do; None if it is one of them.

    Raises CannotRunError if it also lacks something that is used here, or if there is no Ray.
    """
    try:
        installed = version("ray")
    except PackageNotFoundError:
        raise CannotRunError(f"Ray is not installed; install it with {_INSTALL}") from None
    if SpecifierSet(PROVEN).contains(installed, prereleases=True):
        return None
    if lost := missing(_NEEDED):
        more = f" and {counted(len(lost) - 3, 'more name')}" if len(lost) > 3 else ""
        raise CannotRunError(
            f"Ray {installed} cannot be used, because it lacks {', '.join(lost[:3])}{more}; install a tested one with {_INSTALL}"
        )
    return f"this version of veritensor-ray was tested with ray{PROVEN} only, and Ray {installed} is installed; install a tested one with {_INSTALL}"


def missing(names: Sequence[str]) -> list[str]:
    """Returns those of the names, written MODULE:NAME, that the installed Ray does not have."""
    lost = []
    for name in names:
        try:
            pkgutil.resolve_name(name)
        except (ImportError, AttributeError):
            lost.append(name.replace(":", "."))
    return lost


# --- The processes of an embedded Ray ---


def init_options(folder: Path) -> dict[str, Any]:
    """Returns the options of `ray.init` that put everything on loopback and into a folder, since no documented ones do."""
    return {"_node_ip_address": "127.0.0.1", "_temp_dir": str(folder)}


@contextlib.contextmanager
def quiet_nodes(tails_logs: bool, wait: Callable[[Sequence[tuple[Path, int]], Any], None]) -> Iterator[list[Any]]:
    """Make `ray.init` start a node that stays on loopback and runs only what is needed. Yields the nodes that were created.

    `wait` is called with the port files of the agents, their inode numbers and the process of the raylet, because the raylet ends if the
    files do not exist within 15 seconds, which no setting extends. So they exist from the start, and `wait` waits until they are replaced.
    """
    from ray._private import node, ray_constants

    made: list[Any] = []
    before, cluster, usual = os.environ.get(LOOPBACK_SWITCH), ray_constants.ENABLE_RAY_CLUSTER, node.Node
    os.environ[LOOPBACK_SWITCH], ray_constants.ENABLE_RAY_CLUSTER, node.Node = "0", False, _quiet_node(made, tails_logs, wait)
    try:
        yield made
    finally:
        ray_constants.ENABLE_RAY_CLUSTER, node.Node = cluster, usual
        if before is None:
            del os.environ[LOOPBACK_SWITCH]
        else:
            os.environ[LOOPBACK_SWITCH] = before


def _quiet_node(made: list[Any], tails_logs: bool, wait: Callable[[Sequence[tuple[Path, int]], Any], None]) -> type:
    """Returns Ray's class of a node without a dashboard, which would only collect usage data, and without an autoscaler."""
    from ray._private.node import Node
    from ray._private.ray_constants import PROCESS_TYPE_RAYLET
    from ray._raylet import persist_port  # type: ignore[attr-defined]  # compiled

    class QuietNode(Node):  # type: ignore[misc]  # Ray ships no types
        def __init__(self, *arguments: Any, **options: Any) -> None:
            made.append(self)
            super().__init__(*arguments, **options)

        def start_api_server(self, **_options: Any) -> None:
            """Start no dashboard."""

        def start_monitor(self) -> None:
            """Start no autoscaler."""

        def start_log_monitor(self) -> None:
            if tails_logs:
                super().start_log_monitor()

        def start_raylet(self, *arguments: Any, **options: Any) -> None:
            self._ray_params.runtime_env_agent_port = _free_port()
            ports = dict.fromkeys(_PORTS, _NO_PORT) | {"runtime_env_agent_port": self._ray_params.runtime_env_agent_port}
            folder = Path(self.get_session_dir_path())
            for name, port in ports.items():
                persist_port(str(folder), self._node_id, name, port)
            files = [folder / f"{name}_{self._node_id}" for name in _AWAITED_PORTS]
            promised = [(path, path.stat().st_ino) for path in files]
            super().start_raylet(*arguments, **options)
            wait(promised, self.all_processes[PROCESS_TYPE_RAYLET][0].process)

    return QuietNode


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def current_node() -> Any:
    """Returns the node that `ray.init` started in this process, or None, because only it knows its processes."""
    from ray._private import worker

    return worker._global_node


def pids(node: Any) -> list[int]:
    """Returns the ids of the processes that a node started, because Ray leaves some of them behind if its start fails."""
    return [one.process.pid for many in node.all_processes.values() for one in many]


def kill(node: Any) -> None:
    """Kill what a node started, because `ray.shutdown` does nothing after a start that failed."""
    node.kill_all_processes(check_alive=False)


def logs(node: Any) -> Path:
    """Returns the folder of a node's logs, because Ray names it to nobody if its start fails."""
    return Path(node.get_logs_dir_path())


# --- Drivers and their workers ---


@contextlib.contextmanager
def without_sigterm_handlers() -> Iterator[None]:
    """Keep Ray from handling SIGTERM, because `ray.init` sets a handler that ends the process in the middle of its work."""
    from ray._private import utils

    before, utils.set_sigterm_handler = utils.set_sigterm_handler, lambda _handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = before


def job_without_driver_path() -> Any:
    """Returns a job whose workers have neither the working directory nor the folder of the driver's script on their import path.

    Ray puts both before the installed packages unless the job brings its own files, so this one claims that it does.
    """
    from ray.job_config import JobConfig

    class Apart(JobConfig):  # type: ignore[misc]  # Ray ships no types
        def _runtime_env_has_working_dir(self) -> bool:
            return True

    return Apart()


def driver_path() -> list[str]:
    """Returns the folders that workers import from before the installed packages, because they may belong to the corpus."""
    from ray._private.worker import global_worker

    return list(global_worker.core_worker.get_job_config().py_driver_sys_path)


def reread_token() -> None:
    """Make Ray read mode and token again, because it keeps those from its import or from the previous run."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def named_address(address: str) -> str:
    """Returns the address as `ray.init` would understand it, because RAY_ADDRESS may have several forms. Raises ConnectionError or ValueError."""
    from ray._private import services

    return str(services.canonicalize_bootstrap_address_or_die(address))


def raylet(command: str) -> tuple[str, str] | None:
    """Returns the cluster's address and Ray's folder if this is the command line of a raylet, because a Ray that runs is listed nowhere else."""
    found = _RAYLET.match(command)
    return (found[1], found[2]) if found else None


# --- Work and resources ---


def peek(stream: Any) -> tuple[Any, Any]:
    """Returns references to the next two objects of a stream without taking them, because awaiting the stream itself fetches them to the driver."""
    first, second = stream._get_next_ref_n(2)
    return first, second


def advance(stream: Any) -> None:
    """Take two objects of a stream, once the second one is ready, because its task pauses until they are taken."""
    stream._consume_next_ref_n(2)


def free_resources() -> dict[str, dict[str, float]]:
    """Returns what is free on each node by its id, because the documented call adds up the whole cluster."""
    from ray._private.state import available_resources_per_node

    return dict(available_resources_per_node())


def holders() -> dict[str, Counter[str]]:
    """Returns the resources that each job holds, from fields that Ray documents only in its code, because nothing else says who holds them.

    Raises CannotRunError if there is no dashboard, and whatever the state API raises.
    """
    import ray
    from ray._private.services import get_webui_url_from_internal_kv
    from ray.util.state import list_actors, list_jobs, list_placement_groups, list_tasks

    if not get_webui_url_from_internal_kv():  # the state API would look for it for 40 seconds
        raise CannotRunError("this Ray has no dashboard to ask")

    here = {"address": ray.get_runtime_context().gcs_address, "limit": 10_000}  # otherwise Ray may ask another one on this machine
    names = {job.job_id: job.submission_id or job.entrypoint for job in list_jobs(**here) if job.job_id}
    held: dict[str, Counter[str]] = defaultdict(Counter)
    for group in list_placement_groups(filters=[("state", "=", "CREATED")], detail=True, **here):
        for bundle in group.bundles:
            held[group.creator_job_id].update(bundle["unit_resources"])
    actors = list_actors(filters=[("state", "=", "ALIVE")], detail=True, **here)
    tasks = list_tasks(filters=[("state", "=", "RUNNING"), ("type", "=", "NORMAL_TASK")], detail=True, **here)
    for one in (*actors, *tasks):
        if not one.placement_group_id:  # otherwise it runs on what a group holds
            held[one.job_id].update(one.required_resources)
    return {f"{names.get(job, 'a driver')} (job {job})": resources for job, resources in sorted(held.items())}


# --- Heads and their Jobs API ---


def usage_report() -> tuple[bool, str]:
    """Returns whether a head that has this process's environment reports its usage, and where to, because it reports even when told not to."""
    from ray._common.usage import usage_lib

    return usage_lib.usage_stats_enabled(), usage_lib._usage_stats_report_url()


def reports_usage(client: Any) -> bool:
    """Returns whether the head of a Jobs client reports its usage, because no method of the client asks for it."""
    return bool(client._do_request("GET", "/usage_stats_enabled").json().get("data", {}).get("usageStatsEnabled"))


def prepare_client(client: Any, ca_bundle: str | None) -> None:
    """Make a Jobs client trust a CA bundle when it follows logs, because its own setting does not apply to websockets, and keep it quiet."""
    logging.getLogger(_CLIENT_LOGGER).setLevel(logging.WARNING)  # it logs every connection that closes
    if ca_bundle:
        client._ssl_context = ssl.create_default_context(cafile=ca_bundle)


def has_no_agent(error: Exception) -> bool:
    """Whether a Jobs client failed because the head's agent does not run, which only the text of its error says."""
    return _NO_AGENT in str(error)
