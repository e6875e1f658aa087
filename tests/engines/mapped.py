"""How much of a network lies in the mapping of its file, which all processes of a node share."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def mapped_share(network: Any, file: Path) -> float:
    """The share of the network's parameters, by bytes, that lie in a mapping of `file`."""
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(f" {file.resolve()}")]
    mapped = [range(*(int(end, 16) for end in line[0].split("-"))) for line in lines]
    parameters = list(network.parameters())
    inside = [one for one in parameters if any(one.data_ptr() in span for span in mapped)]
    return float(sum(one.nbytes for one in inside)) / float(sum(one.nbytes for one in parameters))
