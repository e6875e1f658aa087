"""Measure what the design promises, and write bench/results.json and docs/performance.md.

Each case runs in its own process.

python -m bench [CASE ...]      runs all cases by default; named cases renew only their own figures
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
from bench.prose import wrapped

ROOT = Path(__file__).resolve().parent.parent
TEXT_BYTES = 24_000_000
SUBMITTED_BYTES = 20_000_000
SWEPT_BYTES = 96_000_000  # in a small corpus, starting Ray and loading the models would be most of a sweep
SUFFIXES = (".md", ".html", ".json", ".txt", ".rst", ".py")


def real_texts(limit: int, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[Path]:
    """Yield real files of the installed packages, up to `limit` bytes in total, so that no kind crowds out the others."""
    site = Path(sysconfig.get_paths()["purelib"])
    by_suffix: dict[str, list[Path]] = {suffix: [] for suffix in suffixes}
    for path in sorted(site.rglob("*")):
        if path.suffix in by_suffix and path.is_file() and 200 < path.stat().st_size < 2_000_000:
            by_suffix[path.suffix].append(path)
    left, kinds = limit, sorted(by_suffix.values(), key=lambda paths: sum(path.stat().st_size for path in paths))
    for number, paths in enumerate(kinds):  # the rarest kind first: the others fill what it cannot
        share = left // (len(kinds) - number)
        for path in paths:
            if share <= 0:
                break
            share -= path.stat().st_size
            left -= path.stat().st_size
            yield path


def copy_corpus(folder: Path, limit: int, suffixes: tuple[str, ...] = SUFFIXES) -> int:
    """Copy real texts into one folder and return their total size in bytes."""
    folder.mkdir()
    total = 0
    for number, path in enumerate(real_texts(limit, suffixes)):
        data = path.read_bytes()
        (folder / f"{number:05}{path.suffix}").write_bytes(data)
        total += len(data)
    return total


def static_text(base: Path) -> dict[str, Any]:
    """Extracts 24 MB of real Markdown, HTML, JSON, text and source files and runs `signatures` over them, without Ray."""
    copy_corpus(base / "corpus", TEXT_BYTES)
    return scan(str(base / "corpus"), ("signatures",))


def static_parquet(base: Path) -> dict[str, Any]:
    """Does the same for these texts as a column of a Parquet file, in paragraphs. Megabytes count text, not the compressed file."""
    paragraphs = [p for path in real_texts(TEXT_BYTES) for p in path.read_text(errors="replace").split("\n\n") if p.strip()]
    (base / "corpus").mkdir()
    pq.write_table(pa.table({"text": paragraphs}), base / "corpus" / "texts.parquet", row_group_size=20_000)
    numbers = scan(str(base / "corpus"), ("signatures",))
    size = sum(len(p.encode()) for p in paragraphs)
    return numbers | {"cells": len(paragraphs), "bytes": size, "mb_per_cpu_second": round(size / 1e6 / numbers["cpu_seconds"], 1)}


def injection_actor(base: Path) -> dict[str, Any]:
    """Compares the injection actor in a run with a bare loop of the same model over the same windows. The model reads every window."""
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.engines.injection import Injection
    from veritensor_ray.engines.injection.encoder_network import Network
    from veritensor_ray.engines.injection.windows import from_table
    from veritensor_ray.jobs.audit_run import audit
    from veritensor_ray.models.model_store import ModelStore
    from veritensor_ray.testing import text_batch

    copy_corpus(base / "corpus", 600_000, (".md", ".txt", ".rst"))  # formats whose text equals the file
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
    """Return the elapsed seconds of an audit with one engine, including the start of Ray."""
    output = base / f"out-{engine}"
    command = [sys.executable, "-m", "veritensor_ray", "submit", str(base / "corpus"), "--output", str(output), "--engines", engine]
    began = time.perf_counter()
    subprocess.run([*command, "--allow-partial"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def injection_submit(base: Path) -> dict[str, Any]:
    """Times `submit --engines injection` over 20 MB of real text, JSON and source files on two cores, relative to `--engines signatures`."""
    return _beside_signatures(base, "injection")


def pii_submit(base: Path) -> dict[str, Any]:
    """Times `submit --engines pii` over the same 20 MB, relative to `--engines signatures`."""
    return _beside_signatures(base, "pii")


def _beside_signatures(base: Path, engine: str) -> dict[str, Any]:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # child processes inherit this
    size = copy_corpus(base / "corpus", SUBMITTED_BYTES)
    signatures, other = _submitted(base, "signatures"), _submitted(base, engine)
    return {
        "mb": round(size / 1e6, 1),
        "signatures_seconds": round(signatures, 1),
        f"{engine}_seconds": round(other, 1),
        "ratio": round(other / signatures, 2),
    }


def _synthetic() -> None:
    """Register a filesystem of a thousand folders with a thousand files each, none of which can be opened."""
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
    """Return counts, CPU seconds and peak memory of this process after it has planned the synthetic corpus."""
    from veritensor_ray.core.config import load_settings
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
    """Plans 1,000,000 artifacts on a synthetic filesystem."""
    _synthetic()
    return _planned(base / "plan.parquet", ["signatures"])


SWEPT = {"signatures": "5f0c", "structure": "77aa", "injection": "9d21", "pii": "a3b4", "secrets": "c0de", "dependencies": "1d2e"}


def _night_before(base: Path) -> None:
    """Write the tables of a sweep over the synthetic corpus in a separate process, whose memory does not count as the plan's."""
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
    """Plans a sweep over 1,000,000 unchanged artifacts with 20,000 findings, on a filesystem where no file can be opened."""
    import multiprocessing

    from veritensor_ray.pipeline.sweep_rescan import Previous, ThisSweep
    from veritensor_ray.stores.outputs import OutputStore

    _synthetic()
    writer = multiprocessing.get_context("spawn").Process(target=_night_before, args=(base,))
    writer.start()
    writer.join()
    return _planned(base / "plan.parquet", list(SWEPT), lambda: Previous(OutputStore(str(base)), ThisSweep(SWEPT)).decide)


