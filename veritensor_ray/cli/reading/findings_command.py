"""`findings`: filter the findings of an output, group them in a table, query its tables, or export them for other programs."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from veritensor_ray.cli import completion
from veritensor_ray.cli.options import PLAIN, TABULAR, Output, Sweep, Where, check_severity, check_word, names
from veritensor_ray.core.wording import nearest
from veritensor_ray.exports import CATALOGS, FORMATS, ExportFormat, format_named, known

if TYPE_CHECKING:
    from veritensor_ray.api import Audit
    from veritensor_ray.core.config import Settings
    from veritensor_ray.exports.selection import Selection
    from veritensor_ray.results.grouping import Group

_STATES = ("new", "reopened", "persisting", "resolved", "unverified")
_GONE = _STATES[3:]  # stored in separate tables with these names
_COLUMN = "column"
_TABLES = 10  # tables whose versions are named


def findings(
    output: Output,
    format: Annotated[  # named after the flag
        str,
        typer.Option(
            autocompletion=completion.export_format,
            help=f"Output format: table, {', '.join([*FORMATS][:-1])} or {[*FORMATS][-1]}; with --by column also {' or '.join(CATALOGS)}.",
        ),
    ] = "table",
    to: Annotated[str | None, typer.Option(help="File for the export. Default: standard output.")] = None,
    severity: Annotated[
        str | None, typer.Option(autocompletion=completion.severity, help="Show only findings of this severity or worse.")
    ] = None,
    engine: Annotated[str | None, typer.Option(autocompletion=completion.engine, help="Show only findings of this engine.")] = None,
    rule: Annotated[
        str | None, typer.Option(autocompletion=completion.rules, help="Show only findings of rules that match this glob.")
    ] = None,
    path: Annotated[str | None, typer.Option(help="Show only findings in artifacts that match this glob.")] = None,
    where: Where = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="For a sweep: show only these states: new, reopened, persisting, resolved, unverified. Comma-separated; may be repeated."
        ),
    ] = None,
    sweep: Sweep = None,
    suppressed: Annotated[
        bool, typer.Option("--suppressed", help="Show suppressed findings in the table too. Exports always include them.")
    ] = False,
    locations: Annotated[
        bool, typer.Option("--locations", help="Show a row for each location of the findings, if the run has kept all of them.")
    ] = False,
    by: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.group,
            help="Rows of the table: place, evidence, rule or folder; or column, for what each column of a dataset holds. Default: place.",
        ),
    ] = None,
    group: Annotated[
        bool, typer.Option("--group/--no-group", help="Group findings in the table, or show every finding with its id.")
    ] = True,
    limit: Annotated[int, typer.Option(help="Maximum number of rows in the table. 0 shows all of them.")] = 50,
    sql: Annotated[
        str | None, typer.Option(help="Show the result of this DuckDB query over the tables instead, such as 'select * from ledger'.")
    ] = None,
    config: Annotated[str | None, typer.Option(help="YAML file with settings for stores.")] = None,
) -> None:
    """Show the findings of an output, or export them."""
    from veritensor_ray import api
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.results.grouping import GROUPS

    settings = load_settings(config)
    rows_of = "--sql" if sql is not None else "--locations" if locations else "--by column" if by == _COLUMN else None
    exported = check_format(format, to, rows_of, settings, CATALOGS if by == _COLUMN else None)
    check_severity(severity)
    check_word(by, (*GROUPS, _COLUMN), "--by")
    if sql is not None and locations:
        raise UsageError("--sql is a whole query, to which --locations does not apply; query the table locations")
    if by is not None and locations:
        raise UsageError("--by groups findings, and --locations shows a row for each of their locations; give only one of them")
    if by is not None and (sql is not None or (format != "table" and by != _COLUMN)):
        raise UsageError(
            "--by groups the rows of the table, and exports have a row for each finding; group with --sql, or in the other program"
        )
    states = names(state, _STATES, "state")
    audit = api.open(output, sweep=sweep, stores=settings.stores)
    audit.check()
    if sql is not None:
        _check_alone(severity, engine, rule, path, where, state)
        _query(audit, sql, format, to, limit)
        return
    _check_engine(audit.run, settings, engine)
    _check_rule(audit, settings, rule)
    _check_states(audit.run, states)
    chosen = findings_in(audit, where, states, conditions(severity, engine, rule, path, states))
    if locations or by == _COLUMN:
        _check_present(states)
    if locations:
        _query(audit, _located(audit, chosen, severity, suppressed), format, to, limit)
        return
    if by == _COLUMN:
        _columns(audit, settings, chosen, severity, suppressed, format, to, limit)
        return
    if exported is None:
        from veritensor_ray.cli.reading.finding_table import show

        show(audit, chosen, cast("Group", by or "place") if group else None, limit, suppressed)
        _note_tables(audit.run)
    else:
        _export(audit, settings, chosen, exported, to)
    if format in PLAIN:  # other formats say it themselves
        _note_uncovered(audit.run)


def _note_tables(run: Mapping[str, Any]) -> None:
    """Says which version of each table was read, since the rows of a finding are those of that version."""
    from veritensor_ray.cli.render import console, safe
    from veritensor_ray.core.wording import counted
    from veritensor_ray.corpus.tables.table_kinds import KINDS

    read = [one for one in run.get("tables") or () if one["version"] is not None]
    for one in read[:_TABLES]:
        title = KINDS[one["kind"]].title if one["kind"] in KINDS else "table"
        console().print(safe(f"Rows in {one['table']} are those of version {one['version']} of this {title}."), soft_wrap=True)
    if len(read) > _TABLES:
        console().print(f"run.json has the versions of {counted(len(read) - _TABLES, 'more table')}.")


def check_format(
    format: str, to: str | None, rows_of: str | None, settings: Settings, also: Mapping[str, ExportFormat] | None = None
) -> ExportFormat | None:
    """Returns the format of an export, or None for a table. `rows_of` is a flag whose rows are not findings; `also` are formats for those.

    Raises UsageError for an unknown format, and for one that does not fit what is written or where it goes.
    """
    from veritensor_ray.core.errors import UsageError

    if rows_of is None and format in CATALOGS:
        raise UsageError(f"{format} is a format for what columns hold, not for findings; add --by {_COLUMN}")
    if rows_of is not None and format not in TABULAR:
        chosen = format_named(format, known(settings) | dict(also or {}))
        if also and format in also:
            return chosen
        some = ", ".join((*TABULAR, *(also or ())))
        raise UsageError(f"{format} is a format for findings, not for the result of {rows_of}; choose from {some}")
    if format == "table":
        if to is not None:
            raise UsageError(f"a table is not written to a file; choose a --format from {', '.join(known(settings))}")
        return None
    chosen = format_named(format, known(settings))
    if not chosen.text and to is None:
        raise UsageError(f"{format} is not text; name a file for it with --to FILE{chosen.suffix}")
    return chosen


def _check_present(states: Sequence[str]) -> None:
    """Raises UsageError for states of findings that are gone, which have no locations."""
    from veritensor_ray.core.errors import UsageError

    if gone := [name for name in states if name in _GONE]:
        raise UsageError(f"findings that are {' or '.join(gone)} have no locations; leave these states out of --state")


def _located(audit: Audit, chosen: str, severity: str | None, suppressed: bool) -> str:
    """Returns the query for the locations of findings."""
    from veritensor_ray.results.located_rows import IN_ORDER, located

    audit.dataset("locations")
    return f"SELECT * FROM {located(chosen, severity, suppressed)} {IN_ORDER}"  # noqa: S608  # a checked subquery


def _check_alone(*filters: object) -> None:
    from veritensor_ray.core.errors import UsageError

    if any(filters):
        raise UsageError("--sql is a whole query, so filters do not apply to it; put the conditions into the query")


def _check_states(run: Mapping[str, Any], states: Sequence[str]) -> None:
    from veritensor_ray.core.errors import UsageError

    if states and run.get("job") != "sweep":
        raise UsageError("--state needs a sweep's state, and this output holds a single audit; `veritensor-ray diff` compares two audits")


def findings_in(audit: Audit, where: str | None, states: Sequence[str], conditions: Sequence[str]) -> str:
    """Returns a subquery with the findings that meet all conditions, from the tables that hold findings of these states."""
    gone = [name for name in _GONE if name in states]
    tables = ["findings"] * (len(gone) < len(states) or not states) + gone
    source = f"({' UNION ALL '.join(f'SELECT * FROM {name}' for name in tables)})"  # noqa: S608  # constants
    source = source if where is None else audit.matching(where, source)
    return f"(SELECT * FROM {source} WHERE {' AND '.join(['true', *conditions])})"  # noqa: S608  # quoted, or checked by `matching`


def _check_engine(run: Mapping[str, Any], settings: Settings, engine: str | None) -> None:
    """Reject a name that is neither an engine of the audit nor one of this installation: an empty result would look like a clean corpus."""
    if engine is None or engine in run["engines"]:
        return
    from veritensor_ray.cli.render import safe
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.engines.registry import available

    engines = {*run["engines"], *(one["rule_id"].partition(".")[0] for one in run["rules"]), *available(settings)}
    if engine not in engines:
        raise UsageError(f"unknown engine {engine!r}{_near(engine, engines, 'veritensor-ray engines')}")
    sys.stderr.write(f"veritensor-ray: engine {safe(engine)} was not part of this audit\n")


def _check_rule(audit: Audit, settings: Settings, rule: str | None) -> None:
    """Reject a pattern that matches no rule of the audit and none of this installation, for the same reason."""
    if rule is None:
        return
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.engines.registry import available, rules_of
    from veritensor_ray.exports.rules_of_results import rules_in

    rules = {*rules_in(audit, settings), *(one["rule_id"] for one in audit.run["rules"])}
    if _matches(rule, rules) or ("rules" not in audit.tables and _elsewhere(rule, {*audit.run["engines"]} - {*available(settings)})):
        return
    rules |= {*rules_of(settings, available(settings))}
    if not _matches(rule, rules):
        raise UsageError(f"no rule matches {rule!r}{_near(rule, rules, 'veritensor-ray rules')}")


def _matches(pattern: str, rules: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(rule, pattern) for rule in rules)


def _elsewhere(rule: str, engines: Iterable[str]) -> bool:
    """Whether a rule of an older output, which lists none, may be one of the user's own YARA files, or of an engine not installed here."""
    return rule.startswith(("signatures.user-", *(f"{name}." for name in engines)))


