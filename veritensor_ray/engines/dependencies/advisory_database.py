"""Reads the offline advisory database, one SQLite file, by package name."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from veritensor_ray.engines.dependencies.advisory_records import Advisory, unpacked
from veritensor_ray.engines.dependencies.exploitation import Exploitation

FORMAT = "veritensor-ray advisories 1"
_NAMES_KEPT = 16_384  # packages whose advisories stay in memory
_FEEDS = "feeds"  # databases of earlier versions do not have it, nor the table of its entries


class DatabaseMissing(Exception):
    """Raised if there is no usable database. The message gives the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Feed:
    """KEV or EPSS in a database: when it was published, or an empty text, and how many vulnerabilities it names."""

    dated: str
    entries: int


@dataclass(frozen=True, slots=True)
class About:
    """A database's description of itself. `newest` is the latest change of any record and determines the database's age."""

    digest: str
    imported: str
    newest: str
    records: Mapping[str, int]
    packages: Mapping[str, int]
    rejected: Mapping[str, int]
    feeds: Mapping[str, Feed] = field(default_factory=dict)

    def age(self, today: date) -> int | None:
        """Return the number of days since the newest record changed, or None if it has no valid date."""
        return age_of(self.newest, today)


def age_of(dated: str, today: date) -> int | None:
    """Return the number of days since a day, or None if it is none."""
    try:
        return (today - date.fromisoformat(dated[:10])).days
    except ValueError:
        return None


def default_path() -> Path:
    """Return the default path of this user's database."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "veritensor-ray" / "advisories.sqlite"


def path_of(configured: str | None) -> Path:
    """Return the path of the database: the one that the configuration names, or this user's."""
    return Path(configured).expanduser() if configured else default_path()


class Database:
    """Looks up advisories by package and remembers them, because lock files name few packages often."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DatabaseMissing(f"no advisory database at {path}: create one with `veritensor-ray advisories import all.zip`")
        try:
            self._connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True, check_same_thread=False)
            meta: dict[str, Any] = dict(self._connection.execute("SELECT key, value FROM meta"))
            if meta.get("format") != FORMAT:
                raise DatabaseMissing(f"{path} has a different format: import the advisories again")
            records, packages, rejected = (json.loads(meta[name]) for name in ("records", "packages", "rejected"))
            feeds = {name: Feed(**told) for name, told in json.loads(meta.get(_FEEDS, "{}")).items()}
            self.about = About(meta["digest"], meta["imported"], meta["newest"], records, packages, rejected, feeds)
        except (sqlite3.Error, KeyError, ValueError, TypeError, AttributeError) as error:
            raise DatabaseMissing(f"{path} is not an advisory database ({error}): import the advisories again") from None
        self._known: dict[tuple[str, str], tuple[Advisory, ...]] = {}

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def of(self, ecosystem: str, name: str) -> tuple[Advisory, ...]:
        """Return every advisory about a package, by its normalized name. Raises DatabaseMissing if the file can no longer be read."""
        found = self._known.get((ecosystem, name))
        if found is None:
            if len(self._known) >= _NAMES_KEPT:
                self._known.clear()
            found = self._known[ecosystem, name] = self._read(ecosystem, name)
        return found

    def exploitation(self, names: Iterable[str]) -> dict[str, Exploitation]:
        """Return what KEV and EPSS say of those CVEs that they name. Raises DatabaseMissing if the file can no longer be read."""
        if not self.about.feeds:
            return {}
        query = "SELECT since, probability, percentile FROM exploitation WHERE cve = ?"
        try:
            rows = {name: self._connection.execute(query, (name,)).fetchone() for name in names}
            return {name: Exploitation(*row) for name, row in rows.items() if row is not None}
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise DatabaseMissing(f"the advisory database is damaged ({error}): import the advisories again") from None

    def _read(self, ecosystem: str, name: str) -> tuple[Advisory, ...]:
        query = "SELECT data FROM advisories WHERE ecosystem = ? AND name = ?"
        try:
            return tuple(unpacked(ecosystem, data) for (data,) in self._connection.execute(query, (ecosystem, name)))
        except UnicodeEncodeError:  # no package name contains half a surrogate pair
            return ()
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise DatabaseMissing(f"the advisory database is damaged ({error}): import the advisories again") from None
