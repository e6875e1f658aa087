"""Measure `secrets`, CredSweeper and detect-secrets over the same files: labeled repositories and examples of providers, and their speed.

Each reads a folder as its users have it read: the product through its readers, the others as their commands, with their defaults. The others
name lines, so all three are judged by lines here: a secret is found if a finding is on its lines, and a line labeled as not a secret is
wrong if a finding is on it and no secret is. It needs the extra `bench`. Nothing is verified over a network.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.injection_page import table
from bench.secrets_sets import IDENTIFIERS, scan_folder

Lines = dict[str, set[int]]  # the lines with findings of each file, by its path in the folder
EXAMPLES = {"kingfisher": "Kingfisher's examples", "detect_secrets_tests": "tests of detect-secrets"}
OURS = "veritensor-ray"


def _ours(folder: Path) -> Lines:
    found: Lines = {}
    for path, some in scan_folder(folder).items():
        data = (folder / path).read_bytes()
        hits = [start for one in some if one.severity != "info" for start, _ in one.places]
        found[path] = {data.count(b"\n", 0, start) + 1 for start in hits}
    return found


def _credsweeper(folder: Path) -> Lines:
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "found.json"
        command = ["-m", "credsweeper", "--path", str(folder), "--save-json", str(report), "--no-stdout", "--log", "SILENCE"]
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        rows = json.loads(report.read_text()) if report.exists() else []
    found: Lines = defaultdict(set)
    for line in (line for row in rows for line in row["line_data_list"]):
        found[str(Path(line["path"]).relative_to(folder))].add(line["line_num"])
    return found


def _detect_secrets(folder: Path) -> Lines:
    command = [sys.executable, "-m", "detect_secrets", "scan", "--all-files", "--no-verify", "."]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    found: Lines = defaultdict(set)
    for path, rows in json.loads(done.stdout)["results"].items():
        found[path].update(row["line_number"] for row in rows)
    return found


TOOLS: dict[str, Callable[[Path], Lines]] = {OURS: _ours, "credsweeper": _credsweeper, "detect-secrets": _detect_secrets}


def _used() -> float:
    """Return the CPU seconds of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def credited(labels: Iterable[Mapping[str, Any]], found: Lines) -> list[bool]:
    """Return for each label whether a finding is on its lines. A finding on the line of a secret does not count for any other label."""
    rows = list(labels)
    of_secrets: Lines = defaultdict(set)
    for row in rows:
        if row["label"]:
            of_secrets[row["path"]].update(range(row["line_start"], row["line_end"] + 1))
    told = []
    for row in rows:
        lines = found.get(row["path"], set()).intersection(range(row["line_start"], row["line_end"] + 1))
        told.append(bool(lines if row["label"] else lines - of_secrets[row["path"]]))
    return told


def figures(rows: Iterable[tuple[int, bool]]) -> dict[str, float]:
    """Return precision, recall and F1 of (label, found). Unclear labels (-1) are ignored."""
    counts = Counter(rows)
    right, wrong, missed = counts[1, True], counts[0, True], counts[1, False]
    return {
        "precision": round(right / max(1, right + wrong), 3),
        "recall": round(right / max(1, right + missed), 3),
        "F1": round(2 * right / max(1, 2 * right + wrong + missed), 3),
    }


def measure(data: Path) -> dict[str, Any]:
    """Return the figures of all tools. `data` is the folder with the collected sets."""
    labels = pq.read_table(data / "secrets" / "labelled_lines.parquet").to_pylist()
    held_out = set(sorted({row["repo"] for row in labels})[1::2])
    examples = {name: pq.read_table(data / "secrets" / f"{name}.parquet").to_pylist() for name in EXAMPLES}
    results: dict[str, Any] = {name: {} for name in TOOLS}
    with tempfile.TemporaryDirectory() as place:
        repositories = Path(place) / "repositories"
        for row in pq.read_table(data / "secrets" / "labelled_files.parquet").to_pylist():
            _write(repositories / row["path"], row["text"])
        for name, rows in examples.items():
            for number, row in enumerate(rows):
                _write(Path(place) / name / f"example{number}.txt", row["text"])
        size = sum(path.stat().st_size for path in repositories.rglob("*") if path.is_file()) / 1e6
        for tool, run in TOOLS.items():
            began = _used()
            told = credited(labels, run(repositories))
            results[tool]["MB per CPU second"] = round(size / (_used() - began), 2)
            if tool != OURS:
                results[tool]["version"] = version(tool)
            both = list(zip(labels, told, strict=True))
            for name, kept in _groups(held_out).items():
                results[tool][name] = figures((row["label"], found) for row, found in both if kept(row))
            for name, rows in examples.items():
                lines = run(Path(place) / name)
                hit = [bool(lines.get(f"example{number}.txt")) for number in range(len(rows))]
                both_kinds = {label: [found for row, found in zip(rows, hit, strict=True) if row["label"] == label] for label in (1, 0)}
                results[tool][name] = {"found": sum(both_kinds[1]), "of": len(both_kinds[1]), "wrong": sum(both_kinds[0]), "benign": len(both_kinds[0])}  # fmt: skip
    return {"MB": round(size, 1), "secrets": sum(row["label"] == 1 for row in labels), "tools": results}


def _groups(held_out: set[str]) -> dict[str, Callable[[Mapping[str, Any]], bool]]:
    return {
        "all": lambda row: True,
        "all without identifiers": lambda row: row["kind"] not in IDENTIFIERS,
        "held out": lambda row: row["repo"] in held_out,
        "held out without identifiers": lambda row: row["repo"] in held_out and row["kind"] not in IDENTIFIERS,
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "replace"))


_REPOSITORIES = (
    "Files of 25 repositories, of which every second one was held out while `secrets` was tuned. CredSweeper was made with the labels of "
    "this set. Its values were replaced by look-alikes, and UUIDs, buckets, domains and app IDs count as secrets there; identifiers are "
    "these four. Cells show precision / recall / F1. All are judged by lines, with findings of `secrets` of severity low and worse."
)
_EXAMPLES = (
    "Examples that providers' rules were written with, each in a file of its own: secrets found, and values flagged that are not secrets."
)
_SPEED = "Megabytes of the repositories for each CPU second, with the start of the command for the others."


def section(results: dict[str, Any]) -> list[str]:
    """Return the lines for docs/models.md."""
    tools = results["tools"]
    heads = [tool if tool == OURS else f"{tool} {row['version']}" for tool, row in tools.items()]
    groups = [[name, *(_three(row[name]) for row in tools.values())] for name in _groups(set())]
    examples = [[shown, *(_share(row[name]) for row in tools.values())] for name, shown in EXAMPLES.items()]
    return [
        "## Secrets",
        "",
        "### Labeled repositories",
        "",
        _REPOSITORIES,
        "",
        table((f"{results['secrets']:,} secrets, {results['MB']} MB", *heads), groups),
        "",
        "### Examples of providers",
        "",
        _EXAMPLES,
        "",
        table(("set", *heads), examples),
        "",
        "### Speed of secrets",
        "",
        _SPEED,
        "",
        table(("", *heads), [["MB per CPU second", *(row["MB per CPU second"] for row in tools.values())]]),
        "",
    ]


def _three(row: Mapping[str, float]) -> str:
    return " / ".join(f"{row[name]:.2f}" for name in ("precision", "recall", "F1"))


def _share(row: Mapping[str, int]) -> str:
    return f"{row['found']} of {row['of']:,} ({row['found'] / row['of']:.0%}), {row['wrong']} of {row['benign']} wrong"
