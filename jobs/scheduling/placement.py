"""Where the steps of a run are placed: one interface, which Ray implements (`on_ray`) and the processes of this machine (`in_processes`)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from veritensor_ray.cleaning.clean_shard import Careful
from veritensor_ray.cleaning.copy_manifest import Cleaned
from veritensor_ray.cleaning.names.renames import Renames
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.corpus.planning import PlanRow, Shard
from veritensor_ray.jobs.cluster import connection
from veritensor_ray.jobs.run_requests import Run
from veritensor_ray.pipeline.bounded.process import SHARED
from veritensor_ray.pipeline.context import Context
from veritensor_ray.pipeline.extracting import Pass
from veritensor_ray.pipeline.sweep_rescan import Known
from veritensor_ray.stores.outputs import OutputStore

if TYPE_CHECKING:
    from veritensor_ray.jobs.scheduling.shard_progress import RunningShard
    from veritensor_ray.jobs.scheduling.utilisation import Meter

EMBEDDED, LOCAL = "embedded", "local"  # addresses that name no cluster
RAY_COSTS = 10.0  # CPU seconds that an embedded Ray takes to start, work and end beyond what processes take, with a margin


@dataclass(frozen=True, slots=True)
class Left:
    """What of a plan is still to be scanned; `effort` is in CPU seconds, as the plan expects."""

    shards: int
    effort: float


@dataclass(frozen=True, slots=True)
class Spent:
    """The cost of a scan: CPU seconds in calls of models, by stage, and how busy the CPUs were."""

    models: dict[str, float] = field(default_factory=dict)
    utilisation: dict[str, Any] = field(default_factory=dict)


class PlacedShards(Protocol):
    """Scans and commits the shards of one run."""

    @property
    def meter(self) -> Meter:
        """Adds up the CPU seconds."""

    @property
    def cpus(self) -> int:
        """The number of processes that compute at once."""

    def window(self) -> int:
        """Returns the number of shards that may be open."""

    async def start(self, stage: Callable[[str], None]) -> None:
        """Before a long run, load the first model of each stage, so that it learns at once if one does not load. Raises ModelError."""

    async def watch(self) -> None:
        """Follow the machines until cancelled. Raises ResourceError if there are none any more."""

    async def look(self) -> None:
        """Check the machines, because one of them seems to be lost."""

    async def scan(self, rows: Sequence[PlanRow], kept_out: Mapping[str, str], progress: RunningShard) -> Pass:
        """Run extraction and the model stages over artifacts, without the stages that they are kept out of. Raises StageLost."""

    async def commit(self, shard: Shard, passes: list[Pass], care: Careful | None) -> dict[str, Any]:
        """Commit a shard, and return the numbers of the commit. Raises StageLost, CannotRunError."""

    def spent(self) -> Spent:
        """Returns the cost so far."""


class Placement(Protocol):
    """Runs the steps of a run. `name` is that in run.json."""

    name: str

    def assemble(self, assembler: Assembler, split: Iterable[list[Cleaned]], /) -> Iterator[Cleaned]:
        """Yields artifacts of a copy that are put together from their parts, in order."""

    def run(self, failing: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Returns the result of a step of the whole run. Raises VeritensorErrors, and CannotRunError that says what is `failing` otherwise."""

    def renames(self, context: Context, store: OutputStore, run: Run) -> Renames | None:
        """Returns the names that files get in the copy. Raises CannotRunError."""

    def shards(
        self, context: Context, store: OutputStore, run: str, known: Known | None, left: Left, note: Callable[[str], None]
    ) -> AbstractContextManager[PlacedShards]:
        """Prepare to scan shards. Raises ResourceError if there are not enough CPUs or memory."""


@contextlib.contextmanager
def placed(settings: Settings, effort: float = 0.0) -> Iterator[Placement]:
    """Choose where steps run that take `effort` CPU seconds, and hold Ray meanwhile if it is Ray. Raises UsageError, CannotRunError."""
    if settings.address == LOCAL and settings.resources.model_gpus:
        raise UsageError("processes of this machine (--address local) use no GPU; leave out --address, or set resources.model_gpus to 0")
    if in_processes(settings, effort) and (settings.address == LOCAL or not _joined()):
        from veritensor_ray.jobs.scheduling.in_processes import InProcesses

        yield InProcesses()
        return
    SHARED.close()  # its memory and its models; planning may start it again
    with connection.running(settings):
        from veritensor_ray.jobs.scheduling.on_ray import OnRay

        yield OnRay()


def in_processes(settings: Settings, effort: float) -> bool:
    """Whether a run of `effort` CPU seconds takes processes of this machine, unless this process has joined a Ray already."""
    return settings.address == LOCAL or (settings.address is None and not settings.resources.model_gpus and effort <= RAY_COSTS)


def _joined() -> bool:
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())
