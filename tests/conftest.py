"""What all tests share: a home of their own, and one embedded Ray for those that need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from veritensor_ray.config import Settings


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the user's own files; Ray's mode of authentication is explicit."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.delenv("HF_HOME", raising=False)
        yield home


@pytest.fixture(scope="session")
def local_ray(_home: Path) -> Iterator[None]:
    """An embedded Ray that the audits of a test session share."""
    from veritensor_ray.jobs import cluster

    settings = Settings()
    started = cluster.start(settings)
    yield
    cluster.stop(settings, started)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Where S3 answers on loopback (moto's server): one for all, so a test makes buckets of its own or begins with a reset."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
