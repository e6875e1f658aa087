"""The holder of a lease, stored as a small JSON object.

The object may come from anyone, so only checked values are returned. It does not depend on any store.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import socket
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_LONGEST = 3600.0  # seconds: a forged value must not make others wait forever


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that writes an output.

    Times come from its own clock and are only for display. `lifetime` is in seconds, `born` in ticks of the kernel.
    """

    token: str
    host: str
    pid: int
    machine: str
    born: int
    since: datetime
    expires: datetime
    lifetime: float
    renewals: int = 0
    released: bool = False

    def renewed(self) -> Holder:
        """Return the next state. No two states of a holder have equal bytes."""
        return replace(self, renewals=self.renewals + 1, expires=datetime.now(UTC) + timedelta(seconds=self.lifetime))

    def gone(self) -> bool:
        """Whether this machine knows that the process has ended. It cannot know about other machines."""
        if not self.machine or self.machine != _machine():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False  # another user's process, which may be hidden
        born = _born(self.pid)
        return born != 0 and born != self.born

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since:%Y-%m-%d %H:%M:%S} UTC"

    def data(self) -> bytes:
        """Return the holder as stored."""
        times = {"since": self.since.isoformat(timespec="seconds"), "expires_at": self.expires.isoformat(timespec="seconds")}
        names = ("token", "host", "pid", "machine", "born", "lifetime", "renewals", "released")
        return json.dumps({name: getattr(self, name) for name in names} | times).encode()


def this_process(lifetime: float) -> Holder:
    """Return a holder for this process, with a new token."""
    now = datetime.now(UTC)
    host, pid = socket.gethostname(), os.getpid()
    return Holder(
        token=secrets.token_hex(16),
        host=host,
        pid=pid,
        machine=_machine(),
        born=_born(pid),
        since=now,
        expires=now + timedelta(seconds=lifetime),
        lifetime=lifetime,
    )


def parse(data: bytes, lifetime: float) -> Holder:
    """Parse a stored holder. Anything else becomes an unknown holder with the given `lifetime`."""
    try:
        found = json.loads(data)
        return Holder(
            token=str(found["token"]),
            host=re.sub(r"[^\w.-]", "?", str(found["host"]), flags=re.ASCII)[:100],
            pid=_pid(found["pid"]),
            machine=str(found["machine"]),
            born=int(found["born"]),
            since=_time(found["since"]),
            expires=_time(found["expires_at"]),
            lifetime=min(max(float(found["lifetime"]), 0.0), _LONGEST),
            renewals=int(found["renewals"]),
            released=found["released"] is True,
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        never = datetime.fromtimestamp(0, UTC)
        return Holder(token="", host="an unknown machine", pid=0, machine="", born=0, since=never, expires=never, lifetime=lifetime)


def _pid(value: Any) -> int:
    if not 0 < int(value) < 1 << 31:
        raise ValueError("not a process ID")  # os.kill signals process groups for 0 and below
    return int(value)


def _time(value: Any) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)


def _machine() -> str:
    """Return a name shared by all processes that see each other's IDs: this boot of the kernel and this namespace.

    Empty if it cannot be determined.
    """
    try:
        parts = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip(), os.readlink("/proc/self/ns/pid")  # noqa: PTH115  # not a path
    except OSError:
        return ""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _born(pid: int) -> int:
    """Return when a process started, in ticks since boot, because a later process may have the same ID. 0 if unknown."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0
