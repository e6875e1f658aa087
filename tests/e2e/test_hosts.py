"""Hosts reach each other and nothing else, lose their power and their cable, and are gone with their network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.cluster_hosts import until
from tests.e2e.hosts import Host, Network

REACHES = "import socket, sys; socket.create_connection((sys.argv[1], 9000), timeout=1)"
LISTENS = "import socket, sys; s = socket.create_server((sys.argv[1], 9000))\nwhile True: s.accept()[0].close()"


def reaches(host: Host, address: str) -> bool:
    return host.call(sys.executable, "-c", REACHES, address).returncode == 0


def sleeps() -> bool:
    """Whether something that we started does."""
    return any(process.name() == "sleep" for process in psutil.Process().children(recursive=True))


def test_power_and_cables(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no network namespaces can be made here")
    with Network() as network:
        one, other = (Host(network, name, number, tmp_path) for number, name in enumerate(("one", "other"), 1))
        other.start(sys.executable, "-c", LISTENS, other.address)
        assert until(lambda: reaches(one, other.address), 60), other.log()
        assert not reaches(one, "192.0.2.1")
        other.cable(plugged=False)
        assert not reaches(one, other.address)
        other.cable(plugged=True)
        assert until(lambda: reaches(one, other.address), 60)
        other.power_off()
        assert not reaches(one, other.address)
        one.start("sleep", "1000")
        assert until(sleeps, 10)
    assert until(lambda: not sleeps(), 10)
