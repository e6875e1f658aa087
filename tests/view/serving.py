"""Serve an output on a real socket in a thread, and talk to it as the page does."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from veritensor_ray import api
from veritensor_ray.core.config import Settings
from veritensor_ray.exports.rules_of_results import rules_in
from veritensor_ray.results.labels import labels
from veritensor_ray.results.policy_place import FilePlace
from veritensor_ray.view.page_decisions import Deciding
from veritensor_ray.view.queries import Queries
from veritensor_ray.view.server import HOST, Serving, Site, listening, server
from veritensor_ray.view.session import HEADER
from veritensor_ray.view.table_copy import copied

API = ("query", "facets", "passage", "preview", "suppress", "label", "files", "file-facets")


@dataclass
class Served:
    """A running server, and a client that has the headers of the page but, until `enter`, no session."""

    site: Site
    host: str
    client: httpx.Client

    @property
    def link(self) -> str:
        return f"http://{self.host}/#{self.site.keys.token}"

    @property
    def page(self) -> str:
        return f"http://{self.host}{self.site.keys.page}"

    @property
    def headers(self) -> dict[str, str]:
        """Those that the page sends with every question."""
        return {"Origin": f"http://{self.host}", "Content-Type": "application/json", HEADER: self.site.keys.header}

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"{self.site.keys.name}={self.site.keys.cookie}"}

    def enter(self) -> httpx.Response:
        """Use the link."""
        return self.client.post("/session", json={"token": self.site.keys.token}, headers={"Origin": f"http://{self.host}"})

    def ask(self, what: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """The answer to a question of the page."""
        answer = self.client.post(f"{self.page}api/{what}", json={} if body is None else body, headers=self.headers | headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, what: str, body: Any, status: int = 400) -> str:
        """The sentence of a refusal."""
        said: str = self.ask(what, body, status)["error"]
        return said


@contextlib.contextmanager
def served(
    output: Path,
    policy: Path | None = None,
    *,
    reveal: bool = False,
    seconds: float = 30,
    config: str | None = None,
    patience: float | None = None,
) -> Iterator[Served]:
    """Serve an output for the time of a block; without a policy the page is read-only."""
    audit = api.open(output, stores={})
    known = labels(audit.store)
    with listening(0) as sock, copied(audit) as copy:
        host = f"{HOST}:{sock.getsockname()[1]}"
        deciding = Deciding(copy, Queries(copy, known), known, FilePlace(policy)) if policy else None
        if deciding:
            deciding.start()
        site = Site(Serving(copy, rules_in(audit, Settings()), known, deciding, reveal, config, seconds), host)
        running = server(site, patience)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [sock]})
        thread.start()
        until = time.monotonic() + 30
        while not running.started and time.monotonic() < until:
            time.sleep(0.01)
        try:
            with httpx.Client(base_url=f"http://{host}", timeout=60, trust_env=False) as client:
                yield Served(site, host, client)
        finally:
            running.should_exit = True
            thread.join(30)
            site.close()
            assert not thread.is_alive()
