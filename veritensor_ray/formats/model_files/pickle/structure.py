"""Walks over consecutive pickles of a file and reports how each of them ends. It does not judge any names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from veritensor_ray.formats.model_files.forward import ForwardView
from veritensor_ray.formats.model_files.pickle.events import Broken, Doubtful, Event, PickleAside, WalkBudget
from veritensor_ray.formats.model_files.pickle.framed import as_framed
from veritensor_ray.formats.model_files.pickle.opcodes import NO_FRAME, PickleWalk

TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # the first of five pickles, before the raw tensors, in files of torch before 1.6
_TORCH_PICKLES = 5


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a pickle. `reason` is empty after a STOP; `sure` says that it is a pickle and not bytes that happen to be opcodes.

    `odd_frames` says that unpicklers may disagree on what it contains.
    """

    start: int
    end: int
    operations: int
    sure: bool
    reason: str = ""
    odd_frames: bool = False


@dataclass(frozen=True, slots=True)
class Rest:
    """The data after the last pickle. `tensors` says that the format expects tensors there."""

    start: int
    tensors: bool = False


class Pickles:
    """Walks through a file, which is at its first pickle. Positions count from there."""

    def __init__(self, file: BinaryIO, texts: bool = False) -> None:
        self.window = ForwardView(file)
        self._texts = texts
        self.aside = PickleAside()
        self._budget = None if texts else WalkBudget()

    def events(self) -> Iterator[Event | Ended | Rest]:
        """Yield the events of each pickle followed by its end, in order, and finally the data that is left over, if any."""
        number, torch = 0, False
        while self.window.ensure(1):
            if torch and number == _TORCH_PICKLES:
                yield Rest(self.window.position, tensors=True)
                return
            start = self.window.position
            walk = PickleWalk(self.window, self._texts, self._budget, aside=self.aside)
            marked = self.window.ensure(2) and self.window.data[self.window.at] == 0x80 and self.window.data[self.window.at + 1] <= 5
            reason = ""
            try:
                yield from walk.events()
            except Broken as broken:
                reason = str(broken)
            sure = bool(marked) or (not reason and not walk.faults)
            number += 1
            torch = torch or (number == 1 and walk.result == TORCH_MAGIC)
            yield from self._other_ways(start, walk)
            yield Ended(start, self.window.position, walk.operations, sure, reason, walk.odd_frames)
            if reason:
                if self.window.ensure(1):
                    yield Rest(self.window.position)
                return

    def _other_ways(self, start: int, walk: PickleWalk) -> Iterator[Doubtful]:
        """Yield what an unpickler finds that heeds frames, and one that goes on at the end of the last frame."""
        if self._budget is None:
            return
        if walk.odd_frames and (window := self.window.again(start)):
            yield from as_framed(window, self._budget)
        size = self.window.size
        if walk.stopped and walk.frame != NO_FRAME and size is not None and walk.frame < size and (window := self.window.again(walk.frame)):
            yield from as_framed(window, self._budget)
