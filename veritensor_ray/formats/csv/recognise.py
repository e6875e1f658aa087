"""Recognizes a table in a text whose name does not say that it is one."""

from __future__ import annotations

import csv
from collections.abc import Sequence


def is_table(text: str) -> bool:
    """Whether at least five lines have the same number (three or more) of separated cells."""
    lines: Sequence[str] = text.splitlines()[:-1][:50]
    if len(lines) < 5:
        return False
    for delimiter in ",\t;":
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=delimiter)}
        except csv.Error:
            continue
        if len(widths) == 1 and widths.pop() >= 3:
            return True
    return False
