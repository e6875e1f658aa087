"""Audits of folders with tables, and what they found in data files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.findings.nights import Nights
from veritensor_ray.corpus.tables.table_kinds import KINDS
from veritensor_ray.stores.outputs import OutputStore


def mails(first: int, last: int, what: str = "row") -> list[str]:
    return [f"{what}{number}@kaldor-mail.com" for number in range(first, last)]


def audited(tmp_path: Path, **options: Any) -> Nights:
    """An audit of the table in tmp_path/corpus."""
    found = Nights.__new__(Nights)
    found.base, found.corpus, found.engines, found.number = tmp_path, tmp_path / "corpus", ("pii",), 0
    found.state = OutputStore(str(tmp_path / "state"))
    found.night(**options)
    return found


def facts(one: Nights, column: str | None = None) -> Counter[tuple[str, str]]:
    """What was found in data files: by value and top column, how often."""
    found = Counter[tuple[str, str]]()
    for row in one.table("findings"):
        if not {kind.log for kind in KINDS.values()} & set(row["artifact"].split("/")):
            for place in (row["location"], *row["places"]):
                found[row["content_fingerprint"], place["column"]] += 1
    return found
