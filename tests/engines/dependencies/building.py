"""OSV records, archives of them, databases and engines for the tests."""

from __future__ import annotations

import gzip
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


def kev(path: Path, listed: Mapping[str, str], released: str = "2026-03-02T16:00:45.9842Z") -> Path:
    """CISA's catalog: CVEs with the day on which they were added."""
    entries = [
        {
            "cveID": name,
            "vendorProject": "Apache",
            "product": "Log4j2",
            "vulnerabilityName": "Apache Log4j2 Remote Code Execution Vulnerability",
            "dateAdded": since,
            "shortDescription": "…",
            "requiredAction": "Apply updates per vendor instructions.",
            "dueDate": "2026-03-24",
            "knownRansomwareCampaignUse": "Known",
            "notes": "",
            "cwes": ["CWE-20"],
        }
        for name, since in listed.items()
    ]
    about = {"title": "CISA Catalog of Known Exploited Vulnerabilities", "catalogVersion": released[:10].replace("-", ".")}
    path.write_text(json.dumps(about | {"dateReleased": released, "count": len(entries), "vulnerabilities": entries}, indent=2))
    return path


def epss(path: Path, scores: Mapping[str, tuple[float, float]], dated: str = "2026-03-03T12:55:00Z") -> Path:
    """FIRST's table of probabilities and percentiles, compressed if the name says so."""
    text = f"#model_version:v2025.03.14,score_date:{dated}\ncve,epss,percentile\n"
    text += "".join(f"{name},{probability:.5f},{percentile:.5f}\n" for name, (probability, percentile) in scores.items())
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def database(folder: Path, *records: Any, feeds: Iterable[Path] = ()) -> Path:
    """A database of these records; one about npm is added, so that none is missing."""
    other = record("GHSA-aaaa-aaaa-aaaa", "never-used-by-tests", ecosystem="npm")
    path = folder / "advisories.sqlite"
    import_archives([archive(folder / "all.zip", [other, record("PYSEC-0-0", "never-used-by-tests"), *records]), *feeds], path)
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
