"""Scan a folder in this process, without Ray, and print bytes and CPU seconds as JSON.

python -P bench/in_process.py FOLDER ENGINE[,ENGINE ...]
python -P bench/in_process.py --turns ENGINE[,ENGINE ...] FOLDER ...
python -P bench/in_process.py --fresh ENGINE[,ENGINE ...] WARM FOLDER ...

With `--turns` it waits for lines on its standard input, each of which asks for one pass: a folder, behind `sample ` if the pass is to be
sampled, or behind `rows ` if it shall say a digest of its results. Two processes with different versions of the package can so take turns.

With `--fresh` it makes passes over the folder WARM, which load what engines need, and then a sampled one over each other folder. Models
remember what they have read, so that only the first pass over a text measures them.

It runs as a file, so that `PYTHONPATH` decides which version of the package is measured. `-P` keeps modules in this folder from hiding
those of Python.
"""

from __future__ import annotations

import gc
import hashlib
import json
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from types import FrameType
from typing import Any

EVERY = 0.004  # CPU seconds between two samples; most systems cannot do it more often


def prepared(folder: str, engines: tuple[str, ...], folders: list[str]) -> Callable[..., dict[str, Any]]:
    """Plan a scan of a folder. Returns a pass over it, which returns its files, bytes and CPU seconds, and a digest if `rows` is set.

    All `folders` have the same settings, because a process keeps the engines of only a few settings and would otherwise load them in
    nearly every pass.
    """
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.corpus.listing import roots
    from veritensor_ray.corpus.planning import Shard, plan_rows, shards_of
    from veritensor_ray.pipeline.context import Context
    from veritensor_ray.pipeline.shard import scan_shard

    settings = load_settings(flags={"sources": folders, "engines": list(engines)}, environ={})
    starts = roots([folder], {})
    context = Context(settings, tuple(starts), engines, b"bench", "bench")
    shards = [one for one in shards_of(plan_rows(settings, list(engines), lambda *_: [], starts=starts)) if isinstance(one, Shard)]

    def once(rows: bool = False) -> dict[str, Any]:
        began, size, files, digest = time.process_time(), 0, 0, hashlib.sha256()
        for shard in shards:
            table = scan_shard(context, shard.rows)
            size, files = size + sum(table.column("bytes_scanned").to_pylist()), files + table.num_rows
            if rows:
                digest.update(json.dumps(table.drop_columns("seconds").to_pylist(), default=repr).encode())
        found = {"files": files, "bytes": size, "cpu_seconds": time.process_time() - began}
        return found | {"rows": digest.hexdigest()} if rows else found

    return once


def sampled(once: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Make a pass, and add up the CPU seconds by modules of the package: those of a call, the innermost first, as one key.

    A signal that arrives while a library computes is handled when the library returns. So a sample stands for the time since the one before.
    """
    where: dict[str, float] = defaultdict(float)
    last = time.process_time()

    def count(signal_number: int, frame: FrameType | None) -> None:
        nonlocal last
        modules: list[str] = []
        while frame:
            _, package, module = frame.f_code.co_filename.rpartition("/veritensor_ray/")
            if package and modules[-1:] != [module]:
                modules.append(module)
            frame = frame.f_back
        now = time.process_time()
        where["|".join(modules)] += now - last
        last = now

    signal.signal(signal.SIGPROF, count)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    found = once()
    signal.setitimer(signal.ITIMER_PROF, 0)
    return found | {"samples": where}


def fresh(folders: list[str], engines: tuple[str, ...]) -> None:
    """Make passes over the first folder, and then print what a sampled one over each of the others finds."""
    warm, *passes = [prepared(folder, engines, folders) for folder in folders]
    for _ in range(3):  # some of what engines search with is built only after megabytes
        warm()
    for once in passes:
        gc.collect()
        print(json.dumps(sampled(once)), flush=True)


def scan(folder: str, engines: tuple[str, ...]) -> dict[str, Any]:
    """Return the bytes, and the CPU seconds of the second of two passes. The first loads rules and libraries."""
    once = prepared(folder, engines, [folder])
    once()
    found = once()
    size, seconds = found["bytes"], found["cpu_seconds"]
    return {"bytes": size, "cpu_seconds": round(seconds, 2), "mb_per_cpu_second": round(size / 1e6 / seconds, 1)}


def turns(folders: list[str], engines: tuple[str, ...]) -> None:
    """Make a pass over each folder, which loads rules and libraries, say that it is done, and then do what the standard input asks for."""
    passes = {folder: prepared(folder, engines, folders) for folder in folders}
    for once in passes.values():
        once()
    print("ready", flush=True)
    for line in sys.stdin:
        folder = line.strip().removeprefix("sample ").removeprefix("rows ")
        gc.collect()
        found = sampled(passes[folder]) if line.startswith("sample ") else passes[folder](rows=line.startswith("rows "))
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--turns":
        turns(sys.argv[3:], tuple(sys.argv[2].split(",")))
    elif sys.argv[1] == "--fresh":
        fresh(sys.argv[3:], tuple(sys.argv[2].split(",")))
    else:
        print(json.dumps(scan(sys.argv[1], tuple(sys.argv[2].split(",")))))
