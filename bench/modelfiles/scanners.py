"""Scan a folder with this project, with picklescan and with modelaudit, and return what each of them reports about each file."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from veritensor_ray.core.config import SEVERITIES, load_settings

MEDIUM = SEVERITIES[SEVERITIES.index("medium") :]
_LOUD = ("warning", "critical", "error")  # levels of modelaudit that correspond to `medium` and above
_FILES = 200  # per call of modelaudit, whose command line is bounded


@dataclass
class Report:
    """What a tool reports: for each file, relative to the folder, sentences of findings of `medium` and above, and this project's verdicts."""

    tool: str
    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    verdicts: dict[str, str] = field(default_factory=dict)


def files_of(folder: Path) -> list[Path]:
    """Return the files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def ours(folder: Path) -> Report:
    """Audit the folder in this process with the engine and the readers. Members of archives count for the archive."""
    import pyarrow.parquet as pq

    from bench.local_run import LocalRun
    from veritensor_ray.pipeline.run_description import local_context
    from veritensor_ray.policy.judge import Judge
    from veritensor_ray.policy.policy_file import load_policy
    from veritensor_ray.stores.outputs import OutputStore

    settings = load_settings(flags={"sources": [str(folder)], "engines": ["modelfiles"]}, environ={})
    report = Report(f"veritensor-ray {version('veritensor-ray')}")
    with tempfile.TemporaryDirectory() as results:
        run = LocalRun(local_context(settings, b"bench"), OutputStore(results))
        run.plan()
        run.scan()
        run.collect(Judge(load_policy(None), date(2026, 1, 1)))
        for row in pq.read_table(Path(results) / "findings").to_pylist():
            if row["severity"] in MEDIUM:
                report.found[row["artifact"]].append(f"{row['severity']} {row['rule_id']}: {row['message']}")
        for row in pq.read_table(Path(results) / "ledger").to_pylist():
            report.verdicts[row["artifact"]] = _verdict(row)
    return report


def _verdict(row: dict[str, Any]) -> str:
    """Return the engine's verdict about the file, or the status if there is none."""
    for entry in row["coverage"] or ():
        if entry.get("engine") == "modelfiles" and entry.get("verdict"):
            return str(entry["verdict"])
    return str(row["status"])


def picklescan(folder: Path) -> Report:
    """Scan every file with picklescan. What its command counts as an issue counts here."""
    from picklescan.scanner import scan_file_path

    report = Report(f"picklescan {version('picklescan')} (MIT)")
    for path in files_of(folder):
        try:
            result = scan_file_path(str(path))
        except Exception:  # noqa: BLE001, S112  # the boundary of one file: whatever stops the other scanner, it has not found the attack
            continue
        if result.issues_count:
            report.found[str(path.relative_to(folder))].append(f"{result.issues_count} issues")
    return report


def modelaudit(folder: Path, command: str) -> Report:
    """Scan every file with modelaudit, without its cache. Issues of the level warning and above count."""
    name = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.strip().replace(", version", "")
    report = Report(f"{name} (MIT)")
    files = files_of(folder)
    with tempfile.TemporaryDirectory() as work:
        for start in range(0, len(files), _FILES):
            some = files[start : start + _FILES]
            for issue in _issues(command, some, Path(work) / f"{start}.json"):
                if issue.get("severity") in _LOUD and (path := _owner(some, str(issue.get("location") or ""))):
                    report.found[str(path.relative_to(folder))].append(str(issue.get("message"))[:200])
    return report


def _issues(command: str, files: Sequence[Path], out: Path) -> list[dict[str, Any]]:
    quiet = {"PATH": "/usr/bin:/bin", "HOME": str(out.parent), "PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1"}
    subprocess.run(
        [command, "scan", "--no-cache", "--quiet", "-f", "json", "-o", str(out), *map(str, files)],
        env=quiet,
        capture_output=True,
        check=False,
    )
    issues: list[dict[str, Any]] = json.loads(out.read_text())["issues"]
    return issues


def _owner(files: Sequence[Path], location: str) -> Path | None:
    """Return the file that a location begins with; a position or a member may follow."""
    return max((path for path in files if location.startswith(str(path))), key=lambda path: len(str(path)), default=None)


Scanner = Callable[[Path], Report]


def counted(verdicts: Iterable[str]) -> dict[str, int]:
    """Return how often each verdict was given, most frequent first."""
    return dict(Counter(verdicts).most_common())
