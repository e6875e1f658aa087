"""Audits of folders with tables, and what they found in data files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.findings.nights import Nights
from veritensor_ray.corpus.tables.table_kinds import KINDS
from veritensor_ray.stores.outputs import OutputStore

LOGS = {*(kind.log for kind in KINDS.values()), "_transactions"}


def mails(first: int, last: int, what: str = "row") -> list[str]:
    return [f"{what}{number}@kaldor-mail.com" for number in range(first, last)]


def people_rows() -> dict[str, pa.Array]:
    """Twenty rows with nested columns. Before these are audited, most columns get other names, and "lost" and "dropped" ones are dropped."""
    columns = {
        "id": range(20),
        "c1": mails(0, 20),
        "c2": [{"c3": mail, "c4": f"dropped.{mail}"} for mail in mails(0, 20, "inner")],
        "c5": [[{"c3": mail}, {"c3": f"x.{mail}"}] for mail in mails(0, 20, "listed")],
        "c6": [[("key", mail)] for mail in mails(0, 20, "mapped")],
        "c7": [f"lost.{mail}" for mail in mails(0, 20)],
        "team": ["red@kaldor-mail.com", "blue@kaldor-mail.com"] * 10,
    }
    types = {"id": pa.int64(), "c6": pa.map_(pa.string(), pa.string())}
    return {name: pa.array(values, types.get(name)) for name, values in columns.items()}


def later_rows() -> dict[str, Any]:
    """Two rows with a column that came later, and without most others."""
    return {"id": [50, 51], "c1": mails(50, 52), "team": ["red@kaldor-mail.com", None], "c8": mails(50, 52, "later")}


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
        if not LOGS & set(row["artifact"].split("/")):
            for place in (row["location"], *row["places"]):
                found[row["content_fingerprint"], place["column"]] += 1
    return found
