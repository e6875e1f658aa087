"""Imports OSV's `all.zip`, KEV and EPSS into the offline database, checking, limiting and counting every record."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sqlite3
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.engines.dependencies.advisory_database import FORMAT, Feed
from veritensor_ray.engines.dependencies.advisory_records import advisories
from veritensor_ray.engines.dependencies.exploitation import KEV
from veritensor_ray.engines.dependencies.exploitation_import import Entry, kind_of, read_epss, read_kev

ENTRIES = 3_000_000
ENTRY_BYTES = 16 << 20
TOTAL_BYTES = 32 << 30
RATIO = 1000  # compression ratio of an entry above a megabyte: OSV's own stay below 60
_BATCH = 2_000
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE advisories (
    ecosystem TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, modified TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (ecosystem, name, id)
) WITHOUT ROWID;
CREATE TABLE exploitation (cve TEXT PRIMARY KEY, since TEXT, probability REAL, percentile REAL) WITHOUT ROWID;
"""
_INSERT = """
INSERT INTO advisories VALUES (?, ?, ?, ?, ?) ON CONFLICT (ecosystem, name, id)
DO UPDATE SET modified = excluded.modified, data = excluded.data WHERE excluded.modified > advisories.modified
"""
_EXPLOITED = """
INSERT INTO exploitation VALUES (?, ?, ?, ?) ON CONFLICT (cve) DO UPDATE SET since = coalesce(excluded.since, since),
probability = coalesce(excluded.probability, probability), percentile = coalesce(excluded.percentile, percentile)
"""


@dataclass(slots=True)
class ImportReport:
    """The number of records and rows that an import wrote, and of the records it rejected, by reason."""

    records: int = 0
    rows: int = 0
    newest: str = ""
    rejected: Counter[str] = field(default_factory=Counter)
    feeds: dict[str, Feed] = field(default_factory=dict)


def import_archives(
    archives: Iterable[Path], output: Path, progress: Callable[[int], None] = lambda done: None, imported: datetime | None = None
) -> ImportReport:
    """Rebuild the database from all archives, keeping the old one until the new one is complete. `imported` is stored in it; default: now.

    CISA's catalog and FIRST's scores are recognized among the archives. Raises UsageError for a file that is none of these, and CannotRunError if the
    database cannot be written.
    """
    paths = list(archives)
    report = ImportReport()
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _fill(temporary, paths, report, progress, imported)
        temporary.replace(output)
    except (OSError, sqlite3.Error) as error:
        raise CannotRunError(f"the advisory database {output} cannot be written: {error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return report


def _fill(path: Path, archives: list[Path], report: ImportReport, progress: Callable[[int], None], imported: datetime | None) -> None:
    now = datetime.now(UTC)
    digest = hashlib.sha256(FORMAT.encode())
    connection = sqlite3.connect(path)
    try:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _SCHEMA)
        for archive in archives:
            kind = kind_of(archive)
            if kind is None:
                _archive(connection, archive, report, progress, now)
            else:
                _feed(connection, archive, kind, report, now)
        if not report.records:
            raise UsageError(f"no OSV record in {', '.join(map(str, archives))}")
        for row in connection.execute("SELECT ecosystem, name, id, data FROM advisories ORDER BY 1, 2, 3"):
            digest.update("\0".join(row[:3]).encode("utf-8", "replace") + row[3])
        for row in connection.execute("SELECT cve, since, probability, percentile FROM exploitation ORDER BY 1"):
            digest.update(repr(row).encode())
        about = {
            "format": FORMAT,
            "digest": digest.hexdigest(),
            "imported": (imported or now).isoformat(timespec="seconds"),
            "newest": report.newest,
        }
        about |= {name: json.dumps(counts) for name, counts in _counts(connection).items()}
        about["rejected"] = json.dumps(dict(report.rejected))
        about["feeds"] = json.dumps({name: asdict(feed) for name, feed in sorted(report.feeds.items())})
        connection.executemany("INSERT INTO meta VALUES (?, ?)", about.items())
        connection.commit()
        connection.execute("VACUUM")
    finally:
        connection.close()


