"""`sweeps` and `purge`: list the sweeps that a state remembers, and remove old ones. Neither command reads findings."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.options import Config
from veritensor_ray.core.wording import counted

if TYPE_CHECKING:
    from veritensor_ray.cli.render import Rows
    from veritensor_ray.findings.sweep_state import Night
    from veritensor_ray.stores.outputs import OutputStore

State = Annotated[str, typer.Argument(help="A sweep's state: the output of `submit --job sweep`.")]
_SCANNED = ("new", "changed", "again")  # in a plan: artifacts that all or some engines scanned
_ALWAYS = ("artifacts", "scanned", "new", "resolved")
_STAMP = re.compile(r"\d{8}T\d{6}Z")  # at the beginning of a sweep's id


def sweeps(
    state: State,
    format: Annotated[str, typer.Option(help="Output format: table or json.")] = "table",  # named after the flag
    config: Config = None,
) -> None:
    """List the sweeps of a state, newest first.

    Missed sweeps are listed too: `sweep.every` in the configuration sets how often a sweep is expected.
    """
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.findings.sweep_state import lines, missed

    if format not in ("table", "json"):
        raise UsageError(f"unknown format {format!r}; choose from table and json")
    settings = load_settings(config)
    store = _opened(state, settings.stores)
    every = settings.sweep.every
    nights = list(lines(store, every))
    overdue = missed(nights[0][0].started, datetime.now(UTC), every) if nights else 0
    about = {
        "state": store.uri,
        "every": every,
        "overdue": overdue,
        "unfinished": _unfinished(store, nights[0][0].id if nights else None),
        "sweeps": [_night(night, before) for night, before in nights],
    }
    if format == "json":
        sys.stdout.write(json.dumps(about, indent=2) + "\n")
    else:
        _show(about)


def purge(
    state: State,
    older_than: Annotated[str, typer.Option(help="An age such as 90d or 12w, or a date (UTC). Sweeps that began earlier are removed.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    config: Config = None,
) -> None:
    """Remove old sweeps from a state.

    Leftovers of unfinished sweeps are removed too. The last complete sweep always stays.
    """
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.stores.lease import lease

    before = _before(older_than, datetime.now(UTC))
    store = _opened(state, load_settings(config).stores)
    if dry_run:
        _say_purged(store, _doomed(store, before), before, "would be removed")
        return
    with lease(store, lambda note: _say(note, sys.stderr)) as held:
        doomed = _doomed(store, before)
        held.check()
        _remove(store, doomed)
    _say_purged(store, doomed, before, "removed")


def _opened(state: str, stores: Mapping[str, Any]) -> OutputStore:
    """Returns the store of a state. Raises UsageError for another kind of output, IncompleteOutput if nothing was written there."""
    from veritensor_ray.core.errors import IncompleteOutput, StoreError, UsageError
    from veritensor_ray.findings.sweep_state import LATEST
    from veritensor_ray.jobs.run_requests import requests
    from veritensor_ray.stores.filesystems import absolute, denied
    from veritensor_ray.stores.outputs import OutputStore

    store = OutputStore(absolute(state), stores)
    try:
        data, following = store.read("run.json"), store.exists(LATEST)
        begun = following or bool(store.names("_work"))
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(store.uri, "read", error)) from None
    if data is not None:
        one = json.loads(data).get("job") == "sweep"
        what = (
            "holds a single sweep; give its state, two folders up"
            if one
            else "holds an audit, not a state; `veritensor-ray findings` shows it"
        )
        raise UsageError(f"{state} {what}. A state is the output of `submit --job sweep`")
    if not following and any(run.job == "audit" for run, _ in requests(store)):
        raise UsageError(
            f"{state} holds an audit that did not end; the same submit resumes it. A state is the output of `submit --job sweep`"
        )
    if not begun:
        raise IncompleteOutput(f"no sweep was written to {state}; a state is the output of `submit --job sweep`")
    return store


def _night(night: Night, before: int) -> dict[str, Any]:
    from veritensor_ray.results.run_text import fully_checked

    run = night.run
    ended = datetime.fromisoformat(run["finished_at"])
    plan: Mapping[str, int] = run.get("plan") or {}
    return {
        "sweep": night.id,
        "started_at": run["started_at"],
        "finished_at": run["finished_at"],
        "seconds": (ended - night.started).total_seconds(),
        "missed_before": before,
        "artifacts": run["totals"].get("artifacts", 0),
        "scanned": sum(plan.get(name, 0) for name in _SCANNED),
        "plan": plan,
        "states": run.get("states") or {},
        "severity": run["severity"],
        "suppressed": run["suppressed"],
        "not_covered": fully_checked(run).short,
    }


def _unfinished(store: OutputStore, last: str | None) -> list[dict[str, Any]]:
    """Returns sweeps that have a plan but were not published. Only one that was planned against the last sweep can be resumed."""
    from veritensor_ray.findings.shard_commit import committed
    from veritensor_ray.jobs.run_requests import requests

    return [
        {
            "sweep": run.id,
            "started_at": run.started,
            "shards": run.totals["shards"],
            "done": len(committed(store, run.id)),
            "resumable": run.previous == last,
        }
        for run, _ in requests(store)
        if last is None or run.id > last
    ]


def _show(about: Mapping[str, Any]) -> None:
    from veritensor_ray.cli.render import console, duration, safe

    out = console()
    if about["overdue"]:
        last = about["sweeps"][0]["started_at"]
        out.print(
            f"overdue: the last complete sweep began {_time(last)} UTC, and one is expected every {duration(about['every'])}",
            style="bold red",
        )
    for one in about["unfinished"]:
        rest = "running or interrupted; the same submit resumes it" if one["resumable"] else "interrupted; the next sweep starts over"
        out.print(f"{safe(one['sweep'])}: {one['done']:,} of {one['shards']:,} shards are done; {rest}")
    if about["sweeps"]:
        out.print(_table(about["sweeps"]))
    else:
        out.print("no sweep has ended yet")


def _table(nights: Sequence[Mapping[str, Any]]) -> Rows:
    """Returns a table with a row for each sweep; its id is the time in UTC at which it began. Columns that are zero everywhere are left out."""
    from veritensor_ray.cli.render import duration, severity, table

    counted = [_counts(one) for one in nights]
    shown = [name for name in counted[0] if name in _ALWAYS or any(one[name] for one in counted)]
    rows: list[Sequence[object]] = []
    for one, counts in zip(nights, counted, strict=True):
        worst = next(iter(one["severity"]), None)
        numbers = [f"{counts[name]:,}" for name in shown]
        rows.append((one["sweep"], duration(one["seconds"]), *numbers, severity(worst) if worst else "none"))
        if one["missed_before"]:
            rows.append((f"{one['missed_before']:,} missed", *[""] * (len(shown) + 2)))
    drawn = table(("sweep (UTC)", "took", *shown, "worst"), rows, right=("took", *shown))
    drawn.columns[0].no_wrap = True  # so that ids can be copied
    return drawn


def _counts(one: Mapping[str, Any]) -> dict[str, int]:
    states = {name: one["states"].get(name, 0) for name in ("new", "reopened", "persisting", "resolved", "unverified")}
    taken_over = sum(one["plan"].get(name, 0) for name in ("unchanged", "moved", "copied"))
    artifacts = {"artifacts": one["artifacts"], "scanned": one["scanned"], "unchanged": taken_over, "not fully checked": one["not_covered"]}
    return artifacts | states | {"suppressed": one["suppressed"]}


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M}"


def _before(text: str, now: datetime) -> datetime:
    """Returns the moment that an age or a day means. Raises UsageError."""
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.core.timespans import moment

    try:
        return moment(text, now, -1)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from None


def _doomed(store: OutputStore, before: datetime) -> list[tuple[str, datetime, bool]]:
    """Returns the sweeps that began earlier, oldest first: id, start, and whether it is complete.

    A sweep that did not end has evidence in its commits, and one that was partly removed may have some left; both are included.
    """
    from veritensor_ray.findings.sweep_state import SWEEPS, latest, nights

    last, complete = latest(store), {one.id: one.started for one in nights(store)}
    found = [(name, complete.get(name) or _began(name)) for name in sorted({*store.names(SWEEPS), *store.names("_work")} - {last})]
    return [(name, began, name in complete) for name, began in found if began is not None and began < before]


def _began(sweep: str) -> datetime | None:
    """Returns when a sweep was planned, according to its id; None for any other name."""
    stamp = _STAMP.match(sweep)
    try:
        return datetime.strptime(stamp[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if stamp else None
    except ValueError:
        return None


def _remove(store: OutputStore, doomed: Sequence[tuple[str, datetime, bool]]) -> None:
    from veritensor_ray.core.errors import StoreError
    from veritensor_ray.findings.sweep_publishing import prune
    from veritensor_ray.stores.filesystems import denied

    try:
        prune(store, [name for name, _, _ in doomed])
        for name, _, _ in doomed:
            store.delete(f"_work/{name}")
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(
            f"{denied(store.uri, 'write', error)}; not everything was removed. Repeat the command once that is fixed"
        ) from None


def _say_purged(store: OutputStore, doomed: Sequence[tuple[str, datetime, bool]], before: datetime, words: str) -> None:
    from veritensor_ray.findings.sweep_state import nights

    for name, began, complete in doomed:
        _say(f"{words}: {name} (began {began:%Y-%m-%d %H:%M} UTC{'' if complete else ', did not end'})")
    gone = {name for name, _, _ in doomed}
    kept = [one for one in nights(store) if one.id not in gone]
    if not doomed:
        _say(f"nothing to remove: apart from the last complete sweep, none began before {before:%Y-%m-%d %H:%M} UTC")
    if kept:
        _say(f"kept: {counted(len(kept), 'complete sweep')} with all open findings; the last one is {kept[-1].id}")
        _say("older sweeps leave behind only the keyed ids of resolved findings, without evidence, and counts for trends")


def _say(line: str, to: Any = None) -> None:
    from veritensor_ray.cli.render import safe

    (to or sys.stdout).write(f"{safe(line)}\n")
