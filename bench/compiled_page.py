"""The part of docs/speed.md that says what compiled modules gain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def section(results: Mapping[str, Any]) -> list[str]:
    """Return the lines of docs/speed.md."""
    rows, total = [], {"before": 0.0, "now": 0.0}
    for name, one in results["kinds"].items():
        cost, per_file = one["microseconds_per_file"], one["bytes"] / one["files"]
        for when in total:
            total[when] += cost[when] * one["files"]
        rows.append(f"| {name} | {per_file / cost['before']:.1f} | {per_file / cost['now']:.1f} | {one['ratio']:g} |")
    size = sum(one["bytes"] for one in results["kinds"].values())
    return [
        "",
        "## What was tried: compiled modules",
        "",
        f"mypyc can compile modules of the package to machine code from the same source. `python -m bench.compiled` does so with {results['modules']}",
        f"modules of the HTML and CSV readers, which takes {results['build_cpu_seconds']} CPU seconds, checks that the results are equal row by row, and lets both versions",
        f"take turns {results['rounds']} times. Each ratio is the median of those of the turns that follow each other.",
        "",
        "| documents | MB per CPU second | compiled | times as fast |",
        "| --- | --- | --- | --- |",
        *rows,
        f"| all | {size / total['before']:.1f} | {size / total['now']:.1f} | {total['before'] / total['now']:.2f} |",
        "",
        "Only HTML gains, because elsewhere most of the time is spent in regular expressions, YARA, Arrow and the system, which are compiled",
        "already. With 25 more modules (the walk over files, batches, mail, masking and the search for hidden text among them), no other kind",
        "became faster by more than such figures vary, building took more than twice as long, two modules crashed when they were imported,",
        "and two more raised errors while they read web pages and workbooks. So the wheel contains only Python sources: it needs no compiler, runs",
        "on every platform, and can be debugged where it is installed.",
    ]
