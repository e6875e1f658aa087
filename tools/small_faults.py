"""Draw small faults in the package by a seed, and say which of them the tests catch: to compare two versions of the tests.

    python -m tools.small_faults CHECKOUT [CHECKOUT=OPTIONS ...] [--seed 1] [--faults 120]

A fault turns a comparison, moves a bound by one, leaves out a branch or leaves out a call. Each lies in a file that is the same in all
checkouts, and is made in each in turn, where the tests run that are named after its module or mention it. A checkout named more than once,
with further options of pytest, is run with these where it caught nothing before. The last lines say how many were caught.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("veritensor_ray", "jobs", "actors")
TURNED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
_TESTS = 12  # files of tests for one fault
_SECONDS = 300.0  # after which a fault counts as caught, since the tests hang


@dataclass(frozen=True, slots=True)
class Fault:
    """Replaces the bytes from `start` to `end` of a file, which is named from the root of a checkout."""

    file: str
    line: int
    start: int
    end: int
    text: str
    kind: str


def faults_in(file: str, source: bytes) -> Iterator[Fault]:
    """Yield every fault that can be made in a module."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def fault(first: ast.expr | ast.stmt, last: ast.expr | ast.stmt, text: str, kind: str) -> Fault:
        start, end = (
            starts[row - 1] + column for row, column in ((first.lineno, first.col_offset), (last.end_lineno or 0, last.end_col_offset or 0))
        )
        return Fault(file, first.lineno, start, end, text, kind)

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            sides = [ast.get_source_segment(source.decode(), side) for side in (node.left, node.comparators[0])]
            yield fault(node, node, f"({sides[0]} {TURNED[type(node.ops[0])]} {sides[1]})", "a comparison turned")
            bound = node.comparators[0]
            if isinstance(bound, ast.Constant) and type(bound.value) is int:
                yield fault(bound, bound, str(bound.value + 1), "a bound moved by one")
        elif isinstance(node, ast.If):
            yield fault(node.test, node.test, "False", "a branch left out")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield fault(node, node, "None", "a call left out")


def drawn(checkouts: Sequence[Path], seed: int, count: int) -> list[Fault]:
    """Draw faults from files that are the same everywhere: from each folder of the package in turn, as long as it has any."""
    by_folder: dict[str, list[Fault]] = {}
    for path in sorted(path for folder in FOLDERS for path in (checkouts[0] / folder).rglob("*.py")):
        name, source = str(path.relative_to(checkouts[0])), path.read_bytes()
        if all((one / name).exists() and (one / name).read_bytes() == source for one in checkouts) and not path.is_symlink():
            by_folder.setdefault("/".join(Path(name).parts[:2]) if path.parent.name != FOLDERS[0] else FOLDERS[0], []).extend(
                faults_in(name, source)
            )
    chosen, found = random.Random(seed), list[Fault]()
    while len(found) < count and any(by_folder.values()):
        for faults in by_folder.values():
            if faults and len(found) < count:
                found.append(faults.pop(chosen.randrange(len(faults))))
    return found


def files_for(checkout: Path, file: str) -> list[str]:
    """The files of tests for a module: those named after it, and then those that mention it or, if there are none, its folder's."""
    parts = Path(file).with_suffix("").parts
    parts = parts[1:] if parts[0] == FOLDERS[0] else parts
    module, tests = re.escape(".".join(parts)), checkout / "tests"
    mentions = re.compile(
        rf"veritensor_ray\.{module}\b|from veritensor_ray\.{module.rpartition('.')[0].rstrip(chr(92))} import .*\b{parts[-1]}\b"
    )
    mirrored = tests.joinpath(*parts[:-1], f"test_{parts[-1]}.py")
    named = [mirrored] if mirrored.exists() else []
    named += [path for path in sorted(tests.rglob("test_*.py")) if path != mirrored and mentions.search(path.read_text())]
    named = named or sorted(tests.joinpath(*parts[:-1]).glob("test_*.py"))
    return [str(path.relative_to(checkout)) for path in named[:_TESTS]]


def first_failure(checkout: Path, tests: Sequence[str], options: Sequence[str]) -> str:
    """Run tests until one fails, and return its name, or nothing if all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", "--no-header", *options, *tests]
    environ = os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ran = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return "the tests hang"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
    return (failed[1] if failed else "the tests do not start") if ran.returncode not in (0, 5) else ""  # 5: no test was selected


def caught(checkout: Path, runs: Sequence[Sequence[str]], faults: Sequence[Fault]) -> list[list[str]]:
    """Return for each fault the first failure of each run; a run after one that caught it is not made."""
    answers = []
    for number, fault in enumerate(faults, 1):
        path, tests = checkout / fault.file, files_for(checkout, fault.file)
        source, found = path.read_bytes(), list[str]()
        path.write_bytes(source[: fault.start] + fault.text.encode() + source[fault.end :])
        try:
            for options in runs:
                found.append(first_failure(checkout, tests, options) if not any(found) else found[-1])
        finally:
            path.write_bytes(source)
        answers.append(found)
        print(f"{number}/{len(faults)} {checkout}: {fault.file}:{fault.line}: {fault.kind}: {found[-1] or 'missed'}", flush=True)
    return answers


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="CHECKOUT[=OPTIONS]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=120)
    args = parser.parse_args()
    runs: dict[Path, list[list[str]]] = {}
    for one in args.runs:
        checkout, _, options = one.partition("=")
        runs.setdefault(Path(checkout).resolve(), []).append(options.split())
    faults = drawn(list(runs), args.seed, args.faults)
    with ThreadPoolExecutor(len(runs)) as threads:
        answers = list(threads.map(lambda checkout: caught(checkout, runs[checkout], faults), runs))
    print(
        f"{len(faults)} faults with seed {args.seed}: "
        + ", ".join(f"{n} × {kind}" for kind, n in sorted(Counter(f.kind for f in faults).items()))
    )
    for checkout, found in zip(runs, answers, strict=True):
        by_name = {one for answer in found for one in answer if "::" in one}
        anyway = first_failure(checkout, sorted(by_name), runs[checkout][-1]) if by_name else ""
        if anyway:
            print(f"{checkout}: {anyway} fails without a fault too")
        for position, options in enumerate(runs[checkout]):
            print(f"{' '.join([str(checkout), *options])}: {sum(bool(answer[position]) for answer in found)} of {len(faults)} caught")


if __name__ == "__main__":
    main()
