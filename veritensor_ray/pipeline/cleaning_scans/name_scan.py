"""Looks for personal data and secrets in the names of artifacts: before anything is read, for the links to them, and when their copies are written.

A model for persons is not asked: names have no sentences, and it may be on another machine.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.copy_places import copy_path
from veritensor_ray.cleaning.names.copy_names import CopyNames
from veritensor_ray.cleaning.names.renames import RenamedPart, Renames
from veritensor_ray.core.config import Settings
from veritensor_ray.core.uris import is_local
from veritensor_ray.corpus.planning import plan_key, planned_names
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.pipeline.context import Context, Workbench, load, without_weights
from veritensor_ray.pipeline.texts_in_memory import scan_texts
from veritensor_ray.stores.outputs import OutputStore

_ENGINES = ("pii", "secrets")


def copy_names(context: Context, cleaning: Cleaning, categories: Mapping[str, str]) -> CopyNames | None:
    """Return what makes the names of copies; None if the policy does not ask for it, or if they have been made already."""
    if not cleaning.renames_files:
        return None
    limits = context.settings.limits
    bench = _bench(context.settings.model_dump_json(), tuple(name for name in context.engines if name in _ENGINES))

    def scan(texts: Sequence[str]) -> dict[int, Iterable[Mark]]:
        recorded = scan_texts(bench, limits, texts, showing=False).recorded
        return {number: one.marks for number, one in recorded.items()}

    return CopyNames(cleaning, categories, scan)


def categories(context: Context) -> dict[str, str]:
    """Return the categories of the rules of a run."""
    return {rule.id: rule.category for engine in without_weights(context, context.engines) for rule in engine.rules()}


def renamed_parts(context: Context, store: OutputStore, run: str, share: int = 0, shares: int = 1) -> Iterator[RenamedPart]:
    """Yield the folders and files of a share of a run's plan that get other names, if the policy asks for that."""
    cleaning = context.cleaning
    names = None if cleaning is None else copy_names(context, cleaning, categories(context))
    if cleaning is None or names is None:
        return
    with store.open(plan_key(run)) as plan:
        for number, planned in enumerate(planned_names(plan)):
            if number % shares != share:
                continue
            for root in sorted({root for _, root in planned}):
                from_store = not is_local(context.roots[root].uri)
                for one in names.renamed([artifact for artifact, other in planned if other == root]):
                    yield one._replace(new=copy_path(one.new, from_store, cleaning.store.local is None))


def with_renames(context: Context, renames: Renames | None) -> Context:
    """Return the context of a run that knows which files have other names in its copy."""
    return context if context.cleaning is None else replace(context, cleaning=replace(context.cleaning, renames=renames))


@functools.lru_cache(maxsize=1)
def _bench(settings_json: str, names: tuple[str, ...]) -> Workbench:
    settings = Settings.model_validate_json(settings_json)
    return load(settings.model_copy(update={"pii": settings.pii.model_copy(update={"free_text": False})}), names)
