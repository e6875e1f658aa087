"""Keeps an embedded Ray on this machine: no look for the way out, no port on another address. It knows nothing of audits.

`_node_ip_address="127.0.0.1"` alone does neither. Ray takes it for 'find my address', which it does by the route to a public
address, and then listens on what it found. And the one module that runs without a dashboard asks for the metadata of three
clouds, a name among them, before it looks whether usage statistics are off. `make e2e-offline` sees both when this is left out.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

_SWITCH = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # for desktops that ask before a program listens; off means loopback, on Linux too


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """What `ray.init` starts in this block, and all that those processes start, stays on loopback; no process of a dashboard among them."""
    from ray._private import ray_constants
    from ray._private.node import Node

    before, cluster, dashboard = os.environ.get(_SWITCH), ray_constants.ENABLE_RAY_CLUSTER, Node.start_api_server
    os.environ[_SWITCH], ray_constants.ENABLE_RAY_CLUSTER, Node.start_api_server = "0", False, _no_dashboard
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER, Node.start_api_server = cluster, dashboard
        if before is None:
            del os.environ[_SWITCH]
        else:
            os.environ[_SWITCH] = before


def _no_dashboard(node: Any, **_options: Any) -> None:
    """In place of the process that would only have counted usage."""
