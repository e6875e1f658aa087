"""What the tests of corpora share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corpus.emulators import S3App, s3_server
from tests.corpus.loopback_bucket import LoopbackBucket


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackBucket]:
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # the library's own pauses are real time
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    app = S3App()
    with s3_server(app) as endpoint:
        made = LoopbackBucket(app, endpoint)
        yield made
        made.client.close()
