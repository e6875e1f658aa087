"""`advisories import|status`: build the offline advisory database from OSV's archives, KEV and EPSS, and show its contents and age."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from veritensor_ray.cli.options import AsJson, Config

app = typer.Typer(
    help="Manage the offline advisory database. It holds known vulnerabilities and malicious packages.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Archives = Annotated[
    list[Path],
    typer.Argument(
        help="An ecosystem's all.zip, as OSV publishes it. Several archives are merged. CISA's known_exploited_vulnerabilities.json and "
        "FIRST's epss_scores-….csv.gz may be among them."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Where to write the database. Default: dependencies.database, or a file in your data folder."),
]


def import_archives(archives: Archives, output: Output = None, config: Config = None) -> None:
    """Rebuild the database from OSV's archives, and from KEV and EPSS. The old one stays in place until the new one is complete."""
    from veritensor_ray.core.wording import counted
    from veritensor_ray.engines.dependencies.osv_import import import_archives as make

    path = _path(output, config)
    report = make(archives, path)
    sys.stdout.write(f"{report.records} advisories in {path}, the newest from {report.newest[:10] or 'unknown date'}\n")
    for name, feed in sorted(report.feeds.items()):
        sys.stdout.write(f"{name} of {feed.dated[:10] or 'unknown date'}: {counted(feed.entries, 'CVE')}\n")
    for reason, count in sorted(report.rejected.items()):
        sys.stdout.write(f"left out: {count} ({reason})\n")


def status(config: Config = None, as_json: AsJson = False) -> None:
    """Show what the database holds and how old it is. The exit code is 4 if there is no database."""
    from datetime import UTC, datetime

    from veritensor_ray.core.errors import CannotRunError
    from veritensor_ray.engines.dependencies.advisory_database import Database, DatabaseMissing, age_of
    from veritensor_ray.engines.dependencies.exploitation import FEEDS

    path = _path(None, config)
    try:
        about = Database(path).about
    except DatabaseMissing as error:
        raise CannotRunError(str(error)) from None
    today = datetime.now(UTC).date()
    found: dict[str, object] = {
        "database": str(path),
        "advisories": dict(about.records),
        "packages": dict(about.packages),
        "newest": about.newest,
        "age_days": about.age(today),
        "imported": about.imported,
        "digest": about.digest,
    }
    for name in FEEDS:
        feed = about.feeds.get(name)
        found[name.lower()] = feed and {"dated": feed.dated, "age_days": age_of(feed.dated, today), "cves": feed.entries}
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    from veritensor_ray.cli.render import console, table

    console().print(table(("field", "value"), [[key, _shown(value)] for key, value in found.items()]))


app.command("import")(import_archives)
app.command("status")(status)


def _path(output: Path | None, config: str | None) -> Path:
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.engines.dependencies.advisory_database import path_of

    return output or path_of(load_settings(config).dependencies.database)


def _shown(value: object) -> str:
    if isinstance(value, dict) and "dated" in value:
        from veritensor_ray.core.wording import counted

        age = f"of {value['dated'][:10]}, {counted(value['age_days'], 'day')} old" if value["dated"] else "of unknown date"
        return f"{counted(value['cves'], 'CVE')}, {age}"
    if value is None:
        return "none"
    return ", ".join(f"{count} {name}" for name, count in value.items()) if isinstance(value, dict) else str(value)
