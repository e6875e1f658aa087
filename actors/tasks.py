"""Ray tasks for the steps of the pipeline: check a node, extract a shard, commit it, collect a run."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import ray

from veritensor_ray.cleaning.amend import amend
from veritensor_ray.cleaning.clean_shard import Careful
from veritensor_ray.cleaning.copy_manifest import Cleaned
from veritensor_ray.cleaning.copy_publishing import publish
from veritensor_ray.cleaning.names.late_names import late_names
from veritensor_ray.cleaning.names.new_names import new_names
from veritensor_ray.cleaning.names.renames import Renames, as_table, of_tables
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.core.config import Settings
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.corpus.stage_times import PROCESSES
from veritensor_ray.findings.collect import collect
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.findings.summary import RunInfo
from veritensor_ray.findings.sweep_collecting import collect_sweep
from veritensor_ray.pipeline.bounded.process_limits import Watchdog, bound_memory, guarded, release_memory, settle
from veritensor_ray.pipeline.cleaning_scans.name_scan import renamed_parts
from veritensor_ray.pipeline.context import Context, workbench
from veritensor_ray.pipeline.extract import Extraction
from veritensor_ray.pipeline.heartbeat import Stopped, with_beats
from veritensor_ray.pipeline.machine_report import NodeReport, examine
from veritensor_ray.pipeline.reading_progress import Position
from veritensor_ray.pipeline.scan import Handover
from veritensor_ray.pipeline.shard import Committing, merge, quarantine
from veritensor_ray.pipeline.sweep_rescan import Known
from veritensor_ray.policy.judge import Judge
from veritensor_ray.stores.outputs import OutputStore


@dataclass(frozen=True, slots=True)
class Step:
    """Describes the preceding object in the stream of an extraction, which the driver passes on without looking at it.

    The object is a batch of segments (texts or images) or, at the `end`, the outcomes. A stream without an `end` was cut short by a death.
    A `beat` comes with no object at all: the extraction does not pause, and only says how far it has come.
    """

    bytes: int = 0
    images: bool = False
    end: bool = False
    beat: bool = False
    share: float = 1.0  # with this object, this much of everything up to the position has been handed over since the last whole batch
    position: Position = field(default_factory=Position)
    cpu_seconds: float = 0.0  # of this process, since the previous step
    stages: Mapping[str, float] = field(default_factory=dict)  # what is known of these; the others went into extraction


Made = tuple[Handover | list[Outcome] | None, Step]


class _ProcessorTime:
    """The CPU seconds of this process, each of which is reported once, whichever task reports it.

    A class holds them, because Ray would give each task a copy of an object of this module.
    """

    _reported = 0.0

    @classmethod
    def unreported(cls) -> float:
        """Returns the CPU seconds since the previous call; the first call includes the start of the process."""
        before, cls._reported = cls._reported, time.process_time()
        return cls._reported - before


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over some artifacts of a shard: references to what extraction and model stages left in the object store.

    `outcomes` is a list instead of a reference if no worker survived to make one; `kept_out` maps stages to reasons; `machine` is where
    the artifacts were extracted.
    """

    outcomes: ray.ObjectRef[Any] | list[Outcome]
    results: list[ray.ObjectRef[Any]] = field(default_factory=list)
    kept_out: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""


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
    working = _Extracting(context, rows, local, models, known)
    for made in with_beats(working.steps(), beat, working.stop):
        payload, step = made or (None, Step(beat=True, position=working.position()))
        yield payload
        yield step


