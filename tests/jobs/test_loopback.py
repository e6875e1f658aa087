"""An embedded Ray listens on loopback only, and starts no process that asks around."""

from __future__ import annotations

import ipaddress
import os

import psutil
import pytest


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_every_port_is_on_loopback() -> None:
    import ray
    from ray._private import ray_constants

    assert [node["NodeManagerAddress"] for node in ray.nodes()] == ["127.0.0.1"]
    children = psutil.Process().children(recursive=True)
    listening = [one.laddr.ip for child in children for one in child.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    assert listening
    addresses = [ipaddress.ip_address(one) for one in listening]
    assert all((getattr(one, "ipv4_mapped", None) or one).is_loopback for one in addresses), listening
    assert not any("dashboard/dashboard.py" in " ".join(child.cmdline()) for child in children)
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in os.environ, "the switch is for this Ray alone"
    assert ray_constants.ENABLE_RAY_CLUSTER
