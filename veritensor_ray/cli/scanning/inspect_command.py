"""`inspect`: scan files, folders or standard input without Ray and without an output, for a commit hook or a quick look; flags and exit codes are those of `submit`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli import completion
from veritensor_ray.cli.options import Config, Engines, NoPolicy, Profile, RuleDirs

if TYPE_CHECKING:
    from veritensor_ray.api import Inspection
    from veritensor_ray.core.config import Settings
    from veritensor_ray.exports import ExportFormat
    from veritensor_ray.policy.judge import Judge

_STDIN, _UNNAMED = "-", "standard-input"
_LEFT_OUT = ("not-included", "excluded")  # the user asked for these files not to be scanned


def inspect(
    files: Annotated[
        list[str],
        typer.Argument(help="Files to scan, and folders with everything below them; - is standard input.", show_default=False),
    ],
    name: Annotated[str | None, typer.Option(help="With -: a file name whose ending says the type, such as notes.md.")] = None,
    engines: Engines = None,
    profile: Profile = None,
    rules: RuleDirs = None,
    config: Config = None,
    policy: Annotated[str | None, typer.Option(help="File with severities and suppressions. Default: the configured one.")] = None,
    no_policy: NoPolicy = None,
    fail_on: Annotated[
        str | None, typer.Option(autocompletion=completion.severity, help="Exit with 1 if there is a finding of this severity or worse.")
    ] = None,
    allow_partial: Annotated[bool | None, typer.Option("--allow-partial", help="Exit with 0 even if something could not be read.")] = None,
    strict: Annotated[
        bool | None,
        typer.Option("--strict", help="Count content that has no reader, or whose engine is missing or not selected, as incomplete too."),
    ] = None,
    format: Annotated[  # named after the flag
        str, typer.Option(autocompletion=completion.export_format, help="Output format: table, or a format of `findings`, such as sarif.")
    ] = "table",
    to: Annotated[str | None, typer.Option(help="File for the format. Default: standard output.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print findings and ledger as JSON.")] = False,
) -> None:
    """Scan files and folders and print their findings. This takes seconds for a few files: it starts no Ray and keeps no output.

    Suppressed findings are not shown, and do not count. The exit codes are those of `submit`.
    """
    from veritensor_ray.pipeline.bounded.process import SHARED

    SHARED.start()  # it imports what reads files while this process imports the rest
    from veritensor_ray.api import inspecting
    from veritensor_ray.cli.reading.findings_command import check_format
    from veritensor_ray.cli.scanning.submit_command import exit_code
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import UsageError

    paths = [file for file in dict.fromkeys(files) if file != _STDIN]
    if name is not None and len(paths) == len(files):
        raise UsageError("--name is for standard input; add - to the files")
    if as_json and format != "table":
        raise UsageError("--json and --format exclude each other; give one of the two")
    inspecting.check_paths(paths)
    given = {"engines": engines, "profile": profile, "rules": rules, "policy": policy, "no_policy": no_policy, "fail_on": fail_on}
    settings = load_settings(config, {"sources": paths, **given, "allow_partial": allow_partial, "strict": strict})
    exported = check_format(format, to, None, settings)
    judge = judge_of(settings)
    seen = inspecting.inspect_files(paths, settings) if paths else []
    if _STDIN in files:
        seen.append(inspecting.inspect_bytes(_input(), name or _UNNAMED, settings))
    found = judged([row for one in seen for row in one.findings], judge)
    ledgers = [one.ledger for one in seen]
    if as_json:
        sys.stdout.write(json.dumps({"findings": found, "ledger": ledgers}, default=str, indent=2) + "\n")
    elif exported is not None:
        _export(seen, paths, settings, exported, to)
    else:
        _show(found, ledgers)
    raise typer.Exit(exit_code(run_of(files, found, ledgers), settings))


def _input() -> bytes:
    """Returns standard input, which is held in memory. Raises UsageError if that is too much."""
    from veritensor_ray.core import bounds
    from veritensor_ray.core.errors import UsageError

    data = sys.stdin.buffer.read(bounds.HELD + 1)
    if len(data) > bounds.HELD:
        raise UsageError(f"standard input has more than {bounds.HELD >> 20} MiB; save it in a file, and inspect that")
    return data


def _export(seen: Sequence[Inspection], sources: Sequence[str], settings: Settings, format: ExportFormat, to: str | None) -> None:
    from veritensor_ray.api.inspecting import results_of
    from veritensor_ray.cli.reading.findings_command import export_selection
    from veritensor_ray.exports.rules_of_results import rules_in
    from veritensor_ray.exports.selection import Selection

    with results_of(seen, sources, settings, judge_of(settings)) as results:
        rules = rules_in(results, settings)
        export_selection(Selection(results, "SELECT * FROM findings", rules, "artifact, rule_id, finding_id"), format, to)


def judge_of(settings: Settings) -> Judge:
    """Return the judge for the policy that the settings name."""
    from veritensor_ray.policy.judge import Judge, load_policy

    return Judge(load_policy(None if settings.no_policy else settings.policy), datetime.now(UTC).date())


def judged(rows: list[dict[str, Any]], judge: Judge) -> list[dict[str, Any]]:
    """Return findings as a policy wants them."""
    import pyarrow as pa

    from veritensor_ray.findings.schema import FINDINGS

    found: list[dict[str, Any]] = judge.apply(pa.Table.from_pylist(rows, FINDINGS)).to_pylist()
    return found


def run_of(files: Sequence[str], found: Sequence[Mapping[str, Any]], ledgers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the parts of a run.json that decide about the exit code, and those that say what is missing."""
    severity = Counter(row["severity"] for row in found if not row["suppressed_by"])
    coverage: dict[str, Counter[str]] = {}
    for one in (each for ledger in ledgers for each in ledger["coverage"]):
        coverage.setdefault(one["engine"], Counter())[one["status"]] += 1
    codes = Counter(code for ledger in ledgers for code in {ledger["reason_code"], *(one["reason_code"] for one in ledger["coverage"])})
    return {
        "sources": files,
        "severity": severity,
        "severity_new": severity,
        "status": Counter(ledger["status"] for ledger in ledgers),
        "reason_codes": {code: count for code, count in codes.items() if code and code not in _LEFT_OUT},
        "coverage": coverage,
        "engines": {engine: {} for engine in coverage},
        "models": Counter(verdict for ledger in ledgers if (verdict := _verdict(ledger))),
        "not_covered": [ledger | {"artifacts": 1} for ledger in ledgers if ledger["status"] != "scanned" or ledger["reason"] is not None],
        "totals": {"artifacts": len(ledgers)},
    }


