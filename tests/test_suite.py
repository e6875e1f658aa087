"""What the suite itself keeps: which tests run where, and that compiled modules are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLOCKED, WITH_RESULTS = "tests/engines/injection/test_orders.py", "tests/masking/test_concealment.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expression", "there"), [("not slow", ["take_no_long_time"]), ("clock", ["take_no_long_time", "a_long_text_costs_little"])]
)
def test_what_only_looks_at_a_clock_runs_where_it_is_named(expression: str, there: list[str]) -> None:
    call = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", expression, WITH_RESULTS, CLOCKED]
    said = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [name for name in ("take_no_long_time", "a_long_text_costs_little") if name in said] == there
    assert "deselected" in said


def test_make_lets_python_keep_compiled_modules() -> None:
    """Many container images forbid it; then every process of the suite compiles every test again, which takes longer than many of them."""
    call = ["make", "-s", "--eval", "probe: ; @echo kept=$${PYTHONDONTWRITEBYTECODE-yes}", "probe"]
    said = subprocess.run(call, cwd=ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=True)
    assert said.stdout == "kept=yes\n"
