"""Limits that a process decoding hostile bytes sets on itself, since only it knows whether it makes progress.

It does not depend on Ray.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from veritensor_ray.core.config import Limits

try:
    import resource
except ImportError:  # Windows, where this package runs only as a client
    resource = None  # type: ignore[assignment]

_LEAST, _MOST = 1 << 30, 4 << 30
_SLACK = 0.01  # fraction of the watchdog's time
_STATUS = Path("/proc/self/status")
WORKBENCHES = 6  # of loaded engines that a process keeps; a context has up to three
_ours = [False]  # whether the limit of this process is that of `bound_memory`
_SHARE = 0.75  # fraction of the memory for all workers together


class Watchdog:
    """Ends this process if an artifact makes no progress for `seconds`. Timers in the driver would count queueing too."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0  # until then, a pulse changes nothing

    def pulse(self) -> None:
        """Report progress.

        Setting the timer starts a thread, so it is set only now and then, for slightly longer.
        """
        now = time.monotonic()
        if now >= self._until:
            slack = self._seconds * _SLACK
            faulthandler.dump_traceback_later(self._seconds + slack, exit=True, file=sys.__stderr__ or sys.stderr)
            self._until = now + slack

    def rest(self) -> None:
        """Stop the timer: waiting for others is not a lack of progress."""
        faulthandler.cancel_dump_traceback_later()
        self._until = 0.0


class Advancing(io.RawIOBase):
    """A view of a large file for one pass over its bytes. Reading further than before is progress; reading the same bytes again is not."""

    def __init__(self, file: BinaryIO, pulse: Callable[[], None]) -> None:
        self._file, self._pulse, self._furthest = file, pulse, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        count: int = self._file.readinto(buffer)  # type: ignore[attr-defined]  # every file that is opened here has it
        if count and (at := self._file.tell()) > self._furthest:
            self._furthest = at
            self._pulse()
        return count


def bound_memory(allowance: int | None) -> bool:
    """Let this process allocate `allowance` more bytes; further allocations raise MemoryError.

    Defaults to `worker_memory` of this machine. Returns False if a limit is already in force, even the user's own: a worker serves many
    tasks, and memory left over from one must not raise the limit of the next. Only Linux has such a limit; elsewhere it returns False.
    """
    if resource is None or not _STATUS.exists():
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_DATA, (_held() + (allowance or worker_memory()), hard))
        _ours[0] = True
    return soft == resource.RLIM_INFINITY


def _held() -> int:
    """Return the bytes that count towards the limit."""
    return next(int(line.split()[1]) * 1024 for line in _STATUS.read_text().splitlines() if line.startswith("VmData"))


@contextlib.contextmanager
def raised_memory() -> Iterator[None]:
    """Suspend `bound_memory` for the block, and raise its limit by what the block keeps, which belongs to this process and not to an artifact."""
    if not _ours[0]:
        yield
        return
    (soft, hard), held = resource.getrlimit(resource.RLIMIT_DATA), _held()
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft + max(0, _held() - held), hard))


def settle() -> None:
    """Exclude everything loaded so far from garbage collection, and run the collector less often.

    Rules and tables live as long as the worker, and an artifact leaves few cycles behind. Walking both took 8 % of the CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def unbound_memory() -> None:
    """Undo `bound_memory`, to load what belongs to this process and not to an artifact."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, hard))
    _ours[0] = False


def release_memory() -> None:
    """Undo `bound_memory` of an earlier task of this process, but not a limit that the user has set."""
    if _ours[0]:
        unbound_memory()


def worker_memory(root: Path = Path("/")) -> int:
    """Return the default memory limit of one worker in bytes: its share of this machine's memory, from 1 to 4 GiB.

    The memory is the machine's, or what its control groups (v1 and v2) leave to this process. `root` is where /proc and /sys are found.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    share = int(_SHARE * min([memory, *_control_groups(root)]) / len(os.sched_getaffinity(0)))
    return max(_LEAST, min(_MOST, share))


def _control_groups(root: Path) -> list[int]:
    """Return the memory limits of the process's control groups and of their parents."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found: list[int] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            top, name = ("sys/fs/cgroup", "memory.max") if not controllers else ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            group = Path(path.lstrip("/"))
            for folder in (group, *group.parents):  # a container may see its own group as the top, under the path it has outside
                file = root / top / folder / name
                if file.is_file() and (text := file.read_text().strip()).isdigit():
                    found.append(int(text))
    return found


def died(doing: str, seconds: float) -> str:
    """Return the reason for the ledger when a process died while `doing` something; a watchdog ends it after so many seconds."""
    return f"the worker died while {doing} (a crash, or no progress for {seconds:g} s)"


@contextlib.contextmanager
def guarded(limits: Limits) -> Iterator[Callable[[], None]]:
    """Watch over the reading of hostile bytes, and bound its memory."""
    watchdog = Watchdog(limits.artifact_seconds)
    bound_memory(limits.worker_memory)
    watchdog.pulse()
    try:
        yield watchdog.pulse
    finally:
        watchdog.rest()
