"""Decides which work may compute: the CPUs of a run's machines go to whatever waits for them, model calls first."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# A model call frees the memory of a batch, a resumed extraction makes another batch, and a new extraction opens a shard.
CALL, RESUME, BEGIN = range(3)


@dataclass(slots=True)
class _Desk:
    cpus: float
    free: float
    waiting: tuple[deque[tuple[asyncio.Future[None], float]], ...] = field(default_factory=lambda: (deque(), deque(), deque()))


class CpuTurns:
    """The CPUs of each machine. A taker waits until they are free, more urgent takers go first, and a lost machine blocks nobody."""

    def __init__(self, cpus: Mapping[str, float]) -> None:
        self._desks = {machine: _Desk(count, count) for machine, count in cpus.items()}
        self._cpus, self._held = sum(cpus.values()), 0.0
        self._given = self._offered = 0.0
        self._moment = time.monotonic()
        self.told: list[Callable[[float, float], None]] = []  # called with elapsed seconds, and the CPUs idle meanwhile

    def update(self, cpus: Mapping[str, float]) -> None:
        """Adjust to machines that came or went."""
        self.count()
        for machine, count in cpus.items():
            desk = self._desks.setdefault(machine, _Desk(0, 0))
            desk.free += count - desk.cpus
            desk.cpus = count
        for machine, desk in list(self._desks.items()):
            if machine not in cpus:
                desk.cpus, desk.free = 0.0, math.inf
            self._wake(desk)
            if machine not in cpus:
                del self._desks[machine]
        self._cpus = sum(desk.cpus for desk in self._desks.values())
        self._held = sum(desk.cpus - desk.free for desk in self._desks.values())

    async def take(self, machine: str, urgency: int, cpus: float = 1.0) -> float:
        """Wait for CPUs of a machine, at most as many as it has. Returns their number, to be passed to `give`."""
        desk = self._desks.get(machine)
        if desk is None or cpus == 0:
            return 0.0
        cpus = min(cpus, desk.cpus)
        if desk.free >= cpus and not any(desk.waiting[: urgency + 1]):
            self._hand(desk, cpus)
            return cpus
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        desk.waiting[urgency].append((turn, cpus))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it had just been granted
                self.give(machine, cpus)
            raise
        return cpus

    def give(self, machine: str, cpus: float) -> None:
        """Return CPUs; they go to the most urgent taker that waits there."""
        if (desk := self._desks.get(machine)) is not None:
            self._hand(desk, -cpus)
            self._wake(desk)

    def free(self, machine: str) -> float:
        """Returns the free CPUs of a machine, minus the number of takers that wait for some."""
        desk = self._desks.get(machine)
        return -math.inf if desk is None else desk.free - sum(len(waiting) for waiting in desk.waiting)

    def counted(self) -> tuple[float, float]:
        """Returns the CPU seconds that were used so far, and those that were available."""
        self.count()
        return self._given, self._offered

    def _wake(self, desk: _Desk) -> None:
        for waiting in desk.waiting:
            while waiting:
                turn, cpus = waiting[0]
                if not turn.done():
                    if desk.free < cpus:
                        return
                    self._hand(desk, cpus)
                    turn.set_result(None)
                waiting.popleft()

    def _hand(self, desk: _Desk, cpus: float) -> None:
        self.count()
        desk.free -= cpus
        self._held += cpus

    def count(self) -> None:
        """Add up the time until now, before something changes."""
        now = time.monotonic()
        passed, self._moment = now - self._moment, now
        self._given += passed * self._held
        self._offered += passed * self._cpus
        for tell in self.told:
            tell(passed, self._cpus - self._held)


class Places:
    """A number of places on each machine. A taker gets a place where most CPUs are free. With `shares`, the work on places takes turns."""

    def __init__(self, turns: CpuTurns, places: Mapping[str, int], shares: bool = True) -> None:
        self._turns = turns
        self._places: dict[str, int] = dict(places)
        self._free: dict[str, int] = dict(places)
        self._waiting: deque[asyncio.Future[str]] = deque()
        self._losses: dict[str, asyncio.Future[None]] = {}
        self._waited, self._shares = 0.0, shares
        turns.told.append(self._told)

    def waited(self) -> float:
        """Returns the total seconds that takers waited since they were last forgotten, counting only time in which CPUs were idle."""
        self._turns.count()
        return self._waited

    def forget(self, seconds: float = math.inf) -> None:
        """Subtract `seconds` of waiting, after something was done about it."""
        self._waited = max(0.0, self.waited() - seconds)

    def _told(self, seconds: float, idle: float) -> None:
        self._waited += seconds * (min(len(self._waiting), idle) if self._shares else len(self._waiting))

    @property
    def count(self) -> int:
        """The places of all machines."""
        return sum(self._places.values())

    def update(self, places: Mapping[str, int]) -> None:
        """Adjust to machines that came or went."""
        self._free = {machine: count - self._places.get(machine, 0) + self._free.get(machine, 0) for machine, count in places.items()}
        self._places = dict(places)
        for machine in self._losses.keys() - places.keys():
            self._losses.pop(machine).set_result(None)
        self._wake()

    def loss(self, machine: str) -> asyncio.Future[None]:
        """Returns a future that is done once the machine is lost. It is shared, so nobody may cancel it."""
        if machine in self._places:
            return self._losses.setdefault(machine, asyncio.get_running_loop().create_future())
        (lost := asyncio.get_running_loop().create_future()).set_result(None)
        return lost

    async def take(self, near: str | None = None) -> str:
        """Take a place and return its machine: `near`, if it has a free CPU."""
        if (machine := self._best(near)) is not None:
            self._free[machine] -= 1
            return machine
        place: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._turns.count()  # counts the time until now for those who already waited
        self._waiting.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give(place.result())
            raise

    def give(self, machine: str) -> None:
        """Return a place; it goes to the taker that has waited longest."""
        if machine in self._free:
            self._free[machine] += 1
            self._wake()

    def _best(self, near: str | None = None) -> str | None:
        if near is not None and self._free.get(near, 0) > 0 and self._turns.free(near) > 0:
            return near
        able = [machine for machine, count in self._free.items() if count > 0]
        return max(able, key=self._turns.free) if able else None

    def _wake(self) -> None:
        self._turns.count()
        while self._waiting and (machine := self._best()) is not None:
            place = self._waiting.popleft()
            if not place.done():
                self._free[machine] -= 1
                place.set_result(machine)
