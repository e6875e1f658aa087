"""After every commit to a table, a sweep of it equals a fresh audit, and counts the values of the living rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.table_commits import TABLES, followed


@pytest.mark.slow
@pytest.mark.parametrize("kind", TABLES)
def test_a_sweep_equals_a_fresh_audit_after_each_commit(tmp_path: Path, kind: str) -> None:
    """Some operations of each kind; tests/e2e/test_table_sweeps.py does 20."""
    pytest.importorskip(TABLES[kind].library)
    followed(tmp_path, kind, 1, 3)
