"""`findings`: show or export the findings of an output, filtered; the table groups equal evidence by default."""

from __future__ import annotations

import difflib
import fnmatch
import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli.export import check_format, check_severity, export, names, spreadsheet_safe
from veritensor_ray.cli.options import Format

if TYPE_CHECKING:
    from veritensor_ray.api import Audit
    from veritensor_ray.config import Settings

_MEMBER, _NAME = 32, 64  # minimum characters for a member; maximum for artifact and member together
# Masked evidence may stand for different secrets, and truncated evidence for different texts: the fingerprint distinguishes them.
_SAME = "CASE WHEN evidence IS NULL OR contains(evidence, '*') OR length(evidence) >= 240 THEN content_fingerprint ELSE '' END"
_AT = "struct_pack(artifact, member, location)"
_KEYS = "severity, rule_id, evidence, state, suppressed_by"
_GROUPED = (
    f"SELECT {_KEYS}, sum(count)::BIGINT AS n, count(DISTINCT artifact) AS files, "  # noqa: S608  # constants
    f"arg_min({_AT}, (artifact, coalesce(location.page, 0), coalesce(location.row, 0), coalesce(location.start, 0), finding_id)) AS found "
    f"FROM {{source}} {{where}} GROUP BY {_KEYS}, {_SAME}"
)
_EACH = f"SELECT {_KEYS}, count AS n, 1 AS files, {_AT} AS found, finding_id FROM {{source}} {{where}}"  # noqa: S608  # constants
_ORDER = {True: "n DESC, rule_id, evidence, found.artifact, state", False: "found.artifact, rule_id, finding_id"}
_STATES = ("new", "reopened", "persisting", "resolved", "unverified")
_MAY_BE_NULL = (("evidence", "evidence"), ("suppressed by", "suppressed_by"))
_GONE = _STATES[3:]  # stored in separate tables with these names


def findings(
    output: Annotated[str, typer.Argument(help="An audit's output, or a sweep's state.")],
    format: Format = "table",  # named after the flag
    severity: Annotated[str | None, typer.Option(help="Show only findings of this severity or worse.")] = None,
    engine: Annotated[str | None, typer.Option(help="Show only findings of this engine.")] = None,
    rule: Annotated[str | None, typer.Option(help="Show only findings of rules that match this glob.")] = None,
    path: Annotated[str | None, typer.Option(help="Show only findings in artifacts that match this glob.")] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="For a sweep: show only these states: new, reopened, persisting, resolved, unverified. Comma-separated; may be repeated."
        ),
    ] = None,
    sweep: Annotated[
        str | None, typer.Option(help="For a sweep's output: use this sweep instead of the last one. `veritensor-ray sweeps` lists them.")
    ] = None,
    suppressed: Annotated[
        bool, typer.Option("--suppressed", help="Show suppressed findings in the table too. Exports always include them.")
    ] = False,
    limit: Annotated[int, typer.Option(help="Maximum number of rows in the table. 0 shows all of them.")] = 50,
    group: Annotated[
        bool,
        typer.Option("--group/--no-group", help="Show equal evidence of one rule as one row of the table, or every finding with its id."),
    ] = True,
    config: Annotated[str | None, typer.Option(help="YAML file with settings for stores.")] = None,
) -> None:
    """Show the findings of an output, or export them."""
    from veritensor_ray import api
    from veritensor_ray.config import load_settings

    check_format(format)
    check_severity(severity)
    states = names(state, _STATES, "state")
    settings = load_settings(config)
    audit = api.open(output, sweep=sweep, stores=settings.stores)
    _check(audit.run, settings, engine, rule)
    _check_states(audit.run, states)
    where, source = _where(severity, engine, rule, path, states), _source(states)
    if format == "table":
        _table(audit, source, where, limit, group, suppressed)
    else:
        export(audit.rows(f"SELECT * FROM {source} {where} ORDER BY artifact, rule_id, finding_id"), format)  # noqa: S608  # quoted above


def _check_states(run: Mapping[str, Any], states: Sequence[str]) -> None:
    from veritensor_ray.errors import UsageError

    if states and run.get("job") != "sweep":
        raise UsageError("--state needs a sweep's state, and this output holds a single audit; `veritensor-ray diff` compares two audits")


def _source(states: Sequence[str]) -> str:
    """Returns the tables that hold findings of these states."""
    gone = [name for name in _GONE if name in states]
    tables = ["findings"] * (len(gone) < len(states) or not states) + gone
    return "findings" if tables == ["findings"] else f"({' UNION ALL '.join(f'SELECT * FROM {name}' for name in tables)})"  # noqa: S608  # constants


