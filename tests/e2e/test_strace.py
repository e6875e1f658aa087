"""What the proof makes of a trace, and that it sees a child that tries to get out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.strace import EXPECTED, ROOT, control, outside, parse

HARMLESS = (
    '12 connect(5, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT (No such file or directory)',
    "12 sendto(4, ..., 20, 0, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 20",
    '12 connect(27, {sa_family=AF_INET, sin_port=htons(39497), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
    '12 connect(6, {sa_family=AF_INET6, sin6_port=htons(1), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::ffff:127.0.0.1", &sin6_addr)}, 28) = 0',
    "12 connect(6, {sa_family=AF_UNSPEC, sa_data=...}, 16) = 0",
    "12 sendmsg(8, {msg_name=NULL, msg_namelen=0, msg_iov=[...], msg_iovlen=8, msg_flags=0}, MSG_NOSIGNAL) = 239",
    '12 bind(4, {sa_family=AF_INET6, sin6_port=htons(0), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr)}, 28) = 0',
    "12 <... sendmsg resumed>) = 17",
    "12 +++ exited with 0 +++",
)
HARMFUL = {
    '7 connect(7, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("8.8.8.8")}, 16) = 0': ("connect", "AF_INET", "8.8.8.8", "53"),
    '7 connect(24, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("169.254.169.254")}, 16 <unfinished ...>': (
        "connect",
        "AF_INET",
        "169.254.169.254",
        "80",
    ),
    '7 sendto(3, ..., 5, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.53")}, 16) = -1 ENETUNREACH': (
        "sendto",
        "AF_INET",
        "10.0.0.53",
        "53",
    ),
    '7 sendmmsg(3, [{msg_hdr={msg_name={sa_family=AF_INET6, sin6_port=htons(9), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, msg_namelen=28}}], 1, 0) = 1': (
        "sendmmsg",
        "AF_INET6",
        "2001:db8::1",
        "9",
    ),
    '7 bind(3, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("0.0.0.0")}, 16) = 0': ("bind", "AF_INET", "0.0.0.0", "0"),  # noqa: S104
    "7 sendto(3, ..., 5, 0, {sa_family=AF_PACKET, sll_protocol=htons(ETH_P_IP)}, 20) = 5": ("sendto", "AF_PACKET", "", ""),
    "7 io_uring_setup(8, {flags=0}) = 3": ("io_uring_setup", "", "", ""),
}


def test_what_stays_on_the_machine_is_counted_and_not_reported() -> None:
    seen = parse(HARMLESS)
    assert seen.total() == 6
    assert not outside(seen)


@pytest.mark.parametrize(("line", "reported"), HARMFUL.items(), ids=[one[0] + one[2] for one in HARMFUL.values()])
def test_what_leaves_the_machine_is_reported(line: str, reported: tuple[str, str, str, str]) -> None:
    assert outside(parse([*HARMLESS, line])) == {reported: 1}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_child_that_tries_to_get_out_is_reported(tmp_path: Path) -> None:
    if subprocess.run(["bash", str(ROOT / "scripts/isolated"), "--check"], check=False).returncode:
        pytest.skip("no network namespace can be made here")
    assert control(tmp_path) == EXPECTED
