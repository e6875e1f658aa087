"""Measure what cleaning costs beside an audit of the same corpus with the same engines, in one run on one machine.

    python -m bench.clean [FOLDER] [--megabytes 20] [--engines signatures,structure,secrets,pii]

Without a folder, real files of the installed packages are taken, with an address or a card written into every tenth. Both runs are processes
of their own with an embedded Ray. The ratio compares the audit with the first audit of `clean`, which also rewrites; the audit of the copy
is given apart, because it reads another corpus.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.__main__ import copy_corpus
from bench.machines import machine

_STATIC = "signatures,structure,secrets,pii"
_WRITTEN = "\nContact: anna.ferrand@kaldor-mail.com, card 4929421234567897.\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", help="Corpus to use instead of files of the installed packages.")
    parser.add_argument("--megabytes", type=int, default=20, help="Size of the corpus. Default: 20.")
    parser.add_argument("--engines", default=_STATIC, help=f"Engines of both runs. Default: {_STATIC}.")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        corpus = Path(given.folder) if given.folder else base / "corpus"
        if not given.folder:
            _corpus(corpus, given.megabytes * 1_000_000)
        audit = _run(["submit", str(corpus), "--output", str(base / "audit")], given.engines)
        cleaned = _run(["clean", str(corpus), "--to", str(base / "copy")], given.engines)
        run = json.loads((base / "copy" / "run.json").read_text())
        first, second = (_seconds(cleaned["lines"], name) for name in ("before", "after"))
    alone = _seconds(audit["lines"], "before")
    print(f"{_machine()}; engines {given.engines}; {run['before']['totals']['bytes'] / 1e6:.1f} MB\n")
    print("| | seconds | CPU seconds | peak memory, MB |\n| --- | --- | --- | --- |")
    print(f"| audit | {audit['seconds']:.1f} | {audit['cpu']:.1f} | {audit['memory']:.0f} |")
    print(f"| clean, with the audit of the copy | {cleaned['seconds']:.1f} | {cleaned['cpu']:.1f} | {cleaned['memory']:.0f} |")
    print(f"\naudit: {alone:.1f} s; first pass of clean: {first:.1f} s, ratio {first / alone:.2f}; audit of the copy: {second:.1f} s")
    print(f"results: {run['results']}, {run['changes']:,} changes, left: {run['left'] or 'nothing'}")


def _machine() -> str:
    about = machine()
    return f"{about['cpus']} CPUs, {about['cpu']}, Python {about['python']}"


def _corpus(folder: Path, size: int) -> None:
    copy_corpus(folder, size)
    for number, path in enumerate(sorted(folder.iterdir())):
        if number % 10 == 0 and path.suffix in (".md", ".txt", ".rst"):
            with path.open("a", encoding="utf-8") as file:
                file.write(_WRITTEN)


def _run(arguments: list[str], engines: str) -> dict[str, Any]:
    """Run a command. Returns its seconds, the CPU seconds and peak memory of all its processes, and its progress with times."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "veritensor_ray", *arguments, "--engines", engines, "--allow-partial"]
    began = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)
    seen = _Seen(process.pid)
    lines: list[tuple[float, str]] = []
    for line in process.stderr or ():
        lines.append((time.monotonic() - began, line.strip()))
    process.wait()
    seconds = time.monotonic() - began
    cpu, memory = seen.ended()
    if process.returncode > 1:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {lines[-1][1] if lines else ''}")
    return {"seconds": seconds, "cpu": cpu, "memory": memory, "lines": lines}


class _Seen:
    """Watches a process and its children until they end."""

    def __init__(self, pid: int) -> None:
        self._root, self._ends, self._cpu, self._memory = psutil.Process(pid), threading.Event(), dict[int, float](), 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ends.wait(0.2):
            try:
                some = [self._root, *self._root.children(recursive=True)]
            except psutil.Error:
                return
            memory = 0.0
            for one in some:
                try:
                    times = one.cpu_times()
                    self._cpu[one.pid] = times.user + times.system
                    memory += one.memory_full_info().pss
                except psutil.Error:
                    continue
            self._memory = max(self._memory, memory / 1e6)

    def ended(self) -> tuple[float, float]:
        self._ends.set()
        self._thread.join()
        return sum(self._cpu.values()), self._memory


def _seconds(lines: Sequence[tuple[float, str]], which: str) -> float:
    """Returns how long an audit scanned, from the first line `scanning` after its start to `collecting results`."""
    begins = [at for at, line in lines if line.endswith("scanning")]
    ends = [at for at, line in lines if line.endswith("collecting results")]
    number = 0 if which == "before" else 1
    return ends[number] - begins[number] if len(ends) > number else 0.0


if __name__ == "__main__":
    main()
