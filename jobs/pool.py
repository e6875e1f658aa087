"""A pool of model actors: one call at a time each, replaced when they die; it knows no shards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import ObjectLostError, OutOfMemoryError, RayActorError, RayError, RayTaskError, WorkerCrashedError

from veritensor_ray.actors.models import ModelActor
from veritensor_ray.engines.base import Engine, TextEngine, Transcriber
from veritensor_ray.errors import CannotRunError, VeritensorError

_DEATHS = 12  # one after the other with no call in between that succeeded: it is not the artifacts


class StageLost(Exception):
    """A stage ended without a result. `strike`: the artifact may be the cause; without it, run again and think no worse of it."""

    def __init__(self, stage: str, reason: str, strike: bool = True) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage, self.reason, self.strike = stage, reason, strike


class Pool:
    """Actors that host the same engines: those that read text, those that read images, or both. `stage` is its name in the ledger's reasons."""

    def __init__(self, context: Any, engines: Sequence[Engine], size: int, options: dict[str, Any]) -> None:
        self.names = names = tuple(engine.name for engine in engines)
        self.stage = "+".join(names)
        self.reads_text = any(isinstance(engine, TextEngine) for engine in engines)
        self.reads_images = any(isinstance(engine, Transcriber) for engine in engines)
        actor_class: Any = ModelActor  # what the decorator makes of it
        self._create: Any = lambda: actor_class.options(**options).remote(context, names)
        self._size = size
        self._actors: list[Any] = []
        self._nodes: dict[Any, str] = {}
        self._idle: asyncio.Queue[Any] = asyncio.Queue()
        self._deaths = 0
        self._broken: Exception | None = None
        self._replacing: set[asyncio.Task[None]] = set()
        self.cpu_seconds = 0.0

    async def start(self) -> None:
        """Load all actors. Raises ModelError as the actor raised it."""
        await asyncio.gather(*(self._restore() for _ in range(self._size)))
        if self._broken:
            raise self._broken

    async def _add(self) -> None:
        actor = self._create()
        self._actors.append(actor)
        try:
            self._nodes[actor] = (await actor.ready.remote())["node"]
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, VeritensorError) else CannotRunError(f"stage {self.stage}: {error}")
            raise cause from None
        self._idle.put_nowait(actor)

    def close(self) -> None:
        """End the actors: what an interrupted run leaves behind must not hold CPUs."""
        for actor in self._actors:
            ray.kill(actor, no_restart=True)

    async def scan(self, texts: ray.ObjectRef[Any], names: tuple[str, ...]) -> ray.ObjectRef[Any]:
        """Scan a batch that waits in the object store with some of the engines; returns a reference to the result. Raises StageLost."""
        _, result = await self._call(lambda actor: actor.scan.options(num_returns=2).remote(texts, names))
        return result

    async def read_images(self, images: ray.ObjectRef[Any]) -> tuple[ray.ObjectRef[Any], ray.ObjectRef[Any] | None]:
        """Transcribe a batch; returns references to the result and to the text, None where there is none. Raises StageLost."""
        numbers, result, texts = await self._call(lambda actor: actor.read_images.options(num_returns=3).remote(images))
        return result, texts if numbers["texts"] else None

    async def _call(self, submit: Callable[[Any], list[Any]]) -> list[Any]:
        """The returns of a call to an idle actor, the first of them fetched: small numbers. Raises StageLost."""
        actor = await self._alive()
        try:
            meta, *results = submit(actor)
            numbers = await meta
        except OutOfMemoryError:
            self._replace(actor)
            raise StageLost(self.stage, "Ray ended the model actor for want of memory", strike=False) from None
        except RayActorError:
            lost = self._is_lost(self._nodes[actor])
            self._replace(actor)
            if lost:
                raise StageLost(self.stage, "the model actor was lost with its node", strike=False) from None
            raise StageLost(self.stage, "the model actor died while scanning it") from None
        except ObjectLostError:
            self._idle.put_nowait(actor)
            raise StageLost(self.stage, "a batch was lost with its node", strike=False) from None
        except WorkerCrashedError:
            self._idle.put_nowait(actor)
            raise  # the extraction died before it handed the batch over
        except RayError as error:
            self._idle.put_nowait(actor)
            raise StageLost(self.stage, str(error).strip().rpartition("\n")[2][:200]) from None
        self._deaths = 0
        self.cpu_seconds += numbers["cpu_seconds"]
        self._idle.put_nowait(actor)
        return [numbers, *results]

    async def _alive(self) -> Any:
        """An idle actor that answers: one that died while it was idle must not count against the next artifact."""
        while True:
            actor = None if self._broken else await self._idle.get()
            if actor is None:
                self._idle.put_nowait(None)  # for the next waiter
                raise CannotRunError(f"stage {self.stage}: {self._broken}")
            try:
                await actor.ready.remote()
            except RayActorError:
                self._replace(actor)
            else:
                return actor

    def _is_lost(self, node: str) -> bool:
        """Whether a machine is gone; one that just vanished counts as living until the cluster's health checks give it up."""
        return not any(one["NodeID"] == node and one["Alive"] for one in ray.nodes())

    def _replace(self, actor: Any) -> None:
        self._actors.remove(actor)
        self._nodes.pop(actor, None)
        self._deaths += 1
        task = asyncio.ensure_future(self._restore())
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def _restore(self) -> None:
        """A new actor, in the queue when it answers; another one where it dies before that."""
        while self._deaths <= _DEATHS:
            try:
                await self._add()
                return
            except RayActorError:
                self._deaths += 1
            except VeritensorError as error:
                self._broken = error
                break
        self._broken = self._broken or CannotRunError(f"actors died {self._deaths} times without finishing a batch")
        self._idle.put_nowait(None)  # wake a waiter: its call fails and says why
