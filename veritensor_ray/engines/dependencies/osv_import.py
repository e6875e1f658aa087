"""OSV's `all.zip` to the offline database: every record checked, bounded and counted; it knows neither manifests nor the network."""

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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from veritensor_ray.engines.dependencies.database import FORMAT
from veritensor_ray.engines.dependencies.records import advisories
from veritensor_ray.errors import CannotRunError, UsageError

ENTRIES = 3_000_000
ENTRY_BYTES = 16 << 20
TOTAL_BYTES = 32 << 30
RATIO = 1000  # of an entry above a megabyte: OSV's own stay below 60
_BATCH = 2_000
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE advisories (
    ecosystem TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, modified TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (ecosystem, name, id)
) WITHOUT ROWID;
"""
_INSERT = """
INSERT INTO advisories VALUES (?, ?, ?, ?, ?) ON CONFLICT (ecosystem, name, id)
DO UPDATE SET modified = excluded.modified, data = excluded.data WHERE excluded.modified > advisories.modified
"""


@dataclass(slots=True)
class ImportReport:
    """What an import took and what it left out, by reason."""

    records: int = 0
    rows: int = 0
    newest: str = ""
    rejected: Counter[str] = field(default_factory=Counter)


def import_archives(
    archives: Iterable[Path], output: Path, progress: Callable[[int], None] = lambda done: None, imported: datetime | None = None
) -> ImportReport:
    """Write the database anew from all archives; the old one stays until the new one is whole. `imported` is noted in it; default: now.

    Raises UsageError for what is no archive of OSV records, CannotRunError where nothing can be written.
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
            _archive(connection, archive, report, progress, now)
        if not report.records:
            raise UsageError(f"no OSV record in {', '.join(map(str, archives))}")
        for row in connection.execute("SELECT ecosystem, name, id, data FROM advisories ORDER BY 1, 2, 3"):
            digest.update("\0".join(row[:3]).encode("utf-8", "replace") + row[3])
        about = {
            "format": FORMAT,
            "digest": digest.hexdigest(),
            "imported": (imported or now).isoformat(timespec="seconds"),
            "newest": report.newest,
        }
        about |= {name: json.dumps(counts) for name, counts in _counts(connection).items()}
        about["rejected"] = json.dumps(dict(report.rejected))
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
            report.rejected["withdrawn" if record.get("withdrawn") else "about no package of PyPI or npm"] += 1
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


def _moment(value: Any, now: datetime) -> str:
    """A time stamp as text that sorts; what lies in the future, or is none, says nothing about age."""
    try:
        moment = datetime.fromisoformat(value)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return ""
    return moment.isoformat(timespec="microseconds") if moment <= now else ""


def _records(path: Path, report: ImportReport) -> Iterator[Any]:
    """The parsed entries of an archive; those out of bounds or broken are counted by reason."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UsageError(f"{path} is no zip archive of advisories: {error}") from None
    with archive:
        entries = archive.infolist()
        if len(entries) > ENTRIES:
            raise UsageError(f"{path} has more than {ENTRIES} entries: this is no archive of advisories")
        total = 0
        for entry in entries:
            if not entry.filename.endswith(".json"):
                report.rejected["entry that is no JSON file"] += 1
                continue
            data = _entry(archive, entry, report)
            total += len(data)
            if total > TOTAL_BYTES:
                raise UsageError(f"{path} unpacks to more than {TOTAL_BYTES} bytes: this is no archive of advisories")
            if not data:
                continue
            try:
                yield json.loads(data)
            except (ValueError, RecursionError):
                report.rejected["no JSON"] += 1


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, report: ImportReport) -> bytes:
    """The bytes of an entry, never more than the bound; empty, and counted, where they cannot be had."""
    if entry.file_size > ENTRY_BYTES or (entry.file_size > 1 << 20 and entry.file_size > RATIO * max(entry.compress_size, 1)):
        report.rejected["larger than 16 MiB, or packed beyond belief"] += 1
        return b""
    try:
        with archive.open(entry) as file:
            data = file.read(ENTRY_BYTES + 1)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError):
        report.rejected["damaged entry"] += 1
        return b""
    if len(data) > ENTRY_BYTES:
        report.rejected["larger than 16 MiB, or packed beyond belief"] += 1
        return b""
    if not data:
        report.rejected["empty entry"] += 1
    return data
