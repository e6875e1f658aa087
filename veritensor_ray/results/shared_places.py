"""Which findings share a place: their passages overlap, whatever rules found them. It builds SQL and runs nothing."""

from __future__ import annotations

from veritensor_ray.findings.unsuppressed import UNSUPPRESSED

# Where a location counts its characters from. Offsets in bytes and in characters are never compared.
_WITHIN = 'artifact, member, location.part, location.page, location.row, location."column", location.start IS NULL'
_BEGIN = "coalesce(location.start, location.byte_offset)"
_END = f'greatest(coalesce(location."end", {_BEGIN} + 1), {_BEGIN} + 1)'
_ORDER = "first, last, finding_id"
# A passage continues as long as the next finding begins before the furthest end so far. Findings without an offset share a place only if
# they have the same line; a row that only counts further matches has no location, and is a place of its own.
_APART = f"CASE WHEN location IS NULL THEN finding_id WHEN {_BEGIN} IS NULL THEN concat('line ', location.line) END"
_PARTITION = f"PARTITION BY {_WITHIN}, {UNSUPPRESSED}, apart ORDER BY {_ORDER}"
_BREAKS = f"coalesce(first >= max(last) OVER ({_PARTITION} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), false)"
_WORST = "(-severity_rank(severity), coalesce(-confidence, 0), finding_id)"
_SHOWN = ("location", "severity", "rule_id", "evidence", "message", "confidence", "state")


# What findings at one place have in common, as columns of `islands`.
SAME = f"{_WITHIN}, {UNSUPPRESSED}, apart, island"


def islands(source: str) -> str:
    """Return a query with the findings of `source`, those at one place having equal values of SAME.

    `source` has at least the columns finding_id, artifact, member, location and suppressed_by. An artifact may also be a number.
    """
    spans = f"SELECT *, {_BEGIN} AS first, {_END} AS last, {_APART} AS apart FROM {source}"  # noqa: S608  # built from constants
    breaks = f"SELECT *, {_BREAKS} AS breaks FROM ({spans})"  # noqa: S608
    return f"SELECT *, count(*) FILTER (breaks) OVER ({_PARTITION} ROWS UNBOUNDED PRECEDING) AS island FROM ({breaks})"  # noqa: S608


def places(source: str = "findings") -> str:
    """Return a query with a row for each place among the findings of `source`, a table or a subquery.

    `place` is the id of the worst finding there, whose other columns the row shows. `rules`,
    `engines`, `categories` and `finding_ids` list those of all findings there, `findings` is their number, and `count` that of their
    locations. Suppressed findings share a place only with each other.
    """
    worst = ", ".join(f"arg_min_null({name}, {_WORST}) AS {name}" for name in _SHOWN)
    return f"""SELECT arg_min(finding_id, {_WORST}) AS place, artifact, member, {worst},
        list(DISTINCT rule_id ORDER BY rule_id) AS rules, list(DISTINCT engine ORDER BY engine) AS engines,
        list(DISTINCT category ORDER BY category) AS categories, list(finding_id ORDER BY {_ORDER}) AS finding_ids,
        count(*) AS findings, sum(count)::BIGINT AS count, min(suppressed_by) AS suppressed_by
        FROM ({islands(source)}) GROUP BY {SAME}"""  # noqa: S608
