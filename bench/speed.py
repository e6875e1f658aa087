"""Measure the speed of scans against an earlier commit and against veritensor 1.9.4, over the same files.

It writes bench/speed.json and docs/speed.md.

python -m bench.speed [--before REV] [--peer VERITENSOR] [--documents FOLDER ...]

`--peer` is the program `veritensor` from its own environment (`pip install veritensor==1.9.4`); without it, that column stays empty.
`--documents` are the folders that small documents are taken from.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench import compiled_page, model_path_page, readme
from bench.machines import machine
from bench.static_path_page import section

ROOT = Path(__file__).resolve().parent.parent
KINDS = (".html", ".json", ".md", ".rst", ".txt")
SMALL = range(1_000, 32_000)  # bytes in a small document
SMALL_BYTES, LARGE_BYTES = 20_000_000, 200_000_000
STATIC = "signatures,secrets,structure,indicators,modelfiles,dependencies"
CUSTOMERS = 20_000  # rows of a table in which nearly every cell is personal data
ROUNDS = 2  # rounds per measurement, in which the subjects take turns; the lowest time counts, since disturbances only add to it


@dataclass(frozen=True, slots=True)
class Tree:
    """A version of the package: a name, and the folder it is imported from."""

    name: str
    folder: Path

    def environment(self, home: Path) -> dict[str, str]:
        """Return environment variables for a process that imports this version and writes to a separate home folder."""
        return os.environ | {"PYTHONPATH": str(self.folder), "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")} | ONE_THREAD


_GIVEN = ("Anna", "Peter", "Maria", "John", "Laura", "Felix", "Chen", "Amira", "Jonas", "Elena", "Tom", "Sofia")
_FAMILY = ("Meyer", "Schmidt", "Rossi", "Garcia", "Novak", "Silva", "Kim", "Tanaka", "Brown", "Fischer", "Weber", "Dubois")
_CITIES = ("Berlin", "Hamburg", "Paris", "Wien")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def small_documents(folder: Path, sources: Sequence[Path], limit: int) -> dict[str, Any]:
    """Copy small real documents of each kind, as evenly as possible, up to `limit` bytes. Return their number and size.

    If a kind has more than its share, files are picked at even distances from its sorted list.
    """
    by_kind: dict[str, list[tuple[int, Path]]] = {kind: [] for kind in KINDS}
    for source in sources:
        for path in sorted(source.rglob("*")):
            if path.suffix in by_kind and path.is_file() and not path.is_symlink() and (size := path.stat().st_size) in SMALL:
                by_kind[path.suffix].append((size, path))
    folder.mkdir(parents=True)
    left, count, total = limit, 0, 0
    rarest_first = sorted(by_kind.values(), key=lambda files: sum(size for size, _ in files))
    for place, files in enumerate(rarest_first):
        share = left // (len(rarest_first) - place)
        step = max(1.0, sum(size for size, _ in files) / max(1, share))
        for number in range(int(len(files) / step)):
            size, path = files[int(number * step)]
            shutil.copyfile(path, folder / f"{count:05}{path.suffix}")
            count, total, left = count + 1, total + size, left - size
    return {"documents": count, "mb": round(total / 1e6, 1)}


def many_documents(folder: Path, small: Path, limit: int) -> float:
    """Copy small documents with a number appended to each, up to `limit` bytes. Return the megabytes."""
    total, turn = 0, 0
    while total < limit:
        inner = folder / f"{turn:03}"
        inner.mkdir(parents=True)
        for path in sorted(small.iterdir()):
            data = path.read_bytes() + f"\n{turn}\n".encode()
            (inner / path.name).write_bytes(data)
            total += len(data)
            if total >= limit:
                break
        turn += 1
    return round(total / 1e6, 1)


def parquet_cells(file: Path, small: Path) -> float:
    """Write the paragraphs of the documents as a column of text. Return the megabytes of text."""
    texts = (path.read_text(errors="replace") for path in sorted(small.iterdir()))
    cells = [part for text in texts for part in text.split("\n\n") if part.strip()]
    file.parent.mkdir()
    pq.write_table(pa.table({"text": cells}), file, row_group_size=20_000)
    return sum(len(cell.encode()) for cell in cells) / 1e6


def customers(folder: Path) -> float:
    """Write a CSV file of made persons. Return its megabytes."""
    draw = random.Random(0)  # the same file in every run
    folder.mkdir()
    file = folder / "customers.csv"
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["id", "name", "email", "phone", "street", "city"])
        for number in range(CUSTOMERS):
            given, family = draw.choice(_GIVEN), draw.choice(_FAMILY)
            mail = f"{given}.{family}{draw.randrange(10_000)}@mail{draw.randrange(50)}.de".lower()
            phone = f"+49 {draw.randrange(30, 1000)} {draw.randrange(10**6, 10**8)}"
            street = f"{draw.choice(_FAMILY)}straße {draw.randrange(1, 200)}"
            table.writerow([number, f"{given} {family}", mail, phone, street, draw.choice(_CITIES)])
    return round(file.stat().st_size / 1e6, 1)


def in_process(tree: Tree, folder: Path, engines: str, home: Path) -> float:
    """Return the CPU seconds of a scan in one process, without Ray and without one-time costs."""
    command = [sys.executable, "-P", str(ROOT / "bench" / "in_process.py"), str(folder), engines]
    done = subprocess.run(command, env=tree.environment(home), capture_output=True, text=True, check=True, cwd=home)
    return float(json.loads(done.stdout.splitlines()[-1])["cpu_seconds"])


def submitted(tree: Tree, folder: Path, engines: str | None, home: Path) -> float:
    """Return the elapsed seconds of `submit` with some or all engines, including the start of Ray."""
    command = [sys.executable, "-m", "veritensor_ray", "submit", str(folder), "--output", str(home / "out")]
    chosen = ["--engines", engines] if engines else []
    began = time.perf_counter()
    subprocess.run(
        [*command, *chosen, "--allow-partial", "--fresh"],
        env=tree.environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        cwd=home,
    )
    return time.perf_counter() - began


def peer_scan(program: Path, folder: Path, jobs: int, home: Path) -> tuple[float, float]:
    """Return the CPU seconds and the elapsed seconds of a scan with veritensor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    command = [str(program), "scan", str(folder), "--jobs", str(jobs), "--json", "--output-file", str(home / "peer.json")]
    subprocess.run(
        command,
        env=os.environ | {"HOME": str(home)} | ONE_THREAD,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        cwd=home,
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


@contextmanager
def checkout(revision: str | None) -> Iterator[Tree | None]:
    """Check out the package at a commit, in a folder that exists during the block."""
    if revision is None:
        yield None
        return
    short = subprocess.run(["git", "rev-parse", "--short", revision], capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="veritensor-before-") as folder:
        target = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(target), short], check=True, cwd=ROOT)
        try:
            yield Tree(short, target)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(target)], check=True, cwd=ROOT)


