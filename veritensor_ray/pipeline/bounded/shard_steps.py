"""The steps of a run's shards in the process that `bounded` starts, as Ray's tasks and actors do them elsewhere.

What a pass leaves travels to the commit as a pickle, which only such processes open: it comes from one that has read hostile bytes.
"""

from __future__ import annotations

import contextlib
import functools
import io
import pickle
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import Any

import pyarrow as pa

from veritensor_ray.cleaning.clean_shard import Careful
from veritensor_ray.cleaning.copy_manifest import CLEANED, Cleaned
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.core.errors import CannotRunError, VeritensorError, told
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.corpus.stage_times import StageTimes
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.pipeline.bounded.process_limits import Watchdog, raised_memory, settle
from veritensor_ray.pipeline.bounded.serving import Answer, Bounds
from veritensor_ray.pipeline.context import Context, models_by_input, workbench
from veritensor_ray.pipeline.extracting import Extracting, Pass, ProcessorTime, commit_passes
from veritensor_ray.pipeline.heartbeat import with_beats
from veritensor_ray.pipeline.scan import Handover
from veritensor_ray.pipeline.shard import StageResult, merge, model_stages, read_images, scan_texts, split_engines
from veritensor_ray.pipeline.sweep_rescan import Known
from veritensor_ray.stores.outputs import OutputStore

EXTRACT = "extract"
Given = tuple[Context, OutputStore, str, Known | None]  # what all shards of a run share; the text is the run's ID


def load(bounds: Bounds, context: Context, names: tuple[str, ...]) -> float:
    """Load some of the engines without limits, once. Returns the CPU seconds that it took."""
    began, key = time.process_time(), (context.fingerprint, names, context.settings_json, context.expected)
    return time.process_time() - began if bounds.prepare(key, lambda: workbench(context, names)) else 0.0


@functools.lru_cache(maxsize=1)
def _shared(given: bytes) -> Given:
    shared: Given = pickle.loads(given)  # noqa: S301  # from our parent
    return shared


def scan(bounds: Bounds, given: bytes, rows: Sequence[PlanRow], kept_out: Sequence[str], beat: float) -> Answer:
    """Scan artifacts with the engines that their rows name, except for the stages that they are kept out of.

    Says what it does whenever that changes, and otherwise every `beat` seconds. Returns CPU seconds and the outcomes, or as `lost` the
    stage that failed and why.
    """
    context, _, _, known = _shared(given)
    passing = _Passing(bounds, context, known, rows, kept_out)
    try:
        for said in with_beats(passing.steps(), beat, passing.extracting.stop):
            bounds.tell(said or passing.at())
    except Exception as error:
        if isinstance(error, VeritensorError) and (passing.loading or passing.stage == EXTRACT):
            raise
        return {"lost": [passing.stage, told(error)]}, b""
    return passing.numbers(), pickle.dumps(passing.outcomes)


