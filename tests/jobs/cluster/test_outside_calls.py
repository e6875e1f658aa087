"""A head that talks to places outside is told of, and so is one that takes no jobs. `tests/docs/test_operations.py` has one that does neither."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from veritensor_ray.jobs.cluster.outside_calls import PROBE, of_probe, sends

ROOT = Path(__file__).resolve().parents[3]
RAYS = "https://usage-stats.ray.io/"
NOBODY = "http://127.0.0.1:9/"
CLOUD = "asks the metadata services of three clouds which of them it runs in"
START = """
ray get-auth-token --generate > /dev/null
RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 ray start --head --num-cpus=2 --block --node-ip-address=127.0.0.1 > head.txt 2>&1 &
head=$!
until {python} -m veritensor_ray jobs --address http://127.0.0.1:8265; do sleep 2; done
"""


@pytest.mark.parametrize(
    ("statistics", "url", "knows", "says"),
    [
        (True, RAYS, False, f"reports its usage to usage-stats.ray.io and {CLOUD}"),
        (False, RAYS, True, "reports that its usage statistics are off to usage-stats.ray.io"),
        (False, NOBODY, False, CLOUD),
        (True, "http://usage.internal/", True, "reports its usage to usage.internal"),
        (True, NOBODY, True, None),
        (False, "http://[::1]:9/", True, None),
    ],
)
def test_what_a_head_sends(statistics: bool, url: str, knows: bool, says: str | None) -> None:
    assert sends(statistics, url, knows) == (says and f"the head of this cluster {says}")


@pytest.mark.parametrize(
    ("url", "knows", "says"), [(None, False, f"its usage to usage-stats.ray.io and {CLOUD}"), (NOBODY, True, None), (NOBODY, False, CLOUD)]
)
def test_what_a_shell_of_the_head_prints(url: str | None, knows: bool, says: str | None, tmp_path: Path) -> None:
    if knows:
        (tmp_path / "ray_bootstrap_config.yaml").touch()
    environment = {"HOME": str(tmp_path)} | ({"RAY_USAGE_STATS_REPORT_URL": url} if url else {})
    done = subprocess.run(["/bin/sh", "-c", PROBE], env=environment, capture_output=True, text=True, check=True)
    said = of_probe(f"Runtime env is setting up.\nRunning entrypoint: {PROBE}\n{done.stdout}", True)
    assert said is None if says is None else str(said).endswith(says)


@pytest.fixture
def isolated(tmp_path: Path) -> Callable[[str], str]:
    """Runs a script where only loopback is, with a head that was started without any switch; what it prints."""
    if subprocess.run(["bash", str(ROOT / "scripts/isolated"), "--check"], check=False).returncode:
        pytest.skip("no network namespace can be created here")

    def run(script: str) -> str:
        (tmp_path / "corpus").mkdir()
        (tmp_path / "corpus" / "page.md").write_text("a word\n")
        clean = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "RAY_TMPDIR": os.environ["RAY_TMPDIR"],
            "VERITENSOR_ENGINES": "signatures",
            "VERITENSOR_CLUSTER__TOKEN": f"file:{tmp_path}/.ray/auth_token",
        }
        command = ["bash", str(ROOT / "scripts/isolated"), "--require", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        whole = f"set -eu\n{script.replace('{START}', START)}".replace("{python}", sys.executable)
        done = subprocess.run(
            [*command, "bash", "-c", whole], cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.mark.ray
@pytest.mark.slow
def test_a_head_without_the_switches_is_told_of_once(isolated: Callable[[str], str], tmp_path: Path) -> None:
    said = isolated("""{START}
for address in http://127.0.0.1:8265 127.0.0.1:6379; do {python} -m veritensor_ray doctor --address $address > $$.txt; tr -s ' \\n' ' ' < $$.txt; done
{python} -m veritensor_ray submit "$PWD/corpus" --output "$PWD/out" --address http://127.0.0.1:8265 --wait > run.txt 2>&1
""")
    whole = f"the head of this cluster reports its usage to usage-stats.ray.io and {CLOUD}"
    assert said.count(whole) == 2, said
    assert (tmp_path / "run.txt").read_text().count(f"{whole}; to stop that, start it with RAY_USAGE_STATS_ENABLED=0") == 1


@pytest.mark.ray
@pytest.mark.slow
def test_a_head_whose_agent_has_no_port_is_told_how_to_get_one(isolated: Callable[[str], str]) -> None:
    said = isolated("""
{python} -c "import socket, time; s = socket.create_server(('127.0.0.1', 52365)); open('bound', 'w'); time.sleep(3600)" &
until [ -e bound ]; do sleep 1; done
{START}
{python} -m veritensor_ray submit "$PWD/corpus" --output "$PWD/out" --address http://127.0.0.1:8265 --wait || echo "ended with $?"
""")
    assert "another Ray on that machine already uses the agent's port, 52365: start the head with --dashboard-agent-listen-port=0" in said
    assert "ended with 4" in said