def _counts(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    queries = {"records": "COUNT(DISTINCT id)", "packages": "COUNT(DISTINCT name)"}
    return {
        key: dict(connection.execute(f"SELECT ecosystem, {what} FROM advisories GROUP BY ecosystem"))  # noqa: S608  # our own words
        for key, what in queries.items()
    }


def _archive(connection: sqlite3.Connection, path: Path, report: ImportReport, progress: Callable[[int], None], now: datetime) -> None:
    rows: list[tuple[str, str, str, str, bytes]] = []
    for record in _records(path, report):
        try:
            found = list(advisories(record))
        except (ValueError, TypeError, RecursionError) as error:
            report.rejected[str(error).partition(":")[0][:80]] += 1
            continue
        if not found:
            report.rejected["withdrawn" if record.get("withdrawn") else "not about a package of a supported ecosystem"] += 1
            continue
        report.records += 1
        modified = _moment(record.get("modified"), now)
        report.newest = max(report.newest, modified)
        rows += [(one.ecosystem, name, one.id, modified, one.packed()) for name, one in found if name.isprintable()]
        report.rows += len(found)
        if len(rows) >= _BATCH:
            connection.executemany(_INSERT, rows)
            rows.clear()
            progress(report.records)
    connection.executemany(_INSERT, rows)


def _feed(connection: sqlite3.Connection, path: Path, kind: str, report: ImportReport, now: datetime) -> None:
    """Write the entries of KEV or EPSS."""
    if kind in report.feeds:
        raise UsageError(f"{path} is a second file of {kind}. Name one")
    entries: Iterable[Entry]
    dated, entries = read_kev(path, report.rejected) if kind == KEV else read_epss(path, report.rejected)
    before = connection.total_changes
    connection.executemany(_EXPLOITED, ((name, one.since, one.probability, one.percentile) for name, one in entries))
    count = connection.total_changes - before
    if not count:
        raise UsageError(f"{path} has no valid entry of {kind}")
    report.feeds[kind] = Feed(_moment(dated, now), count)


def _moment(value: Any, now: datetime) -> str:
    """Return a timestamp as sortable text, or an empty text for one that is invalid or in the future and so says nothing about age."""
    try:
        moment = datetime.fromisoformat(value)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return ""
    return moment.isoformat(timespec="microseconds") if moment <= now else ""


def _records(path: Path, report: ImportReport) -> Iterator[Any]:
    """Yield the parsed entries of an archive. Entries that are broken or exceed a limit are counted by reason."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UsageError(f"{path} is not a ZIP archive of advisories: {error}") from None
    with archive:
        entries = archive.infolist()
        if len(entries) > ENTRIES:
            raise UsageError(f"{path} has more than {ENTRIES} entries, so it is not an archive of advisories")
        total = 0
        for entry in entries:
            if not entry.filename.endswith(".json"):
                report.rejected["not a JSON file"] += 1
                continue
            data = _entry(archive, entry, report)
            total += len(data)
            if total > TOTAL_BYTES:
                raise UsageError(f"{path} unpacks to more than {TOTAL_BYTES} bytes, so it is not an archive of advisories")
            if not data:
                continue
            try:
                yield json.loads(data)
            except (ValueError, RecursionError):
                report.rejected["invalid JSON"] += 1


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, report: ImportReport) -> bytes:
    """Return the bytes of an entry, never more than the limit. If they cannot be read, count the entry and return no bytes."""
    if entry.file_size > ENTRY_BYTES or (entry.file_size > 1 << 20 and entry.file_size > RATIO * max(entry.compress_size, 1)):
        report.rejected["larger than 16 MiB, or compressed at an implausible ratio"] += 1
        return b""
    try:
        with archive.open(entry) as file:
            data = file.read(ENTRY_BYTES + 1)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError):
        report.rejected["damaged entry"] += 1
        return b""
    if len(data) > ENTRY_BYTES:
        report.rejected["larger than 16 MiB, or compressed at an implausible ratio"] += 1
        return b""
    if not data:
        report.rejected["empty entry"] += 1
    return data
