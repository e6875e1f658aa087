"""Holds the CPUs and GPUs of a run from its first shard to its last, so that another run on the same cluster never computes on them.

Tasks alone would hold a CPU only while they run: between two of them, another run could take it. A placement group holds it throughout, and
Ray gives it to one run only, whoever asks at the same moment. Ray also takes it back when the driver ends, however it ends.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from veritensor_ray.core.config import Resources
from veritensor_ray.core.errors import ResourceError
from veritensor_ray.jobs.cluster.slots import Allotment, Machine, Slots, machines

_LOOK_AGAIN = 1.0  # seconds
_PATIENCE = 120.0  # seconds for Ray to hand over what is free, on a busy machine


class Claim:
    """What a run holds on each machine: one placement group. Its tasks and GPU actors run in them."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._groups: dict[str, Any] = {}
        self._strategies: dict[str, Any] = {}

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def take(self, slots: Slots, found: Sequence[Machine]) -> None:
        """Hold the share of every machine, or nothing. Raises ResourceError if another run has taken some of it.

        Machines are taken in one order, so that two runs never hold a part each and wait for the other's.
        """
        shares = {share.machine: share for share in slots.shares}
        for machine in sorted(found, key=lambda one: one.id):
            if machine.id in shares and not self.add(shares[machine.id], machine):
                self.release()
                raise ResourceError("another run has just taken CPUs that were free. Wait for it (--wait-resources 30m), or lower max_cpus")

    def add(self, share: Allotment, machine: Machine) -> bool:
        """Hold the share of a machine. Returns False if it is not free any more."""
        from ray.util import placement_group, remove_placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        bundle = self._bundle(share, machine)
        group: Any = placement_group([bundle], bundle_label_selector=[{"ray.io/node-id": machine.id}])
        give_up = time.monotonic() + _PATIENCE
        while not group.wait(_LOOK_AGAIN):
            if (time.monotonic() > give_up or not _free(machine.id, bundle)) and not group.wait(
                _LOOK_AGAIN
            ):  # it may be this run that took it
                remove_placement_group(group)
                return False
        self._groups[machine.id] = group
        self._strategies[machine.id] = PlacementGroupSchedulingStrategy(group, 0)
        return True

    def on(self, machine: str) -> Any:
        """Returns the scheduling strategy for work on a machine; Ray refuses the work if the machine is lost."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return self._strategies.get(machine) or NodeAffinitySchedulingStrategy(machine, soft=False)

    def drop(self, machine: str) -> None:
        """Let go of a machine. What still waits to run there fails."""
        from ray.util import remove_placement_group

        self._strategies.pop(machine, None)
        if (group := self._groups.pop(machine, None)) is not None:
            remove_placement_group(group)

    def release(self) -> None:
        """Let go of all machines."""
        for machine in self.machines:
            self.drop(machine)

    @property
    def machines(self) -> set[str]:
        """The machines on which something is held."""
        return set(self._groups)

    def _bundle(self, share: Allotment, machine: Machine) -> dict[str, float]:
        actors = sum(share.actors) if self._resources.model_gpus else 0
        gpus = actors * self._resources.model_gpus
        cpus = min(share.cpus + math.ceil(actors * self._resources.model_cpus), int(machine.cpus))
        return {"CPU": cpus} | ({"GPU": gpus if gpus <= 1 else min(math.ceil(gpus), machine.gpus)} if gpus else {})


def _free(machine: str, bundle: Mapping[str, float]) -> bool:
    wanted = bundle["CPU"], bundle.get("GPU", 0.0)
    return any(one.id == machine and one.cpus >= wanted[0] and one.gpus >= wanted[1] for one in machines())
