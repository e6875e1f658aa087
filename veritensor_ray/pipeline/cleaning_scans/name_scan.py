"""Looks for personal data and secrets in the names of artifacts, in the process that writes their copies.

A model for persons is not asked: names have no sentences, and it may be on another machine.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.copy_names import CopyNames
from veritensor_ray.core.config import Settings
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.pipeline.context import Context, Workbench, load
from veritensor_ray.pipeline.texts_in_memory import scan_texts

_ENGINES = ("pii", "secrets")


def copy_names(context: Context, cleaning: Cleaning, categories: Mapping[str, str]) -> CopyNames | None:
    """Return what makes the names of copies; None if the policy does not ask for it, or if they have been made already."""
    if cleaning.policy.names != "pseudonym" or cleaning.again:
        return None
    limits = context.settings.limits
    bench = _bench(context.settings.model_dump_json(), tuple(name for name in context.engines if name in _ENGINES))

    def scan(texts: Sequence[str]) -> dict[int, Iterable[Mark]]:
        recorded = scan_texts(bench, limits, texts, showing=False).recorded
        return {number: one.marks for number, one in recorded.items()}

    return CopyNames(cleaning, categories, scan)


@functools.lru_cache(maxsize=1)
def _bench(settings_json: str, names: tuple[str, ...]) -> Workbench:
    settings = Settings.model_validate_json(settings_json)
    return load(settings.model_copy(update={"pii": settings.pii.model_copy(update={"free_text": False})}), names)
