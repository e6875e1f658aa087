"""Walks over a pickle as Python's unpickler in C reads it from a file without `peek`, if its frames do not end between opcodes.

That unpickler keeps a frame in a buffer. If an opcode needs more than the buffer holds, it drops the rest of the buffer and reads the whole
operand from behind the frame.
"""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.formats.model_files.forward import ForwardView
from veritensor_ray.formats.model_files.pickle.events import Broken, BrokenOff, Call, Doubtful, WalkBudget
from veritensor_ray.formats.model_files.pickle.opcodes import PickleWalk
from veritensor_ray.formats.model_files.pickle.pickle_values import Name


class FramedWalk(PickleWalk):
    """Drops what that unpickler drops. It does not expect arrays of joblib, which are read by another one."""

    buffered = 0  # the position at which the buffer ends

    def _align(self, size: int) -> None:
        if self._window.position + size > self.buffered > self._window.position:
            self._skip(self.buffered - self._window.position)

    def _number(self, form: str, size: int) -> int:
        self._align(size)
        return super()._number(form, size)

    def _line(self, keep: int = 4096) -> bytes:
        self._align_line()
        return super()._line(keep)

    def _name_line(self) -> str:
        self._align_line()
        return super()._name_line()

    def _align_line(self) -> None:
        window = self._window
        window.ensure(left := max(0, self.buffered - window.position))
        if window.data.find(b"\n", window.at, window.at + left) < 0:
            self._align(left + 1)

    def _short_text(self, length: int, offset: int) -> None:
        self._align(length)
        super()._short_text(length, offset)

    def _long(self, form: str, size: int) -> None:
        length = self._number(form, size)
        self._align(max(0, length))
        self._skip(max(0, length))
        self._integral(0)

    def _mark(self) -> None:
        self._stack.mark()

    def _begin_frame(self) -> None:
        size = self._number("<Q", 8)
        self._align(size)
        if self._window.size is not None and self._window.position + size > self._window.size:
            raise BrokenOff("it ends inside a frame")
        self.buffered = max(self.buffered, self._window.position + size)


def as_framed(window: ForwardView, budget: WalkBudget) -> Iterator[Doubtful]:
    """Yield the names and calls of the pickles in a row that begin at a view."""
    while budget.left > 0 and window.ensure(1):
        walk = FramedWalk(window)
        try:
            for event in walk.events():
                if isinstance(event, (Name, Call)):
                    yield Doubtful(event)
                if walk.operations > budget.left:
                    break
        except Broken:
            return
        finally:
            budget.left -= walk.operations + 1
        if not walk.stopped or not window.skip(max(0, walk.buffered - window.position)):
            return
