"""How fast each stage of a run was, as `submit --stats` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def show(out: Console, run: Mapping[str, Any]) -> None:
    """Print the CPU time of each stage and the megabytes of the corpus that it took a second for, slowest first."""
    from veritensor_ray.cli.render import size, table

    used = run.get("utilisation") or {}
    stages = used.get("stages")
    if not stages:
        out.print("\nSpeed by stage: nothing was scanned")
        return
    whole = sum(one["cpu_seconds"] for one in stages.values())
    rows = [
        (name, f"{one['cpu_seconds']:,.2f}", f"{one['cpu_seconds'] / whole:.1%}", _speed(one["mb_per_cpu_second"]))
        for name, one in sorted(stages.items(), key=lambda item: -item[1]["cpu_seconds"])
    ]
    rows.append(("all stages", f"{whole:,.2f}", "", _speed(used["bytes"] / 1e6 / whole)))
    out.print(f"\nSpeed by stage: {size(used['bytes'])} in {used['seconds']:,.1f} s on {used['cpus']:g} CPUs", style="bold")
    columns = ("stage", "CPU seconds", "share", "MB per CPU second")
    out.print(table(columns, rows, right=columns[1:]))


def _speed(value: float) -> str:
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
