"""Pools of real actors with fakes of models: when one is started, and whose fault it is when one dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ModelError
from veritensor_ray.pipeline.context import Context, without_weights
from veritensor_ray.pipeline.scan import Handover
from veritensor_ray.testing import text_batch

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

Work = Callable[[Any, Callable[[str], Any]], Coroutine[Any, Any, None]]


UNLOADABLE = """
from veritensor_ray.core.errors import ModelError
from veritensor_ray.testing import ObedientModel, ObedientTranscriber


class Unloadable(ObedientModel):
    name = "unloadable"

    def load(self, models):
        raise ModelError("the weights are gone. Bring them again")


class Blind(ObedientTranscriber):
    name = "blind"

    def load(self, models):
        raise ModelError("the weights are gone. Bring them again")
"""


FAKE = "veritensor_ray.testing:ObedientModel"


def in_a_pool(
    work: Work, names: tuple[str, ...] = ("fake-model",), kinds: tuple[str, ...] = (FAKE,), places: int = 2, folder: Path | None = None
) -> None:
    """Run `work` with a pool, and with a function that puts a text into the object store as a batch."""
    import ray

    from veritensor_ray.jobs.scheduling.actor_pool import Pool
    from veritensor_ray.jobs.scheduling.cpu_turns import CpuTurns

    given = {"plugins": kinds, "plugin_folder": folder and str(folder), "engines": names, "limits": {"artifact_seconds": 10}}
    context = Context(Settings.model_validate(given), (), names, b"key", "pool")
    (node,) = [one["NodeID"] for one in ray.nodes() if one["Alive"]]

    async def inside() -> None:
        pool = Pool(ray.put(context), without_weights(context, names), CpuTurns({node: places}), {node: places})
        try:
            await work(pool, lambda text: pool.scan(ray.put(Handover(text_batch([text]))), names))
        finally:
            pool.close()

    asyncio.run(inside())


def actors(pool: Any) -> int:
    return sum(len(there) for there in pool._hosted.values())


def test_the_first_batch_starts_an_actor_and_waiting_another() -> None:
    async def work(pool: Any, scan: Callable[[str], Any]) -> None:
        assert actors(pool) == 0, "nobody pays for what no batch needs"
        await scan("word")
        pool._takes_to_load = 1e9
        await asyncio.gather(*(scan("word") for _ in range(20)))
        assert actors(pool) == 1, "twenty quick batches waited for less than another actor takes to load"
        pool._takes_to_load = 0.0
        await asyncio.gather(*(scan("word") for _ in range(20)))
        assert actors(pool) == 2, "they waited longer than that, and there are places for two"
        shared = {one.answers and one.answers[1:] for there in pool._hosted.values() for one in there}
        assert len(shared) == 1, "what one model has answered, the other need not compute again"

    in_a_pool(work)


def test_the_batch_that_an_actor_was_at_is_to_blame_and_not_the_one_that_waited_beside_it() -> None:
    from veritensor_ray.jobs.scheduling.lost_processes import StageLost

    async def work(pool: Any, scan: Callable[[str], Any]) -> None:
        pool._ahead, pool._cpus = 2, 0.0  # as on a GPU
        pool.update(pool._places)
        await scan("word")
        first = asyncio.ensure_future(scan("HANG-MODEL"))
        ((hosted,),) = pool._hosted.values()
        while not hosted.calls:
            await asyncio.sleep(0.01)
        second = asyncio.ensure_future(scan("word"))
        while len(hosted.calls) < 2:
            await asyncio.sleep(0.01)
        lost = await asyncio.gather(first, second, return_exceptions=True)
        assert [isinstance(one, StageLost) and one.strike for one in lost] == [True, False]
        assert isinstance(lost[1], StageLost)
        assert actors(pool) == 0
        await scan("word")
        assert actors(pool) == 1

    in_a_pool(work, places=1)


def test_who_gives_up_while_an_actor_loads_leaves_nothing_behind() -> None:
    async def work(pool: Any, scan: Callable[[str], Any]) -> None:
        hasty = asyncio.ensure_future(scan("word"))
        while not actors(pool):
            await asyncio.sleep(0.01)
        hasty.cancel()
        await asyncio.gather(hasty, return_exceptions=True)
        await scan("word")
        ((hosted,),) = pool._hosted.values()
        assert hosted.claims == 0
        assert hosted.ready == {False}

    in_a_pool(work)


def test_a_model_that_does_not_load_ends_every_call_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "unloadable.py").write_text(UNLOADABLE)

    async def work(pool: Any, scan: Callable[[str], Any]) -> None:
        for call in (pool.start, lambda: scan("word")):
            with pytest.raises(ModelError, match="the weights are gone"):
                await call()

    in_a_pool(work, ("unloadable",), ("unloadable:Unloadable",), folder=tmp_path)


def test_what_reads_images_is_loaded_for_the_first_image(tmp_path: Path) -> None:
    (tmp_path / "unloadable.py").write_text(UNLOADABLE)

    async def work(pool: Any, scan: Callable[[str], Any]) -> None:
        import ray

        await scan("word")
        with pytest.raises(ModelError, match="the weights are gone"):
            await pool.read_images(ray.put(Handover(text_batch(["word"]), images=True)))
        with pytest.raises(ModelError, match="the weights are gone"):
            await scan("word")

    in_a_pool(work, ("fake-model", "blind"), (FAKE, "unloadable:Blind"), folder=tmp_path)
