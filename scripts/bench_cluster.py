"""What a second worker brings: the same audit on one worker pinned to a core, and on two pinned to a core each.

Hosts are network namespaces (scripts/hosts.py); head, driver and client share the two cores with the workers, so the ratio is a lower
bound. Engines without a model, over files that all hosts see. The time is from the first shard to the last, without start and listing.

python scripts/bench_cluster.py FOLDER [--rounds 2]
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

from cluster_hosts import Cluster, until
from hosts import enter

ENGINES = "signatures,structure,secrets,dependencies,modelfiles,indicators"


def scan_seconds(log: str) -> float:
    """From the line that says that scanning begins to the one that says that results are collected."""
    moments = {}
    for time, words in re.findall(r"^(\d\d:\d\d:\d\d) (scanning|collecting results)$", log, re.MULTILINE):
        moments[words] = datetime.strptime(time, "%H:%M:%S")  # a difference within one log
    return (moments["collecting results"] - moments["scanning"]).total_seconds() % 86400


def audit(cluster: Cluster, source: Path, workers: int, output: str) -> float:
    """Seconds of one run on so many workers."""
    if not until(lambda: cluster.nodes() == workers, 240):
        raise SystemExit(f"{workers} workers did not come up")
    command = ["submit", str(source), "--output", output, "--address", cluster.address, "--engines", ENGINES, "--wait", "--allow-partial"]
    done = cluster.cli(*command, timeout=3000)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr)
    return scan_seconds(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=2, help="taken in turn")
    options = parser.parse_args()
    enter()
    base = Path(tempfile.mkdtemp(prefix="vr-", dir="/var/tmp"))  # short: names of sockets are
    cluster = Cluster(base, traced=False)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    try:
        cluster.start_head()
        for turn in range(options.rounds):
            cluster.start_worker(0, cpus=1)
            seconds[1].append(audit(cluster, options.folder.resolve(), 1, str(base / f"one-{turn}")))
            print(f"one worker: {seconds[1][-1]:.0f} s", flush=True)
            cluster.start_worker(1, cpus=1)
            seconds[2].append(audit(cluster, options.folder.resolve(), 2, str(base / f"two-{turn}")))
            print(f"two workers: {seconds[2][-1]:.0f} s", flush=True)
            for worker in cluster.workers:
                worker.power_off()
            until(lambda: cluster.nodes() == 0, 120)
    finally:
        for host in cluster.hosts:
            host.power_off()
        shutil.rmtree(base, ignore_errors=True)
    ratio = statistics.median(seconds[1]) / statistics.median(seconds[2])
    json.dump({"one_worker_s": seconds[1], "two_workers_s": seconds[2], "ratio": round(ratio, 2)}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
