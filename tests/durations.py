"""How long tests took when they were last measured: tests/durations.json, which `make durations` writes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import pytest

KEPT = Path(__file__).with_name("durations.json")
GUESS = 0.02  # seconds of a test that was not measured
LEAST = 0.5  # seconds from which a file has a line
LONG = 3.0  # seconds from which a test has one


def file_of(test: str) -> str:
    """The file of a test, by its id."""
    return test.partition("::")[0]


class Durations:
    """Seconds of files, without the long tests in them, and of these tests."""

    def __init__(self, known: dict[str, float]) -> None:
        self._known = known

    @classmethod
    def kept(cls, file: Path = KEPT) -> Durations:
        """What was measured last time, if it was."""
        return cls(json.loads(file.read_text()) if file.exists() else {})

    def of(self, tests: Collection[str]) -> float:
        """Return about how many seconds these tests of one file take. All others of the file are taken to be left out of this run."""
        long = [self._known[test] for test in tests if test in self._known]
        short = len(tests) - len(long)
        return sum(long) + (self._known.get(file_of(next(iter(tests))), GUESS * short) if short else 0)

    def of_one(self, test: str) -> float:
        """Return about how many seconds a test takes by itself."""
        return self._known.get(test, GUESS)

    def renewed(self, seconds: dict[str, float], root: Path) -> dict[str, float]:
        """Return lines with what a run measured for the files that ran, and without files that are gone."""
        ran = {file_of(test) for test in seconds}
        found = defaultdict(
            float, {line: took for line, took in self._known.items() if file_of(line) not in ran and (root / file_of(line)).exists()}
        )
        for test, took in seconds.items():
            found[test if took >= LONG else file_of(test)] += took
        return {line: round(took, 1) for line, took in sorted(found.items()) if took >= LEAST}


class Stopwatch:
    """A plug-in that adds up what each test takes with its fixtures, and keeps it when the run ends."""

    def __init__(self, file: Path, root: Path) -> None:
        self._file, self._root = file, root
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add what a phase of a test took."""
        self._seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Write a line for each, in the order of their names, so that a comparison shows what changed."""
        lines = Durations.kept(self._file).renewed(self._seconds, self._root)
        self._file.write_text(json.dumps(lines, indent=0, ensure_ascii=False) + "\n")
