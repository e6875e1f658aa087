"""`context`: shows the passage of a finding, read back from the corpus: masked, or in clear, which is noted in the output."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.options import AsJson

if TYPE_CHECKING:
    from rich.text import Text

    from veritensor_ray.pipeline.passage import Passage, ShownLine

_ROW = ("finding_id", "rule_id", "severity", "artifact", "member", "message")


def context(
    finding: Annotated[str, typer.Argument(help="Id of a finding, or its first six digits or more, if one finding has them.")],
    output: Annotated[str, typer.Option(help="Results with this finding: of an audit, or a sweep's state.")],
    place: Annotated[int, typer.Option(help="Of several places that its row lists: this one.")] = 1,
    lines: Annotated[int, typer.Option(help="Lines before and behind it, at most 100; of bytes, rows of sixteen.")] = 3,
    reveal: Annotated[bool, typer.Option("--reveal", help="Mask nothing. Who does this is noted in the output, with the reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why it has to be seen; --reveal does not go without.")] = None,
    sweep: Annotated[str | None, typer.Option(help="Of a state: this sweep instead of the last one; see `veritensor-ray sweeps`.")] = None,
    config: Annotated[str | None, typer.Option(help="YAML file, for the stores' settings and the site key.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what stands around a finding.

    It is read from the corpus, and refused where the artifact was changed since. What results mask is masked here too.
    """
    from veritensor_ray import api
    from veritensor_ray.config import load_settings

    audit = api.open(output, sweep=sweep, stores=load_settings(config).stores)
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

    from veritensor_ray.cli.findings import place
    from veritensor_ray.cli.render import console, safe, severity, table

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
        out.print(table(("beside it", "text"), passage.cells))
    out.print()
    if passage.blind:
        out.print(
            "every word is masked: more was found here than has rows (limits.hits_per_rule), and it could be any of them", soft_wrap=True
        )
    out.print("in clear; this access was noted" if passage.revealed else "masked; --reveal --reason TEXT shows it in clear, and notes that")


def _label(passage: Passage, line: ShownLine) -> str:
    if line.number is None:
        return ""
    return f"{line.number:08x}" if passage.kind == "bytes" else str(line.number)


def _drawn(line: ShownLine, label: str) -> Text:
    """A line with its number. Brackets mark the finding, since not every terminal shows colours."""
    from rich.text import Text

    drawn = Text(f"{'>' if line.hit else ' '} {label}  ")
    for text, is_hit in line.pieces:
        drawn.append(f"⟦{text}⟧" if is_hit else text, "reverse" if is_hit else "")
    return drawn
