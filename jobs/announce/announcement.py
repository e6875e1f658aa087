"""Reports the end of a run to whoever monitors it: a message and a file of metrics. Neither can fail a run; problems become notes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import VeritensorError
from veritensor_ray.findings.sweep_state import LATEST
from veritensor_ray.jobs.announce.message import message_of, message_of_failure, moment
from veritensor_ray.jobs.announce.metrics import write_metrics
from veritensor_ray.jobs.announce.notify import notify
from veritensor_ray.stores.filesystems import absolute
from veritensor_ray.stores.outputs import OutputStore


def ended(settings: Settings, run: Mapping[str, Any], exit_code: int, note: Callable[[str], None]) -> None:
    """Report a run with results."""
    notify(settings, message_of(run, exit_code), note)
    _measure(settings, run, exit_code, datetime.now(UTC), note)


def failed(settings: Settings, error: Exception, note: Callable[[str], None]) -> None:
    """Report a run without results."""
    notify(settings, message_of_failure(settings, error), note)
    if settings.metrics:
        _measure(settings, None, getattr(error, "exit_code", 4), _last_success(settings), note)


def _measure(
    settings: Settings, run: Mapping[str, Any] | None, exit_code: int, last_success: datetime | None, note: Callable[[str], None]
) -> None:
    if not settings.metrics:
        return
    try:
        write_metrics(settings.metrics, run, datetime.now(UTC), exit_code, last_success)
    except VeritensorError as error:
        note(str(error))


def _last_success(settings: Settings) -> datetime | None:
    """Returns when the output was last complete; None also if it cannot be read, which may be why the run failed."""
    try:
        store = OutputStore(absolute(str(settings.output)), settings.stores)
        data = store.read(LATEST) or store.read("run.json")
        return moment(json.loads(data)["finished_at"]) if data else None
    except Exception:  # noqa: BLE001  # every store raises its own kind
        return None
