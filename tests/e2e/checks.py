"""The checks of one long story: each is printed when it is made, and all are made before the story fails. It knows no story."""

from __future__ import annotations

import time
from types import TracebackType

import pytest


class Checks:
    """Used as a context. On leaving it the test fails when a check did, and the failure names every one that did."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []
        self._figures: list[tuple[str, str]] = []
        self._began = time.monotonic()

    def __call__(self, claim: str, holds: bool, seen: object = "") -> None:
        """One line, now: whether the claim holds, and what was seen; in short where it does."""
        words = str(seen).strip()[:4000] if not holds else " ".join(str(seen).split())[:120]
        detail = f"  [{words}]" if seen or seen == 0 else ""
        print(f"{time.monotonic() - self._began:6.0f} s  {'ok    ' if holds else 'FAILED'}  {claim}{detail}", flush=True)
        if holds:
            self.passed += 1
        else:
            self.failed.append(claim)

    def figure(self, what: str, value: str) -> None:
        """Something that was measured, for the table at the end."""
        self._figures.append((what, value))
        print(f"{time.monotonic() - self._began:6.0f} s          {what}: {value}", flush=True)

    def __enter__(self) -> Checks:
        print(flush=True)  # what comes begins in a line of its own
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for what, value in self._figures:
            print(f"  {what:<48} {value}")
        said = f"{self.passed} passed, {len(self.failed)} failed{': ' if self.failed else ''}{'; '.join(self.failed)}"
        print(said, flush=True)
        if error is not None:
            error.add_note(f"Checks until then: {said}")
        elif self.failed:
            pytest.fail(said, pytrace=False)
