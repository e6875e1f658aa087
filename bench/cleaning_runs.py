"""What the measurements of cleaning share: values to plant, an audit and a cleaning of a corpus, and what became of its files."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow.parquet as pq

ENGINES = "signatures,structure,secrets,pii"
# Personal data goes even where the engines think little of it, such as addresses in a license; scripts of PDF files are left out, or the
# files would be quarantined
POLICY = {"strip": ["macros"], "rules": [{"rule": "structure.pdf-*", "action": "strip"}, {"category": "pii", "action": "mask"}]}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHOWN, _EXAMPLES = 50, 5


class PlantedFile(Protocol):
    """A file of the corpus, whose name is that of an artifact."""

    @property
    def name(self) -> str:
        """The name of the artifact."""


P = TypeVar("P", bound=PlantedFile)
Manifest = dict[str, Any]  # one row of it


def values(number: int) -> str:
    """Return a value that an engine finds: an address, a card, an account."""
    draw = random.Random(number)
    kind = number % 3
    if kind == 0:
        return "{}.{}@{}-mail.com".format(*("".join(draw.choices(_LETTERS, k=7)) for _ in range(3)))
    if kind == 1:
        digits = [4, 9, 2, 9, *(draw.randrange(10) for _ in range(11))]
        total = sum(sum(divmod(2 * one, 10)) if at % 2 == 0 else one for at, one in enumerate(digits))
        text = "".join(map(str, [*digits, -total % 10]))
        return " ".join(text[at : at + 4] for at in range(0, 16, 4))
    account = f"37040044{draw.randrange(10**10):010d}"
    check = 98 - int(account + "131400") % 97
    text = f"DE{check:02d}{account}"
    return " ".join(text[at : at + 4] for at in range(0, 22, 4))


def measure(
    keep: Path | None,
    build: Callable[[Path, Path], Iterable[P]],
    problems: Callable[[P, bytes, bytes, Manifest], Iterable[str]],
    notes: Callable[[P, Manifest], str],
    engines: str = ENGINES,
) -> int:
    """Build a corpus, audit it, clean it, print what became of each file, and return the exit code.

    `build` is given the folder of the corpus and the one around it; `problems` compares a file before and after; `notes` says why a file was
    not cleaned.
    """
    with tempfile.TemporaryDirectory() as folder:
        base = keep or Path(folder)
        corpus = base / "corpus"
        corpus.mkdir(parents=True)
        planted = list(build(corpus, base))
        (base / "config.yaml").write_text(json.dumps({"pii": {"free_text": False}}))
        (base / "policy.yaml").write_text(json.dumps(POLICY))
        commands = {
            "audit": ("submit", str(corpus), "--output", str(base / "audit")),
            "clean": ("clean", str(corpus), "--to", str(base / "copy"), "--cleaning-policy", str(base / "policy.yaml")),
        }
        seconds = {name: _run(base, *command, engines=engines) for name, command in commands.items()}
        return _told(base, planted, seconds, problems, notes)


def _run(base: Path, *command: str, engines: str) -> float:
    """Run a command of veritensor-ray with the configuration of the bench, and return its seconds."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "veritensor_ray", *command, "--engines", engines, "--config", str(base / "config.yaml")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return time.monotonic() - began


def _told(
    base: Path,
    planted: Sequence[P],
    seconds: dict[str, float],
    problems: Callable[[P, bytes, bytes, Manifest], Iterable[str]],
    notes: Callable[[P, Manifest], str],
) -> int:
    rows = {row["artifact"]: row for row in pq.read_table(base / "copy" / "manifest.parquet").to_pylist()}
    results: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)
    failures: list[str] = []
    for one in planted:
        row = rows[one.name]
        results[row["result"]] += 1
        if row["result"] != "cleaned":
            examples[notes(one, row)].append(one.name)
            continue
        before, after = (base / "corpus" / one.name).read_bytes(), (base / "copy" / row["path"]).read_bytes()
        found = [*problems(one, before, after, row)]
        wrong.update(set(found))
        failures += [f"{one.name}: {problem}" for problem in found]
    print(f"{len(planted)} files: {dict(results)}")
    cpu = {"audit": _cpu_seconds(base / "audit"), "clean": _cpu_seconds(base / "copy/before", base / "copy/after/current")}
    for kind, took in (("elapsed", seconds), ("of CPU time of the workers", cpu)):
        audit, clean = took["audit"], took["clean"]
        print(f"seconds {kind}: audit {audit:.0f}, clean {clean:.0f}, which is {clean / audit:.1f} times as many")
    for reason, names in sorted(examples.items(), key=lambda item: -len(item[1])):
        print(f"  {len(names)} {reason}", *names[:_EXAMPLES], sep="\n      ")
    print(f"{len(failures)} failures {dict(wrong)}", *failures[:_SHOWN], sep="\n  ")
    return int(bool(failures))


def _cpu_seconds(*runs: Path) -> float:
    """Return the CPU seconds of the workers of some audits, with what they rewrote; on a busy machine, times that pass say little."""
    return sum(sum(json.loads((run / "run.json").read_text())["utilisation"]["cpu_seconds"].values()) for run in runs)


def arguments(doc: str | None, given: Sequence[str] | None, add: Callable[[argparse.ArgumentParser], object]) -> argparse.Namespace:
    """Return the arguments of a measurement: those that `add` adds, and `keep`."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    add(parser)
    parser.add_argument("--keep", type=Path, help="New folder for the corpus and the copy. Default: a temporary one.")
    return parser.parse_args(given)


def nothing_found(_: PlantedFile, row: Manifest) -> str:
    """Return why a file was not cleaned."""
    return row["reason"] or "nothing was found in it"
