"""Which connections the server keeps: those with the session, and of the others a few for a short time.

Other users of the machine can connect too. However many requests they leave unfinished, the browser of the user is served: if too many
connections wait, whoever holds the most loses the oldest of them, and other users lose theirs before the user does. It does not depend on
results.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 64  # connections without a session
SECONDS = 10.0  # for a connection to show the session
_ESTABLISHED = "01"


class WaitingRoom:
    """The connections that have not shown the session yet, the oldest first. `holds` says whether a request shows it."""

    def __init__(self, holds: Callable[[Scope], bool], seconds: float = SECONDS) -> None:
        self.holds, self.seconds = holds, seconds
        self._connections: dict[Connection, None] = {}

    def add(self, one: Connection) -> None:
        """Let a connection wait. If there are too many, half of them end: asking the kernel for each would take too long."""
        self._connections[one] = None
        if len(self._connections) <= MOST:
            return
        there, known = list(self._connections), users_of(one.port)
        users = [known.get(each.client or ("", 0)) for each in there]
        while len(there) > MOST // 2:
            index = leaving(users, os.geteuid())
            del users[index]
            there.pop(index).end()

    def remove(self, one: Connection) -> bool:
        """Forget a connection that has shown the session, or has ended. Return whether it waited."""
        return self._connections.pop(one, self) is None

    def __contains__(self, one: Connection) -> bool:
        return one in self._connections


class Connection(H11Protocol):
    """A connection that ends when it does not show the session in time. Without one, there is nothing that takes longer."""

    def __init__(self, waiting: WaitingRoom, **given: Any) -> None:
        super().__init__(**given)
        self._waiting = waiting

    @property
    def port(self) -> int:
        """The port of the server."""
        return (self.server or ("", 0))[1] or 0

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._waiting.add(self)
        self.loop.call_later(self._waiting.seconds, self.end)

    def handle_events(self) -> None:
        """Handle what has arrived. A request with the session ends the wait."""
        super().handle_events()
        if self in self._waiting and self.scope is not None and self._waiting.holds(dict(self.scope)):
            self._waiting.remove(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._waiting.remove(self)
        super().connection_lost(exc)

    def end(self) -> None:
        """Close the connection at once, if it still waits."""
        if self._waiting.remove(self):
            self.transport.abort()


def leaving(users: Sequence[int | None], mine: int) -> int:
    """Return the index of the connection that ends, of those of these users, the oldest first: one of another user, of who has the most."""
    held = Counter(users)
    return max(range(len(users)), key=lambda index: (users[index] != mine, held[users[index]], -index))


def users_of(port: int, proc: Path = Path("/proc/net")) -> Mapping[tuple[str, int], int]:
    """Return the users who are connected to a port of this machine, by the address of their end, as far as the kernel tells."""
    found = {}
    for name in ("tcp", "tcp6"):  # a socket for IPv6 reaches IPv4 addresses too
        try:
            lines = (proc / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, remote, state, _, _, _, user, *_ = line.split()
            if state == _ESTABLISHED and int(remote.rpartition(":")[2], 16) == port:
                address, _, from_port = local.partition(":")
                found[socket.inet_ntoa(struct.pack("=I", int(address[-8:], 16))), int(from_port, 16)] = int(user)
    return found
