"""`inspect`: scan a few files without Ray and without an output, for a commit hook or a quick look; flags and exit codes are those of `submit`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli import completion
from veritensor_ray.cli.options import AsJson, Config, Engines, NoPolicy, Profile, RuleDirs

if TYPE_CHECKING:
    from veritensor_ray.config import Settings
    from veritensor_ray.findings.policy import Judge

_LEFT_OUT = ("not-included", "excluded")  # the user asked for these files not to be scanned


def inspect(
    files: Annotated[list[str], typer.Argument(help="Files to scan.", show_default=False)],
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
    as_json: AsJson = False,
) -> None:
    """Scan a few files and print their findings. This takes seconds: it starts no Ray and writes no output.

    Suppressed findings are not shown, and do not count. The exit codes are those of `submit`.
    """
    from veritensor_ray import api
    from veritensor_ray.cli.submit import exit_code
    from veritensor_ray.config import load_settings

    given = {"engines": engines, "profile": profile, "rules": rules, "policy": policy, "no_policy": no_policy, "fail_on": fail_on}
    settings = load_settings(config, {"sources": files, **given, "allow_partial": allow_partial, "strict": strict})
    judge = _judge(settings)
    seen = [api.inspect_file(Path(file), settings) for file in dict.fromkeys(files)]
    found = _judged([row for one in seen for row in one.findings], judge)
    ledgers = [one.ledger for one in seen]
    if as_json:
        sys.stdout.write(json.dumps({"findings": found, "ledger": ledgers}, default=str, indent=2) + "\n")
    else:
        _show(found, ledgers)
    raise typer.Exit(exit_code(_run(files, found, ledgers), settings))


def _judge(settings: Settings) -> Judge:
    from veritensor_ray.findings.policy import Judge, load_policy

    return Judge(load_policy(None if settings.no_policy else settings.policy), datetime.now(UTC).date())


def _judged(rows: list[dict[str, Any]], judge: Judge) -> list[dict[str, Any]]:
    import pyarrow as pa

    from veritensor_ray.findings.schema import FINDINGS

    found: list[dict[str, Any]] = judge.apply(pa.Table.from_pylist(rows, FINDINGS)).to_pylist()
    return found


def _run(files: Sequence[str], found: Sequence[Mapping[str, Any]], ledgers: Sequence[dict[str, Any]]) -> dict[str, Any]:
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
        "not_covered": [ledger | {"artifacts": 1} for ledger in ledgers if ledger["status"] != "scanned" or ledger["reason"] is not None],
        "totals": {"artifacts": len(ledgers)},
    }


def _show(found: Sequence[Mapping[str, Any]], ledgers: Sequence[dict[str, Any]]) -> None:
    from veritensor_ray.cli.render import console, counted, safe, severity, table
    from veritensor_ray.config import SEVERITIES
    from veritensor_ray.findings.locations import place
    from veritensor_ray.findings.run_text import uncovered

    out = console()
    run = _run([], found, ledgers)
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
    if shown:
        out.print(f"Next: veritensor-ray rules {safe(shown[0]['rule_id'])}")
