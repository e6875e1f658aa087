"""A hub on loopback: listings, files with ranges and redirects, archives, and the faults that a test asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import unquote, urlsplit

LARGE = 10_000


@dataclass
class Hub:
    """What is served, what was asked, and what goes wrong."""

    files: dict[str, dict[str, bytes]]  # "owner/name@commit" to name to content
    archives: dict[str, bytes] = field(default_factory=dict)
    changed: dict[str, bytes] = field(default_factory=dict)  # a file's name to what is sent in its stead
    refusals: dict[str, tuple[int, dict[str, str], int]] = field(default_factory=dict)  # part of a path to status, headers, how often
    cuts: dict[str, list[float]] = field(default_factory=dict)  # part of a path to the shares after which the connection ends
    asked: list[tuple[str, str]] = field(default_factory=list)  # path and range
    tokens: set[str] = field(default_factory=set)
    stalled: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    def listing(self, repository: str) -> list[dict[str, Any]] | None:
        """As the hub's tree call answers."""
        files = self.files.get(repository)
        return None if files is None else [_listed(name, content) for name, content in files.items()]

    def content(self, path: str) -> bytes | None:
        """The bytes behind an address of a file, a blob or an archive."""
        parts = path.strip("/").split("/")
        if parts[0] == "archives":
            return self.archives.get(parts[1])
        if parts[0] == "blobs":
            return next((data for files in self.files.values() for name, data in files.items() if name == parts[2]), None)
        return self.files.get(f"{parts[0]}/{parts[1]}@{parts[3]}", {}).get("/".join(parts[4:]))


def _listed(name: str, content: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": blob}
    if len(content) > LARGE:
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return entry


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub = cast("_Server", self.server).hub
        path = unquote(urlsplit(self.path).path)
        hub.asked.append((path, self.headers.get("range", "")))
        hub.tokens.add(self.headers.get("authorization", ""))
        for part, (status, headers, left) in hub.refusals.items():
            if part in path and left:
                hub.refusals[part] = (status, headers, left - 1)
                self._answer(status, b"no", headers)
                return
        if path.startswith("/api/models/"):
            owner, name, _, commit = path.removeprefix("/api/models/").split("/")
            listing = hub.listing(f"{owner}/{name}@{commit}")
            self._answer(200, json.dumps(listing).encode()) if listing is not None else self._missing("RepoNotFound")
            return
        content = hub.content(path)
        if content is None:
            self._missing("EntryNotFound")
        elif "/resolve/" in path and len(content) > LARGE:
            self._answer(302, b"", {"location": f"/blobs/{hashlib.sha256(content).hexdigest()}/{path.rpartition('/')[2]}"})
        else:
            self._send(hub, path, hub.changed.get(path.rpartition("/")[2], content))

    def _send(self, hub: Hub, path: str, content: bytes) -> None:
        start = int((self.headers.get("range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        whole, content = len(content), content[start:]
        self.send_response(206 if start else 200)
        self.send_header("content-length", str(len(content)))
        if start:
            self.send_header("content-range", f"bytes {start}-{whole - 1}/{whole}")
        self.end_headers()
        for part, shares in hub.cuts.items():
            if part in path and shares:
                share = shares.pop(0)
                self.wfile.write(content[: int(len(content) * abs(share))])
                if share < 0:
                    hub.stalled.wait(30)
                self.close_connection = True
                return
        self.wfile.write(content)

    def _missing(self, code: str) -> None:
        self._answer(404, b"", {"x-error-code": code})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests look at `asked` instead."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: Hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is what some tests want."""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The hub behind an address of its own."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.hub = hub
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.stalled.set()
        server.shutdown()
        server.server_close()
        thread.join()
