"""The page of a dry run (`clean --dry-run --html FILE`): whether it can be written, and writing it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from veritensor_ray.core.errors import UsageError

if TYPE_CHECKING:
    from veritensor_ray.core.config import Settings


def check_page(html: str | None, dry_run: bool, settings: Settings) -> None:
    """Raises UsageError if the page cannot be written, before hours of work."""
    from veritensor_ray.exports.export_destination import CORPUS, place_for

    if html is None:
        return
    if not dry_run:
        raise UsageError("--html is the preview of a dry run; add --dry-run, or leave out --html")
    place_for(html, {CORPUS: settings.sources})


def write_page(html: str, run: Mapping[str, Any], meanings: Mapping[str, str], settings: Settings) -> None:
    """Write a dry run as a page. Raises UsageError or CannotRunError."""
    from veritensor_ray.exports.export_destination import CORPUS, written_apart
    from veritensor_ray.exports.report.copy_preview import preview

    with written_apart(html, {CORPUS: settings.sources}, settings.stores) as file:
        file.write(preview(run, meanings).encode("utf-8", "backslashreplace"))
    sys.stderr.write(f"preview: {html}\n")
