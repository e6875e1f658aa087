"""Sources by strangers are shown hardest first, and a language with few attacks is not shown."""

from __future__ import annotations

from typing import Any

from bench.injection import Cell
from bench.strangers import DEFENDER, NANOGUARD, READ, section


def _row(name: str, of: str, medium: Cell, low: Cell | None = None) -> dict[str, Any]:
    high, read = [0, medium[1], 0, medium[3]], [medium[1], medium[1], medium[3], medium[3]]
    return {
        name: of,
        "cells": {READ: read, "low": low or medium, "medium": medium, "high": high, DEFENDER: [1, 2, 0, 0], NANOGUARD: [1, 4, 1, 2]},
    }


RESULTS = {
    "sources": [
        _row("source", "mails", [30, 40, 0, 20], [36, 40, 1, 20]),
        _row("source", "orders", [0, 0, 6, 50]),
        _row("source", "notes", [10, 40, 0, 0]),
    ],
    "languages": [_row("language", "de", [10, 20, 0, 9]), _row("language", "la", [10, 19, 0, 9])],
}


def test_rows_are_sorted_by_recall_and_those_without_attacks_are_last() -> None:
    page = "\n".join(section(RESULTS))
    lines = [line for line in page.splitlines() if line.startswith("| ") and " / " in line and "attacks" not in line]
    assert lines == [
        "| notes | 40 / 0 | 1.00 / – | 0.25 / – | 0.25 / – | 0.00 / – | 0.50 / – | 0.25 / 0.50 |",
        "| mails | 40 / 20 | 1.00 / 1.00 | 0.90 / 0.05 | 0.75 / 0.00 | 0.00 / 0.00 | 0.50 / – | 0.25 / 0.50 |",
        "| orders | 0 / 50 | – / 1.00 | – / 0.12 | – / 0.12 | – / 0.00 | 0.50 / – | 0.25 / 0.50 |",
        "| de | 20 / 9 | 1.00 / 1.00 | 0.50 / 0.00 | 0.50 / 0.00 | 0.00 / 0.00 |",
    ]
