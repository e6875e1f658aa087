"""Divide sampled CPU time among the parts of a program."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from operator import itemgetter


def part_of(modules: str, parts: Mapping[str, str | None], rest: str) -> str:
    """Return what a sample belongs to, by the modules of its calls, the innermost first.

    The innermost one counts that a pattern of `parts` names. Those with None belong to whoever calls them, as those without a pattern do.
    """
    for module in modules.split("|"):
        part = next((part for pattern, part in parts.items() if fnmatchcase(module, pattern)), None)
        if part is not None:
            return part
    return rest


def shares(samples: Iterable[Mapping[str, float]], parts: Mapping[str, str | None], rest: str) -> dict[str, float]:
    """Return the share of each part in the CPU time of all samples, the largest first."""
    seconds: dict[str, float] = defaultdict(float)
    for one in samples:
        for modules, spent in one.items():
            seconds[part_of(modules, parts, rest)] += spent
    whole = sum(seconds.values())
    return {part: round(spent / whole, 4) for part, spent in sorted(seconds.items(), key=itemgetter(1), reverse=True)}


def table(parts: Mapping[str, Mapping[str, float]], cost: Mapping[str, float], before: str, digits: int) -> list[str]:
    """Return a table of what each part costs before and now. `cost` is that of the whole."""
    rows = []
    for name in parts["before"]:
        both = (f"{parts[when].get(name, 0.0) * cost[when]:.{digits}f}" for when in ("before", "now"))
        rows.append(f"| {name} | {' | '.join(both)} |")
    return [f"| part | {before} | now |", "| --- | --- | --- |", *rows, f"| all | {cost['before']:.0f} | {cost['now']:.0f} |"]