def measured(now: Tree, before: Tree | None, peer: Path | None, sources: Sequence[Path]) -> dict[str, Any]:
    """Return the figures of all subjects for every row of the page."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # child processes inherit this
    with tempfile.TemporaryDirectory(prefix="veritensor-speed-") as name:
        base = Path(name)
        small, cells, home = base / "small", base / "cells" / "texts.parquet", base / "home"
        home.mkdir()
        corpus = small_documents(small, sources, SMALL_BYTES)
        megabytes = many_documents(base / "large", small, LARGE_BYTES)
        text = parquet_cells(cells, small)
        table = customers(base / "customers")
        trees = [tree for tree in (now, before) if tree]
        cpu: dict[str, dict[str, list[float]]] = {}
        wall: dict[str, dict[str, list[float]]] = {}
        for _ in range(ROUNDS):
            for tree in trees:
                for row, folder, engines in (
                    ("small documents, signatures", small, "signatures"),
                    ("small documents, all engines without a model", small, STATIC),
                    ("cells of Parquet, signatures", cells.parent, "signatures"),
                    ("cells of Parquet, all engines without a model", cells.parent, STATIC),
                ):
                    cpu.setdefault(row, {}).setdefault(tree.name, []).append(in_process(tree, folder, engines, home))
                row = f"{corpus['mb']} MB, all engines without a model"
                wall.setdefault(row, {}).setdefault(tree.name, []).append(submitted(tree, small, STATIC, home))
            if peer:
                seconds, _ = peer_scan(peer, small, 1, home)
                cpu["small documents, all engines without a model"].setdefault("veritensor", []).append(seconds)
                _, clock = peer_scan(peer, small, 2, home)
                wall[f"{corpus['mb']} MB, all engines without a model"].setdefault("veritensor", []).append(clock)
        for tree in trees:
            for row, folder, chosen in (
                (f"{megabytes} MB, all engines without a model", base / "large", STATIC),
                (f"{corpus['mb']} MB, all engines", small, None),
                (f"a table of {CUSTOMERS:,} customers, {table} MB, all engines", base / "customers", None),
            ):
                wall.setdefault(row, {})[tree.name] = [submitted(tree, folder, chosen, home)]
        wall[f"{megabytes} MB, all engines"] = {now.name: [submitted(now, base / "large", None, home)]}
    size = {row: text if row.startswith("cells") else corpus["mb"] for row in cpu}
    return {
        "machine": machine(),
        "corpus": corpus,
        "before": before.name if before else None,
        "mb_per_cpu_second": {row: {name: round(size[row] / min(all_), 1) for name, all_ in one.items()} for row, one in cpu.items()},
        "seconds": {row: {name: round(min(all_), 1) for name, all_ in one.items()} for row, one in wall.items()},
    }


def page(results: dict[str, Any], static_path: dict[str, Any], model_path: dict[str, Any], compiled: dict[str, Any]) -> str:
    """Return docs/speed.md. `static_path`, `model_path` and `compiled` are what the modules of these names measured."""
    about, corpus, before = results["machine"], results["corpus"], results["before"]
    lines = [
        "# Speed",
        "",
        "This page compares the speed of scans with an earlier commit and with veritensor 1.9.4, a scanner without models.",
        "`python -m bench.speed` writes it. All columns were measured in one run over the same files:",
        f"{corpus['documents']:,} small real documents ({', '.join(KINDS)}), {corpus['mb']} MB. The best of {ROUNDS} rounds counts,",
        "except for the rows with models and for the largest corpus, which were measured once.",
        "",
        f"Machine: {about['cpus']} CPUs ({about['cpu']}), Python {about['python']}.",
        "",
        "## Megabytes per CPU second",
        "",
        "Each figure is for one process without Ray. One-time costs, such as compiling rules, are not counted. For",
        "veritensor, the whole command is measured.",
        "",
        *_table(results["mb_per_cpu_second"], before, larger_is_better=True),
        "",
        "## Elapsed seconds",
        "",
        "Each figure is for `submit` on two CPUs, including the start of Ray, or for veritensor with two jobs. The largest corpus is",
        "the small documents several times, each with a number appended, so models read most of its text only once.",
        "",
        *_table(results["seconds"], before, larger_is_better=False),
        *section(static_path),
        *model_path_page.section(model_path),
        *compiled_page.section(compiled),
    ]
    return "\n".join(lines) + "\n"


def _table(rows: dict[str, dict[str, float]], before: str | None, larger_is_better: bool) -> list[str]:
    names = ["now", *([before] if before else []), "veritensor"]
    ratios = names[1:]
    lines = [
        "| what | " + " | ".join([*names, *(f"now vs {name}" for name in ratios)]) + " |",
        "| " + " | ".join(["---"] * (1 + len(names) + len(ratios))) + " |",
    ]
    for row, figures in rows.items():
        cells = [f"{figures[name]:g}" if name in figures else "" for name in names]
        for name in ratios:
            if name in figures:
                ratio = figures["now"] / figures[name] if larger_is_better else figures[name] / figures["now"]
                cells.append(f"{ratio:.1f} times as fast")
            else:
                cells.append("")
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return lines


def write_page() -> str:
    """Write docs/speed.md from what was measured, and return it."""
    text = page(*(json.loads((ROOT / "bench" / f"{name}.json").read_text()) for name in ("speed", "static_path", "model_path", "compiled")))
    (ROOT / "docs" / "speed.md").write_text(text)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", default="HEAD~1", help="Commit to compare with, or 'none'.")
    parser.add_argument("--peer", type=Path, help="The program veritensor 1.9.4.")
    parser.add_argument("--documents", type=Path, nargs="*", default=[Path(sysconfig.get_paths()["purelib"]), Path("/usr/share")])
    arguments = parser.parse_args()
    with checkout(None if arguments.before == "none" else arguments.before) as before:
        results = measured(Tree("now", ROOT), before, arguments.peer, arguments.documents)
    (ROOT / "bench" / "speed.json").write_text(json.dumps(results, indent=2) + "\n")
    readme.main()
    print(write_page())


if __name__ == "__main__":
    main()
