"""Caches answers of the OSV service on disk, for all processes of this user. If the cache does not work, it is skipped without an error."""

from __future__ import annotations

import base64
import json
import logging
import os
import sqlite3
import time
from pathlib import Path

from veritensor_ray.engines.dependencies.advisory_records import Advisory, unpacked

Key = tuple[str, str, str | None]
_log = logging.getLogger("veritensor_ray.engines.dependencies")
_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, at REAL NOT NULL, value TEXT NOT NULL) WITHOUT ROWID"


class Cache:
    """Keeps ids by query for a limited time, and records by id and time of change indefinitely. Each service address has separate ones."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._seconds = url, seconds
        self._new: list[tuple[str, float, str]] = []
        self._connection = _open() if seconds > 0 else None

    def answer(self, key: Key) -> list[tuple[str, str]] | None:
        """Return the cached ids for a query, or None."""
        value = self._get(f"query {json.dumps(key)}", time.time() - self._seconds)
        try:
            return None if value is None else [(str(name), str(modified)) for name, modified in json.loads(value)]
        except (ValueError, TypeError):  # a damaged entry counts as missing
            return None

    def keep_answer(self, key: Key, entries: list[tuple[str, str]]) -> None:
        """Remember the ids for a query."""
        self._put(f"query {json.dumps(key)}", json.dumps(entries))

    def record(self, name: str, modified: str) -> list[tuple[str, Advisory]] | None:
        """Return the cached advisories of a record by package, or None."""
        value = self._get(f"record {name} {modified}", 0.0 if modified else time.time() - self._seconds)
        if value is None:
            return None
        try:
            return [(package, unpacked(ecosystem, base64.b64decode(data))) for package, ecosystem, data in json.loads(value)]
        except (ValueError, TypeError):
            return None

    def keep_record(self, name: str, modified: str, found: list[tuple[str, Advisory]]) -> None:
        """Remember a record's advisories by package."""
        rows = [(package, one.ecosystem, base64.b64encode(one.packed()).decode()) for package, one in found]
        self._put(f"record {name} {modified}", json.dumps(rows))

    def flush(self) -> None:
        """Write the new entries in one transaction."""
        if self._connection is None or not self._new:
            return
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", self._new)
        except sqlite3.Error as error:
            self._off(error)
        self._new.clear()

    def _get(self, key: str, since: float) -> str | None:
        if self._connection is None:
            return None
        try:
            row = self._connection.execute("SELECT value FROM answers WHERE key = ? AND at >= ?", (f"{self._url} {key}", since)).fetchone()
        except sqlite3.Error as error:
            self._off(error)
            return None
        return None if row is None else str(row[0])

    def _put(self, key: str, value: str) -> None:
        if self._connection is not None:
            self._new.append((f"{self._url} {key}", time.time(), value))

    def _off(self, error: Exception) -> None:
        _log.debug("the cache of OSV answers is not used: %s", error)
        self._connection = None


def _open() -> sqlite3.Connection | None:
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "veritensor-ray" / "osv.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=5, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_TABLE)
    except (OSError, sqlite3.Error) as error:
        _log.debug("the cache of OSV answers is not used: %s", error)
        return None
    return connection
