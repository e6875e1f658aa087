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

from veritensor_ray.core.config import Settings
from veritensor_ray.corpus.effort import effort
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.pipeline.bounded import process
from veritensor_ray.pipeline.context import Context

_FILES = 6  # per media type
_BYTES = 400_000  # bigger files are not sampled, because the estimate must stay quick
_SECONDS, _PATIENCE = 20.0, 60.0  # of CPU time that samples may take, and of time; on a busy machine the two differ
_RAY = 6.0  # seconds in which an embedded Ray starts and ends


@dataclass(slots=True)
class TypeTotals:
    """Totals for the artifacts of one media type, judged by their names."""

    artifacts: int = 0
    bytes: int = 0
    effort: float = 0.0
    samples: list[PlanRow] = field(default_factory=list)


@dataclass(slots=True)
class Estimate:
    """The result of a dry run.

    `seconds` maps the media types that were sampled to CPU seconds; those of the others are guessed from their names and sizes, corrected by
    what the samples took. `model_seconds` is the part spent in models. A process takes `imports` CPU seconds to start, and `load` more if
    it hosts models.
    """

    kinds: dict[str, TypeTotals]
    left_out: Counter[str]
    shards: int
    engines: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    sampled: float = 0.0  # the effort that was expected for the samples, and what they took
    took: float = 0.0
    model_seconds: float = 0.0
    imports: float = 0.0
    load: float = 0.0
    seen: dict[str, Counter[str]] = field(default_factory=dict)  # media type by name to statuses of the sampled files

    def of(self, media_type: str) -> float:
        """Return the CPU seconds for all artifacts of a media type."""
        return self.seconds.get(media_type, self.kinds[media_type].effort * self._ratio)

    @property
    def _ratio(self) -> float:
        return self.took / self.sampled if self.sampled else 1.0

    def cpu(self, extractions: int, actors: int) -> float:
        """Return the CPU seconds of a run with so many processes at most, with their start."""
        work = sum(map(self.of, self.kinds))
        started = min(extractions, self.shards), min(actors, self.shards)
        return work + sum(started) * self.imports + started[1] * self.load

    def elapsed(self, cpus: int, extractions: int, actors: int) -> float:
        """Return the elapsed seconds on `cpus` CPUs."""
        return _RAY + max(self.cpu(extractions, actors) / cpus, self.imports + self.load + (self.model_seconds / actors if actors else 0.0))


def survey(rows: Iterable[PlanRow], name_type: dict[str, str], settings: Settings, engines: tuple[str, ...]) -> Estimate:
    """Count a plan by media type. Fills `name_type` with the lookups it makes, from extension to media type."""
    from veritensor_ray.core.detection import FileInfo
    from veritensor_ray.core.format_table import declared_type

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
        kind.effort += effort(row.artifact, row.size or 0)
        if (row.size or 0) <= _BYTES and row.parts == 1:
            if len(kind.samples) < _FILES:
                kind.samples.append(row)
            elif chosen.random() < _FILES / kind.artifacts:
                kind.samples[chosen.randrange(_FILES)] = row
    return Estimate(dict(kinds), left_out, shards, engines)


def calibrate(estimate: Estimate, settings: Settings, site_key: bytes) -> None:
    """Scan the sampled files in a bounded process, those of the types that should take longest first, and extrapolate.

    Stops after 20 CPU seconds. A media type whose samples kill the process is guessed like one that was not sampled.
    """
    context = Context(
        settings,
        tuple(roots(settings.sources, settings.stores, settings.inventory, settings.as_of)),
        estimate.engines,
        site_key,
        "estimate",
    )
    patience = min(settings.limits.artifact_seconds, _PATIENCE)
    until = time.monotonic() + _PATIENCE
    kinds = sorted(((name, kind) for name, kind in estimate.kinds.items() if kind.samples), key=lambda item: -item[1].effort)
    if kinds:
        with contextlib.suppress(process.Died):  # whatever kills it does so again when its type is measured
            smallest = min((row for _, kind in kinds for row in kind.samples), key=lambda row: row.size or 0)
            first = process.scan(context, [smallest], seconds=patience)
            estimate.imports, estimate.load = first.before, first.seconds  # of which the text takes next to nothing
    for media_type, kind in kinds:
        if estimate.took > _SECONDS or time.monotonic() > until:
            break
        try:
            _add(estimate, media_type, process.scan(context, kind.samples, seconds=patience))
        except process.Died as death:
            estimate.seen[media_type] = Counter([f"quarantined: {death}"])


def _add(estimate: Estimate, media_type: str, scanned: process.Scanned) -> None:
    """Extrapolate from the samples of a media type to all of it."""
    kind = estimate.kinds[media_type]
    expected = sum(effort(row.artifact, row.size or 0) for row in kind.samples)
    estimate.sampled += expected
    estimate.took += scanned.seconds
    estimate.seconds[media_type] = scanned.seconds * kind.effort / expected
    estimate.model_seconds += scanned.models * kind.effort / expected
    columns = (scanned.table.column(name).to_pylist() for name in ("status", "reason"))
    estimate.seen[media_type] = Counter(
        status if status == "scanned" else f"{status}: {reason}" for status, reason in zip(*columns, strict=True)
    )
