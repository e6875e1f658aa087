"""The message about a run: counts, ids, times and fixed words only. It never contains text that may come from a corpus or a path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from veritensor_ray.core.config import SEVERITIES, Settings
from veritensor_ray.core.errors import DeadlineReached, UsageError
from veritensor_ray.jobs.cluster.remote import submission_id

VERSION = 1
STATUSES = ("scanned", "partial", "skipped", "quarantined", "unreadable", "unlisted")
INCOMPLETE = ("partial", "quarantined", "unreadable", "unlisted")
STATES = ("new", "persisting", "reopened", "resolved", "unverified")
CHANGES = ("unchanged", "changed", "new", "moved", "copied", "deleted", "again")
TOTALS = ("artifacts", "bytes", "bytes_scanned", "segments", "gaps")


def message_of(run: Mapping[str, Any], exit_code: int | None = None) -> dict[str, Any]:
    """Returns the message for a run that has ended, from its run.json. Schema: docs/schedules.md."""
    started, ended = moment(run.get("started_at")), moment(run.get("finished_at"))
    status = counts(run.get("status"), STATUSES)
    return {
        "version": VERSION,
        "event": "finished",
        "job": _word(run.get("job"), ("audit", "sweep")),
        "id": _id(run.get("scan_id")),
        "previous": _id(run.get("previous")),
        "output_id": _output_id(run.get("output")),
        "profile": _word(run.get("profile"), ("embedded", "standard")),
        "started_at": _text(started),
        "finished_at": _text(ended),
        "seconds": round((ended - started).total_seconds(), 3) if started and ended else None,
        "exit_code": exit_code,
        "complete": not any(status[name] for name in INCOMPLETE),
        "totals": counts(run.get("totals"), TOTALS),
        "status": status,
        "severity": counts(run.get("severity"), SEVERITIES),
        "severity_new": counts(run.get("severity_new"), SEVERITIES),
        "suppressed": number(run.get("suppressed")),
        "states": counts(run.get("states"), STATES),
        "plan": counts(run.get("plan"), CHANGES) if run.get("plan") else None,
    }


def message_of_failure(settings: Settings, error: BaseException) -> dict[str, Any]:
    """Returns the message for a run that failed: the kind of its error, but never the text, which may name artifacts and paths."""
    return {
        "version": VERSION,
        "event": "deadline" if isinstance(error, DeadlineReached) else "failed",
        "job": settings.job,
        "output_id": _output_id(settings.output),
        "profile": settings.profile,
        "finished_at": _text(datetime.now(UTC)),
        "exit_code": int(getattr(error, "exit_code", 4)),
        "error": type(error).__name__,
    }


def counts(values: Any, names: Iterable[str]) -> dict[str, int]:
    """Returns the counts for a fixed set of names, 0 if one is missing; other names are left out."""
    found = values if isinstance(values, Mapping) else {}
    return {name: number(found.get(name)) for name in names}


def number(value: Any) -> int:
    """Returns a count; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def moment(value: Any) -> datetime | None:
    """Returns a time from run.json, in UTC; None if it is not one."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _text(value: datetime | None) -> str | None:
    return value.isoformat(timespec="seconds") if value else None


def _id(value: Any) -> str | None:
    """Returns an id, which consists of a time and a digest; None for anything else."""
    return value if isinstance(value, str) and re.fullmatch(r"[0-9A-Za-z-]{1,64}", value) else None


def _word(value: Any, words: Iterable[str]) -> str | None:
    return value if value in words else None


def _output_id(output: Any) -> str | None:
    """Returns the id of the run on a cluster: always the same for an output, but without revealing it."""
    try:
        return submission_id(str(output)) if output else None
    except UsageError:  # a URI with credentials, which no run accepts
        return None
