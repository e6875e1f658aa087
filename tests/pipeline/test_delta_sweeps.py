"""After every commit to a Delta table, a sweep of it equals a fresh audit, and counts the values of the living rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.delta_commits import OPERATIONS, followed

pytest.importorskip("deltalake")


@pytest.mark.slow
def test_a_sweep_equals_a_fresh_audit_after_each_commit(tmp_path: Path) -> None:
    """Each kind of operation happens once; tests/e2e/test_delta_sweeps.py does 20."""
    followed(tmp_path, 1, len(OPERATIONS))
