"""Runs a whole audit under strace and fails when any process of it tries an address outside loopback and unix sockets.

    python scripts/e2e_offline.py [--evidence FILE]

The audit is `veritensor-ray submit` over the sample corpus (texts, images, model files, manifests, archives) with all engines and the
embedded models, as it is: in no namespace, so that an attempt shows whether or not it would succeed. A packet of UDP, and with it a
look-up of a name, counts as much as a connection, and so does a port that listens on another address. What strace cannot see
(io_uring) fails too. Before that, a child that tries both is to be reported: else the proof could not fail.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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


def control(folder: Path) -> None:
    """A child that tries to get out, where there is no way out, has to be reported. Exits where it is not."""
    isolated = ["bash", str(ROOT / "scripts/isolated"), "--require", sys.executable, "-c", ESCAPE]
    done = traced(isolated, folder / "control.strace", os.environ, 60)
    if done.returncode:
        sys.exit(f"the control run failed: {done.stderr.strip()}")
    reported = {(call, address, port) for call, _, address, port in outside(parse((folder / "control.strace").open()))}
    if reported != EXPECTED:
        sys.exit(f"this proof proves nothing: of {sorted(EXPECTED)} it reports {sorted(reported)}")
    print(f"control: {len(EXPECTED)} attempts of a child were made and reported")


def audit(folder: Path, timeout: float) -> tuple[Seen, dict[str, object]]:
    """Make the corpus, audit it under strace; what was seen, and what the run says of itself."""
    subprocess.run([sys.executable, str(ROOT / "scripts/make_demo_corpus.py"), str(folder / "corpus")], check=True, capture_output=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VERITENSOR_", "RAY_", "HF_", "TRANSFORMERS_"))}
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [
        sys.executable,
        "-m",
        "veritensor_ray",
        "submit",
        str(folder / "corpus"),
        "--output",
        str(folder / "audit"),
        "--allow-partial",
    ]
    began = time.monotonic()
    done = traced(command, folder / "audit.strace", kept | home, timeout)
    if done.returncode:
        sys.exit(f"the audit ended with exit code {done.returncode}:\n{done.stderr[-3000:]}")
    run = json.loads((folder / "audit/run.json").read_text(encoding="utf-8"))
    seen = parse((folder / "audit.strace").open())
    if not any(call == "connect" and address for call, _, address, _ in seen):
        sys.exit("the trace holds no connection at all, not even those of Ray on loopback: strace did not see the audit")
    about = {name: run[name] for name in ("package_version", "profile", "totals", "status")}
    about |= {"engines": sorted(run["engines"]), "seconds": round(time.monotonic() - began, 1)}
    return seen, about


def main() -> None:
    """Exit code 0: nothing outside was tried. 1: something was."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--evidence", type=Path, help="write what was seen to this file, and the trace beside it as FILE.strace")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for the audit")
    args = parser.parse_args()
    if shutil.which("strace") is None:
        sys.exit("strace is not installed: install the package strace")
    with tempfile.TemporaryDirectory(prefix="offline-") as folder:
        control(Path(folder))
        seen, about = audit(Path(folder), args.timeout)
        bad = outside(seen)
        if args.evidence:
            args.evidence.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(folder) / "audit.strace", f"{args.evidence}.strace")
            args.evidence.write_text(json.dumps(evidence(seen, bad, about), indent=2) + "\n", encoding="utf-8")
    report(seen, bad, about)
    sys.exit(1 if bad else 0)


def evidence(seen: Seen, bad: Seen, about: dict[str, object]) -> dict[str, object]:
    """What the file of evidence holds."""
    names = ("call", "family", "address", "port")
    rows = {
        key: [dict(zip(names, one, strict=True), count=n) for one, n in sorted(which.items())]
        for key, which in (("seen", seen), ("outside", bad))
    }
    return {"run": about, **rows}


def report(seen: Seen, bad: Seen, about: dict[str, object]) -> None:
    """Counts by call, family and address; ports of loopback change with every run and are left out."""
    places: Counter[tuple[str, str, str]] = Counter()
    for (call, family, address, _), count in seen.items():
        places[call, family, address] += count
    for (call, family, address), count in sorted(places.items()):
        print(f"{count:6} {call:8} {family:10} {address}")
    for (call, family, address, port), count in sorted(bad.items()):
        print(f"OUTSIDE: {count} × {call} {family} {address} port {port}")
    print(f"{len(about['engines'])} engines, {about['totals']}, {about['seconds']} s under strace: ", end="")  # type: ignore[arg-type]
    print("FAILED, see OUTSIDE" if bad else "nothing outside loopback and unix sockets was tried")


if __name__ == "__main__":
    main()
