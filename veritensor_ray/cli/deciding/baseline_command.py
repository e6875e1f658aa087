"""`baseline accept`: suppress everything that an output has now, so that later runs count only new findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from veritensor_ray.cli.deciding.confirmation import DryRun, PolicyFile, Yes, say, show, write
from veritensor_ray.cli.options import Config, Output, Sweep, Where

if TYPE_CHECKING:
    from veritensor_ray.results.new_suppressions import Preview
    from veritensor_ray.results.results import Results

app = typer.Typer(
    help="Accept the findings of an output, so that later runs count only new ones.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_SERIOUS = ("critical", "high")


@app.callback()
def _baseline() -> None:
    """Keeps `accept` a command of a group, although it is the only one."""


def accept(
    output: Output,
    until: Annotated[str, typer.Option(help="The day from which the findings count again: YYYY-MM-DD, or a time from now such as 180d.")],
    owner: Annotated[str, typer.Option(help="Who accepts the findings.")],
    reason: Annotated[str, typer.Option(help="Why they are accepted. The reason appears in the policy file and in run.json.")],
    up_to: Annotated[str | None, typer.Option(help="Accept only findings of this severity or less.")] = None,
    where: Where = None,
    sweep: Sweep = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    policy: PolicyFile = None,
    config: Config = None,
) -> None:
    """Accept the findings that an output has now.

    One entry in the policy file lists the findings by id. Later runs count only findings that it does not list, until it expires.
    """
    from veritensor_ray import api
    from veritensor_ray.cli.options import check_severity
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.wording import counted
    from veritensor_ray.results import new_suppressions
    from veritensor_ray.results.policy_place import place_for

    check_severity(up_to)
    ends = new_suppressions.until(until, "--until")
    settings = load_settings(config)
    audit = api.open(output, sweep=sweep, stores=settings.stores)
    audit.check()
    place = place_for(audit, policy or settings.policy)
    known, scope = place.load(), new_suppressions.Scope("filter", where=_condition(audit, up_to, where))
    seen = new_suppressions.preview(audit, scope, known)
    if not seen.findings:
        why = f"all findings ({seen.already:,}) are already suppressed" if seen.already else "no finding is there or meets the condition"
        say(f"{place} is unchanged, because there is nothing to accept: {why}")
        return
    one = new_suppressions.entry(audit, scope, reason, owner, ends, known)
    show(seen)
    _warn(seen)
    question = f"Accept {counted(seen.findings, 'finding')} until {ends} in {place}?"
    if write(place, one, audit, question, dry_run=dry_run, yes=yes):
        say("findings that are not in this entry count as before")


def _condition(results: Results, up_to: str | None, where: str | None) -> str:
    """Returns one condition for both filters. The user's is checked alone first, so that a mistake is reported as it was written."""
    if where is not None:
        results.matching(where)
    conditions = [f"({where}\n)"] if where is not None else []
    conditions += [f"severity <= '{up_to}'"] if up_to else []
    return " AND ".join(conditions) or "true"


def _warn(seen: Preview) -> None:
    from veritensor_ray.cli.render import console

    serious = [f"{count:,} of severity {name}" for name, count in seen.severities if name in _SERIOUS]
    if serious:
        out = console()
        out.print(f"\nThis accepts {' and '.join(serious)}. To leave them out, add --up-to medium", style="bold red")


app.command("accept")(accept)
