"""A workbook for Excel: a summary that begins with what was not checked, the reasons, the findings and their rules.

Every text is a cell of type text, marked so that editing it does not make a formula of it. There are no formulas and no links.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.wording import counted
from veritensor_ray.exports import described_findings
from veritensor_ray.exports.described_findings import shown
from veritensor_ray.exports.not_checked import Missing, missing
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.summary import NUMBER
from veritensor_ray.findings.unsuppressed import SUPPRESSED, UNSUPPRESSED
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.results.model_verdicts import models_said
from veritensor_ray.results.place_names import within

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

ROWS = (1 << 20) - 1  # of a sheet, without the row of headings
_CELL = 32_767  # characters that a cell holds
_COLUMNS = {  # heading: width in characters
    "severity": 10, "rule": 34, "title": 34, "artifact": 44, "member": 24, "location": 24, "evidence": 60, "before": 30, "after": 30,
    "message": 40, "confidence": 10, "locations": 9, "state": 11, "suppressed by": 14, "reason": 30, "engine": 13, "category": 18,
    "taxonomy": 30, "first seen": 26, "finding_id": 34, "content_fingerprint": 34,
}  # fmt: skip
_NUMBERS = f"""SELECT severity, coalesce(sum({NUMBER}) FILTER ({UNSUPPRESSED}), 0)::BIGINT AS counted,
    coalesce(sum({NUMBER}) FILTER ({SUPPRESSED}), 0)::BIGINT AS suppressed FROM ({{query}}) GROUP BY severity"""  # noqa: S608
_RULES = f"""SELECT rule_id, max(severity) AS severity, arg_min(message, finding_id) AS message,
    sum({NUMBER})::BIGINT AS findings, count(DISTINCT artifact) AS files FROM ({{query}})
    GROUP BY rule_id ORDER BY severity DESC, findings DESC, rule_id"""  # noqa: S608


def write(selection: Selection, file: BinaryIO) -> None:
    """Write the workbook. Rows pass through temporary files, so that memory does not grow with them."""
    from xlsxwriter import Workbook

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    gaps = missing(selection.results)
    query, left_out = selection.worst(ROWS)
    book = Workbook(file, options)
    ended = datetime.fromisoformat(selection.results.run["finished_at"])
    book.set_properties({"created": ended.replace(tzinfo=None)})  # not the time of the export, so that equal results give equal files
    styles = CellStyles(book)
    _fill(book.add_worksheet("Summary"), styles, {"Audit": 28, "": 100}, _summary(selection, gaps, left_out))
    _fill(book.add_worksheet("Not checked"), styles, {"status": 14, "reason": 80, "artifacts": 10, "examples": 80}, map(_gap, gaps))
    _fill(book.add_worksheet("Findings"), styles, _COLUMNS, _findings(selection, query))
    about = {"rule": 34, "title": 40, "severity": 10, "findings": 10, "files": 8, "what to do": 80, "references": 60}
    _fill(book.add_worksheet("Rules"), styles, about, _rules(selection))
    book.close()


class CellStyles:
    """The two formats of cells."""

    def __init__(self, book: Workbook) -> None:
        self.text = book.add_format({"num_format": "@", "quote_prefix": True, "valign": "top"})
        self.heading = book.add_format({"bold": True, "bottom": 1})


def _fill(sheet: Worksheet, styles: CellStyles, columns: Mapping[str, int], rows: Iterable[Sequence[object]]) -> None:
    """Write headings and rows; the first row stays in view."""
    for number, (name, width) in enumerate(columns.items()):
        sheet.set_column(number, number, width)
        sheet.write_string(0, number, name, styles.heading)
    sheet.freeze_panes(1, 0)
    last = 0
    for last, row in enumerate(rows, 1):
        for number, value in enumerate(row):
            if isinstance(value, (int, float)):
                sheet.write_number(last, number, value)
            elif value is not None and value != "":
                sheet.write_string(last, number, shown(value)[:_CELL], styles.text)
    if last and all(columns):
        sheet.autofilter(0, 0, last, len(columns) - 1)


def _summary(selection: Selection, gaps: Sequence[Missing], left_out: int) -> Iterator[tuple[object, ...]]:
    run = selection.results.run
    checked = selection.results.checked
    yield ("Not fully checked", f"{checked.short:,} of {counted(checked.artifacts, 'artifact')}")
    yield ("Not checked", f"{counted(len(gaps), 'reason')}; see the sheet Not checked" if gaps else "nothing")
    yield from (("", one.words) for one in gaps)
    if said := models_said(run):
        yield ("Models", said)
    if left_out:
        yield ("Findings left out", f"{left_out:,}, because a sheet holds at most {ROWS:,}; these are the worst ones")
    yield ()
    rows = {row["severity"]: row for row in selection.results.records(_NUMBERS.format(query=selection.query))}
    for name in reversed(SEVERITIES):
        if name in rows:
            yield (f"Findings: {name}", rows[name]["counted"])
    yield ("Findings suppressed", sum(row["suppressed"] for row in rows.values()))
    yield ()
    yield from ((name, shown(run.get(key))) for name, key in (("Run", "scan_id"), ("Started", "started_at"), ("Finished", "finished_at")))
    yield ("Corpus", ", ".join(without_credentials(str(one)) for one in run["sources"]))
    yield ("Profile", run.get("profile"))
    yield ("Version", run.get("package_version"))


def _gap(one: Missing) -> tuple[object, ...]:
    return (one.reason.status, one.reason.reason, one.reason.artifacts, "\n".join(shown(name) for name in one.artifacts))


def _findings(selection: Selection, query: str) -> Iterator[tuple[object, ...]]:
    entries = described_findings.suppressions(selection.results.run)
    for batch in selection.results.rows(query):
        for row in batch.to_pylist():
            suppression = described_findings.suppression_of(row, entries)
            yield (
                row["severity"],
                row["rule_id"],
                described_findings.title(selection.rules.get(row["rule_id"]), row),
                row["artifact"],
                row["member"],
                within(row),
                *(row[name] for name in ("evidence", "evidence_before", "evidence_after", "message", "confidence", "count", "state")),
                row["suppressed_by"],
                suppression.words if suppression else None,
                row["engine"],
                row["category"],
                " ".join(row["taxonomy"] or ()),
                row["first_seen"].isoformat() if row["first_seen"] else None,
                row["finding_id"],
                row["content_fingerprint"],
            )


def _rules(selection: Selection) -> Iterator[tuple[object, ...]]:
    for row in selection.results.records(_RULES.format(query=selection.query)):
        rule = selection.rules.get(row["rule_id"])
        title, addresses = described_findings.title(rule, row), " ".join(described_findings.references(rule))
        yield (row["rule_id"], title, row["severity"], row["findings"], row["files"], rule.remediation if rule else None, addresses)
