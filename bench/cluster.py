"""Measure the gain from more workers: the same audit on one worker, on two and on four, each of which gets a share of a CPU.

Hosts are network namespaces (tests/e2e/hosts.py), and the shares are quotas of control groups (version 1), so it needs root. They are small
enough to leave the head, the driver and the client as much of the machine as they want. Engines run without a model over files that all hosts see. The
time is that of the scan, as in run.json, without start and listing. Amdahl's figure is the share of the time on one worker that does not become
shorter with more of them, fitted to all runs.

python -m bench.cluster FOLDER [--rounds 2] [--workers 1 2 4] [--share 0.4]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.e2e.cluster_hosts import Cluster, until
from tests.e2e.hosts import Network

ENGINES = "signatures,structure,secrets,dependencies,modelfiles,indicators"
GROUPS = Path("/sys/fs/cgroup/cpu")
PERIOD = 100_000  # microseconds in which a share is given


@contextmanager
def share(name: str, cpus: float) -> Iterator[None]:
    """Have processes that start meanwhile, and what they start, use that many CPUs together."""
    group = GROUPS / name
    group.mkdir(exist_ok=True)
    (group / "cpu.cfs_period_us").write_text(str(PERIOD))
    (group / "cpu.cfs_quota_us").write_text(str(round(cpus * PERIOD)))
    own, before = str(os.getpid()), GROUPS / _group_of_this_process()
    (group / "cgroup.procs").write_text(own)  # children stay where their parent was when they started
    try:
        yield
    finally:
        (before / "cgroup.procs").write_text(own)


def _group_of_this_process() -> str:
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next(path for _, names, path in (line.split(":", 2) for line in lines) if "cpu" in names.split(",")).lstrip("/")


def audit(cluster: Cluster, source: Path, workers: int, output: Path) -> float:
    """Return the seconds of the scan with this many workers."""
    if not until(lambda: cluster.nodes() == workers, 240):
        raise SystemExit(f"{workers} workers did not start")
    options = f"--address {cluster.address} --engines {ENGINES} --wait --allow-partial".split()
    done = cluster.cli("submit", str(source), "--output", str(output), *options, timeout=3000)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr)
    return float(json.loads((output / "run.json").read_text())["utilisation"]["seconds"])


def measure(cluster: Cluster, folder: Path, rounds: int, numbers: Sequence[int], cpus: float) -> dict[int, list[float]]:
    """Return the seconds with each number of workers, measured in turns."""
    seconds: dict[int, list[float]] = {number: [] for number in numbers}
    cluster.start_head()
    for turn in range(rounds):
        for number in numbers:
            for worker in range(sum(host.machine is not None for host in cluster.workers), number):
                with share(f"{cluster.base.name}-{worker}", cpus):
                    cluster.start_worker(worker, cpus=1)
            seconds[number].append(audit(cluster, folder, number, cluster.base / f"{number}-{turn}"))
            print(f"{number} worker{'s' * (number > 1)}: {seconds[number][-1]:.1f} s", flush=True)
        for host in cluster.workers:
            host.power_off()
        until(lambda: cluster.nodes() == 0, 120)
    return seconds


def serial(seconds: Mapping[int, Sequence[float]]) -> float:
    """Amdahl's figure: s of T(n) = T(1) · (s + (1 - s) / n), by least squares."""
    n = np.array([number for number, some in seconds.items() for _ in some])
    times = np.array([time for some in seconds.values() for time in some])
    fixed, divided = np.linalg.lstsq(np.stack([np.ones(len(n)), 1 / n], 1), times, rcond=None)[0]
    return float(fixed / (fixed + divided))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=2, help="Rounds, measured in turns.")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="Numbers of workers.")
    parser.add_argument("--share", type=float, default=0.4, metavar="CPUS", help="What each worker gets of a CPU.")
    options = parser.parse_args()
    if not os.access(GROUPS, os.W_OK):
        raise SystemExit(
            f"{GROUPS} cannot be written: this takes root and control groups of version 1 (systemd.unified_cgroup_hierarchy=0)"
        )
    base = Path(tempfile.mkdtemp(prefix="vr-", dir="/var/tmp"))  # short, because names of sockets are limited
    try:
        with Network() as network:
            cluster = Cluster(network, base, traced=False, cores=[None] * max(options.workers))
            seconds = measure(cluster, options.folder.resolve(), options.rounds, sorted(options.workers), options.share)
    finally:
        shutil.rmtree(base, ignore_errors=True)
        for group in GROUPS.glob(f"{base.name}-*"):
            group.rmdir()
    medians = {number: statistics.median(some) for number, some in seconds.items()}
    ratios = {number: round(medians[min(medians)] / median, 2) for number, median in medians.items()}
    json.dump({"seconds": seconds, "times as fast": ratios, "serial": round(serial(seconds), 4)}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
