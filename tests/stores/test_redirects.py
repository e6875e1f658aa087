"""An HTTP source stays where it is: real servers on loopback, one of which redirects."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from veritensor_ray.core.config import Settings, Store
from veritensor_ray.core.errors import ReadError, StoreError
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import plan_rows


@contextlib.contextmanager
def server(moved: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Serves `text` for every path but those that are moved; what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path in moved:
                self.send_response(302)
                self.send_header("Location", moved[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"text")

        do_HEAD = do_GET  # noqa: N815  # the base class calls it so

        def log_message(self, *_: object) -> None: ...

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}", asked
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def read(source: str, stores: dict[str, Store]) -> bytes:
    settings = Settings(sources=[source], stores=stores)
    (row,) = plan_rows(settings, ("signatures",), lambda *_: [])
    artifact = OpenArtifact(row, roots(settings.sources, stores)[0], stores)
    try:
        return artifact.file().read()
    finally:
        artifact.close()


def test_a_redirect_within_the_origin_is_followed() -> None:
    with server({"/a.txt": "/b.txt"}) as (here, asked):
        assert read(f"{here}/a.txt", {}) == b"text"
        assert "/b.txt" in asked


@pytest.mark.parametrize("target", ["{other}/secret", "http://169.254.169.254/latest/meta-data", "//127.0.0.1:9/x", "http://[::1]/x"])
def test_a_redirect_elsewhere_is_refused(target: str) -> None:
    with server({}) as (other, asked), server({}) as (here, _), server({"/a.txt": target.format(other=other)}) as (moving, _):
        with pytest.raises(
            (StoreError, ReadError), match=rf"{moving} redirects to .*, which is not followed. Add that address under `stores:`"
        ):
            read(f"{moving}/a.txt", {here: Store()})
        assert asked == []


def test_a_store_that_was_named_may_be_redirected_to() -> None:
    with server({}) as (other, asked), server({"/a.txt": f"{other}/b.txt"}) as (moving, _):
        assert read(f"{moving}/a.txt", {other: Store()}) == b"text"
        assert "/b.txt" in asked