def _check(run: Mapping[str, Any], settings: Settings, engine: str | None, rule: str | None) -> None:
    """Reject engine and rule names that no output can contain: an empty result would look like a clean corpus."""
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
        raise UsageError(f"no rule matches {rule!r}{_near(rule, rules, 'veritensor-ray rules')}")


def _matches(pattern: str, rules: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(rule, pattern) for rule in rules)


def _elsewhere(rule: str, engines: Iterable[str]) -> bool:
    """Whether a rule may be known only on the machine of the audit: from the user's own YARA files, or an engine not installed here."""
    return rule.startswith(("signatures.user-", *(f"{name}." for name in engines)))


def _near(name: str, known: Iterable[str], command: str) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else f"; `{command}` lists them"


def _where(severity: str | None, engine: str | None, rule: str | None, path: str | None, states: Sequence[str]) -> str:
    """Returns the filters as a SQL condition; values are always quoted."""
    from veritensor_ray.config import SEVERITIES

    conditions = [
        f"{column} {operator} {_quote(value)}"
        for column, operator, value in (("engine", "=", engine), ("rule_id", "GLOB", rule), ("artifact", "GLOB", path))
        if value
    ]
    if severity:
        conditions.append(f"severity IN ({', '.join(_quote(name) for name in SEVERITIES[SEVERITIES.index(severity) :])})")
    if states:
        conditions.append(f"state IN ({', '.join(_quote(name) for name in states)})")
    return "WHERE " + " AND ".join(conditions) if conditions else ""


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _table(audit: Audit, source: str, where: str, limit: int, group: bool, suppressed: bool) -> None:
    from veritensor_ray.cli.render import console, table
    from veritensor_ray.config import SEVERITIES

    out = console()
    shown = where if suppressed else f"{where} AND suppressed_by IS NULL" if where else "WHERE suppressed_by IS NULL"
    query = (_GROUPED if group else _EACH).format(source=source, where=shown)
    worst = f"array_position({list(SEVERITIES)}, severity) DESC"
    total = f"SELECT *, count(*) OVER () AS lines FROM ({query}) ORDER BY {worst}, {_ORDER[group]}"  # noqa: S608  # quoted above
    records = audit.sql(f"{total} LIMIT {limit}" if limit else total).to_dict("records")
    columns = ["severity", "rule", "count", "where", "evidence"]
    columns[1:1] = ["state"] if audit.run.get("job") == "sweep" else []
    columns += ["suppressed by"] if suppressed else []
    columns[:0] = [] if group else ["id"]  # the ids that `suppress` accepts
    rows = [_row(record, columns) for record in records]
    out.print(table(columns, rows, right=("count",)) if rows else "no findings")
    more = records[0]["lines"] - len(records) if records else 0
    if more:
        out.print(f"{more:,} more rows; --limit 0 shows all, --format csv exports them")
    hidden = 0 if suppressed else _hidden(audit, source, where)
    if hidden:
        out.print(
            f"{hidden:,} suppressed finding{'s are' if hidden > 1 else ' is'} not shown; --suppressed shows {'them' if hidden > 1 else 'it'}"
        )


def _hidden(audit: Audit, source: str, where: str) -> int:
    """Returns the number of findings that the policy suppresses."""
    from veritensor_ray.findings.summary import NUMBER

    query = f"SELECT coalesce(sum({NUMBER}) FILTER (suppressed_by IS NOT NULL), 0)::BIGINT AS n FROM {source} {where}"  # noqa: S608  # quoted above
    return int(audit.sql(query)["n"][0])


def _row(record: Mapping[Hashable, Any], columns: Sequence[str]) -> Sequence[object]:
    from veritensor_ray.cli.render import severity

    at, others = record["found"], record["files"] - 1
    more = f" and {others:,} more file{'s' if others > 1 else ''}" if others else ""
    cells: dict[str, object] = {
        "id": str(record.get("finding_id", ""))[:12],
        "severity": severity(record["severity"]),
        "state": record["state"],
        "rule": record["rule_id"],
        "count": f"{record['n']:,}",
        "where": place(at["artifact"], at["location"], at["member"]) + more,
        **{
            words: value if isinstance(value := record[column], str) else "" for words, column in _MAY_BE_NULL
        },  # pandas turns null into nan
    }
    return [cells[name] for name in columns]


def place(artifact: str, location: Mapping[str, Any] | None, member: str | None = None) -> str:
    """Returns an artifact, its member and the location inside, as short as is still clear."""
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
    """Returns the text with at most `most` characters; the middle is cut out, since the ends of a path say the most."""
    if len(text) <= most:
        return text
    head = (most - 1) // 3
    return f"{text[:head]}…{text[head + 1 - most :]}"


__all__ = ["findings", "place", "shortened", "spreadsheet_safe"]
