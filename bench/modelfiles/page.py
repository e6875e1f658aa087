"""Write the section of docs/engines/modelfiles.md about files that the engine had not seen. It depends only on figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.injection_page import table
from bench.prose import wrapped
from veritensor_ray.core.wording import counted

PAGE = Path(__file__).parents[2] / "docs" / "engines" / "modelfiles.md"
TITLE = "## Measured on files it had not seen"
NEXT = "## Cost"
Cells = Mapping[str, Mapping[str, int]]


def share(cell: Mapping[str, int]) -> str:
    """Return the attacks found, the twins flagged, and the share of the attacks."""
    return f"{cell['found']} of {cell['attacks']} ({100 * cell['found'] / cell['attacks']:.0f} %), {cell['flagged']}"


def total(cells: Cells) -> dict[str, int]:
    """Add up the cells of all classes."""
    return {key: sum(cell[key] for cell in cells.values()) for key in ("attacks", "found", "flagged")}


def worst(cells: Cells) -> str:
    """Return the class of which the smallest share is found."""
    return min(cells, key=lambda name: cells[name]["found"] / cells[name]["attacks"])


def section(results: Mapping[str, Any]) -> list[str]:
    """Return the paragraphs and tables: the first measurement of these files, and what has become of it since."""
    first = results.get("unseen", results)
    measured: Mapping[str, Cells] = first["held out"]
    tools = list(measured)
    ours = measured[tools[0]]
    rows = [(f"**{name}**" if name == worst(ours) else name, *(share(measured[tool][name]) for tool in tools)) for name in ours]
    rows.append(("all", *(share(total(measured[tool])) for tool in tools)))
    lines = [
        TITLE, "",
        "The attacks were written from the specifications of formats, the source code of loaders and published advisories, by somebody who had read "
        "an earlier version of this page, but not the rules. Each has a benign twin of the same format and shape. The rules were written without these files. A file counts as found or flagged if a finding of "
        "medium severity or above is in it; for picklescan, if its command reports an issue; for modelaudit, at the level warning or above.", "",
        "Cells show the attacks found and the twins flagged. The class of which this engine finds the smallest share is in bold.", "",
        table(("class", *tools), rows), "",
    ]  # fmt: skip
    if "verdicts" in first:
        said = {part: ", ".join(f"{name} {count}" for name, count in numbers.items()) for part, numbers in first["verdicts"].items()}
        lines += [f"The verdicts on the attacks were: {said['attacks']}. Those on the twins were: {said['twins']}.", ""]
    if "benign" in first:
        lines += [*_benign(first["benign"]), ""]
    if "unseen" in results:
        lines += [_since(results), ""]
    return [*lines, "`python -m bench.modelfiles` repeats the measurement; `--misses` lists what is missed.", ""]


def _since(results: Mapping[str, Any]) -> str:
    """Return what the same tool finds today in the same files, which are no longer unseen."""
    tool = next(iter(results["held out"]))
    cell, verdicts = total(results["held out"][tool]), results["verdicts"]
    benign = results.get("benign", {})
    flagged = f", and flags {benign['flagged'][tool]} of the {benign['files']:,} benign files" if benign else ""
    return (
        "The misses and false positives have been read since then, and the rules behind them changed, so these files are no longer unseen. "
        f"{tool} now finds {cell['found']} of {cell['attacks']} attacks, flags {counted(cell['flagged'], 'twin')}{flagged}; it calls "
        f"{verdicts['attacks'].get('inert', 0)} attacks inert."
    )


def _benign(measured: Mapping[str, Any]) -> list[str]:
    files = measured["files"]
    flagged = "; ".join(f"{tool} flags {count} ({1000 * count / files:.1f} of 1,000)" for tool, count in measured["flagged"].items())
    verdicts = ", ".join(f"{name} {count:,}" for name, count in measured["verdicts"].items())
    return [
        f"Of {files:,} benign files that some twenty libraries wrote themselves (`bench/modelfiles/benign.py`), {flagged}. Verdicts: {verdicts}."
    ]


def write(results: Mapping[str, Any], page: Path = PAGE) -> None:
    """Put the section in place of the old one, or before the section on cost."""
    text = "\n".join(part if part[:1] in ("|", "#") else wrapped(part) for part in section(results)).rstrip() + "\n\n"
    old = page.read_text()
    without = re.sub(rf"^{re.escape(TITLE)}\n.*?(?=^## )", "", old, flags=re.MULTILINE | re.DOTALL)
    page.write_text(without.replace(f"{NEXT}\n", f"{text}{NEXT}\n", 1))
