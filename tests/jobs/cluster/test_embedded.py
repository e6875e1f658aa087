"""An embedded Ray listens on loopback only, starts no process that asks around, and starts where its agents are slow or fail once."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

# Runs in every Python that Ray starts, before anything else: agents are told by their scripts. The file has a byte for each that ended.
AGENTS = """
import os, sys
if any(part.endswith(("dashboard/agent.py", "agent/main.py")) for part in sys.orig_argv):
    with open(os.environ["ENDED"], "ab") as ended:
        if ended.tell() < int(os.environ["FAILS"]):
            ended.write(b".")
            ended.flush()
            sys.stderr.write("ImportError: of this test: no agent today\\n")
            sys.stderr.flush()
            os._exit(1)
"""
# Starts a Ray, works with it, and says what is left of it and of the tries before.
SCRIPT = """
import json, subprocess, psutil
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.jobs.cluster import connection
neighbour = psutil.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # so that nobody waits for it
said, answer, running = "", 0, []
try:
    started = connection.start(Settings())
except CannotRunError as error:
    said = str(error)
else:
    import ray
    answer = ray.get(ray.remote(num_cpus=1)(lambda: 42).remote())
    running = [" ".join(one.cmdline())[:300] for one in psutil.Process().children(recursive=True)]
    connection.stop(Settings(), started)
left = [one for one in psutil.Process().children(recursive=True) if one != neighbour and one.status() != psutil.STATUS_ZOMBIE]
print(json.dumps([said, answer, running, [one.name() for one in left], neighbour.is_running()]))
neighbour.kill()
"""


def started(tmp_path: Path, fails: int) -> list[Any]:
    """A Ray of a process of its own whose first agents fail: what SCRIPT prints."""
    (tmp_path / "sitecustomize.py").write_text(AGENTS)
    own = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "ENDED": str(tmp_path / "ended"), "FAILS": str(fails)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=os.environ | own, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    assert (tmp_path / "ended").stat().st_size >= min(fails, 3)
    return found


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_every_port_is_on_loopback() -> None:
    import ray
    from ray._private import node, ray_constants

    assert [node["NodeManagerAddress"] for node in ray.nodes()] == ["127.0.0.1"]
    children = psutil.Process().children(recursive=True)
    listening = []
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):  # an idle worker may end meanwhile
            listening += [one.laddr.ip for one in child.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    assert listening
    addresses = [ipaddress.ip_address(one) for one in listening]
    assert all((getattr(one, "ipv4_mapped", None) or one).is_loopback for one in addresses), listening
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in os.environ, "the switch is for this Ray alone"
    assert ray_constants.ENABLE_RAY_CLUSTER
    assert node.Node.__module__ == "ray._private.node"


@pytest.mark.ray
def test_it_starts_again_in_a_fresh_session_and_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    said, answer, running, left, neighbour = started(tmp_path, fails=1)
    assert (said, answer, left, neighbour) == ("", 42, [], True)
    assert len(set(re.findall(r"/session_[\d_-]+", " ".join(running)))) == 1
    assert not re.search(r"dashboard/dashboard\.py|monitor\.py", " ".join(running))


@pytest.mark.ray
def test_what_it_never_started_for_is_quoted(tmp_path: Path) -> None:
    said, _, _, left, neighbour = started(tmp_path, fails=100)
    assert said.startswith(
        "cannot start an embedded Ray after 3 tries: raylet.err says: ImportError: of this test: no agent today; raylet.err says:"
    )
    assert re.search(r"This process may use \d+ CPUs, and the load average of the last minute is [\d.]+: ", said)
    assert Path(re.findall(r"All logs are in (\S+) until the next run\. ", said)[0]).is_dir()
    assert (left, neighbour) == ([], True)
