"""`report`: write the results of an audit or a sweep as one HTML file for people, or as a report for a compliance framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from veritensor_ray.cli.options import Config, Output, Sweep

if TYPE_CHECKING:
    from veritensor_ray.api import Audit

_HOW = "with --to"


def report(
    output: Output,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            "-o",
            help="The file to write. Its mode is 0600; an earlier file is replaced. Default: report.html, or the framework's name, where only an "
            "earlier report on the same output is replaced.",
        ),
    ] = None,
    compliance: Annotated[
        str | None,
        typer.Option(
            help="Write instead for which items of a framework the results give evidence: eu-ai-act, nist-ai-rmf, iso-42001 or owasp-llm. "
            "The file's suffix decides the format: .html, .md or .json."
        ),
    ] = None,
    sweep: Sweep = None,
    rows: Annotated[
        int, typer.Option(help="Maximum number of findings in the file, the worst first. The totals always count all.", min=0)
    ] = 100_000,
    config: Config = None,
) -> None:
    """Write a report: one HTML file that needs no network.

    It begins with what was not checked, and holds the severities, the rules, the trend of a sweep, and tables with filters. It can be printed.
    Evidence is masked as in the results.
    """
    from veritensor_ray import api
    from veritensor_ray.cli.render import console, size, wrote
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.exports.export_destination import written
    from veritensor_ray.exports.opened_copy import audit_in
    from veritensor_ray.exports.report import page
    from veritensor_ray.exports.report.default_name import default_name
    from veritensor_ray.exports.rules_of_results import rules_in

    settings = load_settings(config)
    audit = api.open(audit_in(output, settings.stores), sweep=sweep, stores=settings.stores)
    audit.check()
    if compliance is not None:
        _compliance(audit, compliance, to)
        return
    to = to or default_name(audit, "report.html", _HOW)
    with written(to, audit) as file:
        made = page.write(audit, rules_in(audit, settings), file, most_rows=rows)
        length = file.tell()
    wrote(to, size(length))
    if made.findings < made.total:
        console().print(
            f"It holds the worst {made.findings:,} of {made.total:,} rows of findings; its totals count all of them. "
            "`veritensor-ray view` and `veritensor-ray findings` show the rest",
            soft_wrap=True,
        )


def _compliance(audit: Audit, name: str, to: str | None) -> None:
    """Write a report for a framework."""
    from pathlib import PurePath

    from veritensor_ray.cli.render import wrote
    from veritensor_ray.exports.export_destination import written
    from veritensor_ray.exports.report.compliance import compliance, render
    from veritensor_ray.exports.report.default_name import default_name, mark

    document = compliance(audit, name)
    to = to or default_name(audit, f"{name}.html", _HOW)
    suffix = PurePath(to).suffix
    content = render(document, suffix)
    with written(to, audit) as file:
        file.write(content + (mark(audit) if suffix == ".html" else b""))
    counts = ", ".join(f"{status} {count}" for status, count in document.counts.items())
    wrote(to, f"{len(document.items)} items: {counts}")
