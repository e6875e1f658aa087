"""Which places of a corpus have findings, and which rows of a dataset, by the table `locations`. It does not depend on data frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from veritensor_ray.core import bounds
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.detection import FileInfo, unknown_value
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.format_table import declared_type
from veritensor_ray.core.media_types import JSONL, TAR
from veritensor_ray.findings.unsuppressed import UNSUPPRESSED
from veritensor_ray.results.place_names import shortened
from veritensor_ray.results.results import Results

if TYPE_CHECKING:
    from collections.abc import Sequence

_READ = ("scanned", "partial")
_SHOWN = 200  # characters of a name in a message
# The severity at a place is what the engine gave there, unless a policy has changed that of the finding.
_SEVERITY = "CASE WHEN f.severity = f.severity_original THEN l.severity ELSE f.severity END"
_OVER_BYTES = "row IS NULL AND start IS NULL AND byte_offset IS NOT NULL"  # found by an engine that reads files
IN_ORDER = "ORDER BY artifact, member, page, row, line, byte_offset, start, finding_id"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which locations are wanted: those at which a severity is at least `severity`, of findings that meet `where`. None means any.

    Suppressed findings are left out unless `suppressed` is set.
    """

    severity: str | None = None
    where: str | None = None
    suppressed: bool = False

    def source(self, results: Results) -> str:
        """Return a subquery with these locations. Raises UsageError if the run has not kept them, or for a condition that is not valid."""
        results.dataset("locations")
        return located(self.findings(results), self.severity, self.suppressed)

    def findings(self, results: Results) -> str:
        """Return the table or subquery of the findings. Raises UsageError for a severity or a condition that is not valid."""
        if self.severity is not None and self.severity not in SEVERITIES:
            raise UsageError(unknown_value("severity", self.severity, SEVERITIES))
        return "findings" if self.where is None else results.matching(self.where)


def located(findings: str, severity: str | None, suppressed: bool, more: str = "f.rule_id") -> str:
    """Return a subquery with the locations of findings, which are a table or a checked subquery, at which the severity is at least that.

    `more` are the columns of the finding `f` that each location gets.
    """
    return f"""(SELECT * FROM (SELECT l.* REPLACE ({_SEVERITY} AS severity), {more} FROM locations l
        JOIN (SELECT * FROM {findings} WHERE {counting(suppressed)}) f ON f.finding_id = l.finding_id) WHERE {worse(severity)})"""  # noqa: S608  # checked


def counting(suppressed: bool) -> str:
    """Return the condition for findings that count, or for all of them."""
    return "true" if suppressed else UNSUPPRESSED


def worse(severity: str | None) -> str:
    """Return the condition for severities that are at least this one, which must be one."""
    return "true" if severity is None else f"severity >= '{severity}'"


def locations_query(results: Results, artifact: str | None, chosen: Chosen) -> tuple[str, list[str]]:
    """Return the query for locations in the order of the corpus, of one artifact or of all, and its values."""
    condition, values = ("artifact = ?", [artifact]) if artifact is not None else ("true", [])
    return f"SELECT * FROM {chosen.source(results)} WHERE {condition} {IN_ORDER}", values  # noqa: S608  # checked


