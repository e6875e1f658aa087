"""`diff`: what is new, moved, gone or not verified between two outputs. Notes go to standard error, findings to standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veritensor_ray.cli import completion
from veritensor_ray.cli.options import PLAIN, Config, Format, check_severity, check_word, names

if TYPE_CHECKING:
    from veritensor_ray.api import Audit
    from veritensor_ray.results.comparison import Comparison, DiffCounts, Only

_OUTPUT = "an audit's output, a sweep's state (its last sweep), or STATE/sweeps/ID"


def diff(
    before: Annotated[str, typer.Argument(help=f"The earlier results: {_OUTPUT}.")],
    now: Annotated[str, typer.Argument(help="The later results, in the same forms.")],
    format: Format = "table",  # named after the flag
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="Show only these states: new, moved, persisting, resolved, unverified. Comma-separated; may be repeated. Default: all except persisting."
        ),
    ] = None,
    severity: Annotated[
        str | None, typer.Option(autocompletion=completion.severity, help="Show only findings of this severity or worse.")
    ] = None,
    path: Annotated[str | None, typer.Option(help="Show only findings in artifacts that match this glob.")] = None,
    suppressed: Annotated[
        bool, typer.Option("--suppressed", help="Show suppressed findings in the table too. Exports always include them.")
    ] = False,
    limit: Annotated[int, typer.Option(help="Maximum number of rows in the table. 0 shows all of them.")] = 50,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if a finding is new and not suppressed.")] = False,
    config: Config = None,
) -> None:
    """Compare the findings of two outputs.

    Exit codes: 0 success; 1 new findings (only with --exit-code); 2 usage error, or outputs that cannot be compared; 4 an output is incomplete.
    """
    from veritensor_ray import api
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.results.comparison import STATES, Only, check, compare, notes

    check_word(format, PLAIN, "format")
    check_severity(severity)
    chosen = names(state, STATES, "state") or tuple(name for name in STATES if name != "persisting")
    stores, only = load_settings(config).stores, Only(severity, path)
    first, second = (api.open(one, stores=stores) for one in (before, now))
    for one in (first, second):
        one.check()
    check(first.run, second.run)
    said = notes(first.run, second.run)
    for note in said:
        _say(note)
    with compare(first.store, second.store) as found:
        counts = found.counts(only)
        if format == "table":
            _table(found, counts, only, chosen, suppressed, limit)
        elif format == "json":
            _json((first, second), said, counts, found.rows(only, chosen))
        else:
            _export(found, only, chosen, format)
    if exit_code and counts.states["new"]:
        raise typer.Exit(1)


def _say(note: str) -> None:
    from veritensor_ray.cli.render import safe

    sys.stderr.write(f"veritensor-ray: {safe(note)}\n")


def _export(found: Comparison, only: Only, chosen: Sequence[str], kind: str) -> None:
    import pyarrow as pa

    from veritensor_ray.exports.plain_tables import write_rows
    from veritensor_ray.findings.schema import FINDINGS
    from veritensor_ray.results.comparison import EXTRA

    schema = pa.schema([*FINDINGS, *((name, pa.string()) for name in EXTRA)])
    write_rows(kind, found.rows(only, chosen), schema, sys.stdout.buffer, ("state", *EXTRA))


def _json(outputs: Sequence[Audit], said: Sequence[str], counts: DiffCounts, batches: Any) -> None:
    from dataclasses import asdict

    first, second = (
        {"output": one.store.uri} | {name: one.run.get(name) for name in ("scan_id", "started_at", "finished_at")} for one in outputs
    )
    rows = [row for batch in batches for row in batch.to_pylist()]
    about = {"before": first, "now": second, "notes": list(said), "counts": asdict(counts), "findings": rows}
    json.dump(about, sys.stdout, default=str, indent=2)
    sys.stdout.write("\n")


def _table(found: Comparison, counts: DiffCounts, only: Only, chosen: Sequence[str], suppressed: bool, limit: int) -> None:
    from veritensor_ray.cli.render import console, table

    out = console()
    if not counts.any:
        persisting = counts.states["persisting"] + counts.suppressed["persisting"]
        out.print(f"no differences (findings in both: {persisting:,})")
        if "persisting" not in chosen:
            return
    else:
        out.print(_counted(counts))
    records = [row for batch in found.rows(only, chosen, suppressed, limit) for row in batch.to_pylist()]
    if records:
        cells = [_row(record) for record in records]
        columns = ("state", "severity", "rule", "where", "evidence", "note")
        width = len(columns) - (not any(row[-1] for row in cells))
        out.print(table(columns[:width], [row[:width] for row in cells]))
    more = found.lines(only, chosen, suppressed) - len(records) if limit else 0
    if more:
        out.print(f"{more:,} more rows; --limit 0 shows all, --format csv exports them")
    hidden = 0 if suppressed else sum(counts.suppressed[name] for name in chosen)
    if hidden:
        out.print(
            f"{hidden:,} suppressed finding{'s are' if hidden > 1 else ' is'} not shown; --suppressed shows {'them' if hidden > 1 else 'it'}"
        )


def _counted(counts: DiffCounts) -> str:
    words = [f"{count:,} {name}" for name, count in counts.states.items() if count or name in ("new", "resolved")]
    changed = [
        f"{count:,} {what}"
        for count, what in (
            (counts.severity, "changed severity"),
            (counts.hidden, "now suppressed"),
            (counts.shown, "no longer suppressed"),
        )
        if count
    ]
    return "; ".join([", ".join(words), *([f"of those in both: {', '.join(changed)}"] if changed else [])])


def _row(record: Mapping[str, Any]) -> Sequence[object]:
    from veritensor_ray.cli.render import severity
    from veritensor_ray.results.place_names import place

    where = place(record["artifact"], record["location"], record["member"])
    count = f" ×{record['count']:,}" if (record["count"] or 1) > 1 else ""
    evidence = record["evidence"] or record["message"] or ""
    return record["state"], severity(record["severity"]), record["rule_id"], where + count, evidence, _note(record)


def _note(record: Mapping[str, Any]) -> str:
    """Returns the remarks of a row: earlier location and severity, reason, suppression."""
    was, before = record["artifact_before"], record["severity_before"]
    words = [f"was at {was}"] if was else []
    words += [f"was {before}"] if before and before != record["severity"] else []
    words += [record["reason"]] if record["reason"] else []
    words += [f"suppressed by {record['suppressed_by']}"] if record["suppressed_by"] else []
    return "; ".join(words)
