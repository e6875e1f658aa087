"""`findings`: shows or exports the findings of an output, filtered; equal evidence is one line unless asked otherwise."""

from __future__ import annotations

import csv
import difflib
import fnmatch
import json
import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.text import Text

    from veritensor_ray.api import Audit
    from veritensor_ray.config import Settings

_MEMBER, _NAME = 32, 64  # characters that a member gets at least, and artifact and member together at most
# Masked evidence may stand for different secrets, and a cut one for different texts: the fingerprint tells those apart.
_SAME = "CASE WHEN evidence IS NULL OR contains(evidence, '*') OR length(evidence) >= 240 THEN content_fingerprint ELSE '' END"
_AT = "struct_pack(artifact, member, location)"
_GROUPED = (
    "SELECT severity, rule_id, sum(count)::BIGINT AS n, count(DISTINCT artifact) AS files, evidence, "  # noqa: S608  # constants
    f"arg_min({_AT}, (artifact, coalesce(location.page, 0), coalesce(location.row, 0), coalesce(location.start, 0), finding_id)) AS found "
    f"FROM findings {{where}} GROUP BY severity, rule_id, evidence, {_SAME}"
)
_EACH = f"SELECT severity, rule_id, count AS n, 1 AS files, evidence, {_AT} AS found, finding_id FROM findings {{where}}"  # noqa: S608  # constants
_ORDER = {True: "n DESC, rule_id, evidence, found.artifact", False: "found.artifact, rule_id, finding_id"}
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
    settings = load_settings(config)
    audit = api.open(output, stores=settings.stores)
    _check(audit.run, settings, engine, rule)
    where = _where(severity, engine, rule, path)
    if format == "table":
        _table(audit, where, limit, group)
    else:
        _export(audit, where, format)


def _check(run: Mapping[str, Any], settings: Settings, engine: str | None, rule: str | None) -> None:
    """Refuses names of engines and rules that cannot be in any output: no findings would look like a clean corpus."""
    from veritensor_ray.cli.render import safe
    from veritensor_ray.engines.registry import available, create
    from veritensor_ray.errors import UsageError

    here = available(settings)
    engines = {*run["engines"], *(one["rule_id"].partition(".")[0] for one in run["rules"]), *here}
    if engine is not None and engine not in engines:
        raise UsageError(f"unknown engine {engine!r}{_near(engine, engines, 'veritensor-ray engines')}")
    if engine is not None and engine not in run["engines"]:
        sys.stderr.write(f"veritensor-ray: engine {safe(engine)} was not part of this audit\n")
    rules = {one["rule_id"] for one in run["rules"]}
    if rule is None or _matches(rule, rules) or _elsewhere(rule, engines - set(here)):
        return
    rules |= {one.id for each in create(settings, here) for one in each.rules()}
    if not _matches(rule, rules):
        raise UsageError(f"no rule is {rule!r}{_near(rule, rules, 'veritensor-ray rules')}")


def _matches(pattern: str, rules: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(rule, pattern) for rule in rules)


def _elsewhere(rule: str, engines: Iterable[str]) -> bool:
    """Rules that only the machine of the audit knows: of the user's own YARA files, or of engines that are not installed here."""
    return rule.startswith(("signatures.user-", *(f"{name}." for name in engines)))


def _near(name: str, known: Iterable[str], command: str) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else f"; `{command}` lists them"


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
    query = _GROUPED if group else _EACH
    total = f"SELECT *, count(*) OVER () AS lines FROM ({query.format(where=where)}) ORDER BY {_SEVERITY_ORDER} DESC, {_ORDER[group]}"  # noqa: S608  # quoted above
    records = audit.sql(f"{total} LIMIT {limit}" if limit else total).to_dict("records")
    rows = [_row(record, drawn(record["severity"])) for record in records]
    out.print(table(("severity", "rule", "count", "where", "evidence"), rows, right=("count",)) if rows else "no findings")
    more = records[0]["lines"] - len(records) if records else 0
    if more:
        out.print(f"{more:,} more lines; --limit 0 shows all, --format csv exports")


def _row(record: Mapping[Hashable, Any], severity: Text) -> Sequence[object]:
    at, others = record["found"], record["files"] - 1
    more = f" and {others:,} more file{'s' if others > 1 else ''}" if others else ""
    where = place(at["artifact"], at["location"], at["member"]) + more
    return severity, record["rule_id"], f"{record['n']:,}", where, record["evidence"] or ""


def place(artifact: str, location: Mapping[str, Any] | None, member: str | None = None) -> str:
    """An artifact, the file in it, and where in that, as short as it is clear."""
    at = location or {}
    name = f"{artifact}!/{shortened(member, max(_MEMBER, _NAME - len(artifact)))}" if member else artifact
    words = [f"page {at['page']}"] if at.get("page") is not None else []
    words += [at["part"]] if at.get("part") else []
    if at.get("row") is not None:
        words += [f"row {at['row']}"]
    elif at.get("line") is not None:
        if not words:
            return f"{name}:{at['line']}" + (f" {at['column']}" if at.get("column") else "")
        words += [f"line {at['line']}"]
    words += [at["column"]] if at.get("column") else []
    if not words and at.get("byte_offset"):
        words = [f"byte {at['byte_offset']}"]
    return " ".join([name, *words])


def shortened(text: str, most: int) -> str:
    """At most so many characters; what is too much is taken out of the middle, for a path tells most at its ends."""
    if len(text) <= most:
        return text
    head = (most - 1) // 3
    return f"{text[:head]}…{text[head + 1 - most :]}"


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
