"""The steps of a shard in one process, composed as a cluster run composes them over many. It does not depend on Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from veritensor_ray.cleaning.clean_shard import Careful, ShardCleaner, leave
from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import CannotRunError, VeritensorError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.corpus.stage_times import StageTimes
from veritensor_ray.engines.registry import needing_models
from veritensor_ray.findings.outcome import QUARANTINED, Outcome, Standing
from veritensor_ray.findings.recorded import Recorded
from veritensor_ray.findings.shard_commit import commit_table, write_commit
from veritensor_ray.pipeline.cleaning_scans.name_scan import categories, copy_names
from veritensor_ray.pipeline.cleaning_scans.reference_search import references
from veritensor_ray.pipeline.cleaning_scans.text_search import following
from veritensor_ray.pipeline.context import Context, Workbench, models_by_input, without_weights, workbench
from veritensor_ray.pipeline.extract import Extraction, Pulse
from veritensor_ray.pipeline.scan import Handover, prepare, scan_batch, transcribe
from veritensor_ray.pipeline.sweep_rescan import Known
from veritensor_ray.stores.outputs import OutputStore

# What a model stage returns for a batch: findings and gaps by the artifact's index in the shard.
StageResult = tuple[dict[int, Recorded], list[tuple[int, Gap]]]


def split_engines(context: Context) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the engines that run where the bytes are, and of those with a model; without the missing ones."""
    absent = {name for name, _ in context.missing}
    present = [name for name in context.engines if name not in absent]
    models = needing_models(without_weights(context, tuple(present)))
    return tuple(name for name in present if name not in models), tuple(models)


