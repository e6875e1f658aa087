"""Estimate how long an audit will take on this machine by scanning a small sample of its files.

It writes nothing and does not depend on Ray.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from veritensor_ray.config import Settings
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.engines.registry import create, needing_models
from veritensor_ray.pipeline import bounded
from veritensor_ray.pipeline.context import Context

_FILES = 6  # per media type
_BYTES = 400_000  # bigger files are not sampled, because the estimate must stay quick
_SECONDS = 20.0


@dataclass(slots=True)
class TypeTotals:
    """Totals for the artifacts of one media type, judged by their names."""

    artifacts: int = 0
    bytes: int = 0
    samples: list[PlanRow] = field(default_factory=list)


@dataclass(slots=True)
class Estimate:
    """The result of a dry run.

    `seconds` maps media types to CPU seconds, or to None if nothing could be measured. `model_seconds` is the part spent in models.
    """

    kinds: dict[str, TypeTotals]
    left_out: Counter[str]
    shards: int
    engines: tuple[str, ...]
    seconds: dict[str, float | None] = field(default_factory=dict)
    model_seconds: float = 0.0
    seen: dict[str, Counter[str]] = field(default_factory=dict)  # media type by name to statuses of the sampled files

    def elapsed(self, cpus: int, actors: int) -> float:
        """Return the elapsed seconds for `cpus` processes in parallel, at most `actors` of which run models.

        Covers only the media types that could be measured.
        """
        total = sum(seconds for seconds in self.seconds.values() if seconds is not None)
        return max(total / cpus, self.model_seconds / actors if actors else 0.0)


def survey(rows: Iterable[PlanRow], name_type: dict[str, str], settings: Settings, engines: tuple[str, ...]) -> Estimate:
    """Count a plan by media type. Fills `name_type` with the lookups it makes, from extension to media type."""
    from veritensor_ray.detection import FileInfo
    from veritensor_ray.media_types import declared_type

    kinds: dict[str, TypeTotals] = defaultdict(TypeTotals)
    left_out: Counter[str] = Counter()
    shards = 0
    chosen = random.Random(0)  # noqa: S311  # a sample, not a secret
    for row in rows:
        if row.shard < 0:
            left_out[f"{row.status}: {row.reason}"] += 1
            continue
        shards = max(shards, row.shard + 1)
        if row.part:
            continue
        extension = FileInfo(row.artifact, None, "").extension
        media_type = name_type.setdefault(extension, declared_type(extension) or (f"*{extension}" if extension else "(no extension)"))
        kind = kinds[media_type]
        kind.artifacts += 1
        kind.bytes += row.size or 0
        if (row.size or 0) <= _BYTES and row.parts == 1:
            if len(kind.samples) < _FILES:
                kind.samples.append(row)
            elif chosen.random() < _FILES / kind.artifacts:
                kind.samples[chosen.randrange(_FILES)] = row
    return Estimate(dict(kinds), left_out, shards, engines)


def calibrate(estimate: Estimate, settings: Settings, site_key: bytes) -> None:
    """Scan the sampled files in a bounded process and extrapolate.

    Stops after 20 seconds. A media type whose samples kill the process gets no estimate.
    """
    context = Context(settings, tuple(roots(settings.sources, settings.stores)), estimate.engines, site_key, "estimate")
    models = bool(needing_models(create(settings, estimate.engines)))
    began = time.monotonic()
    warm = not models
    patience = min(settings.limits.artifact_seconds, _SECONDS)
    for media_type, kind in sorted(estimate.kinds.items(), key=lambda item: -item[1].bytes):
        if not kind.samples or time.monotonic() - began > _SECONDS:
            estimate.seconds[media_type] = None
            continue
        if not warm:
            with contextlib.suppress(bounded.Died):  # the second attempt reports it
                # loads the models; their loading time must not count towards the rate
                bounded.scan(context, kind.samples[:1], {}, seconds=patience)
            warm = True
        try:
            table, took, models_took = bounded.scan(context, kind.samples, {}, seconds=patience)
        except bounded.Died as death:
            estimate.seconds[media_type] = None
            estimate.seen[media_type] = Counter([f"quarantined: {death}"])
            continue
        size = sum(row.size or 0 for row in kind.samples)
        times = kind.bytes / size if size else kind.artifacts / len(kind.samples)
        estimate.seconds[media_type] = took * times
        estimate.model_seconds += models_took * times
        estimate.seen[media_type] = Counter(
            status if status == "scanned" else f"{status}: {reason}"
            for status, reason in zip(table.column("status").to_pylist(), table.column("reason").to_pylist(), strict=True)
        )
