"""Ray tasks for the steps of the pipeline: check a node, extract a shard, commit it, collect a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import ray

from veritensor_ray.cleaning.clean_shard import Careful
from veritensor_ray.cleaning.copy_manifest import Cleaned
from veritensor_ray.cleaning.names.renames import Renames, as_table, of_tables
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.core.config import Settings
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.pipeline.bounded.process_limits import died, guarded, release_memory
from veritensor_ray.pipeline.cleaning_scans.name_scan import renamed_parts
from veritensor_ray.pipeline.context import Context
from veritensor_ray.pipeline.extracting import Extracting, Pass, Step, commit_passes
from veritensor_ray.pipeline.heartbeat import with_beats
from veritensor_ray.pipeline.machine_report import NodeReport, examine
from veritensor_ray.pipeline.scan import Handover
from veritensor_ray.pipeline.sweep_rescan import Known
from veritensor_ray.stores.outputs import OutputStore


@ray.remote(num_cpus=0, max_retries=2)
def rename(context: Context, store: OutputStore, run: str, share: int, shares: int) -> pa.Table:
    """Return which folders and files of a share of the plan get other names in the copy."""
    return as_table(renamed_parts(context, store, run, share, shares))


@ray.remote(num_cpus=0, max_retries=2)
def gather_renames(*shares: pa.Table) -> Renames | None:
    """Return the names of all shares in one table."""
    release_memory()
    return of_tables(shares)


@ray.remote(num_returns="streaming", max_retries=0)
def extract(
    context: Context, rows: Sequence[PlanRow], local: tuple[str, ...], models: tuple[str, ...], known: Known | None, beat: float
) -> Iterator[Step | Handover | list[Outcome] | None]:
    """Extract artifacts with the engines that their rows name. A `Step` follows each object, and the task then pauses until the driver takes both.

    Whenever there is nothing for `beat` seconds, a step without an object says how far the extraction has come. All objects belong to the driver, so they outlive this worker.
    """
    working = Extracting(context, rows, local, models, known)
    for made in with_beats(working.steps(), beat, working.stop):
        payload, step = made or (None, Step(beat=True, position=working.position()))
        yield payload
        yield step


@ray.remote(num_cpus=0, max_retries=0)
def commit(
    context: Context,
    store: OutputStore,
    run: str,
    rows: Sequence[PlanRow],
    passes: Sequence[Pass],
    care: Careful | None = None,
) -> dict[str, Any]:
    """Combine the passes of a shard, write the copies of its artifacts if the run cleans, and write its commit."""
    fetched = (
        (one.outcomes if isinstance(one.outcomes, list) else ray.get(one.outcomes), ray.get(one.results), one.kept_out) for one in passes
    )
    return commit_passes(context, store, run, rows, fetched, care)


@ray.remote(num_cpus=1, max_retries=0)
def assemble(assembler: Assembler, parts: list[Cleaned], held: str | None) -> Cleaned:
    """Put a split artifact together under the watchdog, since that parses hostile bytes too."""
    with guarded(assembler.settings.limits) as pulse:
        return assembler.assembled(parts, held, pulse)


def assembled(assembler: Assembler, split: Iterable[list[Cleaned]]) -> Iterator[Cleaned]:
    """Assemble split artifacts, as many at a time as there are CPUs, and yield them in order."""
    most = max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting: deque[tuple[list[Cleaned], Any]] = deque()
    for parts in split:
        waiting.append((parts, assemble.remote(assembler, parts, None)))
        if len(waiting) >= most:
            yield _one_assembled(assembler, *waiting.popleft())
    while waiting:
        yield _one_assembled(assembler, *waiting.popleft())


def _one_assembled(assembler: Assembler, parts: list[Cleaned], reference: Any) -> Cleaned:
    """Wait for an artifact. If the process that puts it together dies twice, it is held back as it is."""
    said = died("putting its parts together", assembler.settings.limits.artifact_seconds)
    for held in (None, said):
        try:
            done: Cleaned = ray.get(reference)
        except ray.exceptions.WorkerCrashedError:
            reference = assemble.remote(assembler, parts, held)
        else:
            return done
    found: Cleaned = ray.get(reference)
    return found


@ray.remote(num_cpus=0, max_retries=0)
def preflight(settings: Settings, scans: bool) -> NodeReport:
    """Returns the report of this node. Workers import what they need here, so a broken container image shows up before any shard."""
    return examine(settings, scans)


@ray.remote(num_cpus=0, max_retries=2)
def step(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a step of the whole run returns, such as collecting its results."""
    release_memory()  # of an extraction that ran in this process: such a step is not bounded by one artifact
    return function(*arguments)
