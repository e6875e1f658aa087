"""The metrics of the last sweep, as a file for the textfile collector of Prometheus. Everything comes from run.json.

Label values come from fixed sets: names of artifacts, rules and sources would leak text from the corpus, and create a series each.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.jobs.announce.message import CHANGES, STATES, STATUSES, counts, moment, number

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

PREFIX = "veritensor_sweep_"


def write_metrics(path: str, run: Mapping[str, Any] | None, ended: datetime, exit_code: int, last_success: datetime | None) -> None:
    """Replace the file atomically, with mode 0644, since another user collects it. Raises CannotRunError.

    `run` is None if the run failed: the file then reports the failure, keeps `last_success` (None: there never was one), and has no counts.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    _one(registry, "last_run_timestamp_seconds", "When the last run ended, whatever the outcome.", ended.timestamp())
    _one(
        registry,
        "last_exit_code",
        "Exit code of the last run: 0 complete, 1 findings, 2 usage error, 3 incomplete, 4 could not run.",
        exit_code,
    )
    if last_success is not None:
        _one(registry, "last_success_timestamp_seconds", "When a sweep last completed.", last_success.timestamp())
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
        "How much of the corpus was read, by this run or by the earlier one whose results it reuses.",
        totals["bytes_scanned"],
    )
    _one(registry, "gaps", "Recorded parts of the corpus that were not read or checked.", totals["gaps"])
    _one(registry, "suppressed_findings", "Open findings that the policy suppresses.", number(run.get("suppressed")))
    _each(registry, "artifacts", "Artifacts by status.", "status", counts(run.get("status"), STATUSES))
    _each(
        registry, "changed_artifacts", "Artifacts by how they changed since the previous sweep.", "change", counts(run.get("plan"), CHANGES)
    )
    _each(registry, "finding_states", "Findings by how they changed since the previous sweep.", "state", counts(run.get("states"), STATES))
    _findings(registry, run)


def _findings(registry: CollectorRegistry, run: Mapping[str, Any]) -> None:
    from prometheus_client import Gauge

    text = "Findings that are not suppressed. New and reopened findings also count as open, so the two must not be added up."
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
    for value, count in values.items():  # zeros too, since a missing series raises no alert
        gauge.labels(value).set(count)


def _replace(target: Path, data: bytes) -> None:
    """Replaces the file atomically. The client's own `write_to_textfile` leaves the mode to the umask, which hides results from other users."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
        temporary.replace(target)
    except OSError as error:
        raise CannotRunError(
            f"the metrics {target} cannot be written: {error.strerror}; set metrics to a file in an existing folder that this user may write to"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
