"""What a report says about the cleaned copy that its audit belongs to: its verdict, what became of the files, and what would release some."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from veritensor_ray.cleaning.copy_counts import CopyCounts
from veritensor_ray.cleaning.copy_manifest import BEFORE, MANIFEST_NAME, MEANINGS
from veritensor_ray.cleaning.levers import lever
from veritensor_ray.cleaning.not_copied import NotCopied, counted_reasons, most_frequent
from veritensor_ray.core.errors import StoreError
from veritensor_ray.exports.copy_verdict import verdict
from veritensor_ray.exports.opened_copy import OpenedCopy, copy_of
from veritensor_ray.findings.sweep_state import state_of
from veritensor_ray.results.results import Results

_LISTED = 50  # reasons, and kinds of changes


@dataclass(frozen=True, slots=True)
class CopySection:
    """The numbers are those of the manifest. `of` is the audit that the report is about, and `more_reasons` are those that are not listed."""

    where: str
    verdict: str
    of: str
    results: list[tuple[str, int, str]]
    reasons: list[dict[str, Any]]
    more_reasons: int
    changes: list[dict[str, Any]]
    more_changes: int


def copy_section(results: Results) -> CopySection | None:
    """Return the section; None if the results do not belong to a copy. Raises StoreError or SignatureError if the copy is damaged."""
    copy = copy_of(results)
    return None if copy is None else _section(copy, state_of(results.store).uri.rpartition("/")[2])


def _section(copy: OpenedCopy, of: str) -> CopySection:
    counts, found = CopyCounts(), dict[tuple[str, str], NotCopied]()
    try:
        for batch in copy.manifest():
            counts.add(pa.Table.from_batches([batch]))
            counted_reasons(found, batch)
        about = counts.summary()
    except (TypeError, ValueError):  # a number or a name is missing
        raise StoreError(f"{copy.store.uri}/{MANIFEST_NAME} is damaged: it has rows that no cleaning writes. Copy it again") from None
    reasons = most_frequent(found)
    changes = about["actions"]
    return CopySection(
        where=copy.store.uri,
        verdict=verdict({"sources": (), "results": about["results"], **copy.run}, copy.store.uri),
        of="of the corpus" if of == BEFORE else "of the copy",
        results=[(name, count, MEANINGS[name]) for name, count in about["results"].items()],
        reasons=[asdict(one) | {"lever": lever(one.code)} for one in reasons[:_LISTED]],
        more_reasons=max(0, len(reasons) - _LISTED),
        changes=changes[:_LISTED],
        more_changes=max(0, len(changes) - _LISTED),
    )
