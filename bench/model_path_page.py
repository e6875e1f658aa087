"""The part of docs/speed.md that says where a scan with all engines spends its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.samples import table


def rate(kinds: Mapping[str, Any], when: str = "now") -> float:
    """Return the megabytes per CPU second over all kinds."""
    seconds: float = sum(one["cpu_seconds"][when] for one in kinds.values())
    megabytes: float = sum(one["bytes"] for one in kinds.values()) / 1e6
    return megabytes / seconds


def section(results: Mapping[str, Any]) -> list[str]:
    """Return the lines of docs/speed.md."""
    before, whole, first = results["before"], results["kinds"]["all engines"], results["first readers"]
    rows = [
        f"| {name} | {one['files']:,} | {one['bytes'] / 1e6:.2f} | {_speed(one, 'before')} | {_speed(one, 'now')} | {one['ratio']:g} |"
        for name, one in whole.items()
    ]
    every = [
        f"| all, {what} | | | {rate(kinds, 'before'):.2f} | {rate(kinds):.2f} | {rate(kinds) / rate(kinds, 'before'):.2f} |"
        for what, kinds in results["kinds"].items()
    ]
    cost = {when: 1e3 / rate(whole, when) for when in ("before", "now")}
    return [
        "",
        "## With models: where the time goes, before and after",
        "",
        "Half of the same documents, read in one process without Ray in which the other half has loaded what engines need. Models remember",
        f"what they have read, so each figure is the median of {results['rounds']} new processes, those of both versions in turns. `python -m bench.model_path`",
        "writes it.",
        "",
        f"| documents | files | MB | MB per CPU second, {before} | now | times as fast |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        *every,
        "",
        "Samples of the call stack divide the time of all engines among the parts of the program, in CPU milliseconds per megabyte:",
        "",
        *table(results["parts"], cost, before, 0),
        "",
        f"The word tagger reads {first['tagger, MB per CPU second']:g} MB in a CPU second and leaves {100 * first['words left to the large model']:.1f}% of the words to the large model. The first stage of",
        f"`injection` reads {first['first stage, MB per CPU second']:g} MB in a CPU second and leaves {100 * first['words left to the transformer']:.1f}% to the transformer. Both figures are for the files as plain text.",
    ]


def _speed(one: Mapping[str, Any], when: str) -> str:
    return f"{one['bytes'] / 1e6 / one['cpu_seconds'][when]:.2f}"
