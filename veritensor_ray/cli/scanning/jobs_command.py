"""`status`, `logs`, `stop`, `jobs`: runs on a cluster, through its Jobs API."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.options import AsJson, Config

if TYPE_CHECKING:
    from veritensor_ray.jobs.cluster.remote import JobsClient, Submission

Address = Annotated[str | None, typer.Option(help="The cluster's Jobs API, http://HEAD:8265. Default: `address` in the configuration.")]
Run = Annotated[str, typer.Argument(help="The run's id, as shown by `submit` and `jobs`.")]


def jobs(address: Address = None, config: Config = None, as_json: AsJson = False) -> None:
    """List the runs on a cluster, newest first."""
    _show(connect(address, config).list(), as_json)


def status(run: Run, address: Address = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show the status of a run on a cluster."""
    client = connect(address, config)
    seen = client.get(run)
    _show([seen], as_json)
    lines = [] if as_json else client.logs(run).splitlines()
    if lines:
        write(lines[-1] + "\n")
    if seen.remedy and not as_json:
        write(seen.remedy + "\n")


def logs(
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing until the run has ended.")] = False,
    address: Address = None,
    config: Config = None,
) -> None:
    """Print the log of a run on a cluster."""
    client = connect(address, config)
    if follow:
        client.follow(run, write)
    else:
        write(client.logs(run))


def stop(run: Run, address: Address = None, config: Config = None) -> None:
    """Stop a run on a cluster. Committed work stays, and the same `submit` resumes from there."""
    seen = connect(address, config).stop(run)
    sys.stdout.write(f"{seen.id} is {seen.state}\n")
    if not seen.over:
        raise typer.Exit(4)


def connect(address: str | None, config: str | None) -> JobsClient:
    """Returns a client for the cluster named by flag or configuration."""
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.jobs.cluster.remote import JobsClient

    settings = load_settings(config, {"address": address})
    if not (settings.address or "").startswith(("http://", "https://")):
        raise UsageError("name the cluster's Jobs API with --address http://HEAD:8265")
    return JobsClient(settings)


def write(text: str) -> None:
    """Write lines of a run to the terminal. They may quote a corpus, so they are made harmless first."""
    from veritensor_ray.cli.render import safe

    sys.stdout.write("\n".join(safe(line) for line in text.split("\n")))
    sys.stdout.flush()


def _show(runs: list[Submission], as_json: bool) -> None:
    from veritensor_ray.cli.render import console, table

    if as_json:
        rows: list[dict[str, Any]] = [asdict(one) for one in runs]
        sys.stdout.write(json.dumps(rows, indent=2, default=str) + "\n")
    elif not runs:
        sys.stdout.write("no runs\n")
    else:
        columns = ("run", "state", "exit code", "started", "ended", "sources", "output")
        console().print(table(columns, [_row(one) for one in runs]))


def _row(one: Submission) -> tuple[object, ...]:
    moments = (f"{moment:%Y-%m-%d %H:%M:%S}Z" if moment else "" for moment in (one.started, one.ended))
    return one.id, one.state, one.exit_code, *moments, one.sources, one.output
