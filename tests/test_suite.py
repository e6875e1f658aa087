"""What the suite itself keeps: which tests run where, and that compiled modules are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.distribution import Distribution

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


class Process:
    """A process of a parallel run, as the scheduler sees it."""

    shutting_down = False

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="gw", spec="popen")
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def dealt(pytestconfig: pytest.Config, tests: list[str]) -> tuple[list[list[str]], int]:
    """The tests that each of two processes got, and how many units that are done were remembered at most."""
    scheduler = Distribution(_of_two(pytestconfig), None)
    processes = [Process(), Process()]
    for process in processes:
        scheduler.add_node(process)
        scheduler.add_node_collection(process, tests)
    scheduler.schedule()
    done, remembered = [0, 0], 0
    while any(done[i] < len(process.given) for i, process in enumerate(processes)):
        for i, process in enumerate(processes):
            if done[i] < len(process.given):
                scheduler.mark_test_complete(process, process.given[done[i]])
                done[i] += 1
                remembered = max(remembered, sum(all(unit.values()) for unit in scheduler.assigned_work[process].values()))
    return [[tests[index] for index in process.given] for process in processes], remembered


def _of_two(config: pytest.Config) -> Any:
    """A configuration with two processes."""
    options = {"tx": ["popen", "popen"], "numprocesses": 2, "maxprocesses": None, "loadscopereorder": True}
    return SimpleNamespace(
        rootpath=config.rootpath,
        option=SimpleNamespace(**options),
        getvalue=options.get,
        getoption=options.get,
        hook=config.hook,
    )


def test_processes_share_slow_tests_and_get_other_files_whole(pytestconfig: pytest.Config) -> None:
    whole = [f"tests/policy/test_judge.py::test_{i}" for i in range(40)]
    single = [f"tests/engines/modelfiles/chat_templates/test_templates.py::test_{i}" for i in range(60)]
    ray = [f"tests/{file}::test_{i}" for file in ("api/test_api.py", "cli/reading/test_context_command.py") for i in range(25)]
    given, remembered = dealt(pytestconfig, [*whole, *single, *ray])
    assert sorted(given[0] + given[1]) == sorted([*whole, *single, *ray])  # each test runs once
    assert [sum(set(group) <= set(one) for one in given) for group in (whole, ray, single)] == [1, 1, 0]
    assert remembered == 0
