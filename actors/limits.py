"""Bounds that a worker process puts on itself, because only it knows whether it makes progress; it knows no Ray."""

from __future__ import annotations

import faulthandler
import resource
import sys
from pathlib import Path

_DEFAULT_MEMORY = 4 << 30


class Watchdog:
    """Ends this process when an artifact makes no progress for `seconds`; the driver's own timers would count queueing too."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def pulse(self) -> None:
        """There was progress."""
        faulthandler.dump_traceback_later(self._seconds, exit=True, file=sys.__stderr__ or sys.stderr)

    def rest(self) -> None:
        """Waiting for others now, which is no lack of progress."""
        faulthandler.cancel_dump_traceback_later()


def bound_memory(allowance: int | None) -> None:
    """Let this process allocate `allowance` bytes more than it has now; beyond that, allocations raise MemoryError."""
    status = Path("/proc/self/status").read_text()
    held = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData"))
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY:  # once per process: workers serve many tasks
        resource.setrlimit(resource.RLIMIT_DATA, (held + (allowance or _DEFAULT_MEMORY), hard))
