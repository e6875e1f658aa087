"""A short summary in Markdown, for a pull request, a merge request or a ticket: what was not checked first, then findings in numbers.

Text from the corpus is in code spans, in which no platform makes links, images, markup or mentions. Everything is a list, since a cell of a
table could be ended from within.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.wording import counted
from veritensor_ray.exports import described_findings
from veritensor_ray.exports.described_findings import shown
from veritensor_ray.exports.not_checked import missing
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.summary import NUMBER
from veritensor_ray.findings.unsuppressed import SUPPRESSED, UNSUPPRESSED
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.results.grouping import Group, grouped
from veritensor_ray.results.model_verdicts import models_said, not_inert, reason_said
from veritensor_ray.results.place_names import place, shortened

_REASONS, _TOP, _NAME, _EXAMPLES = 20, 10, 120, 3  # entries of a list; characters of a name; artifacts named for a reason
_TICKS = re.compile("`+")


def write(selection: Selection, file: BinaryIO) -> None:
    """Write the summary, of at most about 20,000 characters."""
    file.write("\n".join(_lines(selection)).encode("utf-8", "backslashreplace") + b"\n")


def code(text: object, most: int = 0) -> str:
    """Return text of any origin as a code span, shortened in the middle to `most` characters if that is given."""
    safe = shown(text)
    safe = shortened(safe, most) if most else safe
    fence = "`" * (max(map(len, _TICKS.findall(safe)), default=0) + 1)
    pad = " " if safe.startswith("`") or safe.endswith("`") or not safe.strip() else ""
    return f"{fence}{pad}{safe}{pad}{fence}"


def _lines(selection: Selection) -> Iterator[str]:
    run = selection.results.run
    yield f"# Audit of {', '.join(code(without_credentials(str(one)), _NAME) for one in run['sources'][:_TOP]) or 'a corpus'}"
    yield ""
    yield (
        f"Run {code(run['scan_id'])}, finished {code(run.get('finished_at') or 'at an unknown time')}, by {described_findings.PRODUCT} "
        f"{code(run.get('package_version') or '?')}: {selection.results.checked.short_said}."
    )
    yield from _gaps(selection)
    yield from _models(selection)
    yield from _severities(selection)
    yield from _top(selection, "rule", "Rules")
    yield from _top(selection, "folder", "Folders")
    yield from _worst(selection)


def _gaps(selection: Selection) -> Iterator[str]:
    gaps = missing(selection.results)
    yield "\n## Not checked\n"
    if not gaps:
        yield "Nothing: every applicable engine has seen every byte."
    for one in gaps[:_REASONS]:
        number = "" if one.reason.artifacts is None else f"{counted(one.reason.artifacts, 'artifact')}, "
        names = ", ".join(code(name, _NAME) for name in one.artifacts[:_EXAMPLES])
        more = "" if one.reason.artifacts is None or one.reason.artifacts <= _EXAMPLES else ", …"
        yield f"- {number}{code(one.reason.status)}: {code(one.reason.reason, 2 * _NAME)}{f' ({names}{more})' if names else ''}"
    if len(gaps) > _REASONS:
        yield f"- {counted(len(gaps) - _REASONS, 'more reason')}"


def _models(selection: Selection) -> Iterator[str]:
    said = models_said(selection.results.run)
    if not said:
        return
    yield f"\n## Models\n\n{said}.\n"
    rows, total = not_inert(selection.results, _TOP)
    for row in rows:
        reasons = "; ".join(code(reason_said(one), 2 * _NAME) for one in (row["reasons"] or ())[:_EXAMPLES])
        yield f"- {row['verdict']}: {code(row['artifact'], _NAME)}{f', {reasons}' if reasons else ''}"
    if total > len(rows):
        yield f"- {total - len(rows):,} more"


def _severities(selection: Selection) -> Iterator[str]:
    query = f"""SELECT severity, coalesce(sum({NUMBER}) FILTER ({UNSUPPRESSED}), 0)::BIGINT AS counted,
        coalesce(sum({NUMBER}) FILTER ({SUPPRESSED}), 0)::BIGINT AS suppressed FROM ({selection.query}) GROUP BY severity"""  # noqa: S608
    rows = {row["severity"]: row for row in selection.results.records(query)}
    total, suppressed = (sum(row[name] for row in rows.values()) for name in ("counted", "suppressed"))
    yield f"\n## Findings: {total:,}\n"
    if suppressed:
        yield f"{counted(suppressed, 'more finding')} {'is' if suppressed == 1 else 'are'} suppressed by the policy.\n"
    if total:
        yield "| severity | findings |\n| --- | ---: |"
    for name in reversed(SEVERITIES):
        if name in rows and rows[name]["counted"]:
            yield f"| {name} | {rows[name]['counted']:,} |"


def _top(selection: Selection, by: Group, heading: str) -> Iterator[str]:
    query = grouped(f"(SELECT * FROM ({selection.query}) WHERE {UNSUPPRESSED})", by)  # noqa: S608  # a checked query
    order = f"SELECT *, count(*) OVER () AS lines FROM ({query}) ORDER BY severity DESC, findings DESC, key LIMIT {_TOP}"  # noqa: S608
    rows = selection.results.records(order)
    if rows:
        yield f"\n## {heading}\n"
    for row in rows:
        name = code(row["key"], _NAME) if row["key"] else "the top folder"
        title = selection.rules[row["key"]].title if by == "rule" and row["key"] in selection.rules else ""
        about = f" {code(title, _NAME)}" if title else ""
        yield f"- {row['severity']}: {name}{about}, {counted(row['findings'], 'finding')} in {counted(row['files'], 'file')}"
    if rows and rows[0]["lines"] > _TOP:
        yield f"- {rows[0]['lines'] - _TOP:,} more"


def _worst(selection: Selection) -> Iterator[str]:
    query = grouped(f"(SELECT * FROM ({selection.query}) WHERE {UNSUPPRESSED})", "place")  # noqa: S608  # a checked query
    rows = selection.results.records(f"SELECT * FROM ({query}) ORDER BY severity DESC, findings DESC, key LIMIT {_TOP}")  # noqa: S608
    if rows:
        yield "\n## Worst places\n"
    for row in rows:
        more = len(row["rules"]) - 1
        rules = code(row["rules"][0], _NAME) + (f" and {counted(more, 'more rule')}" if more else "")
        where = code(place(row["artifact"], row["location"], row["member"]), _NAME)
        yield f"- {row['severity']}: {rules} at {where}: {code(row['evidence'] or row['message'], _NAME)} ({code(row['finding_id'][:12])})"
