"""`submit`: runs an audit or a sweep, from flags to exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli import completion
from veritensor_ray.cli.options import (
    Address,
    AllowMissing,
    AsOf,
    Config,
    Deadline,
    Engines,
    Exclude,
    Include,
    Inventory,
    Iocs,
    LogFormat,
    MaxSize,
    NewOutput,
    NoPolicy,
    Policy,
    Profile,
    RuleDirs,
    Sample,
    SettingsJson,
    Since,
    Sources,
    Verbose,
    Wait,
)
from veritensor_ray.cli.scanning.running import files_found, hand_over, reporter_for, start_early
from veritensor_ray.cli.signals import ending
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.findings.unsuppressed import UNSUPPRESSED

if TYPE_CHECKING:
    from veritensor_ray.api import Audit
    from veritensor_ray.core.config import Settings

_NESTED = ("wait", "wait_resources", "max_cpus", "max_gpus", "trust", "keep", "notify")  # flags for keys inside a section
_UNREAD = (ReasonCode.NO_READER, ReasonCode.ENGINE_NOT_SELECTED, ReasonCode.ENGINE_MISSING)  # these count as incomplete only with --strict
_CAUSES = 20  # findings that are shown as the reason of an exit code


def submit(
    source: Sources = None,
    output: NewOutput = None,
    engines: Engines = None,
    profile: Profile = None,
    rules: RuleDirs = None,
    iocs: Iocs = None,
    include: Include = None,
    exclude: Exclude = None,
    max_size: MaxSize = None,
    since: Since = None,
    as_of: AsOf = None,
    inventory: Inventory = None,
    sample: Sample = None,
    config: Config = None,
    cascade: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.one_of("on", "off"),
            help="on or off. With off, the injection transformer reads all text, not only what a faster model finds suspicious; this is slow. Default: on.",
        ),
    ] = None,
    address: Address = None,
    wait: Wait = None,
    wait_resources: Annotated[
        str | None, typer.Option(help="How long to wait for CPUs and GPUs that other work holds, such as 30m.")
    ] = None,
    max_cpus: Annotated[float | None, typer.Option(help="Maximum number of CPUs that the whole run may hold at once.")] = None,
    max_gpus: Annotated[float | None, typer.Option(help="Maximum number of GPUs that the whole run may hold at once.")] = None,
    read_rate: Annotated[
        str | None, typer.Option(help="Maximum bytes per second that all workers together read from the corpus, such as 200MB.")
    ] = None,
    deadline: Deadline = None,
    sign_key: Annotated[str | None, typer.Option(help="Private key that signs the results: env:NAME or file:/path.")] = None,
    settings_json: SettingsJson = None,
    job: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.one_of("audit", "sweep"),
            help="audit, or sweep to scan only what changed since the last sweep. A sweep's output is its state. Default: audit.",
        ),
    ] = None,
    trust: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.one_of("etag", "mtime", "content"),
            help="For a sweep: etag, mtime or content decides whether an artifact is unchanged. Default: etag.",
        ),
    ] = None,
    keep: Annotated[int | None, typer.Option(help="For a sweep: number of complete sweeps to keep in the state. Default: 30.")] = None,
    policy: Policy = None,
    no_policy: NoPolicy = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.severity,
            help="Exit with 1 if there is a finding of this severity or worse. For a sweep, only new findings count.",
        ),
    ] = None,
    fail_on_all: Annotated[bool | None, typer.Option("--fail-on-all", help="With --fail-on: count findings of earlier sweeps too.")] = None,
    notify: Annotated[str | None, typer.Option(help="URL that receives the run's counts as JSON when the run has ended or failed.")] = None,
    metrics: Annotated[str | None, typer.Option(help="File to write for the textfile collector of Prometheus.")] = None,
    locations: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.one_of("first", "all"),
            help="first, or all to write a table with every location of every finding, such as every row of a dataset. Default: first.",
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Columns, separated by commas, whose values are shown beside the row of a finding in a table, such as id."),
    ] = None,
    follow_links: Annotated[bool | None, typer.Option("--follow-links", help="Follow symbolic links.")] = None,
    allow_partial: Annotated[bool | None, typer.Option("--allow-partial", help="Exit with 0 even if something could not be read.")] = None,
    allow_missing_engines: AllowMissing = None,
    strict: Annotated[
        bool | None,
        typer.Option("--strict", help="Count content that has no reader, or whose engine is missing or not selected, as incomplete too."),
    ] = None,
    fresh: Annotated[
        bool | None,
        typer.Option("--fresh", help="Replace the contents of the output. For a sweep: scan everything again, but keep the history."),
    ] = None,
    stats: Annotated[
        bool, typer.Option("--stats", help="Also print how fast each stage was: CPU seconds, and megabytes per CPU second.")
    ] = False,
    verbose: Verbose = None,
    log_format: LogFormat = None,
) -> None:
    """Audit a corpus, once or as a repeated sweep.

    Findings, ledger and rollup are written as Parquet. With --job sweep, only artifacts that changed since the last sweep are scanned.

    Exit codes: 0 complete; 1 findings at or above --fail-on; 2 usage or configuration error; 3 incomplete; 4 could not run.
    """
    flags = {
        name: value for name, value in locals().items() if name not in ("source", "cascade", "config", "settings_json", "stats", *_NESTED)
    }
    flags |= {"sources": source or None, "injection": _given(cascade=cascade)}
    flags |= {"sweep": _given(trust=trust, keep=keep), "notify": _given(url=notify)}
    flags |= {"cluster": _given(wait=wait, wait_resources=wait_resources), "resources": _given(max_cpus=max_cpus, max_gpus=max_gpus)}
    if settings_json:
        flags = json.loads(settings_json) | {name: value for name, value in flags.items() if value}
    from veritensor_ray.cli.render import console
    from veritensor_ray.cli.scanning import stage_speeds
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.jobs.announce import announcement
    from veritensor_ray.jobs.audit_run import audit, default_output
    from veritensor_ray.jobs.sweep_run import sweep

    settings = load_settings(config, flags)
    if (settings.address or "").startswith(("http://", "https://")):
        raise typer.Exit(hand_over(settings, more=["--stats"] if stats else []))
    if settings.output is None and settings.sources:
        settings = settings.model_copy(update={"output": default_output(settings.sources, settings.job)})
    start_early(settings)
    reporter, close = reporter_for(settings)
    reporter.note(" · ".join((f"profile {settings.profile}", *files_found(settings))))
    try:
        run = (sweep if settings.job == "sweep" else audit)(settings, reporter)
    except KeyboardInterrupt:
        close()
        word, code = ending()
        sys.stderr.write(f"veritensor-ray: {word}; the same command resumes where this one stopped\n")
        raise typer.Exit(code) from None
    except Exception as error:  # of any kind: monitoring must hear about it
        announcement.failed(settings, error, reporter.note)
        raise
    finally:
        close()
    code = exit_code(run, settings)
    announcement.ended(settings, run, code, reporter.note)  # before tables are read again for people, which a store may refuse
    show(run, settings, code)
    if stats and settings.log_format != "json":  # `run.json`, printed in that format, has the same figures
        stage_speeds.show(console(), run)
    if settings.log_format != "json" and (why := reason_of(code, settings)):
        sys.stderr.write(f"veritensor-ray: exit code {code}: {why}\n")
    raise typer.Exit(code)


def _given(**values: Any) -> dict[str, Any] | None:
    """Returns a section of the settings, or None if no flag is set."""
    return {name: value for name, value in values.items() if value is not None} or None


def show(run: Mapping[str, Any], settings: Settings, code: int) -> None:
    """Print the end of a run. If a sweep failed because of findings, it lists these, and not the rules of all findings."""
    output = str(settings.output)
    if settings.log_format == "json":
        sys.stdout.write(json.dumps({"output": output, **run}) + "\n")
        return
    from veritensor_ray import api
    from veritensor_ray.cli.render import console, summary
    from veritensor_ray.exports.not_checked import missing

    failed = code == 1 and run.get("previous")  # the first sweep has nothing but new findings, so their rules say more
    audit = api.open(output, stores=settings.stores) if failed or run["not_covered"] else None
    causes = None if audit is None or not failed else lambda: _causes(audit, settings)
    summary(console(), run, output, missing(audit) if audit and run["not_covered"] else [], causes)


def _causes(audit: Audit, settings: Settings) -> None:
    """Print the findings for which a sweep failed, worst first."""
    from veritensor_ray.cli.reading import finding_table
    from veritensor_ray.cli.reading.findings_command import conditions, findings_in
    from veritensor_ray.cli.render import console, quoted

    states = () if settings.fail_on_all else ("new", "reopened")
    filters = f"--severity {settings.fail_on}" + (f" --state {','.join(states)}" if states else "")
    command = f"veritensor-ray findings {quoted(str(settings.output))} {filters}"
    what = f"{'All' if settings.fail_on_all else 'New'} findings of severity {settings.fail_on} or worse"
    console().print(f"{what}:")
    counting = [*conditions(settings.fail_on, None, None, None, states), UNSUPPRESSED]
    finding_table.show(audit, findings_in(audit, None, states, counting), "place", _CAUSES, False, f"`{command}` shows all")


def reason_of(code: int, settings: Settings) -> str | None:
    """Returns the reason of an exit code that a complete run can have, for people; the summary has the details."""
    found = f"findings of severity {settings.fail_on} or worse count; remove their cause, suppress them, or accept them with a baseline"
    return {1: found, 3: "not everything was checked, see Not fully checked above; --allow-partial accepts that"}.get(code)


def exit_code(run: Mapping[str, Any], settings: Settings) -> int:
    """Returns the exit code of a run. 1 outranks 3: an unreadable file must not hide a failed `--fail-on`. An audit of nothing is not clean.

    `--fail-on` looks only at new findings, so that a sweep does not fail every time for known ones.
    """
    from veritensor_ray.core.config import SEVERITIES
    from veritensor_ray.results.run_text import nothing_matched

    severity, fail_on = run["severity" if settings.fail_on_all else "severity_new"], settings.fail_on
    if fail_on and any(SEVERITIES.index(name) >= SEVERITIES.index(fail_on) for name, count in severity.items() if count):
        return 1
    incomplete = sum(run["status"].get(name, 0) for name in ("partial", "quarantined", "unreadable", "unlisted"))
    if settings.strict:
        incomplete += sum(run["reason_codes"].get(code, 0) for code in _UNREAD)
    return 3 if (incomplete or nothing_matched(run) or run.get("changed_since")) and not settings.allow_partial else 0
