"""Measure where the static path spends its CPU time, now and at an earlier commit.

python -m bench.static_path FOLDER [--before REV] [--rounds N] [--samples N]

FOLDER has a folder of documents for each kind, such as `web` and `mail`. Two processes, one for each version, take turns over each of
them, so that whatever else the machine does slows both. It writes bench/static_path.json, which docs/speed.md shows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import speed
from bench.machines import machine
from bench.samples import shares
from bench.static_path_page import section

SMALL_FILES = 2000  # of each size
SIZES = {"empty files": 0, "text files of 1 kB": 1000}
LINE = b"Words of a page, and some more of them, which nobody has to look at twice.\n"
# What a module is part of: the first of these patterns counts that it matches.
RECOGNITION = "recognizing files"
PARTS = {
    "*/recognise.py": RECOGNITION,
    "*/recognition.py": RECOGNITION,
    "*/first_bytes.py": RECOGNITION,
    "formats/common/*": None,  # what readers share does not say for whom it works
    "formats/markup/css/*": "HTML: style sheets",
    "formats/markup/attributes.py": "HTML: attributes",
    "formats/markup/*": "HTML: tags and paragraphs",
    "formats/mail/*": "mail",
    "formats/csv/*": "CSV and JSON",
    "formats/json/*": "CSV and JSON",
    "formats/notebook/*": "CSV and JSON",
    "formats/office/*": "office documents",
    "formats/encoded_text/*": "search for hidden text",
    "formats/residue/*": "bytes that no reader claims",
    "formats/*": "other readers",
    "engines/signatures/*": "engine signatures",
    "engines/secrets/*": "engine secrets",
    "engines/modelfiles/*": "engine modelfiles",
    "engines/dependencies/*": "engine dependencies",
    "engines/indicators/*": "engine indicators",
    "engines/structure.py": "engine structure",
    "masking/*": "findings",
    "findings/shard_commit.py": "commits",
    "findings/outcome*": "commits",
    "findings/outgoing_texts.py": "commits",
    "findings/*": "findings",
    "core/segments.py": "batches",
    "pipeline/gather.py": "batches",
    "pipeline/scan.py": "batches",
    "corpus/fetch.py": "opening and hashing files",
}
REST = "walk over files"


class Process:
    """A version of the package in a process of its own, which makes passes when asked."""

    def __init__(self, tree: speed.Tree, folders: Sequence[Path], home: Path) -> None:
        command = [sys.executable, "-P", str(speed.ROOT / "bench" / "in_process.py"), "--turns", speed.STATIC, *map(str, folders)]
        self._process = subprocess.Popen(
            command, env=tree.environment(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=home
        )
        self._line()

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def ask(self, order: str) -> dict[str, Any]:
        """Return what a pass says."""
        assert self._process.stdin
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._line())
        return found

    def end(self) -> None:
        """Let the process end."""
        self._process.communicate()


@contextmanager
def processes(trees: Sequence[speed.Tree], folders: Sequence[Path], home: Path) -> Iterator[list[Process]]:
    """Start a process for each version."""
    with ExitStack() as stack:
        started: list[Process] = []
        for tree in trees:
            started.append(Process(tree, folders, home))
            stack.callback(started[-1].end)
        yield started


def small_files(base: Path) -> list[Path]:
    """Write folders of files of the sizes."""
    for name, size in SIZES.items():
        (base / name).mkdir()
        for number in range(SMALL_FILES):
            data = b"%d %b" % (number, LINE * (size // len(LINE) + 1))
            (base / name / f"{number:04}.txt").write_bytes(data[:size])
    return [base / name for name in SIZES]


def compared(now: Process, before: Process, folder: Path, rounds: int) -> dict[str, Any]:
    """Let both take turns over a folder. The ratios are those of pairs; each figure is a median."""
    pairs = []
    for number in range(rounds):
        order = (before, now) if number % 2 else (now, before)
        found = {process: process.ask(str(folder)) for process in order}
        pairs.append((found[before], found[now]))
    seconds = {name: statistics.median(pair[i]["cpu_seconds"] for pair in pairs) for i, name in enumerate(("before", "now"))}
    return {
        "files": pairs[0][1]["files"],
        "bytes": pairs[0][1]["bytes"],
        "microseconds_per_file": {name: round(1e6 * one / pairs[0][1]["files"]) for name, one in seconds.items()},
        "ratio": round(statistics.median(a["cpu_seconds"] / b["cpu_seconds"] for a, b in pairs), 2),
    }


def divided(process: Process, folders: Sequence[Path], passes: int) -> dict[str, float]:
    """Return the share of each part in the CPU time."""
    return shares((process.ask(f"sample {folder}")["samples"] for folder in folders for _ in range(passes)), PARTS, REST)


def measured(now: speed.Tree, before: speed.Tree, corpus: Path, rounds: int, samples: int) -> dict[str, Any]:
    """Return all figures."""
    kinds = sorted(one for one in corpus.iterdir() if one.is_dir())
    with tempfile.TemporaryDirectory(prefix="veritensor-static-") as name:
        base = Path(name)
        home = base / "home"
        home.mkdir()
        folders = [*kinds, *small_files(base)]
        with processes([now, before], folders, home) as (new, old):
            return {
                "machine": machine(),
                "before": before.name,
                "rounds": rounds,
                "kinds": {folder.name: compared(new, old, folder, rounds) for folder in folders},
                "parts": {"before": divided(old, kinds, samples), "now": divided(new, kinds, samples)},
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="A folder with a folder of documents for each kind.")
    parser.add_argument("--before", default="HEAD~1", help="The commit to compare with.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, default=5, help="Passes that are sampled.")
    arguments = parser.parse_args()
    with speed.checkout(arguments.before) as before:
        assert before
        results = measured(speed.Tree("now", speed.ROOT), before, arguments.corpus.resolve(), arguments.rounds, arguments.samples)
    (speed.ROOT / "bench" / "static_path.json").write_text(json.dumps(results, indent=2) + "\n")
    speed.write_page()
    print("\n".join(section(results)))


if __name__ == "__main__":
    main()
