"""`submit`: an audit from flags to exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.options import Config, Engines, Exclude, Include, Iocs, MaxSize, Output, Profile, RuleDirs, Sample, Since, Sources
from veritensor_ray.cli.signals import ending
from veritensor_ray.reasons import ReasonCode

if TYPE_CHECKING:
    from veritensor_ray.config import Settings

_NESTED = ("wait", "wait_resources", "max_cpus", "max_gpus", "trust", "keep", "notify")  # flags of keys inside a section
_UNREAD = (ReasonCode.NO_READER, ReasonCode.ENGINE_NOT_SELECTED, ReasonCode.ENGINE_MISSING)  # what only --strict minds


def submit(
    source: Sources = None,
    output: Output = None,
    engines: Engines = None,
    profile: Profile = None,
    rules: RuleDirs = None,
    iocs: Iocs = None,
    include: Include = None,
    exclude: Exclude = None,
    max_size: MaxSize = None,
    since: Since = None,
    sample: Sample = None,
    config: Config = None,
    cascade: Annotated[str | None, typer.Option(help="on, or off: the injection transformer reads every window; slow.")] = None,
    address: Annotated[
        str | None,
        typer.Option(help="http://HEAD:8265 hands the run to a cluster; HOST:6379 or auto joins one. Default: an embedded local Ray."),
    ] = None,
    wait: Annotated[bool | None, typer.Option("--wait", help="With http://: follow the run, and end with its exit code.")] = None,
    wait_resources: Annotated[str | None, typer.Option(help="How long to wait for CPUs and GPUs that others hold, e.g. 30m.")] = None,
    max_cpus: Annotated[float | None, typer.Option(help="CPUs that the whole run may hold at once.")] = None,
    max_gpus: Annotated[float | None, typer.Option(help="GPUs that the whole run may hold at once.")] = None,
    read_rate: Annotated[str | None, typer.Option(help="Bytes a second to read from the corpus, all workers together, e.g. 200MB.")] = None,
    deadline: Annotated[
        str | None, typer.Option(help="HH:MM, an ISO time, or 90m: no shard begins after it; exit 3, resume later.")
    ] = None,
    sign_key: Annotated[str | None, typer.Option(help="env:NAME or file:/path of a private key: signs the results.")] = None,
    settings_json: Annotated[str | None, typer.Option("--settings", hidden=True, help="Configuration as JSON, from a client.")] = None,
    job: Annotated[
        str | None, typer.Option(help="audit, or sweep: scans what changed since the last one; the output is its state.")
    ] = None,
    trust: Annotated[
        str | None, typer.Option(help="Of a sweep: etag, mtime or content says that an artifact is unchanged. Default: etag.")
    ] = None,
    keep: Annotated[int | None, typer.Option(help="Sweeps that the state keeps. Default: 30.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="File with severities and suppressions; default: policy.yaml here, if there is one.")
    ] = None,
    fail_on: Annotated[
        str | None, typer.Option(help="Exit 1 when there is a finding of this severity or worse; of a sweep, a new one.")
    ] = None,
    fail_on_all: Annotated[bool | None, typer.Option("--fail-on-all", help="With --fail-on: findings of earlier sweeps count too.")] = None,
    notify: Annotated[str | None, typer.Option(help="URL that gets the counts of the run as JSON when it has ended or failed.")] = None,
    metrics: Annotated[str | None, typer.Option(help="File for Prometheus' textfile collector.")] = None,
    follow_links: Annotated[bool | None, typer.Option("--follow-links", help="Follow symbolic links.")] = None,
    allow_partial: Annotated[bool | None, typer.Option("--allow-partial", help="Exit 0 although something could not be read.")] = None,
    allow_missing_engines: Annotated[
        bool | None, typer.Option("--allow-missing-engines", help="Run without engines whose model is missing; all artifacts are partial.")
    ] = None,
    strict: Annotated[
        bool | None, typer.Option("--strict", help="Artifacts without a reader or engine make the run incomplete too.")
    ] = None,
    fresh: Annotated[
        bool | None, typer.Option("--fresh", help="Replace what the output holds; of a sweep: scan everything again, and keep the history.")
    ] = None,
    verbose: Annotated[bool | None, typer.Option("--verbose", "-v", help="More lines, workers' logs among them.")] = None,
    log_format: Annotated[str | None, typer.Option(help="text or json.")] = None,
) -> None:
    """Audit a corpus and leave findings, ledger and rollup as Parquet; with --job sweep again and again, as far as it changed.

    Exit codes: 0 complete; 1 findings at or above --fail-on; 2 wrong usage or configuration; 3 not complete; 4 could not run.
    """
    flags = {name: value for name, value in locals().items() if name not in ("source", "cascade", "config", "settings_json", *_NESTED)}
    flags |= {"sources": source or None, "injection": _given(cascade=cascade)}
    flags |= {"sweep": _given(trust=trust, keep=keep), "notify": _given(url=notify)}
    flags |= {"cluster": _given(wait=wait, wait_resources=wait_resources), "resources": _given(max_cpus=max_cpus, max_gpus=max_gpus)}
    if settings_json:
        flags = json.loads(settings_json) | {name: value for name, value in flags.items() if value}
    from veritensor_ray.announce import announce
    from veritensor_ray.config import load_settings
    from veritensor_ray.jobs.audit import audit, default_output
    from veritensor_ray.jobs.sweep import sweep

    settings = load_settings(config, flags)
    if (settings.address or "").startswith(("http://", "https://")):
        raise typer.Exit(_hand_over(settings))
    if settings.output is None and settings.sources:
        settings = settings.model_copy(update={"output": default_output(settings.sources, settings.job)})
    reporter, close = _reporter(settings.log_format, settings.verbose)
    reporter.note(" · ".join((f"profile {settings.profile}", *_found(settings))))
    try:
        run = (sweep if settings.job == "sweep" else audit)(settings, reporter)
    except KeyboardInterrupt:
        close()
        word, code = ending()
        sys.stderr.write(f"veritensor-ray: {word}; the same command resumes where this one stopped\n")
        raise typer.Exit(code) from None
    except Exception as error:  # of whatever kind: who watches has to hear of it
        announce.failed(settings, error, reporter.note)
        raise
    finally:
        close()
    _show(run, str(settings.output), settings.log_format)
    code = exit_code(run, settings)
    announce.ended(settings, run, code, reporter.note)
    raise typer.Exit(code)


def _found(settings: Settings) -> Iterator[str]:
    """Files that this run believes although nobody named them."""
    from veritensor_ray.findings.policy_file import DEFAULT

    if settings.found:
        yield f"configuration {settings.found}, found in the working directory"
    if settings.policy is None and Path(DEFAULT).exists():
        yield f"policy {Path(DEFAULT).absolute()}, found in the working directory"


def _given(**values: Any) -> dict[str, Any] | None:
    """A section of the settings; none where no flag is set."""
    return {name: value for name, value in values.items() if value is not None} or None


def _hand_over(settings: Settings) -> int:
    """Submit to a cluster; the exit code is the run's where somebody waits for it."""
    from veritensor_ray.cli.jobs import write
    from veritensor_ray.jobs.remote import JobsClient, entrypoint

    command = entrypoint(settings)  # what is wrong with it comes out before anything is asked
    if settings.policy is None and Path("policy.yaml").exists():
        sys.stderr.write("policy.yaml here is not used: the run reads the policy on the cluster, --policy names a path there\n")
    client = JobsClient(settings)
    run, new = client.submit(settings, command)
    sys.stderr.write(f"run {run.id} {'submitted to' if new else 'is already under way on'} {client.address}\n")
    if not settings.cluster.wait:
        client.begin(run.id)
        sys.stderr.write(f"follow it: veritensor-ray logs --follow {run.id} --address {client.address}\n")
        return 0
    ended = client.follow(run.id, write)
    if ended.exit_code is None:
        sys.stderr.write(f"veritensor-ray: the run is {ended.state}: {ended.message[:500]}\n")
        return 4
    return ended.exit_code


