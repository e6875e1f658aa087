"""Shared by the commands that decide about findings: show what a decision matches, and ask before it is written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from veritensor_ray.policy.judge import Suppression
    from veritensor_ray.results.new_suppressions import Preview
    from veritensor_ray.results.policy_place import PolicyPlace
    from veritensor_ray.results.results import Results

_LISTED = 10  # rules and folders

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before writing. Without a terminal, this is required.")]
PolicyFile = Annotated[
    str | None, typer.Option(help="The policy file. Default: the configured one, else the policy.yaml that is kept in the output.")
]


def show(seen: Preview) -> None:
    """Print what a decision matches: by severity, rule and folder, with the worst examples."""
    from veritensor_ray.cli.render import console, severity, table
    from veritensor_ray.core.wording import counted
    from veritensor_ray.results.place_names import place

    out = console()
    left = f"; {seen.already:,} more {'is' if seen.already == 1 else 'are'} already suppressed and left out" if seen.already else ""
    out.print(f"{counted(seen.findings, 'finding')} in {counted(seen.artifacts, 'artifact')}{left}", style="bold")
    out.print(table(("severity", "findings"), [(severity(name), f"{n:,}") for name, n in seen.severities], right=("findings",)))
    for column, counts in (("rule", seen.rules), ("folder", seen.folders)):
        out.print()
        out.print(table((column, "findings"), _cut([(name or "(top)", f"{n:,}") for name, n in counts], column), right=("findings",)))
    out.print("\nExamples", style="bold")
    rows = [
        (severity(row["severity"]), row["rule_id"], place(row["artifact"], row["location"], row["member"]), row["evidence"] or "")
        for row in seen.examples
    ]
    out.print(table(("severity", "rule", "where", "evidence"), rows))


def write(place: PolicyPlace, one: Suppression, results: Results | None, question: str, *, dry_run: bool, yes: bool) -> bool:
    """Add an entry to the policy file after asking, and say what happened. Returns whether it was added."""
    from veritensor_ray.results.new_suppressions import add, covered

    covering = covered(place.load(), one, results)
    if covering is None and dry_run:
        say(f"{place} is unchanged (--dry-run)")
        return False
    if covering is None and not agreed(question, yes):
        say(f"{place} is unchanged")
        return False
    covering = covering or add(place, one, results)
    if covering:
        say(f"{place} is unchanged: already suppressed by {covering.name}{date_of(covering)} ({covering.reason})")
        return False
    say(f"{place}: {one.name} was added{date_of(one)}; it applies from the next run on")
    return True


def agreed(question: str, yes: bool) -> bool:
    """Ask on a terminal. Raises UsageError if there is none to ask on."""
    from veritensor_ray.core.errors import UsageError

    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nothing was written, because there is no terminal to ask on. Check the numbers with --dry-run, then give --yes")
    sys.stdout.flush()
    return typer.confirm(question, err=True)


def date_of(entry: Suppression) -> str:
    """Returns the words for when an entry ends."""
    return f" until {entry.expires}" if entry.expires else ""


def say(line: str) -> None:
    """Print a line, made harmless to a terminal."""
    from veritensor_ray.cli.render import safe

    sys.stdout.write(f"{safe(line)}\n")


def _cut(rows: Sequence[tuple[str, str]], noun: str) -> list[tuple[str, str]]:
    more = len(rows) - _LISTED
    return [*rows[:_LISTED], *([(f"… {more:,} more {noun}s", "")] if more > 0 else [])]
