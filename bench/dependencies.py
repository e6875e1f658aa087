"""Measure the engine `dependencies`: look-ups, lock files of 100,000 packages, typosquat false positives, the import of many records.

    python -m bench.dependencies --osv ../shared/data/osv/PyPI-all.zip [--names TABLE]
    python -m bench.dependencies --generated 200000

TABLE is a tab-separated table of PyPI's packages with a column `name`. The rate of false positives on its less popular names is measured
twice: with the engine as it is, and as if it did not know that they exist. Times are CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from veritensor_ray.core.config import Settings
from veritensor_ray.engines.base import FileInfo, Hit
from veritensor_ray.engines.dependencies import Dependencies
from veritensor_ray.engines.dependencies.advisory_database import Database
from veritensor_ray.engines.dependencies.advisory_model import PYPI, normal
from veritensor_ray.engines.dependencies.known_names import TARGETS, Lists, popular
from veritensor_ray.engines.dependencies.osv_import import import_archives
from veritensor_ray.engines.dependencies.typosquats import Lookalikes
from veritensor_ray.models.model_store import ModelStore

COUNT = 100_000


def look_ups(database: Path) -> None:
    """Look up 100,000 pairs of popular names and versions, then of unknown names."""
    names = popular(PYPI)
    random.seed(1)
    pairs = [
        (names[min(int(random.expovariate(1 / 2_000)), len(names) - 1)], f"{random.randrange(5)}.{random.randrange(30)}.0")
        for _ in range(COUNT)
    ]
    unknown = [(f"unknown-{number}", "1.0") for number in range(COUNT)]
    for title, wanted in (("popular packages", pairs), ("packages without advisories, each once", unknown)):
        opened = Database(database)
        started = time.process_time()
        affected = sum(any(one.affects(version) for one in opened.of(PYPI, name)) for name, version in wanted)
        print(f"look-ups, {title}: {COUNT / (time.process_time() - started):,.0f} per CPU second ({affected} affected)")


def lock_files(database: Path) -> None:
    """Run whole files through the engine, with names from the list and with unknown names."""
    engine = Dependencies(Settings.model_validate({"dependencies": {"database": str(database), "max_age_days": 100_000}}))
    engine.load(ModelStore("embedded"))
    known = [f"{name}=={number % 20}.1" for number, name in enumerate((popular(PYPI) * 7)[:COUNT])]
    unknown = [f"package-{number}=={number % 20}.1" for number in range(COUNT)]
    for title, rows in (("popular names", known), ("unknown names", unknown)):
        for file, content in _files(rows):
            started = time.process_time()
            hits = [
                hit for hit in engine.scan_file(io.BytesIO(content), FileInfo(file, len(content), "text/plain")) if isinstance(hit, Hit)
            ]
            print(
                f"{file} of {COUNT:,} rows, {title}: {time.process_time() - started:.1f} s ({len(content) / 1e6:.1f} MB, {len(hits)} hits)"
            )


def _files(rows: list[str]) -> Iterable[tuple[str, bytes]]:
    pairs = [row.split("==") for row in rows]
    yield "requirements.txt", "\n".join(rows).encode()
    yield "poetry.lock", "".join(f'[[package]]\nname = "{n}"\nversion = "{v}"\noptional = false\n\n' for n, v in pairs).encode()
    packages = {f"a{i}/node_modules/{name}": {"version": f"{version}.0"} for i, (name, version) in enumerate(pairs)}
    yield "package-lock.json", json.dumps({"packages": packages}, indent=2).encode()


def alarms(table: Path) -> None:
    """Count how many of 100,000 less popular names of the registry are taken for imitations."""
    listed = set(popular(PYPI))
    names = sorted({normal(PYPI, line.split("\t", 1)[0]) for line in table.read_text(encoding="utf-8").splitlines()[1:]} - listed)
    random.seed(1)
    sample = random.sample(names, min(COUNT, len(names)))
    blind = Lookalikes(PYPI, popular(PYPI), TARGETS[PYPI])
    for title, index in (("as they are", Lists({}).of(PYPI)), ("as if unknown to the engine", blind)):
        started = time.process_time()
        found = Counter(squat.severity for name in sample if (squat := index.check(name)) is not None)
        rates = ", ".join(f"{severity} {100 * count / len(sample):.2f} %" for severity, count in sorted(found.items())) or "none"
        print(
            f"false positives on {len(sample):,} less popular names, {title}: {rates} ({len(sample) / (time.process_time() - started):,.0f} names per CPU second)"
        )


NAMES = {
    "PyPI": "package-{}-{}",
    "npm": "@scope{}/package-{}",
    "crates.io": "crate-{}-{}",
    "Go": "example.test/owner{}/module-{}",
    "Maven": "test.example.group{}:artifact-{}",
    "RubyGems": "gem-{}-{}",
    "NuGet": "Company{}.Package{}",
    "Packagist": "vendor{}/package-{}",
}
VERSIONS = [f"{major}.{minor}.{patch}" for major in range(1, 4) for minor in range(4) for patch in range(3)]


def generated(count: int) -> None:
    """Import so many records of all ecosystems, as long as those of GitHub usually are, and tell time and memory."""
    with tempfile.TemporaryDirectory() as folder:
        path, database = Path(folder) / "all.zip", Path(folder) / "advisories.sqlite"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for number in range(count):
                file.writestr(f"{number}.json", json.dumps(_record(number)))
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        report = import_archives([path], database)
        spent, peak = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"import: {report.records:,} generated records in {spent:.1f} s, {database.stat().st_size / 1e6:.1f} MB of {path.stat().st_size / 1e6:.1f} MB; "
            f"the process grew from {before // 1024} to {peak // 1024} MB"
        )


def _record(number: int) -> dict[str, Any]:
    ecosystem = list(NAMES)[number % len(NAMES)]
    fixed = f"{number % 3 + 1}.{number % 4}.1"
    vector = f"CVSS:4.0/AV:{'NALP'[number % 4]}/AC:L/AT:N/PR:{'NLH'[number % 3]}/UI:N/VC:{'HLN'[number % 3]}/VI:L/VA:N/SC:N/SI:N/SA:N"
    affected = {
        "package": {"ecosystem": ecosystem, "name": NAMES[ecosystem].format(number % 500, number % 20_000)},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
        "versions": VERSIONS[: VERSIONS.index(fixed)],
    }
    return {
        "id": f"GHSA-{number:08x}",
        "modified": f"2026-01-01T00:00:{number % 60:02d}Z",
        "aliases": [f"CVE-2026-{10_000 + number}"],
        "summary": f"Flaw {number} lets anyone do something",
        "details": "Words of a description that explains the flaw at some length. " * 25,
        "severity": [{"type": "CVSS_V4", "score": vector}],
        "affected": [affected],
        "references": [{"type": "WEB", "url": f"https://example.test/{one}"} for one in range(6)],
    }


def recorded(archive: Path) -> None:
    """Import real records, and measure with them."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "advisories.sqlite"
        started = time.process_time()
        report = import_archives([archive], database)
        spent = time.process_time() - started
        print(
            f"import: {report.records:,} records in {spent:.1f} s, {database.stat().st_size / 1e6:.1f} MB of {archive.stat().st_size / 1e6:.1f} MB"
        )
        look_ups(database)
        lock_files(database)


def main() -> None:
    """Import the advisories, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--osv", type=Path)
    parser.add_argument("--names", type=Path)
    parser.add_argument("--generated", type=int, metavar="RECORDS")
    given = parser.parse_args()
    if given.generated:
        generated(given.generated)
    if given.osv:
        recorded(given.osv)
    if given.names:
        alarms(given.names)


if __name__ == "__main__":
    main()
