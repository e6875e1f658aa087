"""`suppress`: add a suppression to the policy file. It shows what will be suppressed, and writes no evidence anywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from veritensor_ray.cli.deciding.confirmation import DryRun, PolicyFile, Yes, say, show, write
from veritensor_ray.cli.options import Config, EarlierOutput, Where, results_and_finding

if TYPE_CHECKING:
    from datetime import date

    from veritensor_ray.api import Audit
    from veritensor_ray.policy.judge import Suppression
    from veritensor_ray.results.policy_place import PolicyPlace

By = Annotated[
    str,
    typer.Option(
        help="What to suppress. finding: this finding; fingerprint: the same content in any artifact; sha256: everything in a file with this content; "
        "rule: this rule in this artifact; path: everything in this artifact; folder: this rule in the artifact's folder and below."
    ),
]

_ID = re.compile("[0-9a-fA-F]{6,32}")


def suppress(
    reason: Annotated[str, typer.Option(help="Why it is suppressed. The reason appears in the policy file and in run.json.")],
    output: Annotated[
        str | None,
        typer.Argument(help="An audit's output, or a sweep's state. Not needed for the complete id of a finding.", show_default=False),
    ] = None,
    finding: Annotated[
        str | None, typer.Argument(help="Id of a finding, or at least its first six digits if they are unique.", show_default=False)
    ] = None,
    where: Where = None,
    earlier: EarlierOutput = None,
    by: By = "finding",
    owner: Annotated[str | None, typer.Option(help="Who is responsible for the suppression.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="The day on which it ends: YYYY-MM-DD, or a time from now such as 90d or 12w.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    policy: PolicyFile = None,
    config: Config = None,
) -> None:
    """Add a suppression to the policy file.

    Name one finding, or describe many with --where, which shows their numbers and asks before it writes. The findings stay in the results, but
    no longer count from the next run on.
    """
    from veritensor_ray import api
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.results.new_suppressions import BY, suppression, until
    from veritensor_ray.results.policy_place import place_for

    output, finding = results_and_finding(output, finding, earlier)
    if output and not (finding or where or earlier) and _ID.fullmatch(output):
        output, finding = None, output
    _check(output, finding, where, by)
    settings = load_settings(config)
    audit = api.open(output, stores=settings.stores) if output else None
    if audit:
        audit.check()
    ends = until(expires)
    place = place_for(audit, policy or settings.policy)
    if audit is None:
        write(place, suppression({"finding": finding}, reason, owner, ends), None, "", dry_run=dry_run, yes=True)
    elif finding:
        _one(audit, place, BY[by], finding, (reason, owner, ends), dry_run)
    else:
        _many(audit, place, str(where), (reason, owner, ends), dry_run=dry_run, yes=yes)


def _check(output: str | None, finding: str | None, where: str | None, by: str) -> None:
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.results.new_suppressions import BY

    if by not in BY:
        raise UsageError(f"unknown --by {by!r}; choose from {', '.join(BY)}")
    if (finding is None) == (where is None):
        raise UsageError("name one finding after the output, or describe many with --where; exactly one of the two")
    if where is not None:
        if not output:
            raise UsageError("--where looks for findings in results; name them first: suppress OUTPUT --where …")
        if by != "finding":
            raise UsageError(f"--by {by} goes with a single finding, and --where lists the findings that it matches; give one of the two")
        return
    assert finding is not None  # noqa: S101  # exactly one of the two is given
    if not _ID.fullmatch(finding):
        raise UsageError(
            f"{finding!r} is neither the id of a finding nor at least six of its first digits; `veritensor-ray findings OUTPUT --format jsonl` lists ids"
        )
    if not output and by != "finding":
        raise UsageError(f"--by {by} takes its value from a finding; name the results that contain it before the id")
    if not output and len(finding) < 32:
        raise UsageError(f"{finding} is only part of an id; give all 32 digits, or name the results that contain the finding before it")


def _one(audit: Audit, place: PolicyPlace, kind: str, finding: str, why: tuple[str, str | None, date | None], dry_run: bool) -> None:
    from veritensor_ray.results.new_suppressions import Scope, entry

    one = entry(audit, Scope(kind, finding), *why)
    _show(audit, finding, one)
    write(place, one, audit, "", dry_run=dry_run, yes=True)


def _many(audit: Audit, place: PolicyPlace, where: str, why: tuple[str, str | None, date | None], *, dry_run: bool, yes: bool) -> None:
    from veritensor_ray.core.wording import counted
    from veritensor_ray.results.new_suppressions import Scope, entry, preview

    known, scope = place.load(), Scope("filter", where=where)
    seen = preview(audit, scope, known)
    if seen.already and not seen.findings:
        say(f"{place} is unchanged: all findings that meet the condition ({seen.already:,}) are already suppressed")
        return
    one = entry(audit, scope, *why, policy=known)
    show(seen)
    if write(place, one, audit, f"Suppress {counted(seen.findings, 'finding')} in {place}?", dry_run=dry_run, yes=yes):
        say(
            "findings that appear later are not covered; `suppress OUTPUT FINDING --by rule` or `--by folder` covers those of a rule in one place"
        )


def _show(audit: Audit, finding: str, entry: Suppression) -> None:
    from veritensor_ray.cli.render import console, severity, table
    from veritensor_ray.core.wording import counted
    from veritensor_ray.results.new_suppressions import preview
    from veritensor_ray.results.place_names import place

    found = audit.finding(finding)
    where = place(found["artifact"], found["location"], found["member"])
    row = (found["finding_id"], severity(found["severity"]), found["rule_id"], where, found["evidence"] or "")
    console().print(table(("finding", "severity", "rule", "where", "evidence"), [row]))
    if set(entry.match) != {"finding"}:
        seen = preview(audit, entry)
        say(f"this entry matches {counted(seen.findings + seen.already, 'finding')} in {audit.store.uri}")