def model_stages(context: Context, models: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the names of the engines with a model by stage. A stage is named after its engines, with plus signs."""
    if context.settings.resources.model_pools == "shared":
        return [models] if models else []
    return [(name,) for name in models]


def read_images(
    context: Context, bench: Workbench, images: pa.RecordBatch, pulse: Pulse = lambda: None, times: StageTimes | None = None
) -> tuple[Handover | None, StageResult]:
    """Transcribe images and run the engines without a model over the text.

    The handover has the text for the engines with a model; it is None if there is no text.
    """
    local, models = split_engines(context)
    beside = workbench(context, local)
    proving = context.cleaning is not None and context.cleaning.again  # of the copy, only what was changed is read here
    texts, gaps = transcribe(bench.transcribers, images, pulse, times, twice=proving)
    recorder = context.recorder(beside)
    gaps += scan_batch((*beside.text, *references(context)), texts, recorder, pulse, times=times)
    return (prepare(without_weights(context, models), texts, times) if texts.num_rows else None), (recorder.by_artifact, gaps)


def scan_texts(
    context: Context, bench: Workbench, handover: Handover, pulse: Pulse = lambda: None, times: StageTimes | None = None
) -> StageResult:
    """Run model engines over texts."""
    recorder = context.recorder(bench)
    gaps = scan_batch(bench.text, handover.batch, recorder, pulse, handover.prepared, times)
    return recorder.by_artifact, gaps


def merge(outcomes: Sequence[Outcome], results: Iterable[StageResult], limit: int) -> None:
    """Add the results of model stages to the outcomes of the extraction."""
    by_index = {outcome.index: outcome for outcome in outcomes}
    for recorded, gaps in results:
        for index, found in recorded.items():
            by_index[index].recorded.merge(found, limit)
        for index, gap in gaps:
            by_index[index].add_gap(gap)


def quarantine(outcome: Outcome, stages: Mapping[str, str], engines: Sequence[str], code: ReasonCode = ReasonCode.PROCESS_DIED) -> None:
    """Record the stages that skip an artifact.

    `extract` stands for all of its `engines`; a model stage is named after its engines and affects only those.
    """
    for stage, reason in stages.items():
        if stage == "extract":
            outcome.status, outcome.reason, outcome.reason_code = "quarantined", reason, code
        for name in engines if stage == "extract" else [name for name in stage.split("+") if name in engines]:
            outcome.coverage[name] = Standing(QUARANTINED, reason, code)


def scanned(
    context: Context,
    rows: Sequence[PlanRow],
    pulse: Pulse = lambda: None,
    modelled: Callable[[float], None] = lambda seconds: None,
    known: Known | None = None,
    loading: Callable[[tuple[str, ...]], None] = lambda names: None,
) -> list[Outcome]:
    """Extract a shard and run the engines that its rows name, in sequence.

    `modelled` receives the CPU seconds of each model stage. `loading` is called with the names of engines that are about to be used, and
    may load them.
    """
    wanted = rows[0].engines
    local, models = (tuple(name for name in names if name in wanted) for names in split_engines(context))
    extraction = Extraction(context, rows, workbench(context, local), models, pulse, known)
    reading_text, reading_images = models_by_input(context, models)
    results: list[StageResult] = []
    for handover in extraction.batches():
        texts: Handover | None = handover
        if handover.images:
            loading(reading_images)
            began = time.process_time()
            texts, result = read_images(context, workbench(context, reading_images), handover.batch, pulse)
            results.append(result)
            modelled(time.process_time() - began)
        if texts is not None:
            loading(reading_text)
            began = time.process_time()
            results.append(scan_texts(context, workbench(context, reading_text), texts, pulse))
            modelled(time.process_time() - began)
    merge(extraction.outcomes, results, context.settings.limits.hits_per_rule)
    return extraction.outcomes


def scan_shard(
    context: Context,
    rows: Sequence[PlanRow],
    pulse: Pulse = lambda: None,
    modelled: Callable[[float], None] = lambda seconds: None,
    loading: Callable[[tuple[str, ...]], None] = lambda names: None,
) -> pa.Table:
    """Run all steps over one shard and return the table to commit; see `scanned`."""
    outcomes = scanned(context, rows, pulse, modelled, loading=loading)
    return commit_table(rows, outcomes, dict(context.expected), context.site_key)


@dataclass(frozen=True)
class Committing:
    """How shards are committed: where, and in which run.

    `guard` watches over the rewriting of artifacts, which parses hostile bytes once more.
    """

    context: Context
    store: OutputStore
    run: str
    guard: Callable[[Limits], AbstractContextManager[Pulse]] = lambda limits: nullcontext(lambda: None)

    def commit(self, rows: Sequence[PlanRow], outcomes: Sequence[Outcome], care: Careful | None = None) -> dict[str, Any]:
        """Write the copies of a shard's artifacts if the run cleans, and then its commit. Returns the numbers of the commit.

        Raises CannotRunError and other VeritensorErrors.
        """
        try:
            if self.context.cleaning is not None:
                self._clean(self.context.cleaning, rows, outcomes, care)
            table = commit_table(rows, outcomes, dict(self.context.expected), self.context.site_key)
            return write_commit(self.store, self.run, rows[0].shard, table)
        except VeritensorError:
            raise
        except Exception as error:
            what = f"shard {rows[0].shard} cannot be committed to {self.store.uri}"
            raise CannotRunError(f"{what}: {type(error).__name__}: {error}") from error

    def _clean(self, cleaning: Cleaning, rows: Sequence[PlanRow], outcomes: Sequence[Outcome], care: Careful | None) -> None:
        settings = self.context.settings
        rules = {rule.id: rule for engine in without_weights(self.context, self.context.engines) for rule in engine.rules()}
        known = categories(self.context)
        names = copy_names(self.context, cleaning, known)
        with self.guard(settings.limits) as pulse:
            follow = following(self.context, rules)
            done = ShardCleaner(cleaning, settings, self.context.roots, known, self.run, pulse, names, follow).clean(rows, outcomes, care)
        leave(cleaning, self.run, rows[0].shard, done)
