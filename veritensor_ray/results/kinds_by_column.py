"""What was found in each column of each dataset: which rules, in how many rows, with one example. It builds SQL and runs nothing.

A dataset is whatever has rows with columns: an artifact, a file inside it, or a part of either, such as a sheet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from veritensor_ray.results.located_rows import Chosen, counting, located, worse

if TYPE_CHECKING:
    from veritensor_ray.results.results import Results

BY_DATASET = 'artifact, member NULLS FIRST, part NULLS FIRST, "column", severity DESC, "rows" DESC, rule_id'
WORST_FIRST = f'severity DESC, "rows" DESC, {BY_DATASET}'
_OF_FINDING = "f.rule_id, f.category, f.evidence"
_COLUMN = r"""regexp_replace("column", '\[\d+\]', '[]', 'g')"""  # the items of a list, which readers number, share a column
_SAME = " AND ".join(f"t.{name} IS NOT DISTINCT FROM k.{name}" for name in ("artifact", "member", "part"))
_EXAMPLE = 'arg_min(struct_pack(evidence, finding_id), (-severity_rank(severity), "row", finding_id)) FILTER (evidence IS NOT NULL)'
_TABLES = "SELECT artifact, unnest(t) FROM (SELECT artifact, unnest(tables) AS t FROM ledger)"
# The names of files that are values of a column: the table if it is inside the artifact, the row, and the column.
_CELL = r"""'(?s)^(?:(.*?)!/)?row (\d{1,18}) (.*?)(?:!/.*)?$', ['above', 'number', 'path']"""
_LISTED = "unnest(list_prepend(location, places)) AS l"
# Where more locations exist than are known, if the run has kept every one that it could, and otherwise.
_CUT = {
    True: "k.artifact IN (SELECT artifact FROM ledger WHERE len(list_filter(gaps, lambda gap: gap.bound = 'locations')) > 0)",
    False: """(k.artifact, k.rule_id) IN (SELECT (artifact, rule_id) FROM findings
        WHERE location IS NULL OR count > 1 + len(coalesce(places, [])))""",
}


def kinds_by_column(results: Results, findings: str, severity: str | None, suppressed: bool) -> str:
    """Return a query with a row for each rule in each column, for the locations of findings at which the severity is at least that.

    `findings` is a table or a checked subquery. In the result, `findings` is the number of different findings, `count` that of their
    locations, `rows` that of the rows with one, and `table_rows` that of all rows, null if nobody counted them. `example` is the masked
    evidence of `finding_id`, one of the worst. `complete` says whether every location of the rule in the artifact is known; if not, the
    numbers are too small, and `share`, that of the rows, is null.
    """
    every = "locations" in results.tables
    places = located(findings, severity, suppressed, _OF_FINDING) if every else _listed(findings, severity, suppressed)
    kinds = f"""SELECT artifact, member, part, {_COLUMN} AS "column", rule_id, any_value(category) AS category, max(severity) AS severity,
        count(DISTINCT finding_id) AS findings, count(*) AS count, count(DISTINCT "row") AS "rows", {_EXAMPLE} AS example
        FROM {_in_tables(places)} WHERE "row" IS NOT NULL AND "column" IS NOT NULL GROUP BY artifact, member, part, {_COLUMN}, rule_id"""  # noqa: S608  # checked
    return f"""SELECT k.* EXCLUDE (example, complete), t."rows" AS table_rows,
        CASE WHEN complete AND k."rows" <= t."rows" THEN k."rows" / t."rows" END AS share,
        example.evidence AS example, example.finding_id AS finding_id, complete
        FROM (SELECT *, NOT ({_CUT[every]}) AS complete FROM ({kinds}) k) k LEFT JOIN ({_TABLES}) t ON {_SAME}"""  # noqa: S608  # as above


def _in_tables(places: str) -> str:
    """Return a subquery with the same locations; those in a file that is a value of a column are at its row and column of the table."""
    of = {"member": "t.member", "part": "NULL", '"row"': "p.cell.number::BIGINT", '"column"': "p.cell.path"}
    there = ", ".join(f"CASE WHEN t.artifact IS NULL THEN p.{name} ELSE {value} END AS {name}" for name, value in of.items())
    return f"""(SELECT p.* EXCLUDE (cell) REPLACE ({there})
        FROM (SELECT *, regexp_extract(member, {_CELL}) AS cell FROM {places}) p LEFT JOIN ({_TABLES}) t
        ON t.artifact = p.artifact AND t.part IS NULL AND t.member IS NOT DISTINCT FROM nullif(p.cell.above, '') AND p.cell.number <> '')"""  # noqa: S608  # checked


def columns_query(results: Results, artifact: str | None, chosen: Chosen) -> tuple[str, list[str]]:
    """Return the query for the kinds in the columns of one artifact or of all, in the order of the corpus, and its values."""
    condition, values = ("artifact = ?", [artifact]) if artifact is not None else ("true", [])
    kinds = kinds_by_column(results, chosen.findings(results), chosen.severity, chosen.suppressed)
    return f"SELECT * FROM ({kinds}) WHERE {condition} ORDER BY {BY_DATASET}", values  # noqa: S608  # checked


def _listed(findings: str, severity: str | None, suppressed: bool) -> str:
    """Return a subquery with the locations that findings list themselves, each with the severity of its finding."""
    return f"""(SELECT finding_id, artifact, member, l.part, l."row", l."column", severity, rule_id, category, evidence
        FROM (SELECT *, {_LISTED} FROM {findings} WHERE {counting(suppressed)} AND location IS NOT NULL) WHERE {worse(severity)})"""  # noqa: S608  # checked