def _near(name: str, known: Iterable[str], command: str) -> str:
    near = nearest(name, sorted(known))
    return f"; did you mean {near}?" if near else f"; `{command}` lists them"


def conditions(severity: str | None, engine: str | None, rule: str | None, path: str | None, states: Sequence[str]) -> list[str]:
    """Returns the filters as SQL conditions; values are always quoted."""
    conditions = [
        f"{column} {operator} {_quote(value)}"
        for column, operator, value in (("engine", "=", engine), ("rule_id", "GLOB", rule), ("artifact", "GLOB", path))
        if value
    ]
    if severity:
        conditions.append(f"severity >= {_quote(severity)}")
    if states:
        conditions.append(f"state IN ({', '.join(_quote(name) for name in states)})")
    return conditions


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _export(audit: Audit, settings: Settings, chosen: str, format: ExportFormat, to: str | None) -> None:
    from veritensor_ray.exports.rules_of_results import rules_in
    from veritensor_ray.exports.selection import Selection

    rules = rules_in(audit, settings)
    export_selection(Selection(audit, f"SELECT * FROM {chosen}", rules, "artifact, rule_id, finding_id"), format, to)  # noqa: S608  # a checked subquery


def export_selection(selection: Selection, format: ExportFormat, to: str | None) -> None:
    """Write findings to a file, or to standard output."""
    from veritensor_ray.cli.render import size, wrote
    from veritensor_ray.exports.export_destination import export

    if to is None:
        sys.stdout.flush()
        format.write(selection, sys.stdout.buffer)
    else:
        wrote(to, size(export(selection, format, to)))


