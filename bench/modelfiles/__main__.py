"""Measure the engine on held-out attacks and their twins, and on files that libraries have written, beside picklescan and modelaudit.

    python -m bench.modelfiles [--modelaudit COMMAND] [--benign FOLDER] [--misses] [--write]

COMMAND is the program `modelaudit` of an environment of its own, and FOLDER what `python -m bench.modelfiles.benign` has written. A tool
that is not installed or named is left out, and keeps its figures if the files are the same. --misses lists the attacks that this project does not find and the twins and benign files that it
flags. --write stores the figures in bench/modelfiles/results.json and writes the section of docs/engines/modelfiles.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.modelfiles import page
from bench.modelfiles.heldout import samples
from bench.modelfiles.heldout.sample import Sample
from bench.modelfiles.scanners import Report, Scanner, counted, files_of, modelaudit, ours, picklescan

RESULTS = Path(__file__).parent / "results.json"
Cell = dict[str, int]


def path_of(sample: Sample) -> str:
    """Return where a sample lies: each has a folder of its own, because many formats go by the file's name."""
    return f"{sample.group.replace(' ', '-')}/{sample.name}/{sample.file}"


def cells(wanted: Iterable[Sample], report: Report) -> dict[str, Cell]:
    """Return the attacks, those found, and the twins flagged, of each class."""
    table: dict[str, Cell] = {}
    for sample in wanted:
        cell = table.setdefault(sample.group, {"attacks": 0, "found": 0, "flagged": 0})
        flagged = bool(report.found.get(path_of(sample)))
        cell["attacks"] += sample.attack
        cell["found" if sample.attack else "flagged"] += flagged
    return table


def judged(wanted: Iterable[Sample], report: Report) -> dict[str, dict[str, int]]:
    """Return how often each verdict was given on attacks and on twins."""
    parts = {"attacks": True, "twins": False}
    return {
        part: counted(report.verdicts[path_of(sample)] for sample in wanted if sample.attack is attack) for part, attack in parts.items()
    }


def held_out(scanners: list[Scanner], misses: bool) -> dict[str, Any]:
    """Write all samples to a temporary folder, scan it with each tool, and return the cells by tool and this project's verdicts."""
    wanted = list(samples())
    with tempfile.TemporaryDirectory() as name:
        for sample in wanted:
            path = Path(name) / path_of(sample)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.data)
        reports = [_timed(scanner, Path(name)) for scanner in scanners]
    if misses:
        _print_misses(wanted, reports[0])
    return {"held out": {report.tool: cells(wanted, report) for report in reports}, "verdicts": judged(wanted, reports[0])}


def benign(scanners: list[Scanner], folder: Path, misses: bool) -> dict[str, Any]:
    """Scan files that libraries have written, and return how many raise an alert, by tool, and this project's verdicts."""
    reports = [_timed(scanner, folder) for scanner in scanners]
    if misses:
        for artifact, found in sorted(reports[0].found.items()):
            print(f"benign file flagged: {artifact}: {'; '.join(found)[:300]}")
    flagged = {report.tool: len(report.found) for report in reports}
    return {"files": len(files_of(folder)), "flagged": flagged, "verdicts": counted(reports[0].verdicts.values())}


def digest() -> str:
    """Return a digest of the names and sizes of all samples. HDF5 leaves bytes of memory in some files, so their contents differ by run."""
    return hashlib.sha256("".join(f"{path_of(sample)} {len(sample.data)}\n" for sample in samples()).encode()).hexdigest()


def _keep(results: dict[str, Any], before: dict[str, Any]) -> None:
    """Keep the first figures, and those of tools that were left out this time, if the last measurement was of the same files."""
    if before.get("samples") == results["samples"]:
        results["unseen"] = before.get("unseen") or {key: before[key] for key in ("held out", "verdicts", "benign") if key in before}
        results["held out"] = results["held out"] | {
            tool: old for tool, old in before["held out"].items() if tool not in results["held out"]
        }
        old = before.get("benign", {})
        if "benign" not in results and old:
            results["benign"] = old
        elif old.get("files") == results.get("benign", {}).get("files"):
            results["benign"]["flagged"] = old["flagged"] | results["benign"]["flagged"]


def _timed(scanner: Scanner, folder: Path) -> Report:
    began = time.time()
    report = scanner(folder)
    sys.stderr.write(f"{report.tool}: {time.time() - began:.0f} s, {len(report.found)} files flagged\n")
    return report


def _print_misses(wanted: Iterable[Sample], report: Report) -> None:
    for sample in wanted:
        found = report.found.get(path_of(sample))
        if sample.attack and not found:
            print(f"missed ({report.verdicts[path_of(sample)]}): {sample.group}/{sample.name} ({sample.file}): {sample.effect}")
        if found and not sample.attack:
            print(f"twin flagged: {sample.group}/{sample.name} ({sample.file}): {'; '.join(found)[:300]}")


def main() -> None:
    """Measure, print the table, and write the page if that is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--modelaudit", metavar="COMMAND", help="The program of an environment that has modelaudit.")
    parser.add_argument("--benign", type=Path, metavar="FOLDER", help="Files that python -m bench.modelfiles.benign has written.")
    parser.add_argument("--misses", action="store_true", help="List what is missed and what is flagged wrongly.")
    parser.add_argument("--write", action="store_true", help="Write results.json and the section of the page.")
    args = parser.parse_args()
    scanners: list[Scanner] = [ours]
    scanners += [picklescan] if find_spec("picklescan") else []
    scanners += [partial(modelaudit, command=args.modelaudit)] if args.modelaudit else []
    results: dict[str, Any] = {"samples": digest(), **held_out(scanners, args.misses)}
    if args.benign:
        results["benign"] = benign(scanners, args.benign, args.misses)
    _keep(results, json.loads(RESULTS.read_text()) if RESULTS.exists() else {})
    print("\n".join(page.section(results)))
    if args.write:
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
        page.write(results)


if __name__ == "__main__":
    main()
