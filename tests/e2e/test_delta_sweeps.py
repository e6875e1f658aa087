"""Twenty commits to a Delta table: after each of them, a sweep equals a fresh audit of its snapshot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.delta_commits import followed

pytest.importorskip("deltalake")


@pytest.mark.e2e
@pytest.mark.parametrize("number", range(3))
def test_a_sweep_equals_a_fresh_audit_over_20_commits(tmp_path: Path, option: Callable[[str], Any], number: int) -> None:
    followed(tmp_path, 3 * option("seed") + number, 20)
