"""The page of a dry run (`clean --dry-run --html FILE`): whether it can be written, and writing it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from veritensor_ray.core.errors import UsageError

if TYPE_CHECKING:
    from veritensor_ray.core.config import Settings

_MASKED = ("rule", "action", "before", "after")  # of a sample


def check_page(html: str | None, dry_run: bool, reveal: bool, reason: str | None, settings: Settings) -> None:
    """Raises UsageError if the page cannot be written, before hours of work."""
    from veritensor_ray.exports.export_destination import CORPUS, place_for

    if reveal and html is None:
        raise UsageError("--reveal shows the values on the page of a dry run, which keeps the log beside it; add --dry-run --html FILE")
    if reveal and not (reason or "").strip():
        raise UsageError("revealing values requires a reason, which goes into the access log: --reason TEXT")
    if html is None:
        return
    if not dry_run:
        raise UsageError("--html is the preview of a dry run; add --dry-run, or leave out --html")
    place_for(html, {CORPUS: settings.sources})


def masked(samples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the samples of a run without values."""
    return [{name: one[name] for name in _MASKED} for one in samples]


def write_page(html: str, run: Mapping[str, Any], settings: Settings, revealed: str | None = None) -> None:
    """Write a dry run as a page. If it reveals values, for a reason, the folder of the page first gets an entry in its access log.

    Raises UsageError, StoreError or CannotRunError.
    """
    from veritensor_ray.exports.export_destination import CORPUS, place_for, written_apart
    from veritensor_ray.exports.report.copy_preview import preview
    from veritensor_ray.results.access_log import note_access
    from veritensor_ray.stores.outputs import OutputStore

    apart = {CORPUS: settings.sources}
    if revealed is not None:
        folder, name = place_for(html, apart)
        about = {"page": name, "sources": run["sources"], "scan_id": run["before"]["scan_id"], "changes": len(run["samples"])}
        where = note_access(OutputStore(folder, settings.stores), about | {"reason": revealed})
        sys.stderr.write(f"access recorded: {where}\n")
    with written_apart(html, apart, settings.stores) as file:
        file.write(preview(run, revealed).encode("utf-8", "backslashreplace"))
    sys.stderr.write(f"preview: {html}\n")
