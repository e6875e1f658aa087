"""Read the passage of a finding again from the corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import StoreError, UsageError
from veritensor_ray.masking.redaction import PERSONAL, SECRET, TAGGED
from veritensor_ray.masking.site_key import key_id, site_key
from veritensor_ray.results.access_log import note_access
from veritensor_ray.results.results import Results

if TYPE_CHECKING:
    from veritensor_ray.pipeline.passages.passage import Passage


def passage_of(audit: Results, finding: str, place: int, lines: int, reveal: bool, reason: str | None, settings: Settings) -> Passage:
    """Return the passage; see `Audit.context`."""
    from veritensor_ray.pipeline.passages.passage import MOST_LINES, Amount
    from veritensor_ray.pipeline.passages.reading_back import read_back

    if not 0 <= lines <= MOST_LINES:
        raise UsageError(f"lines must be a number from 0 to {MOST_LINES}, not {lines}")
    if reveal and not (reason or "").strip():
        raise UsageError("revealing a passage requires a reason, which goes into the access log: reason=TEXT, or --reason TEXT")
    row = audit.finding(finding)
    artifact = ds.field("artifact") == row["artifact"]
    ledger = audit.dataset("ledger").to_table(filter=artifact).to_pylist()
    if not ledger:
        raise StoreError(f"{audit.store.uri} has no ledger row for {row['artifact']}; restore the output, or scan again with --fresh")
    hidden = artifact & ds.field("category").isin((SECRET, PERSONAL)) & (ds.field("finding_id") != row["finding_id"])
    passage = read_back(
        row,
        None if reveal else audit.dataset("findings").to_table(filter=hidden).to_pylist(),
        ledger[0],
        audit.run["fingerprint_parts"]["settings"]["limits"],
        place=place,
        amount=Amount(lines),
        key=_key(audit, row, settings),
        given=settings.model_copy(update={"stores": {**audit.store.stores, **settings.stores}}),
    )
    if reveal:
        size = len(passage.before) + len(passage.text) + len(passage.after) + sum(len(text) for _, text in passage.cells)
        about = {name: row[name] for name in ("finding_id", "rule_id", "artifact", "member", "scan_id")}
        note_access(audit.store, about | {"place": place, "lines": lines, "characters": size, "reason": reason})
    return passage


def _key(audit: Results, row: Mapping[str, Any], settings: Settings) -> bytes:
    """Returns the audit's site key, which distinguishes masked names that look the same; empty if it is not needed or not available here."""
    at = row["location"] or {}
    if not any(name and TAGGED.search(name) for name in (row["member"], at.get("column"), at.get("part"))):
        return b""
    key = site_key(settings.site_key)
    return key if key_id(key) == audit.run["site_key_id"] else b""