def _reporter(log_format: str, verbose: bool) -> tuple[Any, Any]:
    from veritensor_ray.cli.progress import Bar, Json, PlainProgress

    if log_format == "json":
        return Json(), lambda: None
    if not sys.stderr.isatty() or verbose:
        return PlainProgress(verbose), lambda: None
    bar = Bar()
    return bar, bar.close


def _show(run: Mapping[str, Any], output: str, log_format: str) -> None:
    if log_format == "json":
        sys.stdout.write(json.dumps({"output": output, **run}) + "\n")
        return
    from veritensor_ray.cli.render import console, summary

    summary(console(), run, output)


def exit_code(run: Mapping[str, Any], settings: Settings) -> int:
    """1 outranks 3: a gate on findings must not be hidden by an unreadable file. An audit of nothing is no clean one.

    The gate is on what the run found first, so that a sweep does not fail every night for what is known.
    """
    from veritensor_ray.config import SEVERITIES
    from veritensor_ray.findings.run_text import nothing_matched

    severity, fail_on = run["severity" if settings.fail_on_all else "severity_new"], settings.fail_on
    if fail_on and any(SEVERITIES.index(name) >= SEVERITIES.index(fail_on) for name, count in severity.items() if count):
        return 1
    incomplete = sum(run["status"].get(name, 0) for name in ("partial", "quarantined", "unreadable", "unlisted"))
    if settings.strict:
        incomplete += sum(run["reason_codes"].get(code, 0) for code in _UNREAD)
    return 3 if (incomplete or nothing_matched(run)) and not settings.allow_partial else 0
