"""Measure how many shards one driver can handle. All shards are fakes, so only the driver, Ray and the commit are measured.

python -m bench.driver [--shards 2000] [--models]

The driver is this process. Its busiest thread shows how many shards it could handle with enough workers, and with enough CPUs for its other
threads, which belong to Ray. Its memory at two numbers of shards shows whether memory grows. `--models` sends each shard through a model
actor, too.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from veritensor_ray.core.config import Settings, load_settings
from veritensor_ray.jobs.audit_run import audit
from veritensor_ray.jobs.cluster import connection
from veritensor_ray.jobs.run_reporting import Silent

FAKES = {"fake-local": "veritensor_ray.testing:Obedient", "fake-model": "veritensor_ray.testing:ObedientModel"}


class Clock(Silent):
    """Times of commits with the CPU seconds of the driver's threads, for the first tenth and the last tenth."""

    def __init__(self, shards: int) -> None:
        self._wanted, self._seen = (shards // 10, shards), 0
        self.moments: list[tuple[float, dict[int, float]]] = []

    def committed(self, numbers: dict[str, Any]) -> None:
        self._seen += 1
        if self._seen in self._wanted:
            threads = {one.id: one.user_time + one.system_time for one in psutil.Process().threads()}
            self.moments.append((time.perf_counter(), threads))


def corpus(folder: Path, shards: int) -> None:
    """Create one file per shard."""
    for number in range(shards):
        path = folder / f"{number // 1000:03}" / f"{number:06}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a word\n")


def driven(base: Path, shards: int, engines: list[str]) -> dict[str, Any]:
    """Return the figures of one audit, from its first commit to its last."""
    corpus(base / "corpus", shards)
    flags = {"sources": [str(base / "corpus")], "output": str(base / "out"), "engines": engines, "limits": {"shard_artifacts": 1}}
    clock = Clock(shards)
    audit(load_settings(flags=flags | {"plugins": [FAKES[name] for name in engines]}, environ={}), clock)
    (began, before), (ended, after) = clock.moments
    count = shards - shards // 10
    spent = [seconds - before.get(thread, 0.0) for thread, seconds in after.items()]
    return {
        "shards": shards,
        "shards_per_second": round(count / (ended - began), 1),
        "driver_cpu_ms_per_shard": round(sum(spent) / count * 1000, 2),
        "busiest_thread_ms_per_shard": round(max(spent) / count * 1000, 2),
        "shards_per_second_of_that_thread": round(count / max(spent)),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--models", action="store_true", help="Send each shard through a model actor, too.")
    parser.add_argument("--profile", action="store_true", help="Show what the driver spends its time on.")
    options = parser.parse_args()
    engines = list(FAKES) if options.models else ["fake-local"]
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory(prefix="veritensor-bench-") as folder, connection.running(Settings()):
        for shards in (options.shards // 4, options.shards):
            if options.profile:
                profile.enable()
            print(json.dumps(driven(Path(folder) / str(shards), shards, engines)), flush=True)
    if options.profile:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
