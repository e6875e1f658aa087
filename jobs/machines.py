"""Follows the machines of a run: what one that joins can do is used, and what one that is lost did is done by the others. It moves no work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from veritensor_ray.config import Settings
from veritensor_ray.errors import ResourceError
from veritensor_ray.jobs.resources import Machine, Slots, fit, machines
from veritensor_ray.jobs.turns import Seats, Turns

if TYPE_CHECKING:
    from veritensor_ray.jobs.pool import Pool

_EVERY = 5.0  # seconds
_PATIENCE = 1800.0  # seconds with no machine for what a run needs: one that restarts takes minutes


class Machines:
    """The arithmetic of a run, done again when a machine came or went; `pools` has one pool for each stage."""

    def __init__(
        self, settings: Settings, found: Iterable[Machine], slots: Slots, turns: Turns, extractions: Seats, pools: Sequence[Pool]
    ) -> None:
        self._settings, self._slots = settings, slots
        self._known = {machine.id: machine for machine in found}
        self._turns, self._extractions, self._pools = turns, extractions, pools

    async def watch(self) -> None:
        """Look again and again. Raises ResourceError when for half an hour nothing could be extracted, or no actor had a place."""
        served = time.monotonic()
        while time.monotonic() - served < _PATIENCE:
            await asyncio.sleep(_EVERY)
            await self.look()
            if self._extractions.count and all(pool.size for pool in self._pools):
                served = time.monotonic()
        raise ResourceError(f"for {_PATIENCE / 60:g} minutes no machine had what this run needs; start workers, and submit again")

    async def look(self) -> None:
        """See who is there, and divide the work anew if that changed."""
        self.follow(await asyncio.to_thread(machines))

    def follow(self, living: Sequence[Machine]) -> None:
        """Divide the work among these. Of a machine that was there already counts what was free at first: what it lacks now, this run has."""
        if {machine.id for machine in living} == set(self._known):
            return
        self._known = {machine.id: self._known.get(machine.id, machine) for machine in living}
        try:
            self._slots = fit(self._settings, len(self._pools), list(self._known.values()))
        except ResourceError:  # too little for what was asked: what is left goes on as it was
            self._slots = Slots(tuple(share for share in self._slots.shares if share.machine in self._known), self._slots.call_cpus)
        shares = self._slots.shares
        self._turns.update({share.machine: share.cpus for share in shares})
        self._extractions.update({share.machine: share.extract for share in shares})
        for stage, pool in enumerate(self._pools):
            pool.update({share.machine: share.actors[stage] for share in shares})
