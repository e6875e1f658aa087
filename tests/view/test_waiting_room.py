"""The browser of the user is served, whatever connections other users of the machine hold open."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exports.report.outputs import mixed
from tests.view.serving import served
from veritensor_ray.view.server import HOST
from veritensor_ray.view.waiting_room import MOST, leaving, users_of

ME, OTHER, THIRD = 1000, 1001, 1002
NOBODY = 65534
# Opens connections as another user, sends the same bytes in each, and holds them until its input ends.
HOLDING = """
import contextlib, os, socket, sys
"name".encode("idna")  # imports what the other user may not read
if sys.argv[3]:
    os.setuid(int(sys.argv[3]))
held = []
for _ in range(int(sys.argv[2])):
    held.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    with contextlib.suppress(ConnectionError):
        held[-1].sendall(bytes.fromhex(sys.argv[4]))
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding(host: str, count: int, sent: str, user: str = "") -> Iterator[None]:
    command = [sys.executable, "-c", HOLDING, host.rpartition(":")[2], str(count), user, sent.encode().hex()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield
        process.communicate()


@pytest.mark.parametrize(
    ("users", "ends"),
    [
        ([ME, ME, ME], 0),  # the oldest
        ([ME, OTHER, ME], 1),  # another user's first
        ([OTHER, THIRD, THIRD, ME], 1),  # who has the most
        ([ME, ME, ME, OTHER], 3),
        ([None, OTHER, OTHER], 1),
        ([OTHER, None, None], 1),  # unknown users are one user
        ([THIRD, OTHER, ME], 0),
    ],
)
def test_which_connection_ends(users: list[int | None], ends: int) -> None:
    assert leaving(users, ME) == ends


@pytest.mark.parametrize(("family", "name"), [(socket.AF_INET, HOST), (socket.AF_INET6, f"::ffff:{HOST}")])
def test_the_kernel_tells_who_is_connected(family: socket.AddressFamily, name: str) -> None:
    with socket.create_server((HOST, 0)) as listening, socket.socket(family) as client:
        client.connect((name, listening.getsockname()[1]))
        with listening.accept()[0] as accepted:
            assert users_of(listening.getsockname()[1])[accepted.getpeername()] == os.getuid()


def test_without_the_kernel_nobody_is_known(tmp_path: Path) -> None:
    assert users_of(80, tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "user",
    ["", pytest.param(str(NOBODY), marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user"))],
    ids=["same user", "other user"],
)
@pytest.mark.parametrize(
    "sent",
    ["", "GET / HT", "POST /session HTTP/1.1\r\nHost: x\r\n", "POST /session HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\n"],
    ids=["nothing", "line", "headers", "body"],
)
def test_unfinished_requests_keep_nobody_out(sent: str, user: str, tmp_path: Path) -> None:
    mixed(tmp_path / "out")
    with served(tmp_path / "out", patience=600) as one, holding(one.host, 4 * MOST, sent.replace("{host}", one.host), user):
        assert one.client.get("/").status_code == 200
        assert one.enter().status_code == 200
        with holding(one.host, 4 * MOST, sent.replace("{host}", one.host), user):
            assert one.ask("query")["total"] > 0


@pytest.mark.slow
def test_a_connection_without_a_session_ends_and_one_with_it_stays(tmp_path: Path) -> None:
    mixed(tmp_path / "out")
    with served(tmp_path / "out", patience=1) as one:
        address = (HOST, int(one.host.rpartition(":")[2]))
        with socket.create_connection(address, 30) as ours, socket.create_connection(address, 30) as theirs:
            request = f"GET {one.site.keys.page} HTTP/1.1\r\nHost: {one.host}\r\nCookie: {one.cookie['Cookie']}\r\n\r\n".encode()
            for _ in range(2):
                ours.sendall(request)
                assert ours.recv(12) == b"HTTP/1.1 200"
                page = b""
                while b"</html>" not in page:
                    page += (piece := ours.recv(1 << 20))
                    assert piece, "the connection ended within the page"
                with contextlib.suppress(ConnectionError):
                    theirs.sendall(b"GET / HTTP/1.1\r\nHost: ")
                    assert theirs.recv(1) == b""  # after which the time of both is over