def _verdict(ledger: Mapping[str, Any]) -> str | None:
    """Returns the worst verdict of an engine on a file; None if no engine has passed one."""
    from veritensor_ray.core.detection import worse

    verdicts = [one["verdict"] for one in ledger["coverage"] if one["verdict"]]
    return worse(*verdicts) if verdicts else None


def _show(found: Sequence[Mapping[str, Any]], ledgers: Sequence[dict[str, Any]]) -> None:
    from veritensor_ray.cli.render import console, safe, severity, table
    from veritensor_ray.core.config import SEVERITIES
    from veritensor_ray.core.wording import counted
    from veritensor_ray.results.model_verdicts import models_said
    from veritensor_ray.results.place_names import place
    from veritensor_ray.results.run_text import uncovered

    out = console()
    run = run_of([], found, ledgers)
    if missing := uncovered(run):
        out.print("Not fully checked", style="bold")
        if rows := [(one["artifact"], one["status"], one["reason"]) for one in run["not_covered"]]:
            out.print(table(("artifact", "status", "reason"), rows))
        for one in missing:
            if one.artifacts is None:  # a sentence about all files
                out.print(f"  {safe(one.reason)}")
        out.print()
    shown = sorted((row for row in found if not row["suppressed_by"]), key=lambda row: -SEVERITIES.index(row["severity"]))
    columns = ("id", "severity", "rule", "where", "evidence")
    cells = [
        (
            row["finding_id"][:12],
            severity(row["severity"]),
            row["rule_id"],
            place(row["artifact"], row["location"], row["member"]),
            row["evidence"],
        )
        for row in shown
    ]
    if cells:
        out.print(table(columns, cells))
        out.print()
    hidden = len(found) - len(shown)
    out.print(
        f"{counted(len(ledgers), 'file')}, {counted(len(shown), 'finding')}{f', {hidden:,} suppressed' if hidden else ''}{'' if missing else '; everything was checked'}"
    )
    if said := models_said(run):
        out.print(f"Models: {said}")
    if shown:
        out.print(f"Next: veritensor-ray rules {safe(shown[0]['rule_id'])}")
