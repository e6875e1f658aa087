"""Places the steps of a run in supervised processes of this machine, without the start of a cluster: for corpora that are over by then."""

from __future__ import annotations

import asyncio
import contextlib
import math
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from veritensor_ray.cleaning.clean_shard import Careful
from veritensor_ray.cleaning.names.renames import Renames
from veritensor_ray.core.errors import CannotRunError, VeritensorError
from veritensor_ray.corpus.planning import PlanRow, Shard
from veritensor_ray.corpus.stage_times import COMMIT, EXTRACTION, PROCESSES
from veritensor_ray.jobs.cluster.slots import fit_here
from veritensor_ray.jobs.run_requests import Run
from veritensor_ray.jobs.scheduling.commit_attempts import finished
from veritensor_ray.jobs.scheduling.cpu_turns import BEGIN, CALL, CpuTurns
from veritensor_ray.jobs.scheduling.lost_processes import CLEAN, DEATHS, EXTRACT, MODEL_DIED, StageLost
from veritensor_ray.jobs.scheduling.placement import LOCAL, Left, Spent
from veritensor_ray.jobs.scheduling.shard_progress import RunningShard
from veritensor_ray.jobs.scheduling.utilisation import Meter
from veritensor_ray.pipeline.bounded.process import SHARED, Died, Worker, assembled
from veritensor_ray.pipeline.bounded.process_limits import died
from veritensor_ray.pipeline.cleaning_scans.name_scan import renamed_parts
from veritensor_ray.pipeline.context import Context
from veritensor_ray.pipeline.extracting import Pass
from veritensor_ray.pipeline.reading_progress import Position
from veritensor_ray.pipeline.shard import split_engines
from veritensor_ray.pipeline.sweep_rescan import Known
from veritensor_ray.stores.outputs import OutputStore

_START = 4.0  # CPU seconds of work for which another process is worth its start
_BEAT = 1.0  # seconds between signs of progress


