"""The part of docs/speed.md that says where the static path spends its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.samples import table


def section(results: Mapping[str, Any]) -> list[str]:
    """Return the lines of docs/speed.md."""
    before = results["before"]
    rows = []
    for name, one in results["kinds"].items():
        cost, per_file = one["microseconds_per_file"], one["bytes"] / one["files"]
        speeds = [f"{per_file / cost[when]:.1f}" if one["bytes"] else "" for when in ("before", "now")]
        rows.append(
            f"| {name} | {one['files']:,} | {one['bytes'] / 1e6:.2f} | {cost['before']:,} | {cost['now']:,} | {' | '.join(speeds)} | {one['ratio']:g} |"
        )
    whole = {when: _per_megabyte(results["kinds"], when) for when in ("before", "now")}
    return [
        "",
        "## Where the time goes, before and after",
        "",
        f"Small documents of several kinds, in one process for this version and one for {before}, without Ray and without a model. The two",
        f"take turns over each folder {results['rounds']} times. Each figure is the median, and the last column is the median of the ratios of",
        "the turns that follow each other, so it holds on a machine that does other work too, whereas the CPU time itself grows with that",
        "work. `python -m bench.static_path` writes it.",
        "",
        f"| documents | files | MB | µs per file, {before} | now | MB per CPU second, {before} | now | times as fast |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        "Samples of the call stack divide that time, without the last two rows, among the parts of the program, in CPU milliseconds per",
        "megabyte. They are few, so a difference of a few milliseconds says nothing.",
        "",
        *table(results["parts"], whole, before, 1),
    ]


def _per_megabyte(kinds: Mapping[str, Any], when: str) -> float:
    """Return the CPU milliseconds for a megabyte of the documents, without the small files that were made up."""
    real = [one for name, one in kinds.items() if " " not in name]
    milliseconds: float = sum(one["microseconds_per_file"][when] * one["files"] for one in real) / 1e3
    megabytes: float = sum(one["bytes"] for one in real) / 1e6
    return milliseconds / megabytes
