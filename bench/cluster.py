"""Measure the gain from a second worker: the same audit on one worker pinned to a core, and on two pinned to a core each.

Hosts are network namespaces (tests/e2e/hosts.py), so it needs root. Head, driver and client share the two cores with the workers, so the
real gain is larger than the ratio shown. Engines run without a model over files that all hosts see. The time runs from the first shard to
the last, without start and listing.

python -m bench.cluster FOLDER [--rounds 2]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from tests.e2e.cluster_hosts import Cluster, until
from tests.e2e.hosts import Network

ENGINES = "signatures,structure,secrets,dependencies,modelfiles,indicators"


def scan_seconds(log: str) -> float:
    """Return the seconds between the log lines that announce scanning and collecting."""
    moments = {}
    for time, words in re.findall(r"^(\d\d:\d\d:\d\d) (scanning|collecting results)$", log, re.MULTILINE):
        moments[words] = datetime.strptime(time, "%H:%M:%S")  # only differences within one log matter
    return (moments["collecting results"] - moments["scanning"]).total_seconds() % 86400


def audit(cluster: Cluster, source: Path, workers: int, output: str) -> float:
    """Return the seconds of one run with this many workers."""
    if not until(lambda: cluster.nodes() == workers, 240):
        raise SystemExit(f"{workers} workers did not start")
    command = ["submit", str(source), "--output", output, "--address", cluster.address, "--engines", ENGINES, "--wait", "--allow-partial"]
    done = cluster.cli(*command, timeout=3000)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr)
    return scan_seconds(done.stdout)


def measure(cluster: Cluster, folder: Path, rounds: int) -> dict[int, list[float]]:
    """Return the seconds with one worker and with two, measured alternately."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    cluster.start_head()
    for turn in range(rounds):
        for number, words in enumerate(("one worker", "two workers")):
            cluster.start_worker(number, cpus=1)
            seconds[number + 1].append(audit(cluster, folder, number + 1, str(cluster.base / f"{number + 1}-{turn}")))
            print(f"{words}: {seconds[number + 1][-1]:.0f} s", flush=True)
        for worker in cluster.workers:
            worker.power_off()
        until(lambda: cluster.nodes() == 0, 120)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=2, help="Rounds, measured alternately.")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="vr-", dir="/var/tmp"))  # short, because names of sockets are limited
    try:
        with Network() as network:
            seconds = measure(Cluster(network, base, traced=False), options.folder.resolve(), options.rounds)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    ratio = statistics.median(seconds[1]) / statistics.median(seconds[2])
    json.dump({"one_worker_s": seconds[1], "two_workers_s": seconds[2], "ratio": round(ratio, 2)}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
