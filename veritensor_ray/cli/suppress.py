"""`suppress`: add a suppression for a finding to the policy file. It shows what will be suppressed, and writes no evidence anywhere."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.options import Config

if TYPE_CHECKING:
    from datetime import date

    from veritensor_ray.api import Audit
    from veritensor_ray.findings.policy import Policy, Suppression

By = Annotated[
    str,
    typer.Option(
        help="What to suppress. finding: this finding; fingerprint: the same content in any artifact; sha256: everything in a file with this content; "
        "rule: this rule in this artifact; path: everything in this artifact."
    ),
]


def suppress(
    finding: Annotated[
        str, typer.Argument(help="Id of a finding. With --output, at least its first six digits are enough if they are unique.")
    ],
    reason: Annotated[str, typer.Option(help="Why it is suppressed. The reason appears in the policy file and in run.json.")],
    output: Annotated[str | None, typer.Option(help="The results that contain the finding: an audit's output or a sweep's state.")] = None,
    by: By = "finding",
    owner: Annotated[str | None, typer.Option(help="Who is responsible for the suppression.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="The day on which it ends: YYYY-MM-DD, or a time from now such as 90d or 12w.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="The policy file. Default: the configured one, else policy.yaml in the working directory.")
    ] = None,
    config: Config = None,
) -> None:
    """Add a suppression to the policy file.

    The finding stays in the results, but no longer counts from the next run on.
    """
    from datetime import UTC, datetime
    from pathlib import Path

    from veritensor_ray import api
    from veritensor_ray.config import check_apart, load_settings
    from veritensor_ray.errors import UsageError
    from veritensor_ray.findings.policy import Policy, load_policy
    from veritensor_ray.findings.policy_edit import add_to_file
    from veritensor_ray.findings.policy_file import DEFAULT

    _check(finding, output, by)
    settings, today = load_settings(config), datetime.now(UTC).date()
    path = Path(policy or settings.policy or DEFAULT)
    audit = api.open(output, stores=settings.stores) if output else None
    if not (policy or settings.policy):
        check_apart(path, audit.run.get("sources", ()) if audit else (), "--policy")
        if path.is_symlink():
            raise UsageError(f"{path.absolute()} is a link to another file; name the policy with --policy")
    found = _found(audit, finding) if audit else None
    entry = _entry(_match(by, finding, found), reason, owner, _until(expires, today))
    if audit and found:
        _show(audit, found, entry)
    known = load_policy(str(path)) if os.path.lexists(path) else Policy()
    covered = _covered(known, entry, found, today)
    if covered:
        _say(f"{path} is unchanged: already suppressed by {covered.name}{_date(covered)} ({covered.reason})")
        return
    add_to_file(path, entry)
    _say(f"{path}: {entry.name} was added{_date(entry)}; it applies from the next run on")


def _check(finding: str, output: str | None, by: str) -> None:
    from veritensor_ray.errors import UsageError
    from veritensor_ray.findings.policy import MATCHES

    if by not in MATCHES:
        raise UsageError(f"unknown --by {by!r}; choose from {', '.join(MATCHES)}")
    if not re.fullmatch("[0-9a-fA-F]{6,32}", finding):
        raise UsageError(
            f"{finding!r} is neither the id of a finding nor at least six of its first digits; `veritensor-ray findings OUTPUT --format jsonl` lists ids"
        )
    if not output and by != "finding":
        raise UsageError(f"--by {by} takes its value from a finding; give the results that contain it with --output")
    if not output and len(finding) < 32:
        raise UsageError(f"{finding} is only part of an id; give all 32 digits, or the results that contain the finding with --output")


def _found(audit: Audit, finding: str) -> Mapping[str, Any]:
    """Returns the row of a finding, with the SHA-256 of its artifact if there is one."""
    import pyarrow.dataset as ds

    row = audit.finding(finding)
    mine = (ds.field("artifact") == row["artifact"]) & (ds.field("content_id_kind") == "sha256")
    digests = audit.dataset("ledger").to_table(columns=["content_id"], filter=mine).column("content_id").to_pylist()
    return row | {"sha256": digests[0] if digests else None}


def _match(by: str, finding: str, found: Mapping[str, Any] | None) -> dict[str, str]:
    """Returns the keys of the entry. A rule is suppressed in one artifact only; suppressing it everywhere takes an edit of the policy file."""
    from veritensor_ray.errors import UsageError

    if found is None:
        return {"finding": finding}
    if by == "sha256" and not found["sha256"]:
        raise UsageError("the SHA-256 of the whole artifact was not computed; use --by finding or --by path")
    return {
        "finding": {"finding": found["finding_id"]},
        "fingerprint": {"fingerprint": found["content_fingerprint"]},
        "sha256": {"sha256": found["sha256"]},
        "rule": {"rule": found["rule_id"], "path": _exactly(found["artifact"])},
        "path": {"path": _exactly(found["artifact"])},
    }[by]


def _exactly(artifact: str) -> str:
    """Returns a glob that matches only this name. A glob without a folder would match in every folder, so it gets a leading slash."""
    from glob import escape

    return escape(artifact) if "/" in artifact and not artifact.startswith("/") else f"/{escape(artifact)}"


def _entry(match: Mapping[str, str], reason: str, owner: str | None, expires: date | None) -> Suppression:
    from pydantic import ValidationError

    from veritensor_ray.config import explain
    from veritensor_ray.errors import UsageError
    from veritensor_ray.findings.policy import Suppression

    try:
        return Suppression.model_validate({**match, "reason": reason, "owner": owner, "expires": expires})
    except ValidationError as error:
        raise UsageError("\n".join(explain(error, Suppression, "the entry's"))) from None


def _until(text: str | None, today: date) -> date | None:
    """Returns the first day on which the suppression no longer applies; a time within a day is rounded up to the next day. Raises UsageError."""
    from datetime import UTC, datetime, time, timedelta

    from veritensor_ray.ages import moment
    from veritensor_ray.errors import UsageError

    if text is None:
        return None
    try:
        at = moment(text, datetime.combine(today, time(), UTC), 1).astimezone(UTC)
        until = (at + timedelta(days=1) - timedelta.resolution).date()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--expires: {error}") from None
    if until <= today:
        raise UsageError(f"--expires {until} is not in the future (today is {today} in UTC); give a later day")
    return until


def _covered(policy: Policy, entry: Suppression, found: Mapping[str, Any] | None, today: date) -> Suppression | None:
    """Returns a suppression that already matches the same; for a single finding also one that matches more and lasts as long."""
    import pyarrow as pa

    from veritensor_ray.findings.policy import matches
    from veritensor_ray.findings.schema import FINDINGS

    live = [one for one in policy.suppressions if not one.expired(today)]
    same = next((one for one in live if one.match == entry.match), None)
    if same or found is None or set(entry.match) != {"finding"}:
        return same
    long = (one for one in live if one.expires is None or (entry.expires is not None and one.expires >= entry.expires))
    row = pa.Table.from_pylist([dict(found)], schema=FINDINGS)
    return next((one for one in long if matches(one, row)), None)


def _show(audit: Audit, found: Mapping[str, Any], entry: Suppression) -> None:
    from veritensor_ray.cli.render import console, severity, table
    from veritensor_ray.findings.locations import place

    where = place(found["artifact"], found["location"], found["member"])
    row = (found["finding_id"], severity(found["severity"]), found["rule_id"], where, found["evidence"] or "")
    console().print(table(("finding", "severity", "rule", "where", "evidence"), [row]))
    if set(entry.match) != {"finding"}:
        count = _count(audit, entry)
        _say(f"this entry matches {count:,} finding{'' if count == 1 else 's'} in {audit.store.uri}")


def _count(audit: Audit, entry: Suppression) -> int:
    import pyarrow as pa

    from veritensor_ray.findings.policy import COLUMNS, matches

    batches = audit.dataset("findings").to_batches(columns=list(COLUMNS))
    return sum(matches(entry, pa.Table.from_batches([batch])) for batch in batches if batch.num_rows)


def _date(entry: Suppression) -> str:
    return f" until {entry.expires}" if entry.expires else ""


def _say(line: str) -> None:
    from veritensor_ray.cli.render import safe

    sys.stdout.write(f"{safe(line)}\n")
