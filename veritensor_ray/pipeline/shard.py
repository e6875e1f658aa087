"""The steps of a shard composed in one process, as a cluster run composes them over many; it knows no Ray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.engines.registry import create, needing_models
from veritensor_ray.findings.commit import commit_table
from veritensor_ray.findings.outcome import QUARANTINED, Outcome
from veritensor_ray.findings.recorder import Recorded
from veritensor_ray.pipeline.context import Context, Workbench, workbench
from veritensor_ray.pipeline.extract import Extraction, Pulse
from veritensor_ray.pipeline.scan import scan_batch
from veritensor_ray.segments import Gap

# What a model stage returns of a batch: findings and gaps by index of the artifact in the shard.
StageResult = tuple[dict[int, Recorded], list[tuple[int, Gap]]]


def split_engines(context: Context) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the engines that run where the bytes are, and of those with a model; without the missing ones."""
    absent = {name for name, _ in context.missing}
    present = [name for name in context.engines if name not in absent]
    models = needing_models(create(context.settings, present))
    return tuple(name for name in present if name not in models), tuple(models)


def model_stage(context: Context, bench: Workbench, batch: pa.RecordBatch, pulse: Pulse = lambda: None) -> StageResult:
    """Run model engines over a batch."""
    recorder = context.recorder(bench)
    gaps = scan_batch(bench.text, batch, recorder, pulse)
    return recorder.by_artifact, gaps


def merge(outcomes: Sequence[Outcome], results: Iterable[StageResult], limit: int) -> None:
    """Add what model stages found to the outcomes of the extraction."""
    by_index = {outcome.index: outcome for outcome in outcomes}
    for recorded, gaps in results:
        for index, found in recorded.items():
            by_index[index].recorded.merge(found, limit)
        for index, gap in gaps:
            by_index[index].add_gap(gap)


def quarantine(outcome: Outcome, stages: Mapping[str, str], engines: Sequence[str]) -> None:
    """Note stages that an artifact is kept out of. `extract` is all of them; a model stage, named after its engines, costs those only."""
    for stage, reason in stages.items():
        if stage == "extract":
            outcome.status, outcome.reason = "quarantined", reason
        for name in engines if stage == "extract" else stage.split("+"):
            outcome.coverage[name] = (QUARANTINED, reason)


def scan_shard(context: Context, rows: Sequence[PlanRow], fingerprints: Mapping[str, str], pulse: Pulse = lambda: None) -> pa.Table:
    """All steps over one shard, one after the other: the table that a commit stores."""
    local, models = split_engines(context)
    bench = workbench(context, local)
    extraction = Extraction(context, rows, bench, models, pulse)
    results = [model_stage(context, workbench(context, models), batch) for batch in extraction.batches()]
    merge(extraction.outcomes, results, context.settings.limits.hits_per_rule)
    return commit_table(rows, extraction.outcomes, fingerprints)
