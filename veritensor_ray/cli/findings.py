"""`findings`: shows or exports the findings of an output, filtered; equal evidence is one line unless asked otherwise."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from veritensor_ray.api import Audit

_SEVERITY_ORDER = "CASE severity WHEN 'critical' THEN 4 WHEN 'high' THEN 3 WHEN 'medium' THEN 2 WHEN 'low' THEN 1 ELSE 0 END"


def findings(
    output: Annotated[str, typer.Argument(help="Where an audit left its results.")],
    format: Annotated[str, typer.Option(help="table, json, jsonl or csv.")] = "table",  # the flag's name
    severity: Annotated[str | None, typer.Option(help="This severity or worse.")] = None,
    engine: Annotated[str | None, typer.Option(help="Of this engine.")] = None,
    rule: Annotated[str | None, typer.Option(help="Of this rule; a glob.")] = None,
    path: Annotated[str | None, typer.Option(help="In artifacts that match this glob.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many lines in a table; 0 is all.")] = 50,
    group: Annotated[bool, typer.Option("--group/--no-group", help="Equal evidence of one rule as one line (table).")] = True,
    config: Annotated[str | None, typer.Option(help="YAML file, for the store's settings.")] = None,
) -> None:
    """Show or export findings."""
    from veritensor_ray import api
    from veritensor_ray.config import SEVERITIES, load_settings
    from veritensor_ray.errors import UsageError

    if format not in ("table", "json", "jsonl", "csv"):
        raise UsageError(f"unknown format {format!r}; there are table, json, jsonl and csv")
    if severity is not None and severity not in SEVERITIES:
        raise UsageError(f"unknown severity {severity!r}; there are {', '.join(SEVERITIES)}")
    audit = api.open(output, stores=load_settings(config).stores)
    where = _where(severity, engine, rule, path)
    if format == "table":
        _table(audit, where, limit, group)
    else:
        _export(audit, where, format)


def _where(severity: str | None, engine: str | None, rule: str | None, path: str | None) -> str:
    """Conditions in SQL; values are quoted, never pasted."""
    from veritensor_ray.config import SEVERITIES

    conditions = [
        f"{column} {operator} {_quote(value)}"
        for column, operator, value in (("engine", "=", engine), ("rule_id", "GLOB", rule), ("artifact", "GLOB", path))
        if value
    ]
    if severity:
        conditions.append(f"severity IN ({', '.join(_quote(name) for name in SEVERITIES[SEVERITIES.index(severity) :])})")
    return "WHERE " + " AND ".join(conditions) if conditions else ""


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _table(audit: Audit, where: str, limit: int, group: bool) -> None:
    from veritensor_ray.cli.render import console, table
    from veritensor_ray.cli.render import severity as drawn

    out = console()
    if group:
        query = (
            f"SELECT severity, rule_id, sum(count)::BIGINT AS n, count(DISTINCT artifact) AS files, min(artifact) AS artifact, "  # noqa: S608  # quoted above
            f"arg_min(location, artifact) AS location, evidence FROM findings {where} GROUP BY severity, rule_id, evidence "
            f"ORDER BY {_SEVERITY_ORDER} DESC, n DESC, rule_id, evidence"
        )
    else:
        query = (
            f"SELECT severity, rule_id, count AS n, 1 AS files, artifact, location, evidence FROM findings {where} "  # noqa: S608  # quoted above
            f"ORDER BY {_SEVERITY_ORDER} DESC, artifact, rule_id"
        )
    frame = audit.sql(query)
    rows = list(_rows(frame.head(limit) if limit else frame, drawn))
    out.print(table(("severity", "rule", "count", "where", "evidence"), rows, right=("count",)) if rows else "no findings")
    if limit and len(frame) > limit:
        out.print(f"{len(frame) - limit:,} more lines; --limit 0 shows all, --format csv exports")


def _rows(frame: pd.DataFrame, drawn: Any) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for record in frame.to_dict("records"):
        more = f" and {record['files'] - 1} more files" if record["files"] > 1 else ""
        rows.append(
            (
                drawn(record["severity"]),
                record["rule_id"],
                f"{record['n']:,}",
                place(record["artifact"], record["location"]) + more,
                record["evidence"],
            )
        )
    return rows


def place(artifact: str, location: dict[str, Any] | None) -> str:
    """An artifact and where in it, as short as it is clear."""
    at = location or {}
    if at.get("row") is not None:
        return f"{artifact} row {at['row']:.0f}" + (f" {at['column']}" if at.get("column") else "")
    if at.get("part"):
        return f"{artifact} {at['part']}" + (f" line {at['line']:.0f}" if at.get("line") else "")
    if at.get("line"):
        return f"{artifact}:{at['line']:.0f}"
    return artifact + (f" {at['column']}" if at.get("column") else f" byte {at['byte_offset']:.0f}" if at.get("byte_offset") else "")


def _export(audit: Audit, where: str, kind: str) -> None:
    """Rows as they are in the table, streamed for JSON lines and CSV."""
    batches = audit.rows(f"SELECT * FROM findings {where} ORDER BY artifact, rule_id, finding_id")  # noqa: S608  # quoted above
    if kind == "json":
        rows = [row for batch in batches for row in batch.to_pylist()]
        json.dump(rows, sys.stdout, default=str, indent=2)
        sys.stdout.write("\n")
    elif kind == "jsonl":
        for batch in batches:
            for row in batch.to_pylist():
                sys.stdout.write(json.dumps(row, default=str) + "\n")
    else:
        _csv(batches)


def _csv(batches: Any) -> None:
    from veritensor_ray.findings.schema import FINDINGS, LOCATION

    places = [field.name for field in LOCATION]
    names = [name for name in FINDINGS.names if name != "location"] + [f"location_{name}" for name in places]
    writer = csv.DictWriter(sys.stdout, names)
    writer.writeheader()
    for batch in batches:
        for row in batch.to_pylist():
            location = row.pop("location") or {}
            row |= {f"location_{name}": location.get(name) for name in places}
            writer.writerow({name: spreadsheet_safe(value) for name, value in row.items()})


def spreadsheet_safe(value: object) -> object:
    """A cell that a spreadsheet takes for text: what could be a formula gets an apostrophe in front."""
    from veritensor_ray.findings.redact import visible

    if isinstance(value, list):
        value = " ".join(str(one) for one in value)
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "|")) else text