class _Extracting:
    """One extraction, made in one thread and watched from another."""

    def __init__(
        self, context: Context, rows: Sequence[PlanRow], local: tuple[str, ...], models: tuple[str, ...], known: Known | None
    ) -> None:
        self._context, self._rows, self._local, self._models, self._known = context, rows, local, models, known
        self._watchdog = Watchdog(context.settings.limits.artifact_seconds)
        self._extraction: Extraction | None = None
        self.stop = threading.Event()

    def position(self) -> Position:
        """Returns how far it has come."""
        return self._extraction.position() if self._extraction else Position()

    def _pulse(self) -> None:
        if self.stop.is_set():
            raise Stopped
        self._watchdog.pulse()

    def steps(self) -> Iterator[Made]:
        """Yields what the extraction makes."""
        limits, wanted = self._context.settings.limits, self._rows[0].engines
        bench = workbench(self._context, self._local).only(wanted)
        if bound_memory(limits.worker_memory):  # the first task of this process
            settle()
        models = [name for name in self._models if name in wanted]
        extraction = self._extraction = Extraction(self._context, self._rows, bench, models, self._pulse, self._known)
        started = _ProcessorTime.unreported()
        try:
            for handover in extraction.batches():
                self._watchdog.rest()
                yield handover, self._step(started, nbytes=handover.nbytes, images=handover.images, share=extraction.share)
                started = 0.0
                self._pulse()
        finally:
            self._watchdog.rest()
        yield extraction.outcomes, self._step(started, end=True)

    def _step(self, started: float, nbytes: int = 0, images: bool = False, end: bool = False, share: float = 1.0) -> Step:
        """Describe an object. `started` is the CPU seconds from the end of this process's last work to the beginning of this one."""
        assert self._extraction is not None  # noqa: S101  # it has made the object
        stages = self._extraction.times.take() | {PROCESSES: started}
        spent = started + _ProcessorTime.unreported()
        return Step(nbytes, images, end, share=share, position=self.position(), cpu_seconds=spent, stages=stages)


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
    started, outcomes = _ProcessorTime.unreported(), list[Outcome]()
    for one in passes:
        found = one.outcomes if isinstance(one.outcomes, list) else ray.get(one.outcomes)
        merge(found, ray.get(one.results), context.settings.limits.hits_per_rule)
        for outcome in found:
            quarantine(outcome, one.kept_out, rows[0].engines)
        outcomes += found
    written = Committing(context, store, run, guarded).commit(rows, outcomes, care)
    return written | {"cpu_seconds": started + _ProcessorTime.unreported(), "started": started}


@ray.remote(num_cpus=1, max_retries=0)
def assemble(assembler: Assembler, parts: list[Cleaned], held: str | None) -> Cleaned:
    """Put a split artifact together under the watchdog, since that parses hostile bytes too."""
    with guarded(assembler.settings.limits) as pulse:
        return assembler.assembled(parts, held, pulse)


def _assembled(assembler: Assembler, split: Iterable[list[Cleaned]]) -> Iterator[Cleaned]:
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
    said = (
        f"the worker died while putting its parts together (a crash, or no progress for {assembler.settings.limits.artifact_seconds:g} s)"
    )
    for held in (None, said):
        try:
            done: Cleaned = ray.get(reference)
        except ray.exceptions.WorkerCrashedError:
            reference = assemble.remote(assembler, parts, held)
        else:
            return done
    found: Cleaned = ray.get(reference)
    return found


@ray.remote(num_cpus=0, max_retries=2)
def publish_copy(assembler: Assembler, ledger: OutputStore) -> dict[str, Any]:
    """Put the copies of a complete run in their places, and write the tables about them."""
    release_memory()
    return publish(assembler, ledger, _assembled)


@ray.remote(num_cpus=0, max_retries=2)
def count_new_names(assembler: Assembler) -> int:
    """Return how many files of a sweep get a name in the copy that they did not have there before."""
    release_memory()
    return new_names(assembler)


@ray.remote(num_cpus=0, max_retries=2)
def late_renames(assembler: Assembler) -> Renames | None:
    """Return the names of copies that only the content of files has decided."""
    release_memory()
    return late_names(assembler)


@ray.remote(num_cpus=0, max_retries=2)
def amend_copy(assembler: Assembler, copies: Assembler, reasons: Mapping[str, str], number: int) -> dict[str, Any] | None:
    """Clean files of a published copy again, or hold them back."""
    return amend(assembler, copies, reasons, number, _assembled)


@ray.remote(num_cpus=0, max_retries=0)
def preflight(settings: Settings, scans: bool) -> NodeReport:
    """Returns the report of this node. Workers import what they need here, so a broken container image shows up before any shard."""
    return examine(settings, scans)


@ray.remote(num_cpus=0, max_retries=2)
def collect_audit(store: OutputStore, info: RunInfo, site_key: bytes, judge: Judge) -> dict[str, Any]:
    """Turn commits into findings, ledger, rollup and run.json."""
    release_memory()  # of an extraction that ran in this process: what is collected is not bounded by one artifact
    return collect(store, info, site_key, judge)


@ray.remote(num_cpus=0, max_retries=2)
def collect_night(
    store: OutputStore, info: RunInfo, site_key: bytes, judge: Judge, previous: str | None, elsewhere: OutputStore | None
) -> dict[str, Any]:
    """Combine commits and the previous sweep into the tables and run.json of a sweep. This does not publish it."""
    release_memory()
    return collect_sweep(store, info, site_key, judge, previous, elsewhere)