class _Passing:
    """A pass over some artifacts: extraction, and after each batch the model stages."""

    def __init__(self, bounds: Bounds, context: Context, known: Known | None, rows: Sequence[PlanRow], kept_out: Sequence[str]) -> None:
        self._bounds, self._context, self._wanted = bounds, context, rows[0].engines
        self._local, models = split_engines(context)
        self._models = tuple(name for name in models if name in self._wanted)
        self._stages = [stage for stage in model_stages(context, models) if "+".join(stage) not in kept_out]
        self.extracting = Extracting(context, rows, self._local, models, known)
        self._watchdog = Watchdog(context.settings.limits.artifact_seconds)
        self._times, self._known = StageTimes(), defaultdict[str, float](float)
        self._seconds, self._load, self._of_models = 0.0, 0.0, defaultdict[str, float](float)
        self.stage, self.loading = EXTRACT, False
        self.outcomes: list[Outcome] = []

    def at(self) -> dict[str, Any]:
        """Return what is done, and how far the extraction has come."""
        return {"stage": self.stage, "loading": self.loading, "at": astuple(self.extracting.position())}

    def numbers(self) -> dict[str, Any]:
        """Return CPU seconds: of extraction, with what is known by stage; of each model stage, with the same; and of loading."""
        return {
            "cpu_seconds": self._seconds,
            "stages": self._known,
            "models": self._of_models,
            "model_stages": self._times.take(),
            "load": self._load,
        }

    def steps(self) -> Iterator[dict[str, Any]]:
        """Do the pass, and yield what is to be told."""
        if load(self._bounds, self._context, self._local):
            settle()
        self._bounds.bind()
        results: list[StageResult] = []
        for made, step in self.extracting.steps():
            self._seconds += step.cpu_seconds
            for name, seconds in step.stages.items():
                self._known[name] += seconds
            if isinstance(made, Handover):
                for said in self._read(made, results):
                    yield said | {"share": step.share}
                self.stage = EXTRACT
                yield self.at()
            else:
                self.outcomes = made or []
        merge(self.outcomes, results, self._context.settings.limits.hits_per_rule)

    def _read(self, handover: Handover, results: list[StageResult]) -> Iterator[dict[str, Any]]:
        """Run the model stages over a batch, and yield what is to be told: before each of them, because the process may die of it."""
        reading_text, reading_images = models_by_input(self._context, self._models)
        texts = [] if handover.images else [handover]
        for names in self._each(reading_images) if handover.images else ():
            yield from self._loaded(reading_images)
            with self._working():
                bench = workbench(self._context, reading_images).only(names)
                found, result = read_images(self._context, bench, handover.batch, self._watchdog.pulse, self._times)
            results.append(result)
            texts += [found] if found is not None else []
        for text in texts:
            for names in self._each(reading_text):
                yield from self._loaded(reading_text)
                with self._working():
                    bench = workbench(self._context, reading_text).only(names)
                    results.append(scan_texts(self._context, bench, text, self._watchdog.pulse, self._times))

    def _each(self, reading: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """Yield which of these engines each stage has."""
        for stage in self._stages:
            if own := tuple(name for name in stage if name in reading):
                self.stage = "+".join(stage)
                yield own

    def _loaded(self, reading: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        """Load engines, once. A process that dies of that does not do so because of an artifact."""
        self.loading = True
        yield self.at()
        try:
            load(self._bounds, self._context, reading)
        except VeritensorError:
            raise
        except Exception as error:
            raise CannotRunError(f"stage {self.stage}: {told(error)}") from error
        self._load += ProcessorTime.unreported()
        self.loading = False
        yield self.at()

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        """Watch over a call of a model, whose memory is not that of an artifact."""
        with raised_memory():
            self._watchdog.pulse()
            try:
                yield
            finally:
                self._watchdog.rest()
        self._of_models[self.stage] += ProcessorTime.unreported()


def commit(bounds: Bounds, given: bytes, rows: Sequence[PlanRow], passes: Sequence[Pass], care: Careful | None) -> Answer:
    """Commit a shard. Returns the numbers of the commit."""
    context, store, run, _ = _shared(given)
    load(bounds, context, split_engines(context)[0])
    bounds.bind()
    bounds.rest()  # only rewriting is watched, by `commit_passes`
    found = ((_outcomes(one.outcomes), (), one.kept_out) for one in passes)
    return commit_passes(context, store, run, rows, found, care), b""


def _outcomes(left: bytes | list[Outcome]) -> list[Outcome]:
    found: list[Outcome] = pickle.loads(left) if isinstance(left, bytes) else left  # noqa: S301  # from a process like this one
    return found


def assemble(bounds: Bounds, assembler: Assembler, parts: list[Cleaned], held: str | None) -> Answer:
    """Put a split artifact together. Returns its row as a table."""
    bounds.bind()
    out, row = io.BytesIO(), assembler.assembled(parts, held, bounds.pulse).as_row()
    with pa.ipc.new_stream(out, CLEANED) as writer:
        writer.write_table(pa.Table.from_pylist([row], schema=CLEANED))
    return {}, out.getvalue()
