"""`context`: show the passage around a finding, read again from the corpus: masked, or unmasked with the access logged in the output."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.options import AsJson, EarlierOutput, Output, Sweep, results_and_finding

if TYPE_CHECKING:
    from rich.text import Text

    from veritensor_ray.pipeline.passages.passage import Passage, ShownLine

_ROW = ("finding_id", "rule_id", "severity", "artifact", "member", "message")


def context(
    output: Output,
    finding: Annotated[
        str | None, typer.Argument(help="Id of a finding, or at least its first six digits if they are unique.", show_default=False)
    ] = None,
    earlier: EarlierOutput = None,
    place: Annotated[int, typer.Option(help="Which location to show, if the finding lists several.")] = 1,
    lines: Annotated[
        int, typer.Option(help="Lines to show before and after the finding, at most 100. For binary files, rows of sixteen bytes.")
    ] = 3,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the passage unmasked. Who did so, and why, is first recorded in the output.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why the passage has to be seen. `--reveal` requires it.")] = None,
    sweep: Sweep = None,
    config: Annotated[str | None, typer.Option(help="YAML file with settings for stores, and the site key.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the text around a finding.

    The text is read from the corpus. If the artifact has changed since the scan, the command refuses to show it. Anything masked in the results
    is masked here too.
    """
    from veritensor_ray import api
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import UsageError

    results, finding = results_and_finding(output, finding, earlier)
    if not results or not finding:
        raise UsageError("name the results and a finding in them: context OUTPUT FINDING")
    audit = api.open(results, sweep=sweep, stores=load_settings(config).stores)
    passage = audit.context(finding, place=place, lines=lines, reveal=reveal, reason=reason, config=config)
    if as_json:
        sys.stdout.write(json.dumps(_as_json(passage), indent=2) + "\n")
    else:
        _show(passage)


def _as_json(passage: Passage) -> dict[str, Any]:
    names = ("kind", "first", "before", "text", "after", "cut", "revealed", "blind")
    row = {name: passage.finding[name] for name in _ROW} | {"location": passage.location}
    return row | {name: getattr(passage, name) for name in names} | {"cells": [{"name": n, "text": text} for n, text in passage.cells]}


def _show(passage: Passage) -> None:
    from rich.text import Text

    from veritensor_ray.cli.render import console, safe, severity, table
    from veritensor_ray.results.place_names import place

    out, row = console(), passage.finding
    where = place(row["artifact"], passage.location, row["member"])
    out.print(Text.assemble(severity(row["severity"]), f" · {safe(row['rule_id'])} · {safe(where)}"), soft_wrap=True)
    out.print(safe(row["message"]), style="bold", soft_wrap=True)
    out.print()
    shown = list(passage.lines())
    width = max(len(_label(passage, line)) for line in shown)
    for line in shown:
        out.print(_drawn(line, _label(passage, line).rjust(width)), soft_wrap=True)
    if passage.cells:
        out.print()
        out.print(table(("nearby", "text"), passage.cells))
    out.print()
    if passage.blind:
        out.print(
            "every word is masked: this artifact has more findings than limits.hits_per_rule allows rows for, so any word could be part of one",
            soft_wrap=True,
        )
    out.print(
        "unmasked; this access was logged"
        if passage.revealed
        else "masked; --reveal --reason TEXT shows the passage unmasked and logs the access"
    )


def _label(passage: Passage, line: ShownLine) -> str:
    if line.number is None:
        return ""
    return f"{line.number:08x}" if passage.kind == "bytes" else str(line.number)


def _drawn(line: ShownLine, label: str) -> Text:
    """Returns a line with its number. Brackets mark the finding, since not every terminal shows colors."""
    from rich.text import Text

    drawn = Text(f"{'>' if line.hit else ' '} {label}  ")
    for text, is_hit in line.pieces:
        drawn.append(f"⟦{text}⟧" if is_hit else text, "reverse" if is_hit else "")
    return drawn
