"""How many shards a driver can drive: shards of nothing but fakes, so that what is measured is the driver, Ray and the commit.

python -m bench.driver [--shards 2000] [--models]

The driver is this process: its CPU seconds for a shard say how many it could drive if workers were as many as they have to be, its memory
at two numbers of shards says whether that grows. `--models` sends each shard through a model actor, too.
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

from veritensor_ray.config import Settings, load_settings
from veritensor_ray.jobs import cluster
from veritensor_ray.jobs.audit import audit
from veritensor_ray.jobs.reporting import Silent

FAKES = {"fake-local": "veritensor_ray.testing:Obedient", "fake-model": "veritensor_ray.testing:ObedientModel"}


class Clock(Silent):
    """The moments of the commits, and the CPU seconds of the driver at them."""

    def __init__(self) -> None:
        self.moments: list[tuple[float, float]] = []

    def committed(self, numbers: dict[str, Any]) -> None:
        self.moments.append((time.perf_counter(), time.process_time()))


def corpus(folder: Path, shards: int) -> None:
    """A file for each shard."""
    for number in range(shards):
        path = folder / f"{number // 1000:03}" / f"{number:06}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a word\n")


def driven(base: Path, shards: int, engines: list[str]) -> dict[str, Any]:
    """Figures of one audit, from its first commit to its last."""
    corpus(base / "corpus", shards)
    flags = {"sources": [str(base / "corpus")], "output": str(base / "out"), "engines": engines, "limits": {"shard_artifacts": 1}}
    clock = Clock()
    audit(load_settings(flags=flags | {"plugins": [FAKES[name] for name in engines]}, environ={}), clock)
    (began, cpu), (ended, cpu_then) = clock.moments[len(clock.moments) // 10], clock.moments[-1]
    count = len(clock.moments) - len(clock.moments) // 10 - 1
    return {
        "shards": shards,
        "shards_per_second": round(count / (ended - began), 1),
        "driver_cpu_ms_per_shard": round((cpu_then - cpu) / count * 1000, 2),
        "shards_per_cpu_second_of_the_driver": round(count / (cpu_then - cpu)),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--models", action="store_true", help="through a model actor, too")
    parser.add_argument("--profile", action="store_true", help="say what the driver's time goes to")
    options = parser.parse_args()
    engines = list(FAKES) if options.models else ["fake-local"]
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory(prefix="veritensor-bench-") as folder, cluster.running(Settings()):
        for shards in (options.shards // 4, options.shards):
            if options.profile:
                profile.enable()
            print(json.dumps(driven(Path(folder) / str(shards), shards, engines)), flush=True)
    if options.profile:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
