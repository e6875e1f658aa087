"""One extraction with its steps, made in one thread and watched from another, and what becomes of it. It does not depend on Ray."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from veritensor_ray.cleaning.clean_shard import Careful
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.corpus.stage_times import PROCESSES
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.pipeline.bounded.process_limits import Watchdog, bound_memory, guarded, settle
from veritensor_ray.pipeline.context import Context, workbench
from veritensor_ray.pipeline.extract import Extraction
from veritensor_ray.pipeline.heartbeat import Stopped
from veritensor_ray.pipeline.reading_progress import Position
from veritensor_ray.pipeline.scan import Handover
from veritensor_ray.pipeline.shard import Committing, StageResult, merge, quarantine
from veritensor_ray.pipeline.sweep_rescan import Known
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


class ProcessorTime:
    """The CPU seconds of this process, each of which is reported once, whichever task reports it."""

    _reported = 0.0

    @classmethod
    def unreported(cls) -> float:
        """Returns the CPU seconds since the previous call; the first call includes the start of the process."""
        before, cls._reported = cls._reported, time.process_time()
        return cls._reported - before


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over some artifacts of a shard: what extraction and model stages left, in the form in which it travels to the commit.

    `outcomes` is a list of Outcome if no process survived to leave any; `kept_out` maps stages to reasons; `machine` is where the artifacts
    were extracted.
    """

    outcomes: Any
    results: list[Any] = field(default_factory=list)
    kept_out: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""


class Extracting:
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
        started = ProcessorTime.unreported()
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
        spent = started + ProcessorTime.unreported()
        return Step(nbytes, images, end, share=share, position=self.position(), cpu_seconds=spent, stages=stages)


def commit_passes(
    context: Context,
    store: OutputStore,
    run: str,
    rows: Sequence[PlanRow],
    passes: Iterable[tuple[list[Outcome], Iterable[StageResult], Mapping[str, str]]],
    care: Careful | None = None,
) -> dict[str, Any]:
    """Combine the passes of a shard, write the copies of its artifacts if the run cleans, and write its commit. Returns its numbers.

    A pass has outcomes, the results of model stages that are not in them yet, and the stages that some artifacts are kept out of.
    """
    started, outcomes = ProcessorTime.unreported(), list[Outcome]()
    for found, results, kept_out in passes:
        merge(found, results, context.settings.limits.hits_per_rule)
        for outcome in found:
            quarantine(outcome, kept_out, rows[0].engines)
        outcomes += found
    written = Committing(context, store, run, guarded).commit(rows, outcomes, care)
    return written | {"cpu_seconds": started + ProcessorTime.unreported(), "started": started}
