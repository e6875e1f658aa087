"""Every path that is measured meets its finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.trace import PATHS, counted

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_counted(tmp_path: Path, name: str) -> None:
    found, calls = counted(PATHS[name](tmp_path))
    assert found == 1
    assert len({code.co_filename for code in calls}) > 10
