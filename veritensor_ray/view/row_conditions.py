"""Evaluate the conditions that a user writes in a process of their own, which ends when one takes too much time or memory.

DuckDB neither interrupts a function such as repeat() nor counts all the memory that it takes. The process opens the copy of the tables and
nothing else, and answers with the numbers of rows. It does not depend on the server.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from pathlib import Path

import pyarrow as pa

from veritensor_ray.core.errors import CannotRunError, UsageError, VeritensorError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.pipeline.bounded.process import Died, Worker

SECONDS = 70.0  # more than the server waits, which says in its own words that a query took too long
MEMORY = 2 << 30  # bytes that a condition may allocate
_KEPT = 4  # conditions whose rows are kept: the page asks for the same ones again when it sorts, groups and turns pages
_ROWS = pa.schema([("n", pa.uint32())])


class ConditionEnded(VeritensorError):
    """A condition was ended, because nobody waits for it any longer."""


class Conditions:
    """The conditions over one copy, which is a file. They are evaluated one after the other."""

    def __init__(self, file: Path, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self._file, self._seconds, self._memory = file, seconds, memory
        self._worker, self._lock = Worker("veritensor_ray.view.evaluating"), threading.Lock()
        self._known: OrderedDict[str, pa.Table] = OrderedDict()
        self._asking: object = None
        self._ended = False

    def rows(self, where: str, asking: object) -> pa.Table:
        """Return the numbers of the findings that meet a condition, as a table with the column `n`.

        `asking` is for `end`. Raises UsageError for a condition that is not valid, or that takes too much time or memory; ConditionEnded.
        """
        with self._lock:
            if where not in self._known:
                self._asking, self._ended = asking, False
                try:
                    self._known[where] = self._evaluated(where)
                finally:
                    self._asking = None
                if len(self._known) > _KEPT:
                    self._known.popitem(last=False)
            self._known.move_to_end(where)
            return self._known[where]

    def start(self) -> None:
        """Start the process, so that the first condition does not wait for it."""
        with contextlib.suppress(VeritensorError):
            self.rows("false", self)

    def end(self, asking: object) -> None:
        """End the process if it evaluates a condition for `asking`. The next condition starts another one."""
        if self._asking is asking:
            self._ended = True
            self._worker.kill()

    def close(self) -> None:
        """End the process."""
        self._worker.kill()
        self._worker.close()

    def _evaluated(self, where: str) -> pa.Table:
        try:
            _, data = self._worker.call("rows", str(self._file), where, seconds=self._seconds, memory=self._memory)
        except Died as death:
            if self._ended:
                raise ConditionEnded("The condition was ended.") from None
            raise UsageError(f"The condition was ended, because it {self._why(death)}. Write a simpler one.") from None
        try:
            table = pa.ipc.open_stream(data).read_all().cast(_ROWS)
            table.validate(full=True)
        except (pa.ArrowException, ValueError) as error:
            raise CannotRunError(f"the answer of the process that evaluates conditions is damaged: {error}") from None
        return table

    def _why(self, death: Died) -> str:
        if death.reason_code is ReasonCode.TIMEOUT:
            return f"took longer than {self._seconds:g} seconds"
        return f"needs more than {self._memory >> 20:,} MB of memory" if death.out_of_memory else "made its process crash"
