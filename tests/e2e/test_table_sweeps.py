"""Twenty commits to a table of each kind: after each of them, a sweep equals a fresh audit of its snapshot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.table_commits import TABLES, followed


@pytest.mark.e2e
@pytest.mark.parametrize("kind", TABLES)
def test_a_sweep_equals_a_fresh_audit_over_20_commits(tmp_path: Path, option: Callable[[str], Any], kind: str) -> None:
    pytest.importorskip(TABLES[kind].library)
    followed(tmp_path, kind, option("seed"), 20)
