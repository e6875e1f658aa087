"""A Ray cluster on hosts of its own (hosts.py): a head, workers, a client, and a store that speaks S3. It knows no test."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.e2e.hosts import Host, Network
from tests.e2e.strace import under_strace

BIN = Path(sys.executable).parent
VERITENSOR, RAY, PYTHON = str(BIN / "veritensor-ray"), str(BIN / "ray"), sys.executable
GET = """
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": sys.argv[2]} if sys.argv[2] else {})
try:
    with urllib.request.urlopen(request, timeout=10) as answer:
        print(answer.status)
        print(answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print(0)
"""
HEALTH = {  # found dead after some 20 seconds: soon enough for a night, late enough for a node that loads models
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "4000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "4",
}


class Cluster:
    """The hosts, and how each is started. Workers are pinned to `cores`, one each; None is any core."""

    def __init__(self, network: Network, base: Path, traced: bool = True, cores: Sequence[int | None] = (0, 1)) -> None:
        self.base, self.traced = base, traced
        self.token, self.site_key = base / "ray-token", base / "site.key"
        for path in (self.token, self.site_key):
            path.touch(0o600)
            path.write_text(secrets.token_hex(32))
        common = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/",  # a head reports even that statistics are off: to nobody
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            "HF_HUB_OFFLINE": "1",
            "S3_KEY": "testing",
            "S3_SECRET": "testing",
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "VERITENSOR_SITE_KEY": f"file:{self.site_key}",
            "VERITENSOR_BUNDLE__FOLDER": str(base / "bundles"),
            "VERITENSOR_TRUSTED_KEYS": str(base / "trusted_keys.json"),
            **HEALTH,
        }
        client = {name: value for name, value in common.items() if not name.startswith(("RAY_AUTH", "RAY_health"))}
        self.head = Host(network, "head", 1, base, common)
        self.client = Host(network, "client", 2, base, client | {"VERITENSOR_CLUSTER__TOKEN": f"file:{self.token}"})
        self.store = Host(network, "store", 3, base, common)
        self.workers = [Host(network, f"worker-{i}", 3 + i, base, common, core=core) for i, core in enumerate(cores, 1)]
        self.address = f"http://{self.head.address}:8265"

    @property
    def hosts(self) -> list[Host]:
        """All of them."""
        return [self.head, *self.workers, self.client, self.store]

    def start_head(self) -> None:
        at = self.head.address
        options = ["--head", "--num-cpus=0", f"--node-ip-address={at}", "--port=6379", f"--dashboard-host={at}", "--dashboard-port=8265"]
        self._start(self.head, options, 200)

    def start_worker(self, number: int, hidden: Path | None = None, cpus: int = 2) -> None:
        """Switch a worker on; `hidden` is a folder that it does not have."""
        host = self.workers[number]
        options = [f"--address={self.head.address}:6379", f"--node-ip-address={host.address}", f"--num-cpus={cpus}"]
        self._start(host, options, 400, hidden)

    def _start(self, host: Host, options: list[str], store: int, hidden: Path | None = None) -> None:
        start = shlex.join([RAY, "start", *options, f"--object-store-memory={store}000000", "--disable-usage-stats", "--block"])
        if self.traced and shutil.which("strace"):
            start = f"{shlex.join(under_strace(''))[:-2]}{shlex.quote(str(self.base / host.name))}/trace.$(date +%s%N) {start}"
        (host.home / "ray_bootstrap_config.yaml").write_text("{}")  # without it a head asks which cloud this is
        without = f"mount -t tmpfs tmpfs {shlex.quote(str(hidden))}; " if hidden else ""
        # a node that lost its network, or could not join in time, ends: something has to start it again
        host.start("bash", "-c", f"{without}while :; do {start}; sleep 2; done")

    def start_store(self, corpus: Path) -> None:
        """A real S3 server, in memory, filled with the corpus."""
        self.store.start(str(BIN / "moto_server"), "-H", self.store.address, "-p", "9000")
        script = f"""
import os, boto3, time
from botocore.config import Config
s3 = boto3.client("s3", endpoint_url="http://{self.store.address}:9000", aws_access_key_id="testing", aws_secret_access_key="testing",
                  region_name="us-east-1", config=Config(retries={{"max_attempts": 10}}))
for attempt in range(60):
    try:
        s3.create_bucket(Bucket="audits"); break
    except Exception:
        time.sleep(0.5)
s3.create_bucket(Bucket="corpus")
for folder, _, names in os.walk({str(corpus)!r}):
    for name in names:
        path = os.path.join(folder, name)
        s3.upload_file(path, "corpus", os.path.relpath(path, {str(corpus)!r}))
"""
        done = self.store.call(PYTHON, "-c", script)
        if done.returncode:
            raise RuntimeError(done.stderr)

    def nodes(self) -> int:
        """Living nodes that have CPUs, as the head tells."""
        seen = self.client.call(PYTHON, "-c", GET, f"{self.address}/api/v0/nodes?detail=1", f"Bearer {self.token.read_text()}")
        try:
            nodes = json.loads(seen.stdout.partition("\n")[2])["data"]["result"]["result"]
        except (ValueError, KeyError, TypeError):
            return -1
        return sum(node["state"] == "ALIVE" and node["resources_total"].get("CPU", 0) > 0 for node in nodes)

    def cli(self, *arguments: str, timeout: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of ours, on the client."""
        return self.client.call(VERITENSOR, *arguments, timeout=timeout, **environment)


def until(what: Callable[[], bool], seconds: float, every: float = 1.0) -> bool:
    """Whether it came true in time."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if what():
            return True
        time.sleep(every)
    return False
