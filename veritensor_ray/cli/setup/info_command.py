"""`engines`, `rules` and `doctor`: the capabilities of this installation, and anything that would stop a run."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli import completion
from veritensor_ray.cli.options import AsJson, Config, Profile

if TYPE_CHECKING:
    from rich.console import Console

    from veritensor_ray.core.detection import Rule


def engines(profile: Profile = None, config: Config = None, as_json: AsJson = False) -> None:
    """List the engines and their models, and whether each is ready."""
    from veritensor_ray.bundle.active_bundle import activate
    from veritensor_ray.cli.render import console, table
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.engines.registry import available, create
    from veritensor_ray.pipeline.machine_report import seen

    settings, _ = activate(load_settings(config, {"profile": profile}), thorough=False)
    rows: list[dict[str, Any]] = []
    for engine in create(settings, available(settings)):
        found = seen(engine)
        about = {"state": f"missing: {found.missing}" if found.missing else "ready", "fingerprint": found.fingerprint, "model": found.model}
        rows.append({"engine": engine.name, "version": engine.version, "rules": len(engine.rules()), **about})
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    columns = ("engine", "version", "rules", "model", "state")
    console().print(table(columns, [[row[name] for name in columns] for row in rows]))


def rules(
    rule: Annotated[str | None, typer.Argument(autocompletion=completion.rules, help="Explain this rule in full.")] = None,
    rule_dirs: Annotated[list[str] | None, typer.Option("--rules", help="Folder with your own YARA rules. May be repeated.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List all rules, or explain one of them."""
    from dataclasses import asdict

    from veritensor_ray.bundle.active_bundle import activate
    from veritensor_ray.cli.render import console, severity, table
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.engines.registry import create, selected

    settings, _ = activate(load_settings(config, {"rules": rule_dirs}), thorough=False)
    found = {one.id: one for engine in create(settings, selected(settings)) for one in engine.rules()}
    if rule is not None and rule not in found:
        raise UsageError(f"unknown rule {rule!r}; `veritensor-ray rules` lists them")
    if as_json:
        chosen = [found[rule]] if rule else list(found.values())
        sys.stdout.write(json.dumps([asdict(one) for one in chosen], indent=2) + "\n")
        return
    out = console()
    if rule is None:
        out.print(
            table(
                ("rule", "severity", "category", "title"),
                [(one.id, severity(one.severity), one.category, one.title) for one in found.values()],
            )
        )
        return
    explain(out, found[rule])


def explain(out: Console, rule: Rule) -> None:
    """Print one rule as a page."""
    from veritensor_ray.cli.render import safe, severity

    out.print(safe(rule.title), style="bold")
    out.print(f"{safe(rule.id)} · ", severity(rule.severity), f" · {safe(rule.category)}", sep="")
    out.print()
    out.print(safe(rule.description))
    for heading, text in (("What to do", rule.remediation), ("Known false positives", rule.false_alarms)):
        if text:
            out.print(f"\n{heading}", style="bold")
            out.print(safe(text))
    for heading, lines in (("Taxonomy", [", ".join(rule.taxonomy)] if rule.taxonomy else []), ("References", rule.references)):
        if lines:
            out.print(f"\n{heading}", style="bold")
            for line in lines:
                out.print(safe(line), soft_wrap=True)


def doctor(
    profile: Profile = None,
    address: Annotated[str | None, typer.Option(help="The cluster that runs will use. Default: an embedded Ray.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that a run needs. Each problem comes with a remedy. The exit code is 4 if a run would fail."""
    from rich.text import Text

    from veritensor_ray.cli.render import console, table
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.jobs.doctor import checks

    settings = load_settings(config, {"profile": profile, "address": address})
    results = list(checks(settings))
    if as_json:
        sys.stdout.write(
            json.dumps([{"check": c.name, "state": c.state, "detail": c.detail, "remedy": c.remedy} for c in results], indent=2) + "\n"
        )
    else:
        colour = {"ok": "green", "warning": "yellow", "fails": "bold red"}
        rows = [(Text(c.state, style=colour[c.state]), c.name, c.detail + (f"\n→ {c.remedy}" if c.remedy else "")) for c in results]
        console().print(table(("", "check", "result"), rows))
    if any(c.state == "fails" for c in results):
        raise typer.Exit(4)