def _columns(
    audit: Audit, settings: Settings, chosen: str, severity: str | None, suppressed: bool, format: str, to: str | None, limit: int
) -> None:
    """Print or export what the columns of datasets hold."""
    from veritensor_ray.results.kinds_by_column import BY_DATASET, kinds_by_column

    kinds = kinds_by_column(audit, chosen, severity, suppressed)
    if format == "table":
        from veritensor_ray.cli.reading.finding_table import show_columns

        show_columns(audit, kinds, limit)
    elif format in CATALOGS:
        from veritensor_ray.exports.catalog_labels import label_selection

        export_selection(label_selection(audit, kinds, settings), CATALOGS[format], to)
    else:
        _query(audit, f"SELECT * FROM ({kinds}) ORDER BY {BY_DATASET}", format, to, limit)  # noqa: S608  # checked
    _note_incomplete(audit, kinds)
    _note_uncovered(audit.run)


def _note_incomplete(audit: Audit, kinds: str) -> None:
    """Say on standard error that there are more locations than were counted."""
    from veritensor_ray.core.wording import counted
    from veritensor_ray.results.results import EVERY_LOCATION

    (found,) = audit.records(f"SELECT count(DISTINCT artifact) AS n FROM ({kinds}) WHERE NOT complete")  # noqa: S608  # checked
    if not found["n"]:
        return
    why = "because there are more locations than the table lists; the gaps in the ledger say how many"
    if "locations" not in audit.tables:
        why = f"because this run kept only the first locations of each finding, and columns can be missing; {EVERY_LOCATION}"
    sys.stderr.write(f"veritensor-ray: numbers are too small for {counted(found['n'], 'artifact')}, {why}\n")


def _query(audit: Audit, query: str, format: str, to: str | None, limit: int) -> None:
    """Print or export the result of a query."""
    from veritensor_ray.cli.render import size, wrote
    from veritensor_ray.exports.export_destination import written
    from veritensor_ray.exports.plain_tables import write_rows

    with audit.reader(query) as reader:
        if format == "table":
            from veritensor_ray.cli.reading.finding_table import show_rows

            show_rows(reader, limit)
        elif to is None:
            write_rows(format, reader, reader.schema, sys.stdout.buffer)
        else:
            with written(to, audit) as file:
                write_rows(format, reader, reader.schema, file)
                length = file.tell()
            wrote(to, size(length))


def _note_uncovered(run: Mapping[str, Any]) -> None:
    """Say on standard error that something was not checked."""
    from veritensor_ray.cli.render import safe
    from veritensor_ray.results.run_text import uncovered

    reasons = uncovered(run)
    if reasons:
        first = f"{reasons[0].artifacts:,} {reasons[0].status}: {reasons[0].reason}" if reasons[0].artifacts else reasons[0].reason
        more = f", and {len(reasons) - 1} more reason{'s' if len(reasons) > 2 else ''}" if len(reasons) > 1 else ""
        query = "--sql \"select artifact, status, reason from ledger where reason <> ''\""
        sys.stderr.write(f"veritensor-ray: not everything was checked ({safe(first)}{more}); {query} lists it\n")
