"""Write findings and reports to files from Python, as the command line does."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping

from veritensor_ray.api.arguments import path_of
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.exports import CATALOGS, ExportFormat, format_named, known
from veritensor_ray.exports.catalog_labels import label_selection
from veritensor_ray.exports.export_destination import export, written
from veritensor_ray.exports.report import page
from veritensor_ray.exports.report.default_name import default_name
from veritensor_ray.exports.rules_of_results import rules_in
from veritensor_ray.exports.selection import Selection
from veritensor_ray.results.kinds_by_column import kinds_by_column
from veritensor_ray.results.results import Results


def export_to(results: Results, to: str | os.PathLike[str], format: str | None, where: str | None, settings: Settings) -> None:
    """Write findings to a file; see `Audit.export`."""
    results.check()
    path = path_of(to, "the file to export to")
    formats = known(settings)
    source = "findings" if where is None else results.matching(where)
    chosen = format_named(by_suffix(path, formats) if format is None else format, formats | CATALOGS)
    if chosen.name in CATALOGS:
        selection = label_selection(results, kinds_by_column(results, source, None, suppressed=False), settings)
    else:
        selection = Selection(results, f"SELECT * FROM {source}", rules_in(results, settings), "artifact, rule_id, finding_id")  # noqa: S608  # checked
    export(selection, chosen, path)


def report_to(results: Results, to: str | os.PathLike[str] | None, rows: int, settings: Settings) -> None:
    """Write a report; see `Audit.report`."""
    results.check()
    path = default_name(results, "report.html", "as path") if to is None else path_of(to, "the file for the report")
    if rows < 0:
        raise UsageError(f"rows must be a number of findings from 0, not {rows}")
    with written(path, results) as file:
        made = page.write(results, rules_in(results, settings), file, most_rows=rows)
    if made.findings < made.total:
        warnings.warn(
            f"the report holds the worst {made.findings:,} of {made.total:,} rows of findings; its totals count all of them", stacklevel=3
        )


def by_suffix(path: str, formats: Mapping[str, ExportFormat]) -> str:
    """Return the format that the end of a name stands for. The longest end decides, and then the format of that name. Raises UsageError."""
    name = path.lower()
    longest = max((len(one.suffix) for one in formats.values() if name.endswith(one.suffix)), default=0)
    found = [one.name for one in formats.values() if name.endswith(one.suffix) and len(one.suffix) == longest]
    chosen = next((one for one in found if name.endswith(f".{one}")), found[0] if len(found) == 1 else None)
    if chosen is None:
        which = "several formats end like this" if found else "its end is that of no format"
        raise UsageError(f"the name {path} does not say the format, because {which}; add format=, one of {', '.join(found or formats)}")
    return chosen
