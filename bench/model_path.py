"""Measure where a scan with all engines spends its CPU time, now and at an earlier commit.

python -m bench.model_path FOLDER [--before REV] [--rounds N]

FOLDER has a folder of documents for each kind, such as `web` and `mail`. Every other one is measured. Models remember what they have read,
so each measurement is made in a new process, in which the rest of the documents first load what engines need. The processes of the two
versions take turns. It writes bench/model_path.json, which docs/speed.md and the README show.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench import readme, speed
from bench.machines import machine
from bench.model_path_page import section
from bench.samples import shares

ENGINES = {"all engines": f"{speed.STATIC},pii,injection", "`pii` alone": "pii", "`injection` alone": "injection"}
# What a module is part of: the first of these patterns counts that it matches.
PARTS = {
    "engines/pii/free_text/tagger.py": "pii: word tagger",
    "engines/pii/free_text/word_features.py": "pii: word tagger",
    "engines/pii/free_text/gliner*": "pii: large model",
    "engines/pii/free_text/passages_read.py": "pii: large model",
    "engines/pii/*": "pii: patterns and the rest",
    "engines/injection/encoder_network.py": "injection: transformer",
    "engines/injection/onnx_classifier.py": "injection: transformer",
    "engines/injection/*": "injection: first stage and the rest",
    "masking/*": "findings",
    "findings/*": "findings",
    "engines/word_forms.py": None,
    "engines/automaton.py": None,
    "engines/regex_syntax.py": None,
    "engines/joined.py": None,
    "engines/*": "engines without a model",
}
REST = "reading, batches and the walk over files"


def halves(corpus: Path, base: Path) -> tuple[Path, list[Path]]:
    """Copy every other file of each kind to the folder that is returned first, and the rest to a folder for the kind."""
    folders = []
    for kind in sorted(one for one in corpus.iterdir() if one.is_dir()):
        folders.append(base / "measured" / kind.name)
        for number, path in enumerate(sorted(one for one in kind.rglob("*") if one.is_file())):
            target = (folders[-1] if number % 2 else base / "warm" / kind.name) / path.relative_to(kind)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return base / "warm", folders


def passes(tree: speed.Tree, engines: str, folders: Sequence[Path], home: Path) -> list[dict[str, Any]]:
    """Return what a new process finds in each folder but the first, which it reads to load what engines need."""
    command = [sys.executable, "-P", str(speed.ROOT / "bench" / "in_process.py"), "--fresh", engines, *map(str, folders)]
    done = subprocess.run(command, env=tree.environment(home), capture_output=True, text=True, check=True, cwd=home)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compared(trees: Sequence[speed.Tree], what: str, folders: Sequence[Path], home: Path, rounds: int) -> list[list[list[dict[str, Any]]]]:
    """Return the passes of each version with some of ENGINES: those of a round in a list. The versions take turns."""
    found: list[list[list[dict[str, Any]]]] = [[] for _ in trees]
    for number in range(rounds):
        for tree in trees if number % 2 else trees[::-1]:
            found[trees.index(tree)].append(passes(tree, ENGINES[what], folders, home))
            sys.stderr.write(f"{what}: round {number + 1} of {rounds}, {tree.name}\n")
    return found


def kinds(found: Sequence[Sequence[Sequence[dict[str, Any]]]], names: Sequence[str]) -> dict[str, Any]:
    """Return bytes and the median of the CPU seconds for each kind, before and now."""
    rows = {}
    for at, name in enumerate(names):
        before, now = (statistics.median(one[at]["cpu_seconds"] for one in rounds) for rounds in found)
        ratios = [a[at]["cpu_seconds"] / b[at]["cpu_seconds"] for a, b in zip(*found, strict=True)]
        first = found[1][0][at]
        rows[name] = {
            "files": first["files"],
            "bytes": first["bytes"],
            "cpu_seconds": {"before": round(before, 3), "now": round(now, 3)},
            "ratio": round(statistics.median(ratios), 2),
        }
    return rows


def first_readers(folders: Sequence[Path]) -> dict[str, float]:
    """Return how fast the models that read everything are, and how much they leave to the large ones. Files are read as plain text."""
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.engines.injection import Injection
    from veritensor_ray.engines.pii.free_text.passages_read import window_words_of
    from veritensor_ray.engines.pii.free_text.tagger import Tagger
    from veritensor_ray.models.model_store import ModelStore
    from veritensor_ray.testing import text_batch

    texts = [path.read_text(errors="replace") for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    size, words = sum(len(text.encode()) for text in texts) / 1e6, sum(len(text.split()) for text in texts)
    tagger = Tagger.embedded(window_words_of(ModelStore("embedded").model("pii").settings), True, {})
    injection = Injection(load_settings(environ={}))
    tagger.read(texts[:1])
    injection.prepare(text_batch(texts[:1]))
    began = time.process_time()
    tagged = list(tagger.read(texts))
    between = time.process_time()
    windows = injection.prepare(text_batch(texts))
    ended = time.process_time()
    left = sum(len(text[one.start : one.end].split()) for text, found in zip(texts, tagged, strict=True) for one in found.unclear)
    spans = zip(*(windows.column(name).to_pylist() for name in ("row", "start", "end")), strict=True)
    read = sum(len(texts[row][start:end].split()) for row, start, end in spans)
    return {
        "MB": round(size, 2),
        "tagger, MB per CPU second": round(size / (between - began), 2),
        "words left to the large model": round(left / words, 4),
        "first stage, MB per CPU second": round(size / (ended - between), 2),
        "words left to the transformer": round(read / words, 4),
    }


def with_one_thread(folders: Sequence[Path]) -> dict[str, float]:
    """Return `first_readers` of a new process, in which NumPy has one thread, as in a worker."""
    os.environ.update(speed.ONE_THREAD)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(first_readers, folders).result()


def measured(now: speed.Tree, before: speed.Tree, corpus: Path, rounds: int) -> dict[str, Any]:
    """Return all figures."""
    with tempfile.TemporaryDirectory(prefix="veritensor-models-") as name:
        base = Path(name)
        warm, folders = halves(corpus, base)
        found = {what: compared([before, now], what, [warm, *folders], base, rounds) for what in ENGINES}
        return {
            "machine": machine(),
            "before": before.name,
            "rounds": rounds,
            "kinds": {what: kinds(both, [folder.name for folder in folders]) for what, both in found.items()},
            "parts": {
                when: shares((one["samples"] for some in rounds for one in some), PARTS, REST)
                for when, rounds in zip(("before", "now"), found["all engines"], strict=True)
            },
            "first readers": with_one_thread(folders),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="A folder with a folder of documents for each kind.")
    parser.add_argument("--before", default="HEAD~1", help="The commit to compare with.")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with speed.checkout(arguments.before) as before:
        assert before
        results = measured(speed.Tree("now", speed.ROOT), before, arguments.corpus.resolve(), arguments.rounds)
    (speed.ROOT / "bench" / "model_path.json").write_text(json.dumps(results, indent=2) + "\n")
    speed.write_page()
    readme.main()
    print("\n".join(section(results)))


if __name__ == "__main__":
    main()
