"""A server on loopback that speaks OSV's batch interface, and fails in every way on command."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from veritensor_ray.engines.dependencies.advisory_records import advisories


class Osv:
    """Its records, its page size, and the faults that the next requests meet, one each."""

    def __init__(self, records: list[dict[str, Any]], page: int = 1000) -> None:
        self.records = {record["id"]: record for record in records}
        self.page = page
        self.faults: list[str] = []
        self.always = ""
        self.calls: Counter[str] = Counter()
        self.url = ""

    def query(self, query: dict[str, Any]) -> dict[str, Any]:
        """One page of ids."""
        package, version = query["package"], query.get("version")
        found = [
            {"id": name, "modified": record["modified"]}
            for name, record in sorted(self.records.items())
            for package_name, one in advisories(record)
            if (one.ecosystem, package_name) == (package["ecosystem"], package["name"]) and (version is None or one.affects(version))
        ]
        start = int(query.get("page_token", "0"))
        page = {"vulns": found[start : start + self.page]} if found else {}
        return page | ({"next_page_token": str(start + self.page)} if start + self.page < len(found) else {})

    def fault(self) -> str:
        """What the next request meets."""
        return self.faults.pop(0) if self.faults else self.always


class _Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's acknowledgement
    protocol_version = "HTTP/1.1"
    osv: Osv

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.osv.calls["batch"] += 1
        if any(query.get("version") == "refuse-me" for query in body["queries"]):
            self._send(400, b"bad version")
        else:
            self._answer(lambda: {"results": [self.osv.query(query) for query in body["queries"]]})

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.osv.calls["record"] += 1
        self._answer(lambda: self.osv.records[name])

    def _answer(self, make: Any) -> None:
        fault = self.osv.fault()
        if fault.isdigit():
            self._send(int(fault), b"no", {"Retry-After": "0"} if fault == "429" else {})
        elif fault == "silence":
            time.sleep(1.5)
            self.close_connection = True
        elif fault == "hang up":
            self.close_connection = True
        else:
            data = json.dumps(make()).encode()
            if fault == "half":
                self._send(200, data[: len(data) // 2], {"Content-Length": str(len(data))})
                self.close_connection = True
            else:
                self._send(
                    200,
                    {"nonsense": b"<html>hello", "list": b"[]", "short": b'{"results": []}', "odd": b'{"results": [[], 1]}'}.get(
                        fault, data
                    ),
                )

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is what these tests are about."""


@contextmanager
def serving(osv: Osv) -> Iterator[Osv]:
    """The server, on a port of its own."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"osv": osv}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    osv.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield osv
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
