"""What commands that start a run share: progress on the terminal, and handing the run over to a cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veritensor_ray.core.config import Settings


def files_found(settings: Settings) -> Iterator[str]:
    """Yields the files that this run uses although nobody named them."""
    if settings.found:
        yield f"configuration {settings.found}, found in the working directory"


def start_early(settings: Settings) -> None:
    """Start the process that reads files, which imports what it needs meanwhile; a run that takes Ray ends it again.

    An output with complete results needs none, as a rule.
    """
    from veritensor_ray.pipeline.bounded.process import SHARED

    if settings.cluster_address is None and (settings.fresh or not Path(str(settings.output), "run.json").exists()):
        SHARED.start()


def hand_over(settings: Settings, command: str = "submit", more: Sequence[str] = ()) -> int:
    """Submit a run to a cluster; `more` are arguments of the command besides the settings. Returns the run's exit code if the user waits for it, 0 otherwise."""
    from veritensor_ray.cli.scanning.jobs_command import write
    from veritensor_ray.jobs.cluster.remote import JobsClient, entrypoint

    line = entrypoint(settings, command, more)  # problems are reported before the cluster is contacted
    if settings.policy is None and not settings.no_policy and Path("policy.yaml").exists():
        sys.stderr.write("policy.yaml here is not used: the run reads its policy on the cluster; --policy names a path there\n")
    client = JobsClient(settings)
    run, new = client.submit(settings, line)
    sys.stderr.write(f"run {run.id} {'submitted to' if new else 'is already running on'} {client.address}\n")
    if not settings.cluster.wait:
        client.begin(run.id)
        sys.stderr.write(f"to follow it: veritensor-ray logs --follow {run.id} --address {client.address}\n")
        return 0
    ended = client.follow(run.id, write)
    if ended.exit_code is None:
        sys.stderr.write(f"veritensor-ray: the run is {ended.state}: {ended.message[:500]}\n")
        return 4
    return ended.exit_code


def reporter_for(settings: Settings) -> tuple[Any, Callable[[], None]]:
    """Returns the reporter that suits the terminal, and a function that ends it."""
    from veritensor_ray.cli.progress import Bar, Json, PlainProgress

    if settings.log_format == "json":
        return Json(), lambda: None
    if not sys.stderr.isatty() or settings.verbose:
        return PlainProgress(settings.verbose), lambda: None
    bar = Bar()
    return bar, bar.close
