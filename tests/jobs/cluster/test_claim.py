"""What two runs on one cluster promise each other: a CPU belongs to one of them, from the first shard to the last."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.config import Settings, load_settings
from veritensor_ray.core.errors import ResourceError
from veritensor_ray.jobs.cluster.claim import Claim
from veritensor_ray.jobs.cluster.slots import Slots, arithmetic, holders
from veritensor_ray.jobs.run_reporting import Silent

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]
TAKEN = "need.* CPU|another run has just taken"


def settings(**resources: Any) -> Settings:
    return Settings.model_validate({"resources": resources})


def taken(claim: Claim, **resources: Any) -> Slots:
    return arithmetic(settings(**resources), 0, take=claim.take)[0]


@pytest.fixture
def claim() -> Iterator[Claim]:
    with Claim(settings().resources) as held:
        yield held


def cpus() -> int:
    import ray

    return int(ray.cluster_resources()["CPU"])


def test_what_is_held_is_free_again_afterwards(claim: Claim) -> None:
    with Claim(settings().resources) as first:
        assert taken(first).cpus == cpus()
        with pytest.raises(ResourceError, match=TAKEN):
            taken(claim)
    assert taken(claim).cpus == cpus()


def test_runs_that_bound_themselves_share(claim: Claim) -> None:
    if cpus() < 2:
        pytest.skip("there is one CPU")
    with Claim(settings().resources) as first:
        assert taken(first, max_cpus=1).cpus == 1
        assert taken(claim).cpus == cpus() - 1


def test_work_runs_in_what_is_held(claim: Claim) -> None:
    import ray

    (share,) = taken(claim).shares
    where = ray.remote(num_cpus=1)(lambda: ray.get_runtime_context().get_placement_group_id())
    assert ray.get(where.options(scheduling_strategy=claim.on(share.machine)).remote())


def test_of_two_at_the_same_moment_one_gets_the_cpus() -> None:
    outcomes: list[str] = []
    both, done = threading.Barrier(2), threading.Barrier(2)

    def attempt() -> None:
        with Claim(settings().resources) as own:
            both.wait()
            try:
                taken(own)
                outcomes.append("taken")
            except ResourceError:
                outcomes.append("refused")
            done.wait()  # nobody lets go before both have tried

    threads = [threading.Thread(target=attempt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", "taken"]


class Neighbour(Silent):
    """Another run, which looks for CPUs between two shards of this one, when none of its tasks needs to be running."""

    def __init__(self) -> None:
        self.refusals: list[str] = []

    def committed(self, numbers: dict[str, Any]) -> None:
        with Claim(settings().resources) as own, pytest.raises(ResourceError, match=TAKEN) as refusal:
            taken(own)
        self.refusals.append(str(refusal.value))


def test_a_run_holds_its_cpus_between_shards(tmp_path: Path) -> None:
    from veritensor_ray.jobs.audit_run import audit

    (tmp_path / "corpus").mkdir()
    for name in "ab":
        (tmp_path / "corpus" / name).write_text("a word\n")
    flags = {"sources": [str(tmp_path / "corpus")], "output": str(tmp_path / "out"), "engines": ["signatures"]}
    neighbour = Neighbour()
    audit(load_settings(flags=flags | {"limits": {"shard_artifacts": 1}}, environ={}), neighbour)
    assert len(neighbour.refusals) == 2
    with Claim(settings().resources) as own:
        assert taken(own).cpus == cpus()


def test_waiting_in_an_embedded_ray_asks_for_no_holders() -> None:
    notes: list[str] = []
    waiting = Settings.model_validate({"resources": {"cpus": 64}, "cluster": {"wait_resources": "1s"}})
    with pytest.raises(ResourceError, match=r"64 extractions need 64 CPUs[^\n]*$"):
        arithmetic(waiting, 0, notes.append)
    assert [note.partition(", for up to")[0] for note in notes] == ["waiting for resources"]


def test_without_a_dashboard_the_holders_are_unknown() -> None:
    assert holders() == ["  the holders are unknown: this Ray has no dashboard to ask"]
