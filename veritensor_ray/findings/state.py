"""The folder of a sweep's state: complete sweeps below `sweeps/`, and `latest.json`, which names the last; it reads no table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from veritensor_ray.errors import IncompleteOutput, StoreError, UsageError, VeritensorError
from veritensor_ray.stores.filesystems import denied
from veritensor_ray.stores.outputs import OutputStore

LATEST = "latest.json"
SWEEPS = "sweeps"
_ID = re.compile(r"\w[\w.-]*", re.ASCII)  # and no path


@dataclass(frozen=True, slots=True)
class Night:
    """A complete sweep. `store` is its folder, an output like that of an audit; `run` the content of its run.json."""

    id: str
    store: OutputStore
    run: Mapping[str, Any]

    @property
    def started(self) -> datetime:
        """When its plan was made."""
        return datetime.fromisoformat(self.run["started_at"])


def latest(state: OutputStore) -> str | None:
    """The id of the last complete sweep; None before the first one has ended, and where there is no state. Raises StoreError."""
    data = state.read(LATEST)
    if data is None:
        return None
    try:
        sweep = json.loads(data)["sweep"]
    except (ValueError, TypeError, KeyError, RecursionError):
        sweep = None
    if not isinstance(sweep, str) or not _ID.fullmatch(sweep):
        raise StoreError(
            f'{state.uri}/{LATEST} is damaged: it names no sweep. Get the state again, or make it {{"sweep": "ID"}} with an ID of {SWEEPS}/'
        )
    return sweep


def folder_of(state: OutputStore, sweep: str) -> OutputStore:
    """The results of one sweep."""
    return state.under(f"{SWEEPS}/{sweep}")


def state_of(results: OutputStore) -> OutputStore:
    """The folder that outlives these results: of a sweep the state that it belongs to, of an audit its own."""
    above, _, _ = results.uri.rstrip("/").rpartition("/")
    state, _, name = above.rpartition("/")
    found = OutputStore(state, results.stores)
    return found if name == SWEEPS and state and found.exists(LATEST) else results


def night(state: OutputStore, sweep: str) -> Night:
    """A complete sweep by its id. Raises UsageError that names those there are; StoreError."""
    folder, last = folder_of(state, sweep), latest(state)
    data = folder.read("run.json") if last is not None and sweep <= last and "/" not in sweep else None
    if data is None:
        there = ", ".join(one.id for one in nights(state)) or "none"
        raise UsageError(f"{state.uri} has no complete sweep {sweep!r}; there are: {there}")
    return Night(sweep, folder, json.loads(data))


def nights(state: OutputStore) -> list[Night]:
    """All complete sweeps, the oldest first. One that has tables and is not reachable from `latest.json` has not ended."""
    last = latest(state)
    found = []
    for name in state.names(SWEEPS):
        data = folder_of(state, name).read("run.json") if last is not None and name <= last else None
        if data is not None:
            found.append(Night(name, folder_of(state, name), json.loads(data)))
    return found


def results(output: OutputStore, what: str = "") -> tuple[OutputStore, dict[str, Any]]:
    """Where the tables of an output are, and its run.json: an audit's own, or those of a state's last complete sweep.

    Raises IncompleteOutput for a run that has not ended, or for a folder that is none; StoreError. `what` is how the user named it.
    """
    try:
        data = output.read("run.json")
        if data is None and (sweep := latest(output)) is not None:
            output = folder_of(output, sweep)
            data = output.read("run.json")
        begun = data is None and bool(output.names("_work"))
    except VeritensorError:
        raise
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(what or output.uri, "read", error)) from None
    if data is None:
        hint = "the run has not ended: the same submit again resumes it" if begun else "no audit and no sweep was written there"
        raise IncompleteOutput(f"{what or output.uri} has no run.json: {hint}")
    return output, json.loads(data)


def surplus(state: OutputStore, keep: int) -> list[str]:
    """Ids of the oldest complete sweeps beyond `keep`, and of what sweeps that never ended have left behind."""
    complete = [one.id for one in nights(state)]
    unfinished = [name for name in state.names(SWEEPS) if name not in complete]
    return [*complete[: max(0, len(complete) - keep)], *unfinished]


def missed(before: datetime, now: datetime, every: float) -> int:
    """How many sweeps should have run in between, when one is meant to run `every` so many seconds; half of that is grace."""
    return max(0, int((now - before).total_seconds() / every + 0.5) - 1)


def lines(state: OutputStore, every: float) -> Iterator[tuple[Night, int]]:
    """Complete sweeps, the newest first, each with the number of those missed before it."""
    found = nights(state)
    for index in range(len(found) - 1, -1, -1):
        yield found[index], missed(found[index - 1].started, found[index].started, every) if index else 0
