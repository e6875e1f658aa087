"""Cleans one file in this process as a run would: the real reader, real engines, then the rewriter."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from veritensor_ray.cleaning.artifact_cleaner import ArtifactCleaner, Draft
from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Cleaned
from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import Rule
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.listing import roots
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.pipeline.cleaning_scans.text_search import following
from veritensor_ray.pipeline.context import Context
from veritensor_ray.pipeline.run_description import planned_shards
from veritensor_ray.pipeline.shard import scanned
from veritensor_ray.stores.outputs import OutputStore

KEY = b"k" * 32
PATTERNS = ("secrets", "pii")


@dataclass(frozen=True)
class Rewritten:
    """The new bytes (None if the file was not rewritten), what became of it, and the marks that its engines left."""

    data: bytes | None
    cleaned: Cleaned
    marks: list[Mark]


def rewritten(
    data: bytes,
    name: str,
    policy: CleanPolicy | None = None,
    engines: tuple[str, ...] = PATTERNS,
    clock: Callable[[], float] = time.monotonic,
    limits: dict[str, Any] | None = None,
) -> Rewritten:
    """Scan and clean a file of that name and content. Engines with a model only run their patterns."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        settings = Settings(sources=[folder], engines=list(engines), pii={"free_text": False}, limits=limits or {})
        starts = tuple(roots(settings.sources, {}))
        cleaning = Cleaning(policy or CleanPolicy(), OutputStore(f"{folder}/unused"), KEY)
        context = Context(settings, starts, engines, KEY, f"clean-{engines}", cleaning=cleaning)
        for entry in planned_shards(context):
            (outcome,) = scanned(context, entry.rows)
            outcome.settle()
            row = entry.rows[0]
            artifact = OpenArtifact(row, starts[0], {})
            rules = _rules(engines)
            categories = {name: rule.category for name, rule in rules.items()}
            cleaner = ArtifactCleaner(cleaning, categories, settings.limits, clock=clock, following=following(context, rules))
            draft: Draft = cleaner.clean(row, outcome, artifact.file(), None)
            artifact.close()
            content = None
            if draft.content is not None:
                draft.content.seek(0)
                content = draft.content.read()
                draft.content.close()
            return Rewritten(content, draft.cleaned, list(outcome.recorded.marks))
    raise AssertionError("nothing was planned")


@cache
def _rules(engines: tuple[str, ...]) -> dict[str, Rule]:
    from veritensor_ray.engines.registry import create

    made: Any = create(Settings(), engines)
    return {rule.id: rule for engine in made for rule in engine.rules()}