def rows_of(results: Results, artifact: str, member: str | None, chosen: Chosen) -> dict[int, str]:
    """Return the rows of an artifact, or of a file inside it, with such a location, in order, each with its worst severity.

    Raises UsageError if not all of these rows are known.
    """
    source = chosen.source(results)
    media_type = _media_type(results, artifact)
    if member is not None:
        media_type = _type_of_member(results, artifact, member)
    inside = "artifact = $1 AND member IS NOT DISTINCT FROM $2"
    if media_type == TAR and _has_samples(results, artifact, member):
        inside = "artifact = $1 AND ($2 IS NULL AND member IS NOT NULL OR starts_with(member, $2 || '!/'))"
    row = "line - 1" if media_type == JSONL else "NULL"  # a rule over bytes knows the line, which is the row there
    found = results.records(
        f"""SELECT coalesce(row, CASE WHEN {_OVER_BYTES} THEN {row} END) AS number, max(severity) AS worst, count(*) AS n,
        count(*) FILTER ({_OVER_BYTES}) AS bytes FROM {source} WHERE {inside}
        GROUP BY number ORDER BY number""",  # noqa: S608  # constants
        [artifact, member],
    )
    if lost := sum(one["bytes"] for one in found if one["number"] is None):
        raise UsageError(
            f"{lost:,} locations in {shortened(member or artifact, _SHOWN)!r} are bytes of the file in an unknown row; leave the findings of the engine "
            "that reads bytes out with `where`, or let `clean` drop their rows"
        )
    return {one["number"]: one["worst"] for one in found if one["number"] is not None}


def _has_samples(results: Results, artifact: str, member: str | None) -> bool:
    """Return whether a tar is a WebDataset, whose rows are its samples.

    Raises UsageError if there is a location in a file of a sample that has rows of its own, since they are not those of samples.
    """
    tables = "SELECT unnest(tables) AS t FROM ledger WHERE artifact = $1"
    [known] = results.records(
        f"""SELECT count(*) AS tables, count(*) FILTER (t.member IS NOT DISTINCT FROM $2 AND t.part IS NULL) AS here,
        (SELECT any_value(member) FROM locations WHERE artifact = $1 AND ($2 IS NULL OR starts_with(member, $2 || '!/'))
        AND member IN (SELECT t.member FROM ({tables}))) AS other FROM ({tables})""",  # noqa: S608  # constants
        [artifact, member],
    )
    if known["here"] and (known["other"] is not None or known["tables"] >= bounds.TABLES):
        example = f", such as {shortened(known['other'], _SHOWN)!r}" if known["other"] is not None else ""
        raise UsageError(
            f"{shortened(member or artifact, _SHOWN)!r} has files with rows of their own{example}, so not all samples with findings are known; "
            "name such a file as the member to get its rows"
        )
    return bool(known["here"])


def _media_type(results: Results, artifact: str) -> str | None:
    """Return the type of an artifact all of whose places are known.

    Raises UsageError for one that was not read, or that has more places than are listed: no rows would say that it is clean.
    """
    found: Sequence[dict[str, Any]] = results.records(
        """SELECT media_type, status, reason, len(list_filter(gaps, lambda gap: gap.bound = 'locations')) > 0 AS cut
        FROM ledger WHERE artifact = ?""",
        [artifact],
    )
    name = shortened(artifact, _SHOWN)
    if not found:
        raise UsageError(f"the audit has no artifact named {name!r}; the column artifact of the ledger has the names")
    if found[0]["status"] not in _READ:
        raise UsageError(f"{name!r} was not read ({found[0]['status']}: {found[0]['reason']}), so nothing is known of its rows")
    if found[0]["cut"]:
        raise UsageError(
            f"{name!r} has more locations than the table lists, so not all rows with findings are known; see its gaps in the ledger"
        )
    media_type: str | None = found[0]["media_type"]
    return media_type


def _type_of_member(results: Results, artifact: str, member: str) -> str | None:
    """Return the type that the name of a file inside an artifact stands for.

    Raises UsageError for a file that has no location and is not a table in the ledger: a name with a mistake in it would have no findings.
    """
    known = results.records(
        """SELECT 1 FROM locations WHERE artifact = $1 AND member = $2
        UNION ALL SELECT 1 FROM (SELECT unnest(tables) AS t FROM ledger WHERE artifact = $1) WHERE t.member = $2 LIMIT 1""",
        [artifact, member],
    )
    if not known:
        raise UsageError(
            f"the audit has no table named {shortened(member, _SHOWN)!r} in {shortened(artifact, _SHOWN)!r}; the column tables of the ledger "
            "has the names"
        )
    return declared_type(FileInfo(member, None, "").extension)
