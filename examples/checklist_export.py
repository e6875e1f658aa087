"""An export in a single file: a checklist in plain text, with a line for each finding and for everything that was not checked."""

from __future__ import annotations

from typing import BinaryIO

from veritensor_ray.exports import ExportFormat
from veritensor_ray.exports.described_findings import place_of, shown
from veritensor_ray.exports.not_checked import missing
from veritensor_ray.exports.selection import Selection

CHECKLIST = ExportFormat("checklist", ".todo", "a line for each finding, to be ticked off", "checklist_export:write")


def write(selection: Selection, file: BinaryIO) -> None:
    """Write the findings one by one, so that their number does not matter. `shown` escapes what a terminal would interpret."""
    for one in missing(selection.results):
        file.write(f"[ ] {one.words}\n".encode())
    for row in selection.rows():
        tick = "x" if row["suppressed_by"] or row["state"] == "resolved" else " "
        what = shown(row["evidence"] or row["message"])
        file.write(f"[{tick}] {row['severity']} {shown(row['rule_id'])} {place_of(row)}: {what} ({row['finding_id']})\n".encode())
