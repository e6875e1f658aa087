"""Queries the OSV service over HTTP, with batches, pages, retries and a cache on disk. A failure is a missing answer, never an error."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from veritensor_ray.core.config import Osv
from veritensor_ray.core.retry import Again, persistent, retry_after
from veritensor_ray.engines.dependencies.advisory_cache import Cache
from veritensor_ray.engines.dependencies.advisory_model import normal
from veritensor_ray.engines.dependencies.advisory_records import ID, Advisory, advisories

if TYPE_CHECKING:
    import httpx

Key = tuple[str, str, str | None]
_log = logging.getLogger("veritensor_ray.engines.dependencies")

_BATCH = 1_000  # queries in one request: the service's own limit
_PAGES = 100
_ANSWER_BYTES = 64 << 20
_PAUSE = 300.0  # seconds before an unreachable service is tried again
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(slots=True)
class Reply:
    """`found` holds the advisories of affected packages, `unanswered` the keys without an answer, and `reason` why."""

    found: dict[Key, tuple[Advisory, ...]] = field(default_factory=dict)
    unanswered: set[Key] = field(default_factory=set)
    reason: str = ""


class Unreachable(Exception):
    """Raised if no attempt got a usable answer. `refused` means that the service answered but rejected the request."""

    def __init__(self, reason: str, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class OsvClient:
    """Queries the service in batches over one connection, which is opened on first use."""

    def __init__(self, configuration: Osv) -> None:
        self._configuration = configuration
        self._url = configuration.url.rstrip("/")
        self._cache = Cache(self._url, configuration.cache_hours * 3600)
        self._http: httpx.Client | None = None
        self._down_until = 0.0
        self._reason = ""
        self._said = False

    def ask(self, keys: Sequence[Key]) -> Reply:
        """Return advisories for every key. A key without a version gets all malware records of its package."""
        reply = Reply()
        deadline = time.monotonic() + self._configuration.seconds
        ids: dict[Key, list[tuple[str, str]]] = {}
        for key in keys:
            cached = self._cache.answer(key)
            if cached is not None:
                ids[key] = cached
        asked = [key for key in keys if key not in ids]
        for first in range(0, len(asked), _BATCH):
            self._batch(asked[first : first + _BATCH], ids, deadline, reply)
        for key, entries in ids.items():
            self._details(key, entries, deadline, reply)
        self._cache.flush()
        return reply

    def _batch(self, keys: Sequence[Key], ids: dict[Key, list[tuple[str, str]]], deadline: float, reply: Reply) -> None:
        try:
            answers = self._query(keys, deadline)
        except Unreachable as error:
            if error.refused and len(keys) > 1:  # one unusual version must not affect the others
                half = len(keys) // 2
                self._batch(keys[:half], ids, deadline, reply)
                self._batch(keys[half:], ids, deadline, reply)
                return
            self._missed(reply, keys, error)
            return
        for key, entries in answers.items():
            ids[key] = entries
            self._cache.keep_answer(key, entries)

    def _missed(self, reply: Reply, keys: Sequence[Key], error: Unreachable) -> None:
        reply.unanswered.update(keys)
        reply.reason = f"OSV.dev unreachable: {error}"
        if not self._said:
            self._said = True
            _log.debug("OSV.dev unreachable at %s (%s): known vulnerabilities are not checked, but names are", self._url, error)

    def _query(self, keys: Sequence[Key], deadline: float) -> dict[Key, list[tuple[str, str]]]:
        """Return ids with their times of change, gathered from all pages."""
        found: dict[Key, list[tuple[str, str]]] = {key: [] for key in keys}
        waiting: list[tuple[Key, str | None]] = [(key, None) for key in keys]
        for _ in range(_PAGES):
            body = {"queries": [_question(key, token) for key, token in waiting]}
            results = self._call("/v1/querybatch", deadline, body, partial(_results, count=len(waiting)))
            following = []
            for (key, _), (entries, token) in zip(waiting, results, strict=True):
                found[key] += entries
                if token:
                    following.append((key, token))
            if not following:
                return found
            waiting = following
        raise Unreachable(f"more than {_PAGES} pages for one query")

    def _details(self, key: Key, entries: Sequence[tuple[str, str]], deadline: float, reply: Reply) -> None:
        """Fetch the records behind the ids; for an unpinned package, only its malware records."""
        wanted = [entry for entry in entries if key[2] or entry[0].startswith("MAL-")]
        try:
            records = [self._record(name, modified, deadline) for name, modified in wanted]
        except Unreachable as error:
            self._missed(reply, [key], error)
            return
        known = [advisory for found in records for name, advisory in found if (advisory.ecosystem, name) == (key[0], normal(*key[:2]))]
        if known:
            reply.found[key] = tuple(known)

    def _record(self, name: str, modified: str, deadline: float) -> list[tuple[str, Advisory]]:
        cached = self._cache.record(name, modified)
        if cached is None:
            cached = self._call(f"/v1/vulns/{quote(name, safe='')}", deadline, None, lambda answer: list(advisories(answer)))
            self._cache.keep_record(name, modified, cached)
        return cached

    def _call(self, path: str, deadline: float, body: Any, read: Any) -> Any:
        """Return the answer as parsed by `read`, after at most the configured number of attempts. An invalid answer is retried too."""
        now = time.monotonic()
        if now < self._down_until:
            raise Unreachable(self._reason)
        if now > deadline:
            raise Unreachable(f"no time left after {self._configuration.seconds:g} seconds")
        try:
            return persistent(lambda: self._once(path, body, read), self._configuration.retries, self._configuration.backoff, deadline)
        except Again as error:
            self._down_until, self._reason = time.monotonic() + _PAUSE, str(error)[:200]
            raise Unreachable(self._reason) from None

    def _once(self, path: str, body: Any, read: Any) -> Any:
        import httpx

        try:
            with self._connected().stream("GET" if body is None else "POST", self._url + path, json=body) as response:
                if response.status_code in _RETRIED:
                    raise Again(f"it answered {response.status_code}", retry_after(response.headers.get("retry-after")))
                if response.status_code != 200:
                    raise Unreachable(f"it answered {response.status_code}", refused=response.status_code in (400, 404, 413, 422))
                return read(json.loads(b"".join(_bounded(response.iter_bytes()))))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Again(type(error).__name__ + (f": {error}" if str(error) else "")) from None
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
            raise Again(f"its answer is invalid ({str(error)[:80]})") from None

    def _connected(self) -> httpx.Client:
        if self._http is None:
            import httpx

            bundle = self._configuration.ca_bundle
            verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=bundle) if bundle else True
            self._http = httpx.Client(timeout=self._configuration.timeout, verify=verify, headers={"User-Agent": "veritensor-ray"})
        return self._http


def _question(key: Key, token: str | None) -> dict[str, Any]:
    ecosystem, name, version = key
    question: dict[str, Any] = {"package": {"ecosystem": ecosystem, "name": name}}
    if version is not None:
        question["version"] = version.partition("+")[0]  # local builds are based on the public version
    if token is not None:
        question["page_token"] = token
    return question


def _results(answer: Any, count: int) -> list[tuple[list[tuple[str, str]], str | None]]:
    """Return, for each query, ids with their times and the token of the next page. Raises ValueError for any other form."""
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or len(results) != count:
        raise ValueError("the number of results differs from the number of queries")
    return [_result(one) for one in results]


def _result(one: Any) -> tuple[list[tuple[str, str]], str | None]:
    if one is None:
        return [], None
    vulnerabilities = (one.get("vulns") or []) if isinstance(one, dict) else None
    if not isinstance(one, dict) or not isinstance(vulnerabilities, list):
        raise TypeError("a result has an unexpected form")
    entries = []
    for entry in vulnerabilities:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not ID.match(entry["id"]):
            raise ValueError("a result has no id")
        entries.append((entry["id"], str(entry.get("modified", ""))[:40]))
    token = one.get("next_page_token")
    return entries, token if isinstance(token, str) and token else None


def _bounded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > _ANSWER_BYTES:
            raise Again(f"its answer has more than {_ANSWER_BYTES} bytes")
        yield chunk
