"""OSV records, archives of them, databases and engines for the tests."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from veritensor_ray.core.config import Settings
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import FileInfo, Hit
from veritensor_ray.engines.dependencies import Dependencies
from veritensor_ray.engines.dependencies.osv_import import import_archives
from veritensor_ray.models.model_store import ModelStore


def record(
    name: str,
    package: str = "requests",
    events: Iterable[Mapping[str, str]] | None = ({"introduced": "0"}, {"fixed": "2.0"}),
    versions: Iterable[str] = (),
    ecosystem: str = "PyPI",
    **more: Any,
) -> dict[str, Any]:
    """An OSV record about one package."""
    kind = "SEMVER" if ecosystem == "npm" else "ECOSYSTEM"
    affected: dict[str, Any] = {"package": {"ecosystem": ecosystem, "name": package}, "versions": list(versions)}
    if events is not None:
        affected["ranges"] = [{"type": kind, "events": list(events)}]
    return {"id": name, "modified": "2026-01-01T00:00:00Z", "summary": f"Flaw {name}.", "affected": [affected]} | more


def archive(path: Path, entries: Iterable[Any]) -> Path:
    """A zip with an entry a record; bytes go in as they are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for number, entry in enumerate(entries):
            file.writestr(f"{number}.json", entry if isinstance(entry, bytes) else json.dumps(entry))
    return path


def database(folder: Path, *records: Any) -> Path:
    """A database of these records; one about npm is added, so that none is missing."""
    other = record("GHSA-aaaa-aaaa-aaaa", "never-used-by-tests", ecosystem="npm")
    path = folder / "advisories.sqlite"
    import_archives([archive(folder / "all.zip", [other, record("PYSEC-0-0", "never-used-by-tests"), *records])], path)
    return path


def engine(**settings: Any) -> Dependencies:
    """Loaded, and never too old a database."""
    made = Dependencies(Settings.model_validate({"dependencies": {"max_age_days": 100_000} | settings}))
    made.load(ModelStore("embedded"))
    return made


def scan(made: Dependencies, name: str, content: str | bytes) -> tuple[list[Hit], list[Gap]]:
    """Hits and gaps of one file."""
    data = content.encode() if isinstance(content, str) else content
    found = list(made.scan_file(io.BytesIO(data), FileInfo(name, len(data), "text/plain")))
    return [one for one in found if isinstance(one, Hit)], [one for one in found if isinstance(one, Gap)]
