"""An S3 server on loopback that the tests of a file share, each with an empty bucket: clients keep their connections to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.corpus.emulators import S3App, s3_server
from tests.corpus.loopback_bucket import LoopbackBucket


@dataclass(frozen=True)
class KeptServer:
    """The server, and where it listens."""

    app: S3App
    endpoint: str

    @contextlib.contextmanager
    def emptied(self) -> Iterator[LoopbackBucket]:
        """An empty bucket, and a server that behaves."""
        for name, value in vars(S3App()).items():
            if not name.startswith("_"):
                setattr(self.app, name, value)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TEST_KEY", "k")
            patch.setenv("AWS_MAX_ATTEMPTS", "1")  # the library's own pauses are real time
            patch.setattr("s3fs.S3FileSystem.retries", 1)
            made = LoopbackBucket(self.app, self.endpoint)
            yield made
            made.client.close()


@contextlib.contextmanager
def kept_server() -> Iterator[KeptServer]:
    app = S3App()
    with s3_server(app) as endpoint:
        yield KeptServer(app, endpoint)
