"""Follows the machines of a run: uses those that join, and reassigns the work of those that are lost. It moves no work itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ResourceError
from veritensor_ray.jobs.cluster.claim import Claim
from veritensor_ray.jobs.cluster.slots import Machine, Slots, fit, machines
from veritensor_ray.jobs.scheduling.cpu_turns import CpuTurns, Places

if TYPE_CHECKING:
    from veritensor_ray.jobs.scheduling.actor_pool import Pool

_EVERY = 5.0  # seconds
_PATIENCE = 1800.0  # seconds without a suitable machine before the run gives up: a restart takes minutes


class Machines:
    """Divides the work of a run, and does so again whenever a machine comes or goes. `pools` has one pool for each stage."""

    def __init__(
        self,
        settings: Settings,
        found: Iterable[Machine],
        slots: Slots,
        turns: CpuTurns,
        extractions: Places,
        pools: Sequence[Pool],
        claim: Claim,
    ) -> None:
        self._settings, self._slots, self._claim = settings, slots, claim
        self._known = {machine.id: machine for machine in found}
        self._turns, self._extractions, self._pools = turns, extractions, pools

    async def watch(self) -> None:
        """Check repeatedly. Raises ResourceError if for half an hour nothing could be extracted, or some stage had room for no actor."""
        served = time.monotonic()
        while time.monotonic() - served < _PATIENCE:
            await asyncio.sleep(_EVERY)
            await self.look()
            if self._extractions.count and all(pool.size for pool in self._pools):
                served = time.monotonic()
        raise ResourceError(
            f"for {_PATIENCE / 60:g} minutes no machine had the resources that this run needs; start workers, and submit again"
        )

    async def look(self) -> None:
        """Check which machines are alive, and divide the work again if that has changed."""
        self.follow(await asyncio.to_thread(self._held))

    def _held(self) -> list[Machine]:
        """Returns the living machines, without those that this run now needs and on which another one was faster; these are tried again."""
        living = machines()
        for lost in self._claim.machines - {machine.id for machine in living}:
            self._claim.drop(lost)
        here = {machine.id: machine for machine in living}
        if here.keys() == self._known.keys():
            return living
        try:
            slots = fit(self._settings, len(self._pools), [self._known.get(machine.id, machine) for machine in living])
        except ResourceError:
            return living
        wanted = [share for share in slots.shares if share.machine not in self._claim.machines]
        refused = {share.machine for share in wanted if not self._claim.add(share, here[share.machine])}
        return [machine for machine in living if machine.id not in refused]

    def follow(self, living: Sequence[Machine]) -> None:
        """Divide the work among these machines. A known machine counts with the resources it had free at first: this run holds the others."""
        if {machine.id for machine in living} == set(self._known):
            return
        self._known = {machine.id: self._known.get(machine.id, machine) for machine in living}
        try:
            self._slots = fit(self._settings, len(self._pools), list(self._known.values()))
        except ResourceError:  # too little for the requested resources: the remaining machines continue as before
            self._slots = Slots(tuple(share for share in self._slots.shares if share.machine in self._known), self._slots.call_cpus)
        shares = self._slots.shares
        self._turns.update({share.machine: share.cpus for share in shares})
        self._extractions.update({share.machine: share.extract for share in shares})
        for stage, pool in enumerate(self._pools):
            pool.update({share.machine: share.actors[stage] for share in shares})
