"""Estimate how long an audit will take on this machine by scanning a small sample of its files.

It writes nothing and does not depend on Ray.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import VeritensorError
from veritensor_ray.core.media_types import SVG
from veritensor_ray.corpus.effort import effort
from veritensor_ray.corpus.listing import Listed, roots
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.pipeline.bounded import process
from veritensor_ray.pipeline.context import Context

_WARM, _AT_ONCE, _FILES = 2, 4, 16  # samples of a class in the first round, in one call, and in all
_PIECE = 400_000  # bytes: of a larger file, a part of about this size is read if it can be split
_WHOLE = 8_000_000  # bytes: larger files that cannot be split are not sampled
_SECONDS, _PATIENCE = 20.0, 120.0  # of CPU time that samples may take, and of time; on a busy machine the two differ
_LOOKING = 5.0  # seconds for looking at images whose effort their name and size do not tell
_RAY = 6.0  # seconds in which an embedded Ray starts and ends
_RAY_IMPORT, _EACH_SHARD = 0.3, 0.04  # CPU seconds for Ray in each process; for the tasks and calls of a shard, and its commit


@dataclass(slots=True)
class SizeClass:
    """Artifacts of a media type whose sizes differ by less than a factor of eight, with a few of them, drawn at random."""

    artifacts: int = 0
    bytes: int = 0
    effort: float = 0.0
    samples: list[PlanRow] = field(default_factory=list)
    sampled: float = 0.0  # the effort that was expected for the samples that were read, and what they took
    took: float = 0.0
    modelled: float = 0.0  # of this, in models


@dataclass(slots=True)
class TypeTotals:
    """Totals for the artifacts of one media type, judged by their names."""

    classes: dict[int, SizeClass] = field(default_factory=dict)

    @property
    def artifacts(self) -> int:
        """Number of artifacts."""
        return sum(one.artifacts for one in self.classes.values())

    @property
    def bytes(self) -> int:
        """Bytes of all artifacts."""
        return sum(one.bytes for one in self.classes.values())

    @property
    def effort(self) -> float:
        """The expected CPU seconds, by names and sizes alone."""
        return sum(one.effort for one in self.classes.values())

    def ratio(self, size_class: int) -> float | None:
        """Return how many times the expected effort the samples of a class took, or else those of the class nearest to it."""
        measured = [number for number, one in self.classes.items() if one.sampled]
        if not measured:
            return None
        nearest = self.classes[min(measured, key=lambda number: abs(number - size_class))]
        return nearest.took / nearest.sampled

    def share_of_models(self) -> float:
        """Return the share of models in what the samples took."""
        took = sum(one.took for one in self.classes.values())
        return sum(one.modelled for one in self.classes.values()) / took if took else 0.0


@dataclass(slots=True)
class Estimate:
    """The result of a dry run.

    What the samples of a size class took is extrapolated to all of it; media types without samples are guessed from names and sizes,
    corrected by what the samples of the others took. A process takes `start` CPU seconds before it reads its first artifact, `imports` of
    them for what every process imports, and one that hosts models takes `load`.
    """

    kinds: dict[str, TypeTotals]
    left_out: Counter[str]
    shards: int
    engines: tuple[str, ...]
    imports: float = 0.0
    start: float = 0.0
    load: float = 0.0
    took: float = 0.0  # the CPU seconds of all samples
    seen: dict[str, Counter[str]] = field(default_factory=dict)  # media type by name to statuses of the sampled files

    @property
    def measured(self) -> set[str]:
        """The media types of which samples were read."""
        return {name for name, kind in self.kinds.items() if any(one.sampled for one in kind.classes.values())}

    def of(self, media_type: str) -> float:
        """Return the CPU seconds for all artifacts of a media type."""
        kind = self.kinds[media_type]
        return sum(one.effort * (kind.ratio(number) or self._ratio) for number, one in kind.classes.items())

    @property
    def _ratio(self) -> float:
        every = [one for kind in self.kinds.values() for one in kind.classes.values()]
        sampled = sum(one.sampled for one in every)
        return sum(one.took for one in every) / sampled if sampled else 1.0

    def work(self) -> tuple[float, float]:
        """Return the CPU seconds for reading all artifacts outside of models, and in them."""
        models = sum(self.of(name) * kind.share_of_models() for name, kind in self.kinds.items())
        return sum(map(self.of, self.kinds)) - models + self.shards * _EACH_SHARD, models

    def hosts(self, cpus: int, actors: int) -> int:
        """Return how many of `actors` start: the first one, and more while CPUs would be idle for longer than loading takes."""
        if not actors or not self.load:
            return 0
        reading, models = self.work()
        count = 1
        while count < actors and models / count - reading / max(1, cpus - count) > self.load:
            count += 1
        return count

    def cpu(self, cpus: int, extractions: int, actors: int) -> float:
        """Return the CPU seconds of a run with so many processes at most, with their start."""
        extracting = min(extractions, self.shards)
        committing = 1 if self.shards > extracting else 0  # while all extractions are busy
        started = extracting * self.start + committing * self.imports + self.hosts(cpus, actors) * self.load
        return sum(self.work()) + started

    def elapsed(self, cpus: int, extractions: int, actors: int) -> float:
        """Return the elapsed seconds on `cpus` CPUs."""
        hosts = self.hosts(cpus, actors)
        waiting = self.start + self.load + self.work()[1] / hosts if hosts else self.start
        return _RAY + max(self.cpu(cpus, extractions, actors) / cpus, waiting)


def survey(rows: Iterable[PlanRow], name_type: dict[str, str], settings: Settings, engines: tuple[str, ...]) -> Estimate:
    """Count a plan by media type. Fills `name_type` with the lookups it makes, from extension to media type."""
    from veritensor_ray.core.detection import FileInfo
    from veritensor_ray.core.format_table import declared_type

    kinds: dict[str, TypeTotals] = {}
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
        size = row.size or 0
        one = kinds.setdefault(media_type, TypeTotals()).classes.setdefault(size.bit_length() // 3, SizeClass())
        one.artifacts += 1
        one.bytes += size
        one.effort += effort(row.artifact, size)
        if len(one.samples) < _FILES:
            one.samples.append(row)
        elif chosen.random() < _FILES / one.artifacts:
            one.samples[chosen.randrange(_FILES)] = row
    return Estimate(kinds, left_out, shards, engines)


def calibrate(estimate: Estimate, settings: Settings, site_key: bytes) -> None:
    """Scan samples in a bounded process, those of the classes that should take longest first, and extrapolate.

    Stops after 20 CPU seconds. A media type whose samples kill the process is guessed like one that was not sampled.
    """
    starts = tuple(roots(settings.sources, settings.stores, settings.inventory, settings.as_of))
    _Calibration(estimate, Context(settings, starts, estimate.engines, site_key, "estimate")).run()


class _Calibration:
    """Scans samples until the time is up, in two rounds.

    In the first, a process loads libraries and fills its memories. What samples then take longer than those of the second round belongs to
    the start of a process.
    """

    def __init__(self, estimate: Estimate, context: Context) -> None:
        self._estimate, self._context = estimate, context
        self._patience = min(context.settings.limits.artifact_seconds, _PATIENCE)
        self._until = time.monotonic() + _PATIENCE
        self._dead = set[str]()
        self._foreseen: dict[str, float | None] = {}  # by artifact
        limits = context.settings.limits.model_copy(update={"shard_bytes": _PIECE})
        self._split = process.Splitter(context.settings.model_copy(update={"limits": limits}), process.SHARED)

    def run(self) -> None:
        """Read a few samples of every class, and then more, beginning with those that should take longest."""
        every = [(name, one) for name, kind in self._estimate.kinds.items() for one in kind.classes.values()]
        every.sort(key=lambda item: -item[1].effort)
        rows = {id(one): self._parts(one.samples) for _, one in every}
        for name, one in every:
            some = rows[id(one)]
            first = min(_WARM, math.ceil(len(some) / 4)) if len(some) > 1 else 0
            rows[id(one)] = some[first:]
            self._read(name, one, some[:first])
        for name, one in every:
            cold, one.sampled, one.took, one.modelled = (one.took, one.sampled), 0.0, 0.0, 0.0
            for start in range(0, len(rows[id(one)]), _AT_ONCE):
                self._read(name, one, rows[id(one)][start : start + _AT_ONCE])
            if one.sampled:
                self._estimate.start += max(0.0, cold[0] - cold[1] * one.took / one.sampled)
            else:
                one.took, one.sampled = cold
        until = time.monotonic() + _LOOKING
        for name, one in every:
            if _is_image(name) and name not in self._dead:
                rows_in_time = (row for row in one.samples if row.artifact in self._foreseen or time.monotonic() < until)
                if told := [seconds for row in rows_in_time if (seconds := self._seconds(row))]:
                    one.effort = one.artifacts * sum(told) / len(told)

    def _read(self, name: str, one: SizeClass, rows: list[PlanRow]) -> None:
        """Read samples of a class, if there is time. One that kills the process ends the sampling of its type."""
        estimate = self._estimate
        if not rows or name in self._dead or estimate.took > _SECONDS or time.monotonic() > self._until:
            return
        try:
            scanned = process.scan(self._context, rows, seconds=self._patience)
        except process.Died as death:
            self._dead.add(name)
            estimate.seen[name] = Counter([f"quarantined: {death}"])
            return
        if not estimate.start:  # the process is new
            estimate.imports = scanned.imports + _RAY_IMPORT
            estimate.start = estimate.imports + scanned.local
        if scanned.models:  # loaded for the first text, or for the first image
            estimate.load = (estimate.load or estimate.imports) + scanned.models
        estimate.took += scanned.seconds
        one.sampled += sum((_is_image(name) and self._seconds(row)) or effort(row.artifact, row.bytes) for row in rows)
        one.took += scanned.seconds
        one.modelled += scanned.modelled
        columns = (scanned.table.column(column).to_pylist() for column in ("status", "reason"))
        estimate.seen.setdefault(name, Counter()).update(
            status if status == "scanned" else f"{status}: {reason}" for status, reason in zip(*columns, strict=True)
        )

    def _seconds(self, row: PlanRow) -> float | None:
        """Return about how many CPU seconds an image takes, by what is in it, or None if that cannot be told."""
        if row.artifact not in self._foreseen:
            self._foreseen[row.artifact] = None
            with contextlib.suppress(VeritensorError):
                self._foreseen[row.artifact] = process.foreseen(self._context, row, self._patience)
        return self._foreseen[row.artifact]

    def _parts(self, samples: Sequence[PlanRow]) -> list[PlanRow]:
        """Return rows for samples: small ones as they are, and parts of big ones, more of them if there are few."""
        count = max(1, _FILES // max(1, len(samples)))
        return [part for row in samples for part in self._parts_of(row, count)]

    def _parts_of(self, row: PlanRow, count: int) -> list[PlanRow]:
        if (row.size or 0) <= _PIECE:
            return [row]
        entry = Listed(row.artifact, row.path, row.size, row.etag, row.mtime)
        cuts = self._split(entry, self._context.roots[row.root])
        if len(cuts) < 2:
            return [row] if (row.size or 0) <= _WHOLE and row.parts == 1 else []
        numbers = sorted({1 + number * (len(cuts) - 1) // count for number in range(count)})  # not the first part, which may have a header
        return [
            replace(row, part=number, parts=len(cuts), kind=kind, start=start, end=end)
            for number in numbers
            for kind, start, end in [cuts[number]]
        ]


def _is_image(media_type: str) -> bool:
    return media_type.startswith("image/") and media_type != SVG
