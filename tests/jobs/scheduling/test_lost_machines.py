"""A step of an extraction is not waited for once its machine is lost: Ray keeps such a task waiting forever."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.ray


@pytest.mark.parametrize("ready", [True, False], ids=["a step that is there", "a step that never comes"])
async def test_a_step_is_waited_for_until_its_machine_is_lost(ready: bool) -> None:
    from veritensor_ray.jobs.scheduling.lost_processes import StageLost
    from veritensor_ray.jobs.scheduling.on_ray import _unless
    from veritensor_ray.pipeline.extracting import Step

    arrived, ended = asyncio.Event(), list[str]()
    if ready:
        arrived.set()

    async def step() -> Step:
        try:
            await arrived.wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return Step(bytes=7)

    lost = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(_unless(lost, step()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    lost.set_result(None)
    if ready:
        assert (await waiting).bytes == 7
        return
    with pytest.raises(StageLost) as caught:
        await waiting
    await asyncio.sleep(0)
    assert (caught.value.strike, ended) == (False, ["cancelled"]), "no artifact is to blame, and nothing waits any longer"
