"""Measures what the design promises; writes bench/results.json and docs/performance.md. Each case runs in a process of its own.

python -m bench [CASE ...]      all cases by default; of named ones only the figures are renewed
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.in_process import scan
from bench.machines import machine

ROOT = Path(__file__).resolve().parent.parent
TEXT_BYTES = 24_000_000
SUBMITTED_BYTES = 20_000_000
SWEPT_BYTES = 96_000_000  # of a small corpus the start of Ray and the models would be most of a sweep
SUFFIXES = (".md", ".html", ".json", ".txt", ".rst", ".py")


def real_texts(limit: int, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[Path]:
    """Real files of the installed packages, by size so that no kind crowds out the others, up to `limit` bytes in all."""
    site = Path(sysconfig.get_paths()["purelib"])
    by_suffix: dict[str, list[Path]] = {suffix: [] for suffix in suffixes}
    for path in sorted(site.rglob("*")):
        if path.suffix in by_suffix and path.is_file() and 200 < path.stat().st_size < 2_000_000:
            by_suffix[path.suffix].append(path)
    left, kinds = limit, sorted(by_suffix.values(), key=lambda paths: sum(path.stat().st_size for path in paths))
    for number, paths in enumerate(kinds):  # the rarest kind first: what it cannot fill, the others do
        share = left // (len(kinds) - number)
        for path in paths:
            if share <= 0:
                break
            share -= path.stat().st_size
            left -= path.stat().st_size
            yield path


def copy_corpus(folder: Path, limit: int, suffixes: tuple[str, ...] = SUFFIXES) -> int:
    """A flat copy of real texts; returns its bytes."""
    folder.mkdir()
    total = 0
    for number, path in enumerate(real_texts(limit, suffixes)):
        data = path.read_bytes()
        (folder / f"{number:05}{path.suffix}").write_bytes(data)
        total += len(data)
    return total


def static_text(base: Path) -> dict[str, Any]:
    """Extraction and signatures over real Markdown, HTML, JSON, text and source files, without Ray."""
    copy_corpus(base / "corpus", TEXT_BYTES)
    return scan(str(base / "corpus"), ("signatures",))


def static_parquet(base: Path) -> dict[str, Any]:
    """The same texts as a column of a Parquet file, in paragraphs; megabytes of text, not of compressed file."""
    paragraphs = [p for path in real_texts(TEXT_BYTES) for p in path.read_text(errors="replace").split("\n\n") if p.strip()]
    (base / "corpus").mkdir()
    pq.write_table(pa.table({"text": paragraphs}), base / "corpus" / "texts.parquet", row_group_size=20_000)
    numbers = scan(str(base / "corpus"), ("signatures",))
    size = sum(len(p.encode()) for p in paragraphs)
    return numbers | {"cells": len(paragraphs), "bytes": size, "mb_per_cpu_second": round(size / 1e6 / numbers["cpu_seconds"], 1)}


def injection_actor(base: Path) -> dict[str, Any]:
    """CPU seconds of the injection actor in a run, beside a bare loop of the same model over the same windows; every window is read."""
    from veritensor_ray.config import load_settings
    from veritensor_ray.engines.injection import Injection
    from veritensor_ray.engines.injection.network import Network
    from veritensor_ray.engines.injection.windows import from_table
    from veritensor_ray.jobs.audit import audit
    from veritensor_ray.models.model_store import ModelStore
    from veritensor_ray.testing import text_batch

    copy_corpus(base / "corpus", 600_000, (".md", ".txt", ".rst"))  # formats whose text is the file as it stands
    flags = {"sources": [str(base / "corpus")], "output": str(base / "out"), "engines": ["injection"], "injection": {"cascade": False}}
    settings = load_settings(flags=flags, environ={})
    in_run = audit(settings)["model_cpu_seconds"]["injection"]
    texts = [path.read_text(errors="replace") for path in sorted((base / "corpus").iterdir())]
    windows = from_table(Injection(settings).prepare(text_batch(texts)))
    network = Network(ModelStore("embedded").model("injection").folder, settings.injection.token_budget)
    network.alone(windows[0])
    began = time.process_time()
    network.score(windows)
    bare = time.process_time() - began
    return {
        "windows": len(windows),
        "bare_loop_windows_per_cpu_second": round(len(windows) / bare, 1),
        "in_run_windows_per_cpu_second": round(len(windows) / in_run, 1),
        "ratio": round(bare / in_run, 3),
    }


def _submitted(base: Path, engine: str) -> float:
    """Seconds on the clock of an audit with one engine, Ray's start included."""
    output = base / f"out-{engine}"
    command = [sys.executable, "-m", "veritensor_ray", "submit", str(base / "corpus"), "--output", str(output), "--engines", engine]
    began = time.perf_counter()
    subprocess.run([*command, "--allow-partial"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def injection_submit(base: Path) -> dict[str, Any]:
    """`submit --engines injection` over 20 MB of real text, JSON and source files on two cores, to `--engines signatures` over the same."""
    return _beside_signatures(base, "injection")


def pii_submit(base: Path) -> dict[str, Any]:
    """`submit --engines pii` over the same 20 MB, to `--engines signatures`."""
    return _beside_signatures(base, "pii")


def _beside_signatures(base: Path, engine: str) -> dict[str, Any]:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # what it starts inherits them
    size = copy_corpus(base / "corpus", SUBMITTED_BYTES)
    signatures, other = _submitted(base, "signatures"), _submitted(base, engine)
    return {
        "mb": round(size / 1e6, 1),
        "signatures_seconds": round(signatures, 1),
        f"{engine}_seconds": round(other, 1),
        "ratio": round(other / signatures, 2),
    }


def _synthetic() -> None:
    """Register a filesystem of a thousand folders with a thousand files each, of which nothing can be opened."""
    import fsspec

    from veritensor_ray.stores.filesystems import PROTOCOLS

    class Synthetic(fsspec.AbstractFileSystem):  # type: ignore[misc]  # fsspec is untyped
        protocol = "synthetic"

        def ls(self, path: str, detail: bool = True, **_: Any) -> list[dict[str, Any]]:
            parts = path.strip("/").split("/")
            if len(parts) == 1:
                return [{"name": f"{path.rstrip('/')}/{n:04}", "type": "directory", "size": 0} for n in range(1000)]
            return [{"name": f"{path}/{n:04}.txt", "type": "file", "size": 40_000, "ETag": f"{parts[-1]}{n:028x}"} for n in range(1000)]

        def info(self, path: str, **_: Any) -> dict[str, Any]:
            return {"name": path, "type": "directory", "size": 0}

    fsspec.register_implementation("synthetic", Synthetic, clobber=True)
    PROTOCOLS["synthetic"] = None


def _planned(file: Path, engines: list[str], decide: Any = None) -> dict[str, Any]:
    """Counts, CPU seconds and peak memory of this process when it has written a plan of the synthetic corpus."""
    from veritensor_ray.config import load_settings
    from veritensor_ray.corpus.planning import plan_rows, write_plan

    settings = load_settings(flags={"sources": ["synthetic://corpus"], "engines": engines}, environ={})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    with file.open("wb") as out:
        totals = write_plan(plan_rows(settings, engines, lambda *_: [], decide=decide() if decide else None), out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return totals | {
        "cpu_seconds": round(time.process_time() - began, 1),
        "peak_memory_mb": round(peak / 1024),
        "memory_before_mb": round(before / 1024),
        "plan_mb": round(file.stat().st_size / 1e6, 1),
    }


def planning(base: Path) -> dict[str, Any]:
    """A plan of 1,000,000 artifacts on a synthetic filesystem."""
    _synthetic()
    return _planned(base / "plan.parquet", ["signatures"])


SWEPT = {"signatures": "5f0c", "structure": "77aa", "injection": "9d21", "pii": "a3b4", "secrets": "c0de", "dependencies": "1d2e"}


def _night_before(base: Path) -> None:
    """The tables of a sweep that has seen the synthetic corpus, in a process of its own: its memory is not the plan's."""
    from veritensor_ray.findings.schema import FINDINGS, LEDGER

    row = {"size": 40_000, "media_type": "text/plain", "status": "scanned", "bytes_scanned": 40_000, "gaps": [], "gaps_total": 0}
    row |= {"coverage": [{"engine": e, "status": "complete", "fingerprint": f, "reason": None} for e, f in SWEPT.items()]}
    (base / "ledger").mkdir()
    (base / "findings").mkdir()
    with pq.ParquetWriter(base / "ledger" / "part-0.parquet", LEDGER) as ledger:
        for folder in range(1000):
            names = [(f"{folder:04}/{n:04}.txt", f"{folder:04}{n:028x}") for n in range(1000)]
            about = [{"artifact": a, "etag": e, "content_id": f"{folder:04}{e:>060}", "content_id_kind": "sha256"} for a, e in names]
            ledger.write_table(pa.Table.from_pylist([row | one for one in about], schema=LEDGER))
    some = [{"artifact": f"{n % 1000:04}/{n // 1000:04}.txt", "engine": "secrets", "category": "secret"} for n in range(20_000)]
    pq.write_table(pa.Table.from_pylist(some, schema=FINDINGS), base / "findings" / "part-0.parquet")


def sweep_planning(base: Path) -> dict[str, Any]:
    """A sweep's plan of 1,000,000 unchanged artifacts, 20,000 findings among them, on a filesystem that opens nothing."""
    import multiprocessing

    from veritensor_ray.pipeline.rescan import Previous, Tonight
    from veritensor_ray.stores.outputs import OutputStore

    _synthetic()
    writer = multiprocessing.get_context("spawn").Process(target=_night_before, args=(base,))
    writer.start()
    writer.join()
    return _planned(base / "plan.parquet", list(SWEPT), lambda: Previous(OutputStore(str(base)), Tonight(SWEPT)).decide)


def _swept(corpus: Path, state: Path) -> tuple[float, dict[str, Any]]:
    """CPU seconds of a sweep with all engines, of its whole tree of processes, and its run.json."""
    import psutil

    command = [sys.executable, "-m", "veritensor_ray", "submit", str(corpus), "--output", str(state), "--job", "sweep", "--allow-partial"]
    seen: dict[tuple[int, float], float] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            for one in [root, *root.children(recursive=True)]:
                try:
                    times = one.cpu_times()
                    seen[one.pid, one.create_time()] = times.user + times.system
                except psutil.Error:
                    continue
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"the sweep ended with {process.returncode}")
    return sum(seen.values()), json.loads((state / "current" / "run.json").read_text())


def sweep_changed(base: Path) -> dict[str, Any]:
    """A sweep after 1 % of the files of 96 MB of real text have changed, to the first one, which scans all: CPU of all processes, all engines."""
    size = copy_corpus(base / "corpus", SWEPT_BYTES)
    first, _ = _swept(base / "corpus", base / "state")
    nothing, _ = _swept(base / "corpus", base / "state")
    for path in sorted((base / "corpus").iterdir())[::100]:
        path.write_bytes(path.read_bytes() + b"\n# one more line\n")
    changed, run = _swept(base / "corpus", base / "state")
    return {
        "mb": round(size / 1e6, 1),
        "artifacts": run["totals"]["artifacts"],
        "changed": run["plan"]["changed"],
        "first_cpu_seconds": round(first, 1),
        "changed_cpu_seconds": round(changed, 1),
        "nothing_changed_cpu_seconds": round(nothing, 1),
        "ratio": round(changed / first, 4),
        "ratio_without_start": round((changed - nothing) / first, 4),
    }


def _driver_peak(base: Path, megabytes: int) -> float:
    line = "The quarterly report lists revenue by region and product line, with notes on each change.\n"
    corpus = base / f"corpus-{megabytes}"
    corpus.mkdir()
    for number in range(megabytes):
        (corpus / f"{number:04}.txt").write_text(line * (1_000_000 // len(line)))
    script = (
        "import resource, sys; from veritensor_ray.config import load_settings; from veritensor_ray.jobs.audit import audit\n"
        "audit(load_settings(flags={'sources': [sys.argv[1]], 'output': sys.argv[2], 'engines': ['signatures']}, environ={}))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [sys.executable, "-c", script, str(corpus), str(base / f"out-{megabytes}")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return round(int(done.stdout.split()[-1]) / 1024)


def driver_memory(base: Path) -> dict[str, Any]:
    """Peak memory of the driver over two corpora, one eight times the other."""
    return {"peak_mb_at_50_mb": _driver_peak(base, 50), "peak_mb_at_400_mb": _driver_peak(base, 400)}


def resume(base: Path) -> dict[str, Any]:
    """How many shards a run repeats that was interrupted at 90 %, and how many may be in flight at once."""
    from veritensor_ray.config import load_settings
    from veritensor_ray.jobs.audit import audit
    from veritensor_ray.jobs.reporting import Silent

    class Counter(Silent):
        def __init__(self, limit: int | None) -> None:
            self.limit, self.count = limit, 0

        def committed(self, numbers: dict[str, Any]) -> None:
            self.count += 1
            if self.limit is not None and self.count >= self.limit:
                raise KeyboardInterrupt

    copy_corpus(base / "corpus", 6_000_000)
    flags = {"sources": [str(base / "corpus")], "output": str(base / "out"), "engines": ["signatures"], "limits": {"shard_artifacts": 10}}
    settings = load_settings(flags=flags, environ={})
    whole = Counter(None)
    audit(settings.model_copy(update={"output": str(base / "whole")}), whole)
    first, second = Counter(whole.count * 9 // 10), Counter(None)
    try:
        audit(settings, first)
    except KeyboardInterrupt:
        audit(settings, second)
    return {
        "shards": whole.count,
        "before": first.count,
        "after": second.count,
        "repeated": max(0, first.count + second.count - whole.count),
    }


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "static_text": static_text,
    "static_parquet": static_parquet,
    "injection_actor": injection_actor,
    "injection_submit": injection_submit,
    "pii_submit": pii_submit,
    "planning": planning,
    "sweep_planning": sweep_planning,
    "sweep_changed": sweep_changed,
    "driver_memory": driver_memory,
    "resume": resume,
}


def run_case(name: str) -> dict[str, Any]:
    """A case in a fresh process, with a home of its own."""
    with tempfile.TemporaryDirectory(prefix="veritensor-bench-") as folder:
        environment = os.environ | {"HOME": folder, "XDG_CONFIG_HOME": f"{folder}/.config", "BENCH_FOLDER": folder}
        done = subprocess.run([sys.executable, "-m", "bench", name], capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    numbers: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    print(name, json.dumps(numbers), flush=True)
    return numbers


NOTES = "## What profiling said"  # kept from the page as it is

GOALS = {
    "static_text": ("mb_per_cpu_second", "at least 10 MB per CPU second"),
    "static_parquet": ("mb_per_cpu_second", "at least 10 MB per CPU second"),
    "injection_actor": ("ratio", "at least 0.9 of the bare loop"),
    "injection_submit": ("ratio", "at most 1.7: 20 seconds where signatures take 12"),
    "pii_submit": ("ratio", "at most 1.7"),
    "planning": ("cpu_seconds", "under 120 CPU seconds and 1 GB"),
    "sweep_planning": ("cpu_seconds", "at most 60 CPU seconds and 1.5 GB, nothing opened"),
    "sweep_changed": ("ratio", "at most 0.03"),
    "driver_memory": ("peak_mb_at_400_mb", "does not grow with the bytes scanned"),
    "resume": ("repeated", "no more than the window (3 shards here)"),
}


def report(results: dict[str, Any]) -> str:
    """docs/performance.md: the table, then the notes that the page holds already."""
    out = io.StringIO()
    about = results["machine"]
    out.write("# Performance\n\nWritten by `make bench` from `bench/results.json`; run it to have your own numbers. ")
    out.write(f"These were taken on {about['cpus']} CPUs ({about['cpu']}), Python {about['python']}.\n\n")
    out.write("| case | what | measured | goal |\n| --- | --- | --- | --- |\n")
    for name, (_, goal) in GOALS.items():
        if name not in results:  # a new case, before the next whole run
            continue
        numbers = ", ".join(
            f"{key.replace('_', ' ')} {value if isinstance(value, str) else f'{value:,}'}" for key, value in results[name].items()
        )
        out.write(f"| {name} | {(CASES[name].__doc__ or '').strip()} | {numbers} | {goal} |\n")
    page = ROOT / "docs" / "performance.md"
    _, mark, notes = page.read_text().partition(NOTES) if page.exists() else ("", "", "")
    out.write(f"\n{NOTES}{notes}" if mark else "")
    return out.getvalue()


def main() -> None:
    if len(sys.argv) == 2 and "BENCH_FOLDER" in os.environ:
        print(json.dumps(CASES[sys.argv[1]](Path(os.environ["BENCH_FOLDER"]))))
        return
    store = ROOT / "bench" / "results.json"
    results: dict[str, Any] = json.loads(store.read_text()) if sys.argv[1:] else {"machine": machine()}
    elsewhere = {} if machine() == results["machine"] else {"taken_on": machine()["cpu"]}  # a case by itself, on another machine
    for name in sys.argv[1:] or CASES:
        results[name] = run_case(name) | elsewhere
    store.write_text(json.dumps(results, indent=2) + "\n")
    (ROOT / "docs" / "performance.md").write_text(report(results))


if __name__ == "__main__":
    main()
