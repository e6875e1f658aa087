"""The interface through which a run reports its progress."""

from __future__ import annotations

from typing import Any, Protocol


class Reporter(Protocol):
    """Receives progress; the command line displays it."""

    def stage(self, name: str) -> None:
        """A stage began: plan, start, scan, collect."""

    def planned(self, artifacts: int) -> None:
        """`artifacts` artifacts have been listed so far."""

    def scanning(self, shards: int, size: int, done: int) -> None:
        """The plan has `shards` shards and `size` bytes; `done` shards were committed earlier."""

    def committed(self, numbers: dict[str, Any]) -> None:
        """A shard was committed. `numbers` holds shard, artifacts, bytes and severities."""

    def note(self, text: str) -> None:
        """Something worth one line."""


class Silent:
    """A reporter that ignores everything."""

    def stage(self, name: str) -> None: ...
    def planned(self, artifacts: int) -> None: ...
    def scanning(self, shards: int, size: int, done: int) -> None: ...
    def committed(self, numbers: dict[str, Any]) -> None: ...
    def note(self, text: str) -> None: ...
