"""The folder of a sweep's state: complete sweeps below `sweeps/`, and `latest.json`, which names the last one.

It reads no table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from veritensor_ray.core.errors import IncompleteOutput, StoreError, UsageError, VeritensorError
from veritensor_ray.findings.run_file import parsed
from veritensor_ray.stores.filesystems import denied
from veritensor_ray.stores.outputs import OutputStore

LATEST = "latest.json"
SWEEPS = "sweeps"
_ID = re.compile(r"\w[\w.-]*", re.ASCII)  # which excludes paths


@dataclass(frozen=True, slots=True)
class Night:
    """A complete sweep. `store` is its folder, an output like that of an audit; `run` is the content of its run.json."""

    id: str
    store: OutputStore
    run: Mapping[str, Any]

    @property
    def started(self) -> datetime:
        """When its plan was made. Raises StoreError if its run.json does not say so."""
        try:
            return datetime.fromisoformat(self.run["started_at"])
        except (KeyError, TypeError, ValueError):
            raise StoreError(f"the run.json of {self.store.uri} is damaged: started_at is not a time. Copy the output again") from None


def latest(state: OutputStore) -> str | None:
    """Return the ID of the last complete sweep, or None if there is none yet. Raises StoreError."""
    data = state.read(LATEST)
    if data is None:
        return None
    try:
        sweep = json.loads(data)["sweep"]
    except (ValueError, TypeError, KeyError, RecursionError):
        sweep = None
    if not isinstance(sweep, str) or not _ID.fullmatch(sweep):
        raise StoreError(
            f'{state.uri}/{LATEST} is damaged: it names no sweep. Copy it again, or set it to {{"sweep": "ID"}} with an ID from {SWEEPS}/'
        )
    return sweep


def folder_of(state: OutputStore, sweep: str) -> OutputStore:
    """Return the results of one sweep."""
    return state.under(f"{SWEEPS}/{sweep}")


def state_of(results: OutputStore) -> OutputStore:
    """Return the folder that outlives these results: the state of a sweep, or the output of an audit."""
    above, _, _ = results.uri.rstrip("/").rpartition("/")
    state, _, name = above.rpartition("/")
    found = OutputStore(state, results.stores)
    return found if name == SWEEPS and state and found.exists(LATEST) else results


def night(state: OutputStore, sweep: str) -> Night:
    """Return a complete sweep by its ID. Raises StoreError, or a UsageError that lists the complete sweeps."""
    folder, last = folder_of(state, sweep), latest(state)
    data = folder.read("run.json") if last is not None and sweep <= last and "/" not in sweep else None
    if data is None:
        there = ", ".join(one.id for one in nights(state)) or "none"
        raise UsageError(f"{state.uri} has no complete sweep {sweep!r}. Complete sweeps: {there}")
    return Night(sweep, folder, parsed(data, folder.uri))


def nights(state: OutputStore) -> list[Night]:
    """Return all complete sweeps, oldest first. A sweep that `latest.json` does not reach has not finished."""
    last = latest(state)
    found = []
    for name in state.names(SWEEPS):
        data = folder_of(state, name).read("run.json") if last is not None and name <= last else None
        if data is not None:
            found.append(Night(name, folder_of(state, name), parsed(data, f"{state.uri}/{SWEEPS}/{name}")))
    return found


def results(output: OutputStore, what: str = "") -> tuple[OutputStore, dict[str, Any]]:
    """Return the location of an output's tables and its run.json, of an audit or of a state's last complete sweep.

    Raises IncompleteOutput for an unfinished run or a folder that is not an output, or StoreError. `what` is the user's name for it.
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
        hint = (
            "the run has not finished. Repeat the submit to resume it"
            if begun
            else "no audit or sweep was written there. Correct the path, or write one with submit"
        )
        raise IncompleteOutput(f"{what or output.uri} has no run.json: {hint}")
    return output, parsed(data, output.uri)


def surplus(state: OutputStore, keep: int) -> list[str]:
    """Return the IDs of complete sweeps beyond the newest `keep`, and of the remains of unfinished ones."""
    complete = [one.id for one in nights(state)]
    unfinished = [name for name in state.names(SWEEPS) if name not in complete]
    return [*complete[: max(0, len(complete) - keep)], *unfinished]


def missed(before: datetime, now: datetime, every: float) -> int:
    """Return how many sweeps were missed between two, given an interval of `every` seconds with half of it as grace."""
    return max(0, int((now - before).total_seconds() / every + 0.5) - 1)


def lines(state: OutputStore, every: float) -> Iterator[tuple[Night, int]]:
    """Yield complete sweeps, newest first, each with the number of sweeps missed before it."""
    found = nights(state)
    for index in range(len(found) - 1, -1, -1):
        yield found[index], missed(found[index - 1].started, found[index].started, every) if index else 0
