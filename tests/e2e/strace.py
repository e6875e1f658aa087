"""Runs a command under strace, and tells what in a trace lies outside loopback and unix sockets. It knows no command.

A packet of UDP, and with it a look-up of a name, counts as much as a connection, and so does a port that listens on another address.
What strace cannot see (io_uring) counts too.
"""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CALLS = ("connect", "sendto", "sendmsg", "sendmmsg", "bind")
UNSEEN = "io_uring_setup"  # system calls made through it are no system calls
# Addresses for documentation (RFC 5737). In a namespace without a route they go nowhere.
ESCAPE = """
import socket
with socket.socket() as stream:
    stream.settimeout(0.1)
    stream.connect_ex(("203.0.113.1", 443))
with socket.socket(type=socket.SOCK_DGRAM) as packet:
    try:
        packet.sendto(b"query", ("198.51.100.1", 53))
    except OSError:
        pass
"""
EXPECTED = {("connect", "203.0.113.1", "443"), ("sendto", "198.51.100.1", "53")}
_CALL = re.compile(rf"^\d+ +({'|'.join((*CALLS, UNSEEN))})\(")
_ADDRESS = re.compile(
    r"sa_family=(?P<family>AF_\w+)"
    r'(?:, sin6?_port=htons\((?P<port>\d+)\)(?:, sin6_flowinfo=htonl\(\d+\))?, (?:sin_addr=inet_addr\("(?P<v4>[^"]+)"\)|inet_pton\(AF_INET6, "(?P<v6>[^"]+)"))?'
)

Seen = Counter[tuple[str, str, str, str]]  # call, family, address, port


def parse(lines: Iterable[str]) -> Seen:
    """What a trace holds, counted; a call without an address goes to where its socket is connected, and that was seen."""
    seen: Seen = Counter()
    for line in lines:
        call = _CALL.match(line)
        if call is None:
            continue
        if call[1] == UNSEEN:
            seen[UNSEEN, "", "", ""] += 1
        for found in _ADDRESS.finditer(line):
            seen[call[1], found["family"], found["v4"] or found["v6"] or "", found["port"] or ""] += 1
    return seen


def read(trace: Path) -> Seen:
    """The same of a file."""
    with trace.open(errors="replace") as lines:
        return parse(lines)


def outside(seen: Seen) -> Seen:
    """What is neither loopback, nor a unix socket, nor the kernel's own netlink, nor a socket let go of."""
    return Counter({one: count for one, count in seen.items() if one[0] == UNSEEN or not _inside(*one[1:3])})


def _inside(family: str, address: str) -> bool:
    if family not in ("AF_INET", "AF_INET6"):
        return family in ("AF_UNIX", "AF_NETLINK", "AF_UNSPEC")
    if not address:
        return False
    parsed = ipaddress.ip_address(address)
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def under_strace(trace: str) -> list[str]:
    """What stands before a command, so that it and all its children are traced; the filter in the kernel keeps other system calls fast."""
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-s", "0", "-v", "-e", f"trace={','.join((*CALLS, UNSEEN))}", "-o", trace]


def traced(command: Sequence[str], trace: Path, environment: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a command under strace, to its end."""
    watched = [*under_strace(str(trace)), *command]
    return subprocess.run(watched, check=False, capture_output=True, text=True, env=dict(environment), timeout=timeout, cwd=trace.parent)


def control(folder: Path) -> set[tuple[str, str, str]]:
    """What is reported of a child that makes the attempts of EXPECTED, where there is no way out: all of them, or a proof proves nothing."""
    isolated = ["bash", str(ROOT / "scripts/isolated"), "--require", sys.executable, "-c", ESCAPE]
    done = traced(isolated, folder / "control.strace", os.environ, 60)
    if done.returncode:
        raise RuntimeError(f"the child that tries to get out failed: {done.stderr.strip()}")
    return {(call, address, port) for call, _, address, port in outside(read(folder / "control.strace"))}
