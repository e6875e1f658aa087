"""A pool of model actors: each is started when a batch needs it, and dropped when it dies."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import ray
from ray.exceptions import (
    ActorPlacementGroupRemoved,
    ActorUnschedulableError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from veritensor_ray.actors.model_actors import ModelActor
from veritensor_ray.core.errors import CannotRunError, VeritensorError, told
from veritensor_ray.engines.base import Engine, TextEngine, Transcriber
from veritensor_ray.jobs.cluster.claim import Claim
from veritensor_ray.jobs.scheduling.cpu_turns import CALL, CpuTurns, Places
from veritensor_ray.jobs.scheduling.lost_processes import DEATHS, MODEL_DIED, StageLost
from veritensor_ray.models.shared_answers import Place

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Hosted:
    """An actor with its machine, the number of claims on it, and its calls. It works on the first; on a GPU, the next one already waits."""

    actor: Any
    machine: str
    claims: int = 0
    calls: list[object] = field(default_factory=list)
    ready: set[bool] = field(default_factory=set)  # whether its engines that read images are loaded, and those that read text
    load_seconds: float = 0.0
    answers: Place | None = None  # where it shares what its models answered
    dead: bool = False


class Pool:
    """Actors that host the same engines, which read text, images or both. `stage` is the pool's name in the reasons of the ledger.

    `places` is the maximum number of actors on each machine. The first actor is started for the first batch; another one is started once
    CPUs have been idle while batches waited for as long as an actor takes to load. An actor loads the engines that read images for its first
    batch of images, and the others for its first batch of text. A call takes `cpus` of the turns. With `gpus`, a fraction
    of a GPU or more, the next batch waits at the actor while it works on the current one.
    """

    def __init__(
        self,
        context: Any,
        engines: Sequence[Engine],
        turns: CpuTurns,
        places: Mapping[str, int],
        cpus: float = 1.0,
        gpus: float = 0.0,
        claim: Claim | None = None,
    ) -> None:
        self.names = names = tuple(engine.name for engine in engines)
        self.stage = "+".join(names)
        self.reads_text = any(isinstance(engine, TextEngine) for engine in engines)
        self.reads_images = any(isinstance(engine, Transcriber) for engine in engines)
        actor_class: Any = ModelActor  # the decorator changes its type
        self._create: Any = lambda machine: actor_class.options(
            num_cpus=0,
            num_gpus=gpus,
            scheduling_strategy=claim.on(machine) if claim and gpus else NodeAffinitySchedulingStrategy(machine, soft=False),
        ).remote(context, names)
        self._turns, self._cpus, self._ahead = turns, cpus, 2 if gpus else 1
        self._places = dict(places)
        self._staff: Counter[str] = Counter()
        self._call_places = Places(turns, {}, shares=not gpus)
        self._hosted: dict[str, list[_Hosted]] = defaultdict(list)
        self._takes_to_load = math.inf  # seconds
        self._deaths = 0
        self._broken: Exception | None = None
        self.cpu_seconds = 0.0
        self.load_seconds = 0.0
        self.stage_seconds: defaultdict[str, float] = defaultdict(float)

    @property
    def size(self) -> int:
        """The maximum number of actors."""
        return sum(self._places.values())

    def update(self, places: Mapping[str, int]) -> None:
        """Adjust to machines that came or went."""
        self._places = dict(places)
        self._staff = Counter({machine: min(count, places[machine]) for machine, count in self._staff.items() if machine in places})
        self._hire()

    def _hire(self) -> None:
        """Plan for at least one actor, plus one more whenever CPUs were idle beside waiting batches for as long as an actor takes to load."""
        while room := [machine for machine, count in self._places.items() if self._staff[machine] < count]:
            if self._staff.total():
                if self._call_places.waited() < self._takes_to_load:
                    break
                self._call_places.forget(self._takes_to_load)
            self._staff[max(room, key=self._turns.free)] += 1
        self._call_places.update({machine: count * self._ahead for machine, count in self._staff.items()})

    async def start(self) -> None:
        """Load the first actor, so that a long run learns at once if a model does not load. Raises ModelError as the actor raised it."""

        async def loaded(machine: str) -> None:
            for images, wanted in ((False, self.reads_text), (True, self.reads_images)):
                if wanted:
                    hosted = await self._hosting(machine, images)
                    hosted.claims -= 1

        await self._on_a_place(loaded, None)

    def close(self) -> None:
        """End the actors: an interrupted run must not keep holding resources."""
        for hosted in [one for there in self._hosted.values() for one in there]:
            ray.kill(hosted.actor, no_restart=True)

    async def scan(self, texts: ray.ObjectRef[Any], names: tuple[str, ...], near: str | None = None) -> ray.ObjectRef[Any]:
        """Scan a batch in the object store with some of the engines; returns a reference to the result. Raises StageLost."""
        _, result = await self._call(lambda actor: actor.scan.options(num_returns=2).remote(texts, names), near, images=False)
        return result

    async def read_images(
        self, images: ray.ObjectRef[Any], near: str | None = None
    ) -> tuple[ray.ObjectRef[Any], ray.ObjectRef[Any] | None]:
        """Transcribe a batch; returns references to the result and to the text (None if there is none). Raises StageLost."""
        numbers, result, texts = await self._call(lambda actor: actor.read_images.options(num_returns=3).remote(images), near, images=True)
        return result, texts if numbers["texts"] else None

    async def _call(self, submit: Callable[[Any], list[Any]], near: str | None, images: bool) -> list[Any]:
        """Call an actor; returns its values, of which the first, some small numbers, is fetched. `near` is the machine of the batch.

        Raises StageLost.
        """

        async def called(machine: str) -> list[Any]:
            hosted = await self._hosting(machine, images)
            try:
                return await self._answer(hosted, submit)
            finally:
                hosted.claims -= 1

        return await self._on_a_place(called, near)

    async def _on_a_place(self, work: Callable[[str], Awaitable[T]], near: str | None) -> T:
        """Do work that needs an actor, once it is its turn."""
        self._hire()
        machine = await self._call_places.take(near)
        try:
            cpus = await self._turns.take(machine, CALL, self._cpus)
            try:
                return await work(machine)
            finally:
                self._turns.give(machine, cpus)
        finally:
            self._hire()
            self._call_places.give(machine)

    async def _answer(self, hosted: _Hosted, submit: Callable[[Any], list[Any]]) -> list[Any]:
        call = object()
        hosted.calls.append(call)
        try:
            meta, *results = submit(hosted.actor)
            numbers = await meta
        except OutOfMemoryError:
            self._died(hosted)
            raise StageLost(self.stage, "Ray ended the model actor because memory ran out", strike=False) from None
        except RayActorError:
            self._died(hosted)
            if self._is_lost(hosted.machine):
                raise StageLost(self.stage, "the model actor was lost with its node", strike=False) from None
            raise StageLost(self.stage, MODEL_DIED, strike=hosted.calls[0] is call) from None
        except ObjectLostError:
            raise StageLost(self.stage, "a batch was lost with its node", strike=False) from None
        except WorkerCrashedError:
            raise  # the extraction died before it handed over the batch
        except RayError as error:
            raise StageLost(self.stage, told(error.cause if isinstance(error, RayTaskError) else error)) from None
        finally:
            if not hosted.dead:  # for a dead actor, the first call has to remain known
                hosted.calls.remove(call)
        self._deaths = 0
        self.cpu_seconds += numbers["cpu_seconds"]
        for name, seconds in numbers["stages"].items():
            self.stage_seconds[name] += seconds
        return [numbers, *results]

    async def _hosting(self, machine: str, images: bool) -> _Hosted:
        """Returns an actor that answers and is ready for images or text, claimed by the caller until the claim is taken back.

        Starts a new one if the others are busy.
        """
        while True:
            if self._broken:
                raise self._broken
            there = self._hosted[machine]
            hosted = min(there, key=lambda one: one.claims, default=None)
            if hosted is None or (hosted.claims and len(there) < self._staff[machine]):
                hosted = _Hosted(self._create(machine), machine)
                there.append(hosted)
            hosted.claims += 1
            answers = False
            try:
                if answers := (bool(hosted.calls) and images in hosted.ready) or await self._answers(hosted, images):
                    return hosted
            finally:
                if not answers:  # also if the caller was cancelled meanwhile
                    hosted.claims -= 1

    async def _answers(self, hosted: _Hosted, images: bool) -> bool:
        """Whether an actor is alive and ready: one that died while idle, or before it was ready, must not count against an artifact."""
        try:
            others = (one.answers for one in self._hosted[hosted.machine] if one is not hosted)
            ready = await hosted.actor.ready.remote(images, next(filter(None, others), None))
            took, hosted.answers = ready["cpu_seconds"], ready["answers"]
            if images not in hosted.ready:
                hosted.ready.add(images)
                if not self.load_seconds:
                    self._call_places.forget()  # until now the cost of another actor was unknown
                self._takes_to_load = took
                self.load_seconds += took - hosted.load_seconds
                hosted.load_seconds = took
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, VeritensorError) else CannotRunError(f"stage {self.stage}: {error}")
            self._broken = cause
            raise cause from None
        except (RayActorError, ActorUnschedulableError, ActorPlacementGroupRemoved):
            self._died(hosted)
            if self._is_lost(hosted.machine):
                raise StageLost(self.stage, "the model actor was lost with its node", strike=False) from None
            return False
        return True

    def _died(self, hosted: _Hosted) -> None:
        """Forget an actor. Too many deaths without a finished batch in between break the pool."""
        if not hosted.dead:
            hosted.dead = True
            self._hosted[hosted.machine].remove(hosted)
            self._deaths += 1
            if self._deaths > DEATHS:
                self._broken = CannotRunError(f"stage {self.stage}: actors died {self._deaths} times without finishing a batch")

    def _is_lost(self, machine: str) -> bool:
        """Whether a machine is gone; one that has just vanished counts as alive until the cluster's health checks fail."""
        return not any(one["NodeID"] == machine and one["Alive"] for one in ray.nodes())
