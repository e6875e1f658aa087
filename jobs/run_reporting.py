"""The interface through which a run reports its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a run has come within its shards.

    `read` counts the bytes of the plan that this run has read, finished shards included; `in_progress` counts the shards that were begun.
    `artifact` is the one that has been read for the longest time, for `seconds` so far, or empty; secrets in its name are masked. `doing`
    says what happens to it: reading, unpacking, digest, models, or the name of an engine that scans its bytes. That has come to byte `at`
    of the `of` bytes of a file, which is the artifact or a file inside it. `effort` is the CPU seconds that the plan expects for what has
    been read.
    """

    read: int
    in_progress: int
    artifact: str = ""
    doing: str = ""
    at: int = 0
    of: int = 0
    seconds: float = 0.0
    effort: float = 0.0


class Reporter(Protocol):
    """Receives progress; the command line displays it."""

    def stage(self, name: str) -> None:
        """A stage began: plan, start, scan, collect."""

    def planned(self, artifacts: int) -> None:
        """`artifacts` artifacts have been listed so far."""

    def scanning(self, shards: int, size: int, done: int, read: int, effort: float, cpus: int) -> None:
        """The plan has `shards` shards and `size` bytes; `done` shards with `read` bytes were committed earlier.

        For the others, the plan expects `effort` CPU seconds, on `cpus` CPUs.
        """

    def reading(self, reading: Reading) -> None:
        """The run has come this far. Called every few seconds while shards are scanned."""

    def committed(self, numbers: dict[str, Any]) -> None:
        """A shard was committed. `numbers` holds shard, artifacts, bytes, severities, and `read` and `effort` as in `Reading`."""

    def note(self, text: str) -> None:
        """Something worth one line."""


class Silent:
    """A reporter that ignores everything."""

    def stage(self, name: str) -> None: ...
    def planned(self, artifacts: int) -> None: ...
    def scanning(self, shards: int, size: int, done: int, read: int, effort: float, cpus: int) -> None: ...
    def reading(self, reading: Reading) -> None: ...
    def committed(self, numbers: dict[str, Any]) -> None: ...
    def note(self, text: str) -> None: ...
