"""How many model files of an audit are proven inert, and what speaks against the others. It does not depend on how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from veritensor_ray.core.detection import VERDICTS
from veritensor_ray.findings.summary import JUDGED_ARTIFACTS

if TYPE_CHECKING:
    from veritensor_ray.results.results import Results


def models_said(run: Mapping[str, Any]) -> str:
    """Return a phrase with the number of models that are proven inert, empty if the run has judged none."""
    counts: Mapping[str, int] = run.get("models") or {}  # run.json of an earlier version has none
    total = sum(counts.values())
    if not total:
        return ""
    rest = [f"{counts[verdict]:,} {_is(counts[verdict])} {verdict}" for verdict in reversed(VERDICTS[1:]) if counts.get(verdict)]
    proven = counts.get("inert", 0)
    said = f"{proven:,} of {total:,} model{'s' if total != 1 else ''} {_is(total if proven == 0 else proven)} proven inert"
    return ", ".join([said, *rest])


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def not_inert(results: Results, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return the first models that are not proven inert, the dangerous ones first, and the number of all of them."""
    rows = results.records(
        f"""SELECT artifact, media_type, verdict, reasons, count(*) OVER ()::BIGINT AS models FROM ({JUDGED_ARTIFACTS})
        WHERE verdict <> 'inert' ORDER BY rank DESC, artifact LIMIT {limit}"""  # noqa: S608  # constants
    )
    return rows, rows[0]["models"] if rows else 0


def reason_said(reason: Mapping[str, Any]) -> str:
    """Return one reason, with the member that it is about. It may hold text of the corpus: make it harmless before use."""
    return f"{reason['member']}: {reason['reason']}" if reason["member"] else str(reason["reason"])
