"""What the last sweep left, as a file for Prometheus' textfile collector; it knows nothing of runs beside run.json.

Values of labels are from closed sets: names of artifacts, rules and sources would be text of a corpus, and a series each.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veritensor_ray.announce.message import CHANGES, STATES, STATUSES, counts, moment, number
from veritensor_ray.config import SEVERITIES
from veritensor_ray.errors import CannotRunError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

PREFIX = "veritensor_sweep_"


def write_metrics(path: str, run: Mapping[str, Any] | None, ended: datetime, exit_code: int, last_success: datetime | None) -> None:
    """Replace the file at once, mode 0644: who collects is another user. Raises CannotRunError.

    `run` is None where the run failed: the file then says so, keeps `last_success` (None: there never was one), and has no numbers.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    _one(registry, "last_run_timestamp_seconds", "When the last run ended, however it did.", ended.timestamp())
    _one(registry, "last_exit_code", "How it ended: 0 complete, 1 findings, 2 wrong usage, 3 not complete, 4 could not run.", exit_code)
    if last_success is not None:
        _one(registry, "last_success_timestamp_seconds", "When a sweep last came through the whole corpus.", last_success.timestamp())
    if run is not None:
        _counts(registry, run)
    _replace(Path(path), generate_latest(registry))


def _counts(registry: CollectorRegistry, run: Mapping[str, Any]) -> None:
    started, finished = moment(run.get("started_at")), moment(run.get("finished_at"))
    if started and finished:
        _one(registry, "duration_seconds", "How long the last run took.", (finished - started).total_seconds())
    totals = counts(run.get("totals"), ("bytes", "bytes_scanned", "gaps"))
    _one(registry, "corpus_bytes", "Size of the corpus.", totals["bytes"])
    _one(
        registry,
        "scanned_bytes",
        "How much of it was read, by this run or by the one that results are taken over from.",
        totals["bytes_scanned"],
    )
    _one(registry, "gaps", "Places that could not be read or checked.", totals["gaps"])
    _one(registry, "suppressed_findings", "Open findings that the policy suppresses.", number(run.get("suppressed")))
    _each(registry, "artifacts", "Artifacts by how they were read.", "status", counts(run.get("status"), STATUSES))
    _each(
        registry, "changed_artifacts", "Artifacts by what became of them since the last sweep.", "change", counts(run.get("plan"), CHANGES)
    )
    _each(registry, "finding_states", "Findings by what became of them since the last sweep.", "state", counts(run.get("states"), STATES))
    _findings(registry, run)


def _findings(registry: CollectorRegistry, run: Mapping[str, Any]) -> None:
    from prometheus_client import Gauge

    text = "Findings that are not suppressed. The new and reopened ones count among the open ones too: do not add the two up."
    gauge = Gauge(f"{PREFIX}findings", text, ["severity", "state"], registry=registry)
    for state, key in (("open", "severity"), ("new", "severity_new")):
        for severity, count in counts(run.get(key), SEVERITIES).items():
            gauge.labels(severity, state).set(count)


def _one(registry: CollectorRegistry, name: str, text: str, value: float) -> None:
    from prometheus_client import Gauge

    Gauge(PREFIX + name, text, registry=registry).set(value)


def _each(registry: CollectorRegistry, name: str, text: str, label: str, values: Mapping[str, int]) -> None:
    from prometheus_client import Gauge

    gauge = Gauge(PREFIX + name, text, [label], registry=registry)
    for value, count in values.items():  # zeros too: a series that is not there raises no alarm
        gauge.labels(value).set(count)


def _replace(target: Path, data: bytes) -> None:
    """The client's own `write_to_textfile` leaves the mode to the umask, which keeps results from others."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
        temporary.replace(target)
    except OSError as error:
        raise CannotRunError(
            f"the metrics {target} cannot be written: {error.strerror}; set metrics to a file in a folder that is there, and that this user may write"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
