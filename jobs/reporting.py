"""Where the progress of a run goes; it knows neither a terminal nor a run."""

from __future__ import annotations

from typing import Any, Protocol


class Reporter(Protocol):
    """Where progress goes; the command line draws it."""

    def stage(self, name: str) -> None:
        """A stage began: plan, start, scan, collect."""

    def planned(self, artifacts: int) -> None:
        """So many artifacts are listed."""

    def scanning(self, shards: int, size: int, done: int) -> None:
        """The plan has so many shards and bytes; `done` shards were committed earlier."""

    def committed(self, numbers: dict[str, Any]) -> None:
        """A shard is committed: shard, artifacts, bytes, severities."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """A reporter that says nothing."""

    def stage(self, name: str) -> None: ...
    def planned(self, artifacts: int) -> None: ...
    def scanning(self, shards: int, size: int, done: int) -> None: ...
    def committed(self, numbers: dict[str, Any]) -> None: ...
    def note(self, text: str) -> None: ...
