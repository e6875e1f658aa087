"""How busy a run was, from what was told and given; the shares are compared with each other, not with a clock."""

from __future__ import annotations

import asyncio

import pytest

from veritensor_ray.corpus.stage_times import COMMIT, EXTRACTION, PROCESSES
from veritensor_ray.jobs.scheduling.cpu_turns import BEGIN, CpuTurns
from veritensor_ray.jobs.scheduling.utilisation import Meter


def test_where_nothing_ran_nothing_is_said() -> None:
    assert Meter(CpuTurns({"a": 2})).report(0.0, 0.0) == {}


@pytest.mark.parametrize(("cpus", "taken", "given"), [(2, 1, 0.5), (4, 3, 0.75), (1, 1, 1.0), (4, 0, 0.0)])
def test_what_was_given_is_a_share_of_what_there_was(cpus: int, taken: int, given: float) -> None:
    async def work() -> None:
        turns = CpuTurns({"a": cpus})
        meter = Meter(turns)
        for _ in range(taken):
            await turns.take("a", BEGIN)
        meter.begin()
        await asyncio.sleep(0.01)
        meter.add("extract", 1.5, EXTRACTION, {PROCESSES: 0.5, "pii": 0.75})
        meter.add("extract", 0.5, EXTRACTION)
        meter.add("commit", 0.25, COMMIT, {PROCESSES: 0.05})
        meter.known({"pii": 1.25})
        meter.done(4_000_000)
        said = meter.report(models=2.0, load=1.0)
        assert said["given"] == pytest.approx(given, abs=0.001)
        assert said["cpus"] == cpus
        assert said["cpu_seconds"] == {"commit": 0.25, "extract": 2.0, "load": 1.0, "models": 2.0}
        assert said["busy"] * said["seconds"] * cpus == pytest.approx(5.25, rel=0.1), "of rounded numbers"

        stages = said["stages"]
        assert said["bytes"] == 4_000_000
        assert {name: one["cpu_seconds"] for name, one in stages.items()} == pytest.approx(
            {"commit": 0.2, "extraction": 0.75, "loading": 1.0, "pii": 2.0, "processes": 1.3}
        ), "what is known by stage, and the rest; the parts add up to the whole"
        assert stages["pii"]["mb_per_cpu_second"] == 2.0

    asyncio.run(work())
