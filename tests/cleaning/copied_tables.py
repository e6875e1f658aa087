"""Copies of tables, and what stands in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.cleaning.in_process import InProcess

MASK = "rules: [{rule: pii.email, action: mask}]"
OPTIONS: dict[str, Any] = {"engines": ["pii"], "pii": {"free_text": False}}


def mails(count: int, what: str) -> list[str]:
    return [f"{what}{number}@kaldor-mail.com" for number in range(count)]


def cleaned(base: Path, policy: str = MASK, **options: Any) -> InProcess:
    run = InProcess(str(base / "corpus"), str(base / "copy"), policy, OPTIONS | options)
    run.scan().publish()
    return run


def rows_of(folder: Path, run: InProcess) -> list[dict[str, Any]]:
    """The rows of the Parquet files in a copy, by their stored names."""
    found: list[dict[str, Any]] = []
    for artifact, row in run.manifest().items():
        if row["path"] and artifact.endswith(".parquet"):
            found += pq.ParquetFile(folder / row["path"]).read().to_pylist()
    return sorted(found, key=lambda row: str(row["id"]).zfill(3))
