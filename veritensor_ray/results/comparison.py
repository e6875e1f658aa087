"""Compare the findings of two outputs.

A finding is new, moved (the same finding in a renamed artifact), persisting, resolved, or unverified (gone, but its artifact was not
checked again). It recomputes nothing, and does not depend on a terminal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import UsageError
from veritensor_ray.findings.lifecycle import SLIM, follow
from veritensor_ray.findings.schema import FINDINGS, LEDGER
from veritensor_ray.findings.summary import NUMBER, database
from veritensor_ray.findings.unsuppressed import SUPPRESSED, UNSUPPRESSED
from veritensor_ray.stores.outputs import OutputStore

STATES = ("new", "moved", "persisting", "resolved", "unverified")
EXTRA = ("reason", "artifact_before", "severity_before", "suppressed_before")  # columns of `Comparison.rows` besides those of FINDINGS
_ROWS = 10_000
_ONE_ROW = 3  # since this schema, equal evidence in one file is one finding
# A finding that was unverified before and is present now was never gone.
_SOURCES = (
    f"CREATE TEMP TABLE now AS SELECT {SLIM} FROM now_rows",  # noqa: S608  # constants
    """CREATE TEMP VIEW before_all AS SELECT * FROM before_rows
    UNION ALL SELECT * FROM before_unverified WHERE finding_id IN (SELECT finding_id FROM now)""",
    f"CREATE TEMP TABLE before AS SELECT {SLIM}, first_seen FROM before_all",  # noqa: S608  # constants
    "CREATE TEMP TABLE known (finding_id VARCHAR, first_seen TIMESTAMPTZ)",
)
_DIFFERENCES = (
    """CREATE TEMP TABLE reasons AS SELECT g.finding_id, CASE WHEN l.artifact IS NULL THEN 'its folder could not be listed'
    WHEN l.status NOT IN ('scanned', 'partial') THEN concat_ws(': ', l.status, l.reason)
    WHEN l.c IS NULL THEN concat('engine ', g.engine, ' did not run')
    ELSE concat_ws(': ', concat(g.engine, ' ', l.c.status), coalesce(l.c.reason, l.reason)) END AS reason
    FROM gone g JOIN ended e USING (finding_id) LEFT JOIN
    (SELECT artifact, status, reason, engine, list_filter(coverage, lambda x: x.engine = w.engine)[1] AS c FROM ledger
    JOIN (SELECT DISTINCT artifact, engine FROM gone) w USING (artifact)) l ON l.artifact = g.artifact AND l.engine = g.engine
    WHERE e.state = 'unverified'""",
    """CREATE TEMP VIEW differences AS
    SELECT n.* REPLACE (CASE WHEN s.was IS NULL THEN s.state ELSE 'moved' END AS state), NULL AS reason,
    CASE WHEN s.was IS NOT NULL THEN b.artifact END AS artifact_before, b.severity AS severity_before, b.suppressed_by AS suppressed_before
    FROM now_rows n JOIN states s USING (finding_id) LEFT JOIN before_all b ON b.finding_id = coalesce(s.was, s.finding_id)
    UNION ALL SELECT b.* REPLACE (e.state AS state), r.reason, NULL, NULL, NULL
    FROM before_all b JOIN ended e USING (finding_id) LEFT JOIN reasons r USING (finding_id)""",
)
_STAYS = "state IN ('persisting', 'moved')"
_COUNTS = f"""
    SELECT state, coalesce(sum({NUMBER}) FILTER ({UNSUPPRESSED}), 0)::BIGINT AS counted,
    coalesce(sum({NUMBER}) FILTER ({SUPPRESSED}), 0)::BIGINT AS suppressed,
    coalesce(sum({NUMBER}) FILTER ({_STAYS} AND severity <> severity_before AND {UNSUPPRESSED}), 0)::BIGINT AS severity,
    coalesce(sum({NUMBER}) FILTER ({_STAYS} AND {SUPPRESSED} AND suppressed_before IS NULL), 0)::BIGINT AS hidden,
    coalesce(sum({NUMBER}) FILTER ({_STAYS} AND {UNSUPPRESSED} AND suppressed_before IS NOT NULL), 0)::BIGINT AS shown
    FROM differences WHERE {{where}} GROUP BY state"""  # noqa: S608  # constants
_ORDER = f"list_position({list(STATES)}, state), list_position({list(reversed(SEVERITIES))}, severity), artifact, rule_id, finding_id"


@dataclass(frozen=True, slots=True)
class Only:
    """A filter for findings: this severity or worse, in artifacts whose name, before or now, matches this glob."""

    severity: str | None = None
    path: str | None = None

    def where(self) -> tuple[str, list[Any]]:
        """Return a condition and the values for its parameters."""
        conditions, values = ["true"], list[Any]()
        if self.severity is not None:
            conditions.append("list_contains(?, severity)")
            values.append(list(SEVERITIES[SEVERITIES.index(self.severity) :]))
        if self.path is not None:
            conditions.append("(artifact GLOB ? OR coalesce(artifact_before GLOB ?, false))")
            values += [self.path, self.path]
        return " AND ".join(conditions), values


@dataclass(frozen=True, slots=True)
class DiffCounts:
    """Numbers of findings.

    `states` and `suppressed` have an entry for each of STATES; suppressed findings are counted only in `suppressed`. Of the findings that
    persist or moved, `severity` counts those whose severity changed, `hidden` those suppressed since, and `shown` those no longer
    suppressed.
    """

    states: Mapping[str, int]
    suppressed: Mapping[str, int]
    severity: int
    hidden: int
    shown: int

    @property
    def any(self) -> bool:
        """Whether anything differs, suppressed findings included."""
        gone_or_new = sum(self.states[name] + self.suppressed[name] for name in STATES if name != "persisting")
        return bool(gone_or_new or self.severity or self.hidden or self.shown)


class Comparison:
    """Two outputs side by side, in a database that `compare` holds open."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def counts(self, only: Only) -> DiffCounts:
        """Return the number of findings in each state."""
        where, values = only.where()
        found = {one["state"]: one for one in self._connection.sql(_COUNTS.format(where=where), params=values).to_arrow_table().to_pylist()}
        sums = {name: sum(one[name] for one in found.values()) for name in ("severity", "hidden", "shown")}
        states, suppressed = ({name: found.get(name, {}).get(kind, 0) for name in STATES} for kind in ("counted", "suppressed"))
        return DiffCounts(states, suppressed, **sums)

    def rows(self, only: Only, states: Sequence[str], suppressed: bool = True, limit: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield findings with the columns of FINDINGS and EXTRA, worst first within each state, a few thousand at a time.

        `state` is the state relative to the first output. A finding that is gone has the row of the first output. A limit of 0 means no
        limit.
        """
        where, values = only.where()
        query = f"SELECT * FROM differences WHERE {where} AND list_contains(?, state)"  # noqa: S608  # constants; values are parameters
        query += ("" if suppressed else f" AND {UNSUPPRESSED}") + f" ORDER BY {_ORDER}" + (f" LIMIT {int(limit)}" if limit else "")
        yield from self._connection.sql(query, params=[*values, list(states)]).to_arrow_reader(_ROWS)

    def lines(self, only: Only, states: Sequence[str], suppressed: bool) -> int:
        """Return the number of rows without a limit."""
        where, values = only.where()
        query = f"SELECT count(*) FROM differences WHERE {where} AND list_contains(?, state)"  # noqa: S608  # as above
        query += "" if suppressed else f" AND {UNSUPPRESSED}"
        ((count,),) = self._connection.sql(query, params=[*values, list(states)]).fetchall()
        return int(count)


@contextlib.contextmanager
def compare(before: OutputStore, now: OutputStore) -> Iterator[Comparison]:
    """Compare the tables of two complete outputs that passed `check`."""
    with database() as connection:
        connection.register("before_rows", before.dataset("findings", FINDINGS))
        connection.register("before_unverified", before.dataset("unverified", FINDINGS))
        connection.register("earlier", before.dataset("ledger", LEDGER))
        connection.register("now_rows", now.dataset("findings", FINDINGS))
        connection.register("ledger", now.dataset("ledger", LEDGER))
        for statement in _SOURCES:
            connection.execute(statement)
        follow(connection)
        for statement in _DIFFERENCES:
            connection.execute(statement)
        yield Comparison(connection)


def check(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Check two run.json mappings. Raises UsageError if findings of one cannot be recognized in the other."""
    one, other = before.get("site_key_id"), now.get("site_key_id")
    if one != other:
        raise UsageError(
            f"the two outputs were made with different site keys ({one} and {other}), so every finding would look new, because finding IDs "
            "are keyed. Scan again with the other output's key (site_key in the configuration), or compare outputs that share a key"
        )


def notes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return sentences about other differences between two runs, which may change findings although the corpus did not change."""
    said = []
    if str(before.get("started_at") or "") > str(now.get("started_at") or ""):
        said.append(f"the first output is more recent ({before['started_at']}, {now['started_at']}), so new and resolved are swapped")
    if before.get("sources") != now.get("sources"):
        said.append(f"the sources differ: {_listed(before)}, then {_listed(now)}")
    said += [
        f"the {words} differs: {before.get(name) or 'none'}, then {now.get(name) or 'none'}"
        for name, words in (("profile", "profile"), ("bundle_id", "bundle"), ("package_version", "veritensor-ray version"))
        if before.get(name) != now.get(name)
    ]
    if [int(run.get("schema_version") or _ONE_ROW) < _ONE_ROW for run in (before, now)] in ([True, False], [False, True]):
        said.append(
            f"one output has a schema older than {_ONE_ROW}, with a row for each place, "
            "so all but one of several equal findings look resolved or new"
        )
    if before.get("policy_identity") != now.get("policy_identity"):
        said.append("the policy differs, so severities and suppressions may differ")
    return [*said, *_engines(before.get("engines") or {}, now.get("engines") or {})]


def _engines(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*before, *now}):
        one, other = ((run.get(name) or {}).get("fingerprint") for run in (before, now))
        if one == other:
            continue
        if one is None:
            yield f"engine {name} ran only in the second output, so its findings are new"
        elif other is None:
            yield f"engine {name} ran only in the first output, so its findings are unverified"
        else:
            yield f"engine {name} has different rules, settings or model, so its findings may be new or resolved for that reason"


def _listed(run: Mapping[str, Any]) -> str:
    return ", ".join(run.get("sources") or ()) or "none"


__all__ = ["EXTRA", "STATES", "Comparison", "DiffCounts", "Only", "check", "compare", "notes"]