class InProcesses:
    """A placement: steps of the whole run are done by the caller, and those of shards by processes that `bounded` starts."""

    name = "processes"
    assemble = staticmethod(assembled)

    def run(self, failing: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Returns the result of a step of the whole run. Raises VeritensorErrors, among them CannotRunError."""
        try:
            return function(*arguments)
        except VeritensorError:
            raise
        except Exception as error:
            raise CannotRunError(f"{failing}: {error}") from error

    def renames(self, context: Context, store: OutputStore, run: Run) -> Renames | None:
        """Returns the names that files get in the copy."""
        failing = f"the names in the corpus cannot be read from the plan in {store.uri}"
        found: Renames | None = self.run(failing, lambda: Renames.of(renamed_parts(context, store, run.id)))
        return found

    @contextlib.contextmanager
    def shards(
        self, context: Context, store: OutputStore, run: str, known: Known | None, left: Left, note: Callable[[str], None]
    ) -> Iterator[_ShardsHere]:
        """Hold as many processes as there are CPUs and memory for, and work. They start when they are needed, and end with the block."""
        room = fit_here(context.settings, len(split_engines(context)[1])).extract
        count = max(1, math.ceil(min(room, left.shards, left.effort / _START)))
        if context.settings.read_rate:
            context = replace(context, read_rate=context.settings.read_rate / count)
        workers = [SHARED, *(Worker() for _ in range(count - 1))]  # what is loaded already is used again
        with ThreadPoolExecutor(count) as threads:
            try:
                yield _ShardsHere(context, pickle.dumps((context, store, run, known)), workers, threads)
            finally:
                for worker in workers[1:]:
                    worker.kill()


class _ShardsHere:
    def __init__(self, context: Context, shared: bytes, workers: list[Worker], threads: ThreadPoolExecutor) -> None:
        self._context, self._shared, self._idle, self._threads = context, shared, workers.copy(), threads
        self.cpus = len(workers)
        self._turns = CpuTurns({LOCAL: self.cpus})
        self.meter = Meter(self._turns)
        self._deaths = 0  # of models, before they did anything
        self._models, self._model_stages, self._load = defaultdict[str, float](float), defaultdict[str, float](float), 0.0

    def window(self) -> int:
        """Returns the number of shards that may be open: each process has one."""
        return self.cpus

    async def start(self, stage: Callable[[str], None]) -> None:
        """Do nothing: each process loads models for its first batch."""

    async def watch(self) -> None:
        """Wait: this machine is not lost."""
        await asyncio.get_running_loop().create_future()

    async def look(self) -> None:
        """Do nothing: a process that died is replaced by the next call."""

    async def scan(self, rows: Sequence[PlanRow], kept_out: Mapping[str, str], progress: RunningShard) -> Pass:
        """Run a pass in one process. The outcomes are not opened here, because they come from a process that has read hostile bytes."""
        doing, seconds = _Doing(progress), self._context.settings.limits.artifact_seconds
        cpus = await self._turns.take(LOCAL, BEGIN)
        try:
            self.meter.begin()
            progress.begin(rows)
            numbers, outcomes = await self._call("pass", list(rows), tuple(kept_out), _BEAT, told=doing.told)
        except Died:
            if doing.stage == EXTRACT:
                raise StageLost(EXTRACT, died("reading it", seconds)) from None
            raise self._model_died(doing) from None
        finally:
            self._turns.give(LOCAL, cpus)
        if "lost" in numbers:
            stage, reason = map(str, numbers["lost"])
            raise StageLost(stage, reason)
        self._deaths = 0
        self.meter.add("extract", numbers["cpu_seconds"], EXTRACTION, numbers["stages"])
        for sums, some in ((self._models, numbers["models"]), (self._model_stages, numbers["model_stages"])):
            for name, value in some.items():
                sums[name] += value
        self._load += numbers["load"]
        return Pass(outcomes, kept_out=dict(kept_out))

    def _model_died(self, doing: _Doing) -> StageLost:
        if not doing.loading:
            return StageLost(doing.stage, MODEL_DIED)
        self._deaths += 1
        if self._deaths > DEATHS:
            raise CannotRunError(f"stage {doing.stage}: processes died {self._deaths} times while they loaded its models")
        return StageLost(doing.stage, "the process died while loading models", strike=False)

    async def commit(self, shard: Shard, passes: list[Pass], care: Careful | None) -> dict[str, Any]:
        """Commit a shard in one process."""
        cpus = await self._turns.take(LOCAL, CALL)
        try:
            numbers, _ = await self._call("commit", shard.rows, passes, care, until=finished)
        except Died:
            reason = died("rewriting it", self._context.settings.limits.artifact_seconds)
            raise StageLost(CLEAN, reason, strike=self._context.cleaning is not None) from None
        finally:
            self._turns.give(LOCAL, cpus)
        self.meter.add("commit", numbers["cpu_seconds"], COMMIT, {PROCESSES: numbers["started"]})
        return numbers

    async def _call(
        self, function: str, *arguments: Any, told: Callable[[Any], None] = lambda said: None, until: Callable[..., Any] = asyncio.shield
    ) -> tuple[dict[str, Any], bytes]:
        """Call a process that is idle, of which there is one for each turn. One whose answer is no longer wanted is ended."""
        limits, worker = self._context.settings.limits, self._idle.pop(0)
        running = self._threads.submit(
            worker.call, function, self._shared, *arguments, seconds=limits.artifact_seconds, memory=limits.worker_memory, told=told
        )
        call = asyncio.wrap_future(running)
        try:
            answer: tuple[dict[str, Any], bytes] = await until(call)
            return answer
        except asyncio.CancelledError:
            worker.kill()
            await asyncio.wait([call])
            call.exception()  # which is that it was ended
            raise
        finally:
            self._idle.insert(0, worker)

    def spent(self) -> Spent:
        """Returns the cost so far."""
        self.meter.known(self._model_stages)
        seconds = {name: round(value, 3) for name, value in self._models.items()}
        return Spent(seconds, self.meter.report(sum(self._models.values()), self._load))


class _Doing:
    """What a process says that it does, by which its death is explained, and the display of progress."""

    def __init__(self, progress: RunningShard) -> None:
        self.stage, self.loading = EXTRACT, False
        self._progress, self._loop = progress, asyncio.get_running_loop()
        self._batch: asyncio.Future[None] | None = None  # which the models read

    def told(self, said: Mapping[str, Any]) -> None:
        """Receive what the process tells, in the thread that waits for it."""
        self.stage, self.loading = str(said["stage"]), bool(said["loading"])
        self._loop.call_soon_threadsafe(self._show, said)

    def _show(self, said: Mapping[str, Any]) -> None:
        position = Position(*said["at"])
        if said["stage"] == EXTRACT:
            if self._batch is not None:
                self._batch.set_result(None)
                self._batch = None
            self._progress.reached(position)
        elif self._batch is None:
            self._batch = self._loop.create_future()
            self._progress.handed(self._batch, position, said.get("share", 1.0))
