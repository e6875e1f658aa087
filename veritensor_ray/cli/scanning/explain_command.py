"""`explain-model`: print what a model file would do when it is loaded, and the verdict that follows. Nothing is loaded."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli import completion
from veritensor_ray.cli.options import Config

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from veritensor_ray.api.explaining import Explanation

_FILES, _AGAINST, _INERT, _REASONS = 20, 20, 5, 5  # model files, effects of a kind by their verdict, and reasons that are printed
_CELL = 300  # characters of a name
_STYLES = {"dangerous": "red", "unknown": "yellow", "inert": "green"}
_SAID = {
    "inert": "proven inert. Loading it does nothing but hold data.",
    "unknown": "unknown. Loading it may do more than hold data, because not everything in it is understood.",
    "dangerous": "dangerous. Do not load it.",
    None: "not a model file. Nothing in it is known to be loaded as a model.",
}
_KINDS = {
    "runs": "runs code or programs",
    "connects": "connects to the network",
    "writes": "writes files",
    "reads": "reads files",
    "calls": "calls",
    "imports": "imports",
    "holds": "holds",
}


def explain_model(
    file: Annotated[str, typer.Argument(help="The model file: a pickle, .pt, .keras, .safetensors, .onnx, .zip, …", show_default=False)],
    config: Config = None,
    fail_on: Annotated[
        str | None, typer.Option(autocompletion=completion.severity, help="Exit with 1 if there is a finding of this severity or worse.")
    ] = None,
    allow_partial: Annotated[bool | None, typer.Option("--allow-partial", help="Exit with 0 even if something could not be read.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict, all effects and the ledger as JSON.")] = False,
) -> None:
    """Explain what a model file would do when it is loaded: what it imports, calls, reads, writes, runs and holds.

    The verdict is inert (all of that is on the list of what does nothing but hold data), unknown or dangerous. Nothing is loaded. In an
    archive, each model file is judged, and the worst verdict counts. The exit codes are those of `inspect`.

    \b
    veritensor-ray explain-model model.pt
    veritensor-ray explain-model model.keras --json
    veritensor-ray explain-model model.pkl --fail-on high
    """
    from veritensor_ray.api.explaining import explain
    from veritensor_ray.cli.scanning.inspect_command import judge_of, judged, run_of
    from veritensor_ray.cli.scanning.submit_command import exit_code
    from veritensor_ray.core.config import load_settings

    settings = load_settings(config, {"fail_on": fail_on, "allow_partial": allow_partial})
    judge = judge_of(settings)
    found = explain(file, settings)
    findings = judged(found.inspection.findings, judge)
    if as_json:
        sys.stdout.write(json.dumps(_as_json(found, findings), default=str, indent=2) + "\n")
    else:
        _show(found)
    raise typer.Exit(exit_code(run_of([file], findings, [found.inspection.ledger]), settings))


def _as_json(found: Explanation, findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ledger = found.inspection.ledger
    about = {name: ledger[name] for name in ("artifact", "media_type", "size", "content_id", "status", "reason", "reason_code", "gaps")}
    return about | {"verdict": found.verdict, "files": found.files, "files_left_out": found.left_out, "findings": findings}


def _show(found: Explanation) -> None:
    from rich.text import Text

    from veritensor_ray.cli.render import console, safe

    out, ledger = console(), found.inspection.ledger
    out.print(Text.assemble(safe(ledger["artifact"]), ": ", (_SAID[found.verdict], _STYLES.get(found.verdict or "", ""))), soft_wrap=True)
    for line in _summary(found):
        out.print(Text(f"  {safe(line)}"), soft_wrap=True)
    if found.files:
        out.print()
        out.print(_tree(found))
    if ledger["status"] != "scanned" and ledger["reason"]:
        out.print(Text(f"\nNot fully checked: {safe(ledger['status'])}: {safe(ledger['reason'])}"), soft_wrap=True)


def _summary(found: Explanation) -> Iterator[str]:
    """Yield the most important reasons of the worst verdict."""
    reasons = [
        f"{one['member']}: {reason}" if one["member"] else reason
        for one in found.files
        if one["verdict"] == found.verdict != "inert"
        for reason in one["reasons"]
    ]
    yield from (reason[:_CELL] for reason in reasons[:_REASONS])
    if len(reasons) > _REASONS:
        yield f"and {len(reasons) - _REASONS:,} more; see below"


def _tree(found: Explanation) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    from veritensor_ray.cli.render import safe
    from veritensor_ray.core.wording import counted

    top = Tree(Text(safe(found.inspection.ledger["artifact"])))
    for one in found.files[:_FILES]:
        name = safe(one["member"] or "the file itself")
        branch = top.add(Text.assemble(name, f", read as {safe(one['read_as'])}: " if one["read_as"] else ": ", _verdict(one["verdict"])))
        _effects(branch, one)
    if (more := len(found.files) - _FILES + found.left_out) > 0:
        top.add(Text(f"{counted(more, 'more model file')}, none of them worse; --json lists more"))
    return top


def _effects(branch: Tree, file: Mapping[str, Any]) -> None:
    from rich.text import Text

    from veritensor_ray.core.wording import counted

    for kind, heading in _KINDS.items():
        effects = [one for one in file["effects"] if one["kind"] == kind]
        if not effects:
            continue
        node = branch.add(Text(heading))
        against = [one for one in effects if one["verdict"] != "inert"]
        inert = effects[len(against) :]  # the worst come first
        for one in [*against[:_AGAINST], *inert[:_INERT]]:
            node.add(_line(one))
        left = max(0, len(against) - _AGAINST) + max(0, len(inert) - _INERT)
        if left:
            node.add(Text(f"{left:,} more; --json lists them"))
    if file["left_out"]:
        branch.add(Text(f"and {counted(file['left_out'], 'effect')} that {'is' if file['left_out'] == 1 else 'are'} only counted"))


def _line(effect: Mapping[str, Any]) -> Text:
    from rich.text import Text

    from veritensor_ray.cli.render import safe

    place = f"byte {effect['start']:,}" if effect["end"] > effect["start"] else ""
    times = f"{effect['times']:,} times" if effect["times"] > 1 else ""
    where = ", ".join(part for part in (place, times) if part)
    what = safe(effect["what"][:_CELL])
    return Text.assemble(_verdict(effect["verdict"]), f"  {what}{f' ({where})' if where else ''}: {safe(effect['why'][:_CELL])}")


def _verdict(name: str) -> tuple[str, str]:
    return name, _STYLES.get(name, "")
