"""Measure texts that are made to be slow, in megabytes per CPU second, against plain text of the same size in the same process.

It writes bench/adversarial.json and docs/adversarial.md. `python -m bench.adversarial [TEXT ...]` prints some and writes nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.adversarial_texts import TEXTS, HostileText, plain
from bench.machines import machine
from bench.prose import wrapped

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as Ray sets it for a worker: a second numpy thread would be counted while it waits
ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "bench" / "adversarial.json", ROOT / "docs" / "adversarial.md"
SIZE = 150_000  # characters in a text
WARM = 600_000  # characters of plain text that each stage reads first, after which a worker has built what pays only with some text
RUNS = 3  # processes that measure a text
CAP = 20  # CPU seconds for a text; a text that takes longer is recorded as ended
_PATIENCE = 10  # elapsed time may be this many times the CPU time, on a machine that others use
GOAL = 5.0  # times the cost of plain text
LISTED = 10.0  # the page lists slower texts
_FILE = 100.0  # megabytes of the file whose CPU time the page tells
_WRAPPED: dict[str, Callable[[str], str]] = {  # plain text in the form that readers of other formats need
    ".html": lambda text: "<p>" + text.replace("\n", "</p>\n<p>") + "</p>",
    ".xml": lambda text: "<?xml version='1.0'?><r><p>" + text.replace("\n", "</p>\n<p>") + "</p></r>",
    ".csv": lambda text: "text\n" + text,
    ".json": lambda text: json.dumps(text.split("\n")),
    ".jsonl": lambda text: "\n".join(json.dumps({"text": line}) for line in text.split("\n")),
    ".eml": lambda text: "From: a@b.org\nSubject: figures\n\n" + text,
    ".rtf": lambda text: "{\\rtf1 " + text.replace("\n", "\\par\n") + "}",
}

Stage = Callable[[Path], float]  # CPU seconds for the file in a folder


def stages() -> dict[str, Stage]:
    """Return what is measured. Engines are loaded once, before a process is forked for each text."""
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.engines.injection import Injection
    from veritensor_ray.engines.pii import Pii
    from veritensor_ray.engines.registry import BUILT_IN, create, needing_models
    from veritensor_ray.pipeline.context import workbench

    settings = load_settings(flags={"sources": [str(ROOT)]}, environ={})
    names = tuple(BUILT_IN)
    static = tuple(name for name in names if name not in needing_models(create(settings, names)))
    workbench(_context(settings, static), static)
    injection, pii = Injection(settings), Pii(settings)
    found: dict[str, Stage] = {
        "static": lambda folder: _scanned(settings, static, folder),
        "injection": lambda folder: sum(_timed(injection.prepare, batch) for batch in _batches(settings, folder)),
        "pii": lambda folder: sum(_timed(_without_model(pii), batch) for batch in _batches(settings, folder)),
    }
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), ".txt", plain(WARM))
        for stage in found.values():
            stage(Path(folder))
    return found


def _context(settings: Any, names: Sequence[str], folder: Path = ROOT) -> Any:
    from veritensor_ray.corpus.listing import roots
    from veritensor_ray.pipeline.context import Context

    return Context(settings, tuple(roots([str(folder)], {})), tuple(names), b"bench", "adversarial")


def _scanned(settings: Any, names: Sequence[str], folder: Path) -> float:
    """Scan a file with all engines that have no model, up to the rows of its commit."""
    from veritensor_ray.pipeline.run_description import planned_shards
    from veritensor_ray.pipeline.shard import scan_shard

    context = _context(settings, names, folder)
    return sum(_timed(lambda rows: scan_shard(context, rows), shard.rows) for shard in planned_shards(context))


def _batches(settings: Any, folder: Path) -> Iterator[Any]:
    """Yield what engines with a model receive for a file, including decoded layers."""
    from veritensor_ray.pipeline.context import Workbench
    from veritensor_ray.pipeline.extract import Extraction
    from veritensor_ray.pipeline.run_description import planned_shards

    context = _context(settings, ("injection",), folder)
    for shard in planned_shards(context):
        for handover in Extraction(context, shard.rows, Workbench((), {}), ["injection"]).batches():
            yield handover.batch


def _without_model(engine: Any) -> Callable[[Any], None]:
    """Run `pii` on a batch without its model, up to rows."""
    import pyarrow.compute as pc

    from veritensor_ray.findings.recorder import Recorder

    rules = {rule.id: rule for rule in engine.rules()}

    def scan(batch: Any) -> None:
        prepared = engine.prepare(batch)
        settled = prepared.filter(pc.greater(pc.fill_null(pc.utf8_length(prepared.column("rule")), 0), 0))
        Recorder(rules, b"bench", 10_000).text_hits("pii", batch, engine.scan_prepared(batch, settled))

    return scan


def _timed(function: Callable[[Any], Any], argument: Any) -> float:
    began = time.process_time()
    function(argument)
    return time.process_time() - began


def write(folder: Path, suffix: str, text: str) -> int:
    """Write a file with that text and return its size in bytes."""
    return (folder / f"text{suffix}").write_bytes(text.encode("utf-8", "surrogatepass"))


def _speeds(stages: Mapping[str, Stage], suffix: str, text: str, pipe: Any, which: str) -> None:
    """Send the megabytes per second of each stage."""
    with tempfile.TemporaryDirectory() as folder:
        size = write(Path(folder), suffix, text)
        for name, stage in stages.items():
            pipe.send((which, name, size / 1e6 / max(stage(Path(folder)), 1e-4)))


def _wrapped(text: str, suffix: str) -> str:
    return _WRAPPED[suffix](text) if suffix in _WRAPPED else text


def _child(stages: Mapping[str, Stage], hostile: HostileText, size: int, cap: int, pipe: Any) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cap, cap))  # the kernel ends the process
    text = hostile.make(size)
    usual = plain(len(text.encode("utf-8", "surrogatepass")))  # the same number of bytes
    _speeds(stages, hostile.suffix, _wrapped(usual, hostile.suffix), pipe, "plain")
    _speeds(stages, hostile.suffix, text, pipe, "hostile")
    pipe.send(None)


def measured(stages: Mapping[str, Stage], hostile: HostileText, size: int = SIZE, cap: int = CAP) -> dict[str, Any]:
    """Measure one text and plain text in several processes, since a process may meet a slow moment, and return the medians."""
    runs = [_measured_once(stages, hostile, size, cap) for _ in range(RUNS)]
    row: dict[str, Any] = {"text": hostile.name, "format": hostile.suffix[1:], "plain": {}, "hostile": {}}
    for which in ("plain", "hostile"):
        for stage in stages:
            speeds = [run[which][stage] for run in runs if stage in run[which]]
            row[which][stage] = round(statistics.median(speeds), 3) if len(speeds) == RUNS else None  # slower than the cap
    return row


def _measured_once(stages: Mapping[str, Stage], hostile: HostileText, size: int, cap: int) -> dict[str, dict[str, float]]:
    """Measure one text and plain text in a separate process, which is ended after `cap` CPU seconds and then lacks stages."""
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(stages, hostile, size, cap, theirs))
    process.start()
    theirs.close()
    found: dict[str, dict[str, float]] = {"plain": {}, "hostile": {}}
    end = time.monotonic() + _PATIENCE * cap
    with contextlib.suppress(EOFError):  # it was ended
        while mine.poll(max(0.0, end - time.monotonic())) and (message := mine.recv()):
            which, stage, speed = message
            found[which][stage] = speed
    process.kill()
    process.join()
    return found


def times(row: Mapping[str, Any], stage: str) -> float:
    """Return how many times as long as plain text it takes; infinite if the process was ended."""
    speed = row["hostile"][stage]
    return float("inf") if speed is None else float(row["plain"][stage] / speed)


def worst(row: Mapping[str, Any]) -> float:
    """Return the highest ratio of all stages."""
    return max(times(row, stage) for stage in row["hostile"])


def file_seconds(row: Mapping[str, Any], which: str = "hostile") -> float:
    """Return the CPU seconds of all stages for a file of 100 MB, by calculation: the tests hold that work grows with the size of a text."""
    speeds = row[which].values()
    return float("inf") if None in speeds else sum(_FILE / speed for speed in speeds)


def report(results: Mapping[str, Any]) -> str:
    """Return the page, slowest text first."""
    rows = sorted(results["rows"], key=worst, reverse=True)
    first, over = rows[0], sum(worst(row) > GOAL for row in rows)
    stage = max(first["hostile"], key=lambda name: times(first, name))
    head = [
        "# Texts made to be slow",
        "",
        wrapped(
            "This page shows how much an attacker can slow down a scan with a text made for that purpose. `make bench-adversarial` writes it. "
            f"Each text repeats something that an engine, a reader or the search for [decoded layers](readers.md#obfuscated-text) looks for, up to {results['characters']:,} characters. "
            "The table shows how many times as long it takes as plain text of the same size in bytes, each the median of "
            f"{RUNS} processes:"
        ),
        "",
        "- `static`: everything from the bytes to the results, with all engines that need no model.",
        "- `injection`: what this engine does with extracted text before its model runs.",
        "- `pii`: everything that this engine does without its model.",
        "",
        wrapped(
            "The last column is the CPU time of all three together for a file of 100 MB, at most. It is calculated from the speed at "
            f"{results['characters']:,} characters: tests hold that the work grows with the size of a text and not faster, and further findings "
            "of a rule that has `limits.hits_per_rule` of them in a file are only counted, which costs less. Plain "
            f"text of that size takes {_duration(statistics.median(file_seconds(row, 'plain') for row in rows if row['format'] == 'txt'))}."
        ),
        "",
        wrapped(
            "Such a text cannot hold up a run for long. If an engine spends more than `limits.engine_seconds` CPU seconds per megabyte of an "
            "artifact's text, 120 by default, it does not check the rest of that artifact, and the ledger has a gap that names the engine and the limit. "
            "No text in this table comes near that. For a nightly run with a deadline, choose a lower limit."
        ),
        "",
        "Machine: {cpu}, {cpus} CPUs, Python {python}.".format_map(results["machine"]),
        "",
        f"The slowest text is **{first['text']}** ({first['format']}, {stage}): it takes {_shown(times(first, stage))} times as long as plain text.",
        f"{over} of {len(rows)} texts take more than {GOAL:.0f} times as long. The table lists those that take more than {LISTED:.0f} times as long;",
        "`bench/adversarial.json` has the others.",
        "",
        f"| text | format | {' | '.join(_STAGES)} | CPU time of a 100 MB file |",
        f"| --- | --- | {' | '.join('---' for _ in _STAGES)} | --- |",
    ]
    return "\n".join(head + [_line(row) for row in rows if worst(row) > LISTED]) + "\n"


_STAGES = ("static", "injection", "pii")


def _line(row: Mapping[str, Any]) -> str:
    cells = " | ".join(_shown(times(row, stage)) for stage in _STAGES)
    return f"| {row['text']} | {row['format']} | {cells} | {_duration(file_seconds(row))} |"


def _shown(value: float) -> str:
    return "ended" if value == float("inf") else f"{value:.1f}"


def _duration(seconds: float) -> str:
    return "ended" if seconds == float("inf") else f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def main() -> None:
    """Measure all texts, or print the named ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="Names of texts, or their beginnings.")
    parser.add_argument("--size", type=int, default=SIZE, help="Characters in a text.")
    parser.add_argument("--cap", type=int, default=CAP, help="Maximum CPU seconds for one text.")
    from veritensor_ray.pipeline.bounded.process_limits import settle

    options = parser.parse_args()
    loaded = stages()
    settle()  # as a worker does
    chosen = [one for one in TEXTS if not options.texts or one.name.startswith(tuple(options.texts))]
    rows = []
    for one in chosen:
        rows.append(measured(loaded, one, options.size, options.cap))
        print(_line(rows[-1]), flush=True)
    if not options.texts:
        results = {"machine": machine(), "characters": options.size, "rows": rows}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        PAGE.write_text(report(results))


if __name__ == "__main__":
    main()