def _swept(corpus: Path, state: Path) -> tuple[float, dict[str, Any]]:
    """Run a sweep with all engines. Return the CPU seconds of all its processes, and its run.json."""
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
        raise SystemExit(f"the sweep exited with code {process.returncode}")
    return sum(seen.values()), json.loads((state / "current" / "run.json").read_text())


def sweep_changed(base: Path) -> dict[str, Any]:
    """Compares a sweep over 96 MB of real text, after 1 % of the files changed, with the first, by the CPU time of all processes and engines."""
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
        "import resource, sys; from veritensor_ray.core.config import load_settings; from veritensor_ray.jobs.audit_run import audit\n"
        "audit(load_settings(flags={'sources': [sys.argv[1]], 'output': sys.argv[2], 'engines': ['signatures']}, environ={}))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [sys.executable, "-c", script, str(corpus), str(base / f"out-{megabytes}")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return round(int(done.stdout.split()[-1]) / 1024)


def driver_memory(base: Path) -> dict[str, Any]:
    """Compares the driver's peak memory for two corpora, one eight times as large as the other."""
    return {"peak_mb_at_50_mb": _driver_peak(base, 50), "peak_mb_at_400_mb": _driver_peak(base, 400)}


def resume(base: Path) -> dict[str, Any]:
    """Counts the shards that are scanned again when a run is resumed after an interruption at 90 %."""
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.jobs.audit_run import audit
    from veritensor_ray.jobs.run_reporting import Silent

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
    """Run a case in a new process with its own home folder."""
    with tempfile.TemporaryDirectory(prefix="veritensor-bench-") as folder:
        environment = os.environ | {"HOME": folder, "XDG_CONFIG_HOME": f"{folder}/.config", "BENCH_FOLDER": folder}
        done = subprocess.run([sys.executable, "-m", "bench", name], capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    numbers: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    print(name, json.dumps(numbers), flush=True)
    return numbers


NOTES = "## What makes the difference"  # the page's notes are kept

GOALS = {
    "static_text": ("mb_per_cpu_second", "at least 10 MB per CPU second"),
    "static_parquet": ("mb_per_cpu_second", "at least 10 MB per CPU second"),
    "injection_actor": ("ratio", "a ratio of at least 0.9"),
    "injection_submit": ("ratio", "a ratio of at most 1.7 (20 seconds if `signatures` takes 12)"),
    "pii_submit": ("ratio", "a ratio of at most 1.7"),
    "planning": ("cpu_seconds", "below 120 CPU seconds and 1 GB"),
    "sweep_planning": ("cpu_seconds", "within 60 CPU seconds and 1.5 GB, without opening a file"),
    "sweep_changed": ("ratio", "a ratio of at most 0.03"),
    "driver_memory": ("peak_mb_at_400_mb", "a peak that does not grow with the amount of data"),
    "resume": ("repeated", "no more than the shards in flight (3 here)"),
}


def report(results: dict[str, Any]) -> str:
    """Return docs/performance.md: the cases, then the notes that the page already contains."""
    out = io.StringIO()
    about = results["machine"]
    introduction = (
        "This page shows what speed and memory use to expect, and what makes the difference. `make bench` writes the figures; run it to get "
        f"them for your own machine. These were measured on {about['cpus']} CPUs with Python {about['python']}; unless a case names its "
        f"processor, that was {about['cpu']}."
    )
    out.write(f"# Performance\n\n{wrapped(introduction)}\n\n## Cases\n")
    for name, (_, goal) in GOALS.items():
        if name not in results:  # a case added since the last full run
            continue
        about_case = (CASES[name].__doc__ or "").strip()
        figures = dict(results[name])
        processor = figures.pop("taken_on", None)
        out.write(f"\n### {name}\n\n{wrapped(about_case)}\n\n")
        out.writelines(f"- {_words(key)}: {value:,}\n" for key, value in figures.items() if key not in _SAYS_NOTHING)
        out.write(f"- goal: {goal}\n" + (f"- processor: {processor}\n" if processor else ""))
    page = ROOT / "docs" / "performance.md"
    _, mark, notes = page.read_text().partition(NOTES) if page.exists() else ("", "", "")
    out.write(f"\n{NOTES}{notes}" if mark else "")
    return out.getvalue()


_SAYS_NOTHING = {"carried", "again", "bytes", "memory_before_mb", "plan_mb"}  # stored with the results, but not on the page

_WORDS = {
    "again": "scanned again",
    "carried": "carried over",
    "before": "committed before the interruption",
    "after": "committed after it",
    "bare_loop_windows_per_cpu_second": "bare loop, windows per CPU second",
    "in_run_windows_per_cpu_second": "in a run, windows per CPU second",
    "signatures_seconds": "`signatures`, seconds",
    "injection_seconds": "`injection`, seconds",
    "pii_seconds": "`pii`, seconds",
    "mb": "size of the corpus, MB",
    "peak_memory_mb": "peak memory, MB",
    "memory_before_mb": "memory before planning, MB",
    "plan_mb": "size of the plan, MB",
    "first_cpu_seconds": "first sweep, CPU seconds",
    "changed_cpu_seconds": "sweep after the changes, CPU seconds",
    "nothing_changed_cpu_seconds": "sweep without changes, CPU seconds",
    "ratio_without_start": "ratio after subtracting the sweep without changes",
    "peak_mb_at_50_mb": "peak for 50 MB, in MB",
    "peak_mb_at_400_mb": "peak for 400 MB, in MB",
}


def _words(key: str) -> str:
    """Return the name of a figure in words."""
    return _WORDS.get(key) or " ".join({"cpu": "CPU", "mb": "MB"}.get(word, word) for word in key.split("_"))


def main() -> None:
    if len(sys.argv) == 2 and "BENCH_FOLDER" in os.environ:
        print(json.dumps(CASES[sys.argv[1]](Path(os.environ["BENCH_FOLDER"]))))
        return
    store = ROOT / "bench" / "results.json"
    results: dict[str, Any] = json.loads(store.read_text()) if sys.argv[1:] else {"machine": machine()}
    elsewhere = {} if machine() == results["machine"] else {"taken_on": machine()["cpu"]}  # a single case, measured on another machine
    for name in sys.argv[1:] or CASES:
        results[name] = run_case(name) | elsewhere
    store.write_text(json.dumps(results, indent=2) + "\n")
    (ROOT / "docs" / "performance.md").write_text(report(results))


if __name__ == "__main__":
    main()
