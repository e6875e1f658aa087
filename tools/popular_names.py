"""Create the dated lists of popular names for the typosquat check, from tables of a registry's packages.

    python -m tools.popular_names PyPI TABLE --date 2026-11-24 --name name --rank rank
    python -m tools.popular_names npm TABLE --date 2026-11-24 --name name --downloads downloads

TABLE is tab-separated, and its first line names the columns. Only names are taken from it.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

from veritensor_ray.engines.dependencies.advisory_model import NAMES, normal
from veritensor_ray.engines.dependencies.known_names import TARGETS
from veritensor_ray.engines.dependencies.typosquats import Lookalikes

FOLDER = Path(__file__).resolve().parent.parent / "veritensor_ray" / "engines" / "dependencies" / "names"
LISTED = 15_000


def ordered(table: Path, ecosystem: str, name: str, rank: str | None, downloads: str | None) -> tuple[list[str], list[str]]:
    """Return the names that have a rank, most popular first, and all the others."""
    ranked: dict[str, float] = {}
    others: dict[str, None] = {}
    for row in _rows(table):
        if not NAMES[ecosystem].match(row[name]):
            continue
        value = row.get(rank or "") or row.get(downloads or "")
        if value:
            ranked.setdefault(normal(ecosystem, row[name]), float(value) if rank else -float(value))
        else:
            others[normal(ecosystem, row[name])] = None
    names = sorted(ranked, key=lambda one: (ranked[one], one))
    return names[:LISTED], [*names[LISTED:], *(one for one in others if one not in ranked)]


def _rows(table: Path) -> Iterator[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        header = file.readline().rstrip("\n").split("\t")
        for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield dict(zip(header, row, strict=False))


def main() -> None:
    """Write both lists of an ecosystem."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ecosystem", choices=sorted(TARGETS))
    parser.add_argument("table", type=Path)
    parser.add_argument("--date", required=True)
    parser.add_argument("--name", default="name")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--rank")
    how.add_argument("--downloads")
    given = parser.parse_args()
    popular, rest = ordered(given.table, given.ecosystem, given.name, given.rank, given.downloads)
    lookalikes = Lookalikes(given.ecosystem, popular, TARGETS[given.ecosystem])
    alarms = {name: found for name in rest if (found := lookalikes.check(name)) is not None}
    existing = sorted(name for name, found in alarms.items())
    title = f"# Names of {given.ecosystem} packages, {given.date}"
    _write(f"{given.ecosystem.lower()}.txt", f"{title}: the most downloaded ones, most popular first.", popular)
    _write(f"{given.ecosystem.lower()}-existing.txt", f"{title}: less popular ones that exist and are like a popular one.", existing)
    print(f"{len(popular)} popular, {len(existing)} of {len(rest)} others are like one of them")


def _write(name: str, title: str, names: list[str]) -> None:
    (FOLDER / name).write_text("\n".join([title, *names, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
