"""The steps of a shard in one process, composed as a cluster run composes them over many. It does not depend on Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import pyarrow as pa

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.engines.registry import needing_models
from veritensor_ray.findings.outcome import QUARANTINED, Outcome, Standing
from veritensor_ray.findings.recorded import Recorded
from veritensor_ray.findings.shard_commit import commit_table
from veritensor_ray.pipeline.context import Context, Workbench, without_weights, workbench
from veritensor_ray.pipeline.extract import Extraction, Pulse
from veritensor_ray.pipeline.scan import Handover, prepare, scan_batch, transcribe

# What a model stage returns for a batch: findings and gaps by the artifact's index in the shard.
StageResult = tuple[dict[int, Recorded], list[tuple[int, Gap]]]


def split_engines(context: Context) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the engines that run where the bytes are, and of those with a model; without the missing ones."""
    absent = {name for name, _ in context.missing}
    present = [name for name in context.engines if name not in absent]
    models = needing_models(without_weights(context, tuple(present)))
    return tuple(name for name in present if name not in models), tuple(models)


def read_images(
    context: Context, bench: Workbench, images: pa.RecordBatch, pulse: Pulse = lambda: None
) -> tuple[Handover | None, StageResult]:
    """Transcribe images and run the engines without a model over the text.

    The handover has the text for the engines with a model; it is None if there is no text.
    """
    local, models = split_engines(context)
    beside = workbench(context, local)
    texts, gaps = transcribe(bench.transcribers, images, pulse)
    recorder = context.recorder(beside)
    gaps += scan_batch(beside.text, texts, recorder, pulse)
    return (prepare(without_weights(context, models), texts) if texts.num_rows else None), (recorder.by_artifact, gaps)


def scan_texts(context: Context, bench: Workbench, handover: Handover, pulse: Pulse = lambda: None) -> StageResult:
    """Run model engines over texts."""
    recorder = context.recorder(bench)
    gaps = scan_batch(bench.text, handover.batch, recorder, pulse, handover.prepared)
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


def scan_shard(
    context: Context,
    rows: Sequence[PlanRow],
    fingerprints: Mapping[str, str],
    pulse: Pulse = lambda: None,
    modelled: Callable[[float], None] = lambda seconds: None,
) -> pa.Table:
    """Run all steps over one shard in sequence and return the table to commit.

    `modelled` receives the CPU seconds of each model stage.
    """
    local, models = split_engines(context)
    bench = workbench(context, local)
    extraction = Extraction(context, rows, bench, models, pulse)
    results: list[StageResult] = []
    for handover in extraction.batches():
        began = time.process_time()
        texts: Handover | None = handover
        if handover.images:
            texts, result = read_images(context, workbench(context, models), handover.batch, pulse)
            results.append(result)
        if texts is not None:
            results.append(scan_texts(context, workbench(context, models), texts, pulse))
        modelled(time.process_time() - began)
    merge(extraction.outcomes, results, context.settings.limits.hits_per_rule)
    return commit_table(rows, extraction.outcomes, fingerprints, context.site_key)
