"""Scan a folder in this process, without Ray, and print bytes and CPU seconds as JSON.

python -P bench/in_process.py FOLDER ENGINE[,ENGINE ...]

It runs as a file, so that `PYTHONPATH` decides which version of the package is measured. `-P` keeps modules in this folder from hiding
those of Python.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def scan(folder: str, engines: tuple[str, ...]) -> dict[str, Any]:
    """Return the bytes, and the CPU seconds of the second of two passes. The first loads rules and libraries."""
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.corpus.listing import roots
    from veritensor_ray.corpus.planning import Shard, plan_rows, shards_of
    from veritensor_ray.pipeline.context import Context
    from veritensor_ray.pipeline.shard import scan_shard

    settings = load_settings(flags={"sources": [folder], "engines": list(engines)}, environ={})
    context = Context(settings, tuple(roots(settings.sources, {})), engines, b"bench", "bench")
    shards = [one for one in shards_of(plan_rows(settings, list(engines), lambda *_: [])) if isinstance(one, Shard)]
    for _ in range(2):
        began, size = time.process_time(), 0
        for shard in shards:
            size += sum(scan_shard(context, shard.rows).column("bytes_scanned").to_pylist())
        seconds = time.process_time() - began
    return {"bytes": size, "cpu_seconds": round(seconds, 2), "mb_per_cpu_second": round(size / 1e6 / seconds, 1)}


if __name__ == "__main__":
    print(json.dumps(scan(sys.argv[1], tuple(sys.argv[2].split(",")))))
