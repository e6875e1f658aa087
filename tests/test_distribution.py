"""How the tests of the suite are dealt out to processes, with processes that only count what they would have taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.distribution import Distribution, Needs, needs_of
from tests.durations import Durations, Stopwatch, file_of

RAY = "ray"  # apart from what stands before it, since this file is no file with a Ray
TEXTS = {"shared": f"def test_it(local_{RAY}): ...", "own": f"@pytest.mark.{RAY}", "slow": "@pytest.mark." + "slow", "plain": "assert True"}


class Process:
    """A process of a parallel run, as the scheduler sees it."""

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="gw", spec="popen")
        self.given: list[int] = []
        self.shutting_down = False
        self.done = 0
        self.clock = 0.0

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    def ready(self) -> bool:
        """Whether it may run its next test: it has to know another one, or that there is none."""
        return len(self.given) - self.done > (0 if self.shutting_down else 1)


class Run:
    """A run of a suite whose files are named KIND_NAME and whose tests take so many seconds each, which were measured before."""

    def __init__(self, folder: Path, files: dict[str, list[float]], processes: int, *, measured: bool = True) -> None:
        for file in files:
            (folder / file).write_text(TEXTS[file.partition("_")[0]])
        self.seconds = {f"{file}::test_{i}": took for file, times in files.items() for i, took in enumerate(times)}
        self.tests = list(self.seconds)
        known = Durations({}).renewed(self.seconds, folder) if measured else {}
        self.scheduler = Distribution(_configuration(folder, processes), None, Durations(known))
        self.processes = [Process() for _ in range(processes)]
        self.most_rays = self.most_remembered = 0

    def begin(self, *processes: Process) -> None:
        """Let processes collect the tests and get their first ones."""
        for process in processes or self.processes:
            self.scheduler.add_node(process)
            self.scheduler.add_node_collection(process, self.tests)
        self.scheduler.schedule()

    def step(self) -> bool:
        """Run the test that ends first, if there is one."""
        ready = [process for process in self.processes if process.ready()]
        if ready:
            process = min(ready, key=self._end)
            process.clock = self._end(process)
            process.done += 1
            self.scheduler.mark_test_complete(process, process.given[process.done - 1])
            self._look()
        return bool(ready)

    def _end(self, process: Process) -> float:
        return process.clock + self.seconds[self.tests[process.given[process.done]]]

    def _look(self) -> None:
        works = list(self.scheduler.assigned_work.values())
        self.most_rays = max(self.most_rays, sum(any(scope.startswith(("shared", "own")) for scope in work) for work in works))
        self.most_remembered = max(self.most_remembered, *(sum(all(unit.values()) for unit in work.values()) for work in works))

    def end(self) -> Run:
        """Run all tests. Each runs once."""
        self.begin()
        while self.step():
            pass
        assert sorted(test for process in self.processes for test in self.given(process)) == sorted(self.tests)
        assert self.most_remembered == 0
        return self

    def given(self, process: Process) -> list[str]:
        return [self.tests[index] for index in process.given]

    def files(self) -> list[list[str]]:
        """The files of each process in the order in which they began."""
        return [list(dict.fromkeys(file_of(test) for test in self.given(process))) for process in self.processes]


def _configuration(folder: Path, processes: int) -> Any:
    options = {"tx": ["popen"] * processes, "loadscopereorder": True, "everything": False}
    return SimpleNamespace(rootpath=folder, option=SimpleNamespace(**options), getvalue=options.get, getoption=options.get)


def test_the_longest_files_begin_first(tmp_path: Path) -> None:
    many_and_short, few_and_long = [0.01] * 60, [2.5] * 4
    files = {"plain_many": many_and_short, "plain_a": [1.0] * 5, "plain_b": [1.0] * 6, "plain_long": few_and_long}
    run = Run(tmp_path, files, 2).end()
    assert run.files() == [["plain_long", "plain_many"], ["plain_b", "plain_a"]]


def test_what_nobody_measured_counts_by_its_tests(tmp_path: Path) -> None:
    files = {"plain_few": [1.0] * 3, "plain_more": [1.0] * 4, "plain_most": [1.0] * 5}
    run = Run(tmp_path, files, 2, measured=False).end()
    assert [first for first, *_ in run.files()] == ["plain_most", "plain_more"]


def test_processes_end_together_though_files_with_a_ray_are_many(tmp_path: Path) -> None:
    """As the suite is: files with a Ray take more than what one process gets."""
    rays = {f"{kind}_{i}": [1.0] * 10 for kind in ("shared", "own") for i in range(12)}
    others = {f"plain_{i}": [0.5] * i for i in range(1, 30)}
    for processes in (2, 3):
        run = Run(tmp_path, {**others, **rays}, processes).end()
        ends = [process.clock for process in run.processes]
        assert max(ends) - min(ends) < 12
        assert run.most_rays == 2


def test_files_that_share_a_ray_share_a_process_which_begins_with_them(tmp_path: Path) -> None:
    files = {"plain_a": [9.0] * 9, **{f"shared_{i}": [1.0] * 5 for i in range(4)}, **{f"own_{i}": [1.0] * 5 for i in range(4)}}
    first, second, third = Run(tmp_path, files, 3).end().files()
    assert (first[:4], second[:4], third) == ([f"shared_{i}" for i in range(4)], [f"own_{i}" for i in range(4)], ["plain_a"])


def test_nobody_waits_for_a_process_that_is_left_with_all_files_that_share_a_ray(tmp_path: Path) -> None:
    run = Run(tmp_path, {f"shared_{i}": [1.0] * 5 for i in range(8)}, 2).end()
    assert [process.clock for process in run.processes] == [20, 20]


def test_a_third_process_ends_where_only_rays_are_left(tmp_path: Path) -> None:
    run = Run(tmp_path, {f"own_{i}": [1.0] * 5 for i in range(8)}, 3).end()
    assert (run.most_rays, run.files()[2]) == (2, [])


@pytest.mark.parametrize("kind", ["slow", "plain"])
def test_a_file_with_slow_tests_is_divided_where_it_is_much_of_the_run(tmp_path: Path, kind: str) -> None:
    alone = Run(tmp_path, {f"{kind}_a": [4.0, 1.0, 5.0, 1.0, 1.0]}, 2).end()
    assert max(process.clock for process in alone.processes) == (6 if kind == "slow" else 12)
    beside = Run(tmp_path, {f"{kind}_a": [4.0, 1.0, 5.0, 1.0, 1.0], **{f"plain_{i}": [2.0] * 5 for i in range(20)}}, 2).end()
    assert sum(f"{kind}_a" in files for files in beside.files()) == 1


def test_what_a_process_that_died_left_goes_to_others(tmp_path: Path) -> None:
    run = Run(tmp_path, {**{f"shared_{i}": [1.0] * 5 for i in range(3)}, "plain_a": [1.0] * 5}, 2)
    run.begin()
    dead, other = run.processes
    assert run.scheduler.remove_node(dead) == "shared_0::test_0"
    run.processes = [other, Process()]
    run.begin(run.processes[1])
    while run.step():
        pass
    assert {test for process in run.processes for test in run.given(process)} == {*run.tests} - {"shared_0::test_0"}


def test_what_a_file_needs_is_read_from_its_text() -> None:
    assert {kind: needs_of(text) for kind, text in TEXTS.items()} == {
        "shared": Needs.SHARED_RAY,
        "own": Needs.RAYS_OF_THEIR_OWN,
        "slow": Needs.DIVIDING,
        "plain": Needs.NOTHING,
    }
    assert needs_of("\n".join(TEXTS.values())) is Needs.SHARED_RAY


def measure(folder: Path, *, took: dict[str, list[float]]) -> dict[str, float]:
    """The durations that a run leaves, with the phases of each test."""
    watch = Stopwatch(folder / "durations.json", folder)
    for test, phases in took.items():
        for phase in phases:
            watch.pytest_runtest_logreport(SimpleNamespace(nodeid=test, duration=phase))  # type: ignore[arg-type]
    watch.pytest_sessionfinish()
    return dict(json.loads((folder / "durations.json").read_text()))


def test_a_run_keeps_what_files_take_and_long_tests_by_themselves(tmp_path: Path) -> None:
    took = {
        "b.py::test_2": [1.0, 9.0, 0.5],
        "b.py::test_1": [0.1, 0.3, 0.1],
        "a.py::test_1": [0.0, 0.7, 0.0],
        "c.py::test": [0.0, 0.1, 0.0],
    }
    kept = measure(tmp_path, took=took)
    assert list(kept.items()) == [("a.py", 0.7), ("b.py", 0.5), ("b.py::test_2", 10.5)]
    known = Durations.kept(tmp_path / "durations.json")
    assert known.of(["b.py::test_1", "b.py::test_2"]) == 11
    assert (known.of(["b.py::test_1"]), known.of(["b.py::test_2"]), known.of_one("b.py::test_2")) == (0.5, 10.5, 10.5)


def test_a_run_of_a_part_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    measure(tmp_path, took={"a.py::test": [4.0], "gone.py::test": [4.0], "b.py::test_old": [4.0], "b.py::test": [1.0]})
    assert measure(tmp_path, took={"b.py::test": [2.0]}) == {"a.py::test": 4.0, "b.py": 2.0}


def test_what_is_kept_names_files_of_the_suite(pytestconfig: pytest.Config) -> None:
    """A file that was renamed counts as one that nobody measured, until `make durations`; many of them would make the order a guess."""
    files = {file_of(line) for line in json.loads((pytestconfig.rootpath / "tests/durations.json").read_text())}
    assert sum((pytestconfig.rootpath / file).exists() for file in files) > 0.8 * len(files)


def test_there_is_one_process_more_than_processors(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    ask: Callable[..., int] = pytestconfig.hook.pytest_xdist_auto_num_workers
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "4")
    assert ask(config=pytestconfig) == 5
