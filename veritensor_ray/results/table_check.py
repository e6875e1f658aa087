"""Find rows that no audit writes, before reports and exports rely on their values: results may come from anyone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.detection import VERDICTS
from veritensor_ray.core.errors import StoreError, UsageError
from veritensor_ray.findings.rule_texts import LONGEST
from veritensor_ray.findings.schema import ALL_TABLES

if TYPE_CHECKING:
    from veritensor_ray.results.results import Results

_NAME, _TEXT = 100_000, LONGEST  # characters, at least what names and texts of an audit have
_MOST = 10**15  # sums of larger numbers would overflow
_STATES = ("new", "reopened", "persisting", "resolved", "unverified")
_TIME = "{0} < TIMESTAMPTZ '0001-01-02' OR {0} > TIMESTAMPTZ '9999-12-30'"
# By column, what a value never is. Texts that a column may lack are checked for their length only.
_NEVER = {
    "finding_id": "finding_id IS NULL OR length(finding_id) > 64",
    "severity": f"severity IS NULL OR severity NOT IN {SEVERITIES}",
    "state": f"state IS NULL OR state NOT IN {_STATES}",
    "status": "status IS NULL",
    "count": f"count IS NULL OR count NOT BETWEEN 1 AND {_MOST}",
    "confidence": "confidence NOT BETWEEN 0 AND 1",
    "taxonomy": "list_count(taxonomy) < len(taxonomy)",
    "coverage": f"""list_count(coverage) < len(coverage) OR len(list_filter(coverage, lambda c: c.engine IS NULL OR c.status IS NULL
        OR c.verdict NOT IN {VERDICTS} OR list_count(c.verdict_reasons) < len(c.verdict_reasons))) > 0""",
    "tables": f"""list_count(tables) < len(tables)
        OR len(list_filter(tables, lambda t: t.rows IS NULL OR t.rows NOT BETWEEN 1 AND {_MOST} OR length(t.member) > {_NAME})) > 0""",
    "gaps": "list_count(gaps) < len(gaps)",
    "size": f"size NOT BETWEEN 0 AND {_MOST}",
    "gaps_total": "gaps_total < 0",
    **{name: f"{name} IS NULL OR length({name}) > {_NAME}" for name in ("artifact", "rule_id", "engine", "content_fingerprint")},
    **{name: f"length({name}) > {_NAME}" for name in ("member", "uri", "reason")},
    **{name: f"length({name}) > {_TEXT}" for name in ("message", "evidence", "evidence_before", "evidence_after")},
    **{name: f"length({name}) > {_TEXT}" for name in ("title", "description", "remediation", "false_alarms")},
    "references": 'list_count("references") < len("references")',
    **{name: _TIME.format(name) for name in ("first_seen", "last_seen", "started")},
}
_CHECKED = ("findings", "ledger", "rules", "resolved", "unverified", "trends", "locations")


def check_rows(results: Results) -> None:
    """Raise StoreError, with the remedy, for a table that cannot be read, or that has a value which no audit writes."""
    for name in (name for name in _CHECKED if name in results.tables):
        columns = [column for column in ALL_TABLES[name].names if column in _NEVER]
        sums = ", ".join(f'count(*) FILTER ({_NEVER[column]}) AS "{column}"' for column in columns)
        try:
            (found,) = results.records(f"SELECT {sums} FROM {name}")  # noqa: S608  # constants
        except UsageError as error:
            why = str(error.__context__ or error).partition("\n")[0].rstrip(".")  # DuckDB's words, without a query that nobody typed
            raise StoreError(f"the table {name} of {results.store.uri} is damaged: {why}. Copy the output again") from None
        wrong = [f"{column} ({found[column]:,})" for column in columns if found[column]]
        if wrong:
            raise StoreError(
                f"the table {name} of {results.store.uri} has values that no audit writes: {', '.join(wrong)}. Copy the output again from "
                "its origin, or scan again with --fresh"
            )
