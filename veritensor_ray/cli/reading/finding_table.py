"""Findings as a table in the terminal: grouped by place, evidence, rule or folder, or one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from veritensor_ray.cli.render import console, severity, table
from veritensor_ray.core.wording import counted, percent
from veritensor_ray.findings.summary import NUMBER
from veritensor_ray.findings.unsuppressed import SUPPRESSED, UNSUPPRESSED
from veritensor_ray.results.grouping import Group, grouped
from veritensor_ray.results.kinds_by_column import WORST_FIRST
from veritensor_ray.results.place_names import place

if TYPE_CHECKING:
    import pyarrow as pa

    from veritensor_ray.results.results import Results

_WORST = "severity DESC"
_COLUMNS = {
    "place": ("severity", "state", "rule", "where", "evidence", "suppressed by"),
    "evidence": ("severity", "state", "rule", "count", "where", "evidence", "suppressed by"),
    "rule": ("severity", "rule", "findings", "files", "where", "evidence"),
    "folder": ("severity", "folder", "findings", "files", "rule"),
    None: ("id", "severity", "state", "rule", "count", "where", "evidence", "suppressed by"),
}
_ORDER = {
    "place": f"{_WORST}, artifact, coalesce(location.page, 0), coalesce(location.row, 0), coalesce(location.start, 0), key",
    "evidence": f"{_WORST}, count DESC, rules[1], evidence, artifact, state",
    "rule": f"{_WORST}, findings DESC, key",
    "folder": f"{_WORST}, findings DESC, key",
    None: f"{_WORST}, artifact, rule_id, finding_id",
}
_REST = "--limit 0 shows all, --format csv exports them"
_EACH = "SELECT *, [rule_id] AS rules, 1 AS files FROM"


def show(results: Results, source: str, by: Group | None, limit: int, suppressed: bool, rest: str = _REST) -> None:
    """Print the findings of `source`, a table or a subquery, worst first. Without `by`, each finding has a line with its id.

    If there are more than `limit`, `rest` says how to see them.
    """
    out = console()
    shown = source if suppressed else f"(SELECT * FROM {source} WHERE {UNSUPPRESSED})"  # noqa: S608  # a checked subquery
    query = grouped(shown, by) if by else f"{_EACH} {shown}"
    lines = f"SELECT *, count(*) OVER () AS lines FROM ({query}) ORDER BY {_ORDER[by]}" + (f" LIMIT {limit}" if limit else "")  # noqa: S608
    records = results.records(lines)
    left_out = set() if results.run.get("job") == "sweep" else {"state"}
    left_out |= set() if suppressed else {"suppressed by"}
    columns = [name for name in _COLUMNS[by] if name not in left_out]
    rows = [[cells[name] for name in columns] for cells in (_cells(record, by) for record in records)]
    out.print(table(columns, rows, right=("count", "findings", "files")) if rows else "no findings")
    more = records[0]["lines"] - len(records) if records else 0
    _say_more(more, rest)
    hidden = 0 if suppressed else _hidden(results, source)
    if hidden:
        out.print(
            f"{hidden:,} suppressed finding{'s are' if hidden > 1 else ' is'} not shown; --suppressed shows {'them' if hidden > 1 else 'it'}"
        )


def _hidden(results: Results, source: str) -> int:
    """Returns the number of findings that the policy suppresses."""
    (row,) = results.records(f"SELECT coalesce(sum({NUMBER}), 0)::BIGINT AS n FROM {source} WHERE {SUPPRESSED}")  # noqa: S608
    return int(row["n"])


def _cells(record: Mapping[str, Any], by: Group | None) -> dict[str, object]:
    """Returns the cells of a row by the name of their column."""
    files, rules = record["files"] - 1, len(record["rules"]) - 1
    more = f" and {counted(files, 'more file')}" if files else ""
    if by == "place" and (again := record["count"] - record["findings"]):
        more = f" and {counted(again, 'more location')}"
    return {
        "id": record["finding_id"][:12],
        "severity": severity(record["severity"]),
        "state": record["state"],
        "rule": record["rules"][0] + (f" +{counted(rules, 'rule')}" if rules else ""),
        "count": f"{record['count']:,}",
        "findings": f"{record.get('findings', 1):,}",
        "files": f"{record['files']:,}",
        "folder": record.get("key") or "(top)",
        "where": place(record["artifact"], record["location"], record["member"]) + more,
        "evidence": record["evidence"] or "",
        "suppressed by": record["suppressed_by"] or "",
    }


def show_columns(results: Results, kinds: str, limit: int) -> None:
    """Print the rows of `results/kinds_by_column.py`, worst first."""
    query = f"SELECT *, count(*) OVER () AS lines FROM ({kinds}) ORDER BY {WORST_FIRST}" + (f" LIMIT {limit}" if limit else "")  # noqa: S608  # checked
    records = results.records(query)
    columns = ("severity", "rule", "dataset", "column", "rows", "share", "locations", "example")
    rows = [[*_column_cells(one)] for one in records]
    console().print(table(columns, rows, right=("rows", "share", "locations")) if rows else "no findings in columns of datasets")
    _say_more(records[0]["lines"] - len(records) if records else 0)


def _column_cells(record: Mapping[str, Any]) -> Iterable[object]:
    least = "" if record["complete"] else "≥ "
    yield severity(record["severity"])
    yield record["rule_id"]
    yield place(record["artifact"], {"part": record["part"]}, record["member"])
    yield record["column"]
    yield f"{least}{record['rows']:,}" + (f" of {record['table_rows']:,}" if record["table_rows"] is not None else "")
    yield "" if record["share"] is None else percent(record["share"])
    yield f"{least}{record['count']:,}"
    yield record["example"] or ""


def show_rows(batches: Iterable[pa.RecordBatch], limit: int) -> None:
    """Print rows of any table, at most `limit` of them unless that is 0."""
    out, rows, more = console(), list[list[str]](), 0
    names: list[str] = []
    for batch in batches:
        names = batch.schema.names
        taken = batch.slice(0, limit - len(rows)) if limit else batch
        more += batch.num_rows - taken.num_rows
        columns = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in taken.columns]
        rows += map(list, zip(*columns, strict=True))
    out.print(table(names, rows) if rows else "no rows")
    _say_more(more)


def _say_more(more: int, rest: str = _REST) -> None:
    if more:
        console().print(f"{counted(more, 'more row')}; {rest}", soft_wrap=True)
