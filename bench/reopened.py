"""Clean about 1,000 real files of all formats, and open every file of the copy with the programs that own its format.

    python -m bench.reopened [--files 1000] [--engines signatures,structure,secrets,pii] [--keep FOLDER]

Prints a table in Markdown with a row per format, every failure, the verdict of the audit of the copy, and what was found in files into which
nothing had been written. Programs that are not installed are named and left out. Exits with 1 if anything failed.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.reopened_corpus import Builder, Built
from bench.reopened_programs import Seen, faithful, libreoffice, see

_STATIC = "signatures,structure,secrets,pii"
_OFFICE = ("docx", "xlsx", "pptx")
_SHOWN = 30  # findings in files into which nothing was written


@dataclass
class Tally:
    """What became of the files of one format."""

    results: Counter[str] = field(default_factory=Counter)
    reopened: int = 0
    equal: int = 0
    identical: int = 0
    skipped: int = 0  # files that the owning program does not open even before cleaning


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, clean, reopen and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000, help="Number of files, approximately. Default: 1000.")
    parser.add_argument("--engines", default=_STATIC, help=f"Engines of both audits. Default: {_STATIC}.")
    parser.add_argument("--keep", help="New folder for the corpus and the copy. Default: a temporary one.")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(given.keep or folder)
        builder = Builder(base / "corpus", given.files)
        built = builder.build()
        _clean(base, given.engines)
        raise SystemExit(Comparison(base, built, builder.notes).printed())


def _clean(base: Path, engines: str) -> None:
    (base / "config.yaml").write_text(json.dumps({"pii": {"free_text": "pii-model" in engines}}))
    command = [sys.executable, "-m", "veritensor_ray", "clean", str(base / "corpus"), "--to", str(base / "copy"), "--engines"]
    command += [engines.replace(",pii-model", ""), "--config", str(base / "config.yaml")]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"clean ended with {done.returncode}: {done.stderr[-2000:]}")


class Comparison:
    """Compares the files of a corpus with their copies."""

    def __init__(self, base: Path, built: list[Built], notes: list[str]) -> None:
        self._base, self._built, self._notes = base, built, notes
        self._rows = {row["artifact"]: row for row in pq.read_table(base / "copy" / "manifest.parquet").to_pylist()}
        self._tallies: dict[str, Tally] = {}
        self._failures: list[str] = []
        self._left = 0

    def printed(self) -> int:
        """Compare all files and print the tables. Returns the exit code."""
        for one in self._built:
            self._compare(one)
        for format_ in _OFFICE:
            self._office(format_)
        self._table()
        reasons = Counter((row["result"], row["reason"]) for row in self._rows.values() if row["reason"])
        print("\n| files | result | reason |\n| --- | --- | --- |")
        for (result, reason), count in reasons.most_common():
            print(f"| {count} | {result} | {reason} |")
        self._unplanted()
        run = json.loads((self._base / "copy" / "run.json").read_text())
        print(f"\nLeft in the copy, by severity: {run['left'] or 'nothing'}; {run['changes']:,} changes")
        written = sum(len(one.values) for one in self._built)
        print(
            f"{self._left:,} of {written:,} values written are left; the engines rate addresses beside a licence or an author below medium."
        )
        for line in [*self._notes, *(f"FAILED {line}" for line in self._failures)]:
            print(line)
        return int(bool(self._failures or run["left"]))

    def _compare(self, one: Built) -> None:
        tally = self._tallies.setdefault(one.format, Tally())
        row = self._rows[one.name]
        tally.results[row["result"]] += 1
        before, after = self._base / "corpus" / one.name, self._base / "copy" / "corpus" / one.name
        if row["result"] not in ("copied", "cleaned"):
            return
        if row["result"] == "copied":
            if filecmp.cmp(before, after, shallow=False):
                tally.identical += 1
            else:
                self._failures.append(f"{one.name}: it was copied, but the copy differs")
        try:
            old = see(before, one.format)
        except Exception as error:  # noqa: BLE001  # a real file that its own program refuses
            self._notes.append(f"{one.name} does not open even before cleaning: {type(error).__name__}: {str(error)[:120]}")
            tally.skipped += 1
            return
        try:
            new = see(after, one.format)
        except Exception as error:  # noqa: BLE001  # anything at all is a failure to report
            self._failures.append(f"{one.name} does not open: {type(error).__name__}: {str(error)[:200]}")
            return
        tally.reopened += 1
        self._left += len([value for value in one.values if value in "\n".join(new.text)])
        if problem := _difference(old, new, row):
            self._failures.append(f"{one.name}: {problem}")
        else:
            tally.equal += 1

    def _office(self, format_: str) -> None:
        names = [one.name for one in self._built if one.format == format_ and self._rows[one.name]["result"] == "cleaned"]
        seen = []
        for place in ("corpus", "copy/corpus"):
            paths = [self._base / place / name for name in names]
            seen.append(libreoffice(paths, format_, self._base / "opened" / format_ / place.replace("/", "-")))
        before, after = seen
        if before is None or after is None:
            self._notes.append(f"{format_}: LibreOffice is not installed, so only Python libraries opened these files.")
            return
        for name in names:
            old, new = before.get(self._base / "corpus" / name), after.get(self._base / "copy/corpus" / name)
            if old is None:
                self._notes.append(f"{name}: LibreOffice does not open it even before cleaning")
            elif new is None:
                self._failures.append(f"{name}: LibreOffice does not open it")
            elif problem := faithful(old, new):
                self._failures.append(f"{name}: in LibreOffice, {problem}")

    def _table(self) -> None:
        results = ("cleaned", "copied", "held", "quarantined")
        print(f"| format | files | {' | '.join(results)} | reopened | structure equal | copies identical |")
        print("| --- |" + " --- |" * (len(results) + 4))
        for format_, tally in self._tallies.items():
            counts = " | ".join(str(tally.results[one]) for one in results)
            print(f"| {format_} | {tally.results.total()} | {counts} | {tally.reopened} | {tally.equal} | {tally.identical} |")

    def _unplanted(self) -> None:
        """Print what was found in real files into which nothing was written, at the level that changes files."""
        names = {one.name for one in self._built if not one.values}
        table = pq.read_table(self._base / "copy" / "before" / "findings", columns=["artifact", "rule_id", "severity", "evidence"])
        found = [one for one in table.to_pylist() if one["artifact"] in names and one["severity"] in ("medium", "high", "critical")]
        files = len({one["artifact"] for one in found})
        print(f"\n{len(names)} files are as they were on this system. {files} of them have findings of medium severity or worse:\n")
        print("| findings | rule |\n| --- | --- |")
        for rule, count in Counter(one["rule_id"] for one in found).most_common():
            print(f"| {count} | {rule} |")
        print("\n| artifact | rule | evidence |\n| --- | --- | --- |")
        for one in found[:: max(1, len(found) // _SHOWN)]:
            print(f"| {one['artifact']} | {one['rule_id']} | {' '.join((one['evidence'] or '').split())[:90].replace('|', ' ')} |")


def _difference(old: Seen, new: Seen, row: dict[str, Any]) -> str | None:
    if old.structure != new.structure:
        return "its structure differs"
    if old.rows - new.rows != (row["rows_dropped"] if old.rows else 0):
        return f"it has {new.rows:,} of {old.rows:,} rows, although {row['rows_dropped']:,} were dropped"
    return faithful(old.text, new.text)


if __name__ == "__main__":
    main()
