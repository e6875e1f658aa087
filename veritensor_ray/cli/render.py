"""Prints to a terminal. All text from a corpus goes through `safe`: no markup, no control characters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from veritensor_ray.core.wording import counted

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.table import Table
    from rich.text import Text

    from veritensor_ray.exports.not_checked import Missing

COLOURS = {"critical": "bold white on red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}

_READABLE, _BETWEEN = 18, 3  # the width to which a table may cut a column; what stands between two columns
_NAME = 80  # characters
_CELL = 8_192  # characters; names of files have at most half as many


def console(stderr: bool = False) -> Console:
    """Returns a console that prints text as it is, without markup."""
    from rich.console import Console

    drawn = Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=False)
    if not drawn.is_terminal:
        drawn.width = 160  # a file or a pipe has no width, and rows should not wrap
    return drawn


def safe(value: object) -> str:
    """Returns text of unknown origin, made harmless to a terminal."""
    from veritensor_ray.masking.redaction import visible

    return visible("" if value is None else str(value))


def severity(name: str) -> Text:
    """Returns the name of a severity in its color."""
    from rich.text import Text

    return Text(safe(name), style=COLOURS.get(name, ""))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()) -> Rows:
    """Returns a plain table. Cells and headings are strings of any origin; cells may also be Text that this package made."""
    from rich.text import Text

    texts = tuple(tuple(cell if isinstance(cell, Text) else Text(_cell(cell)) for cell in row) for row in rows)
    return Rows(tuple(Text(_cell(column)) for column in columns), texts, tuple(column in right for column in columns))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that print as a table. Where its columns would be squeezed, each row is a record, with a line for each column and its name."""

    columns: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    right: tuple[bool, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | str]:
        """Yields what rich prints."""
        if not self.rows or self._narrowest() <= options.max_width:
            yield self._table()
            return
        for number, row in enumerate(self.rows):
            yield from [""] * bool(number)
            yield self._record(row, options.max_width)

    def _narrowest(self) -> int:
        """Returns the least width at which every column is readable."""
        widths: Iterator[int] = (max(cell.cell_len for cell in cells) for cells in zip(self.columns, *self.rows, strict=True))
        return sum(min(width, _READABLE) for width in widths) + _BETWEEN * (len(self.columns) - 1)

    def _table(self) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        drawn = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column, right in zip(self.columns, self.right, strict=True):
            drawn.add_column(column, justify="right" if right else "left", overflow="fold")
        for row in self.rows:
            drawn.add_row(*row)
        return drawn

    def _record(self, row: Sequence[Text], width: int) -> Table:
        from rich.table import Table

        drawn = Table.grid(padding=(0, 2, 0, 0))
        names = max(column.cell_len for column in self.columns)
        drawn.add_column(overflow="fold", width=max(1, min(names, width // 2)))  # as wide in every record
        drawn.add_column(overflow="fold")
        for column, cell in zip(self.columns, row, strict=True):
            drawn.add_row(column, cell)
        return drawn


def names(some: Sequence[str]) -> str:
    """Returns a few names of artifacts for a cell, each shortened."""
    from veritensor_ray.results.place_names import shortened

    return ", ".join(shortened(name, _NAME) for name in some)


def _cell(value: object) -> str:
    """Returns the text of a cell. Genuine texts are short; a terminal would be busy for minutes with one of megabytes."""
    from veritensor_ray.results.place_names import shortened

    return safe(shortened("" if value is None else str(value), _CELL))


def size(count: float) -> str:
    """Returns a number of bytes in decimal units."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 1000 or unit == "TB":
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError(unit)


def wrote(to: str, about: str) -> None:
    """Print where a file was written, with a few words about it."""
    from veritensor_ray.core.uris import is_local, local_path

    where = str(local_path(to).absolute()) if is_local(to) else to
    console().print(f"{safe(where)} ({about})", soft_wrap=True)


def duration(seconds: float) -> str:
    """Returns a number of seconds as people write it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def summary(out: Console, run: Mapping[str, Any], output: str, gaps: Sequence[Missing], causes: Callable[[], None] | None = None) -> None:
    """Print the summary of a finished run: gaps first, then findings, where the results are, and what to do next.

    `causes` prints the findings that made the run fail, in place of the rules of all findings.
    """
    from veritensor_ray.results.model_verdicts import models_said
    from veritensor_ray.results.run_text import heading, missing_lines, nothing_matched, worst_first

    totals = run["totals"]
    out.print(f"\n{heading(run)}", style="bold")
    _gaps(out, output, gaps)
    for line in missing_lines(run):
        out.print(f"  {safe(line)}")
    for engine, about in run["engines"].items():
        if about.get("missing"):
            out.print(f"  engine {safe(engine)} did not run: {safe(about['missing'])}", style="bold red")
    for line in _since(run):
        out.print(line)
    out.print(f"\nFindings ({sum(run['severity'].values()):,})", style="bold")
    found = [(severity(one["severity"]), f"{one['count']:,}", one["rule_id"], one["title"]) for one in worst_first(run["rules"])]
    if causes:
        causes()
    else:
        out.print(table(("severity", "findings", "rule", "title"), found, right=("findings",)) if found else "  none")
    for line in _by_policy(run):
        out.print(f"  {safe(line)}")
    if said := models_said(run):
        out.print(f"\nModels: {said}")
    out.print(
        f"\n{counted(totals.get('artifacts', 0), 'artifact')}, {size(totals.get('bytes_scanned', 0))} scanned, "
        f"{counted(totals.get('segments', 0), 'segment')} of text"
    )
    where = f"sweeps/{run['scan_id']}/" if run.get("job") == "sweep" else "run.json"
    every = "locations/, " if run.get("locations") == "all" else ""
    out.print(f"Results: {safe(output)} (findings/, ledger/, {every}rollup/, rules/, {where})")
    if found and not causes:
        serious = " --severity high" if {"critical", "high"} & set(run["severity"]) else ""
        serious = " --state new,reopened" if run.get("previous") and run["severity_new"] else serious
        out.print(f"Next:    veritensor-ray findings {quoted(output)}{serious}")
    out.print(f"Run {run['scan_id']} {'scanned nothing' if nothing_matched(run) else 'complete'} · profile {run['profile']}{ran(run)}")


def ran(run: Mapping[str, Any]) -> str:
    """Returns where a run's steps were placed, for the end of a line; nothing for one of an earlier version, which did not say so."""
    return f" · {'in' if placement == 'processes' else 'on'} {placement}" if (placement := run.get("placement")) else ""


def _gaps(out: Console, output: str, gaps: Sequence[Missing]) -> None:
    """Print the reasons why artifacts were not checked, with the names of a few."""
    rows = [(one.reason.artifacts, one.reason.status, one.reason.reason, one.artifacts) for one in gaps if one.reason.artifacts is not None]
    reasons(out, "status", rows, f"`veritensor-ray report {quoted(output)}` lists all of them")


def reasons(out: Console, kind: str, rows: Sequence[tuple[int, str, str, Sequence[str]]], where_all: str) -> None:
    """Print what a number of artifacts is or became, why, and the names of a few; if these are not all, where all are."""
    if not rows:
        return
    cells = [(f"{number:,}", what, reason, names(examples)) for number, what, reason, examples in rows]
    out.print(table(("artifacts", kind, "reason", "for example"), cells, right=("artifacts",)))
    if any(number > len(examples) for number, _, _, examples in rows):
        out.print(f"  {where_all}")


def _since(run: Mapping[str, Any]) -> list[str]:
    """For a sweep: returns what changed in the corpus, and how that changed the findings."""
    if not run.get("previous"):
        return []
    plan, states = run["plan"], run["states"]
    changes = [f"{count:,} {name}" for name, count in plan.items() if count and name != "again"]
    again = [f"{plan['again']:,} scanned again by some engines"] if plan["again"] else []
    found = [f"{count:,} {name}" for name, count in states.items() if count] or ["none"]
    return [f"\nSince {run['previous']}: artifacts: {', '.join([*changes, *again])}", f"Findings: {', '.join(found)}"]


def _by_policy(run: Mapping[str, Any]) -> list[str]:
    """Returns the effect of the policy, and any problems with it."""
    from veritensor_ray.policy.judge import notes

    report = run.get("policy")
    if not report or not report["file"]:
        return []
    number = run["suppressed"]
    hidden = f"{counted(number, 'finding')} {'is' if number == 1 else 'are'} suppressed" if number else "no finding is suppressed"
    where = f"{report['file']} in the output" if report.get("in_output") else report["file"]
    return [f"Policy {where}: {hidden}", *notes(report)]


def quoted(text: str) -> str:
    """Returns a word as a shell takes it, made harmless to a terminal."""
    import shlex

    return safe(shlex.quote(text))
