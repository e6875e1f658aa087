"""How big the end-to-end tests are, from the command line; they run where `-m e2e` asks for them. It knows none of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OPTIONS: dict[str, tuple[Callable[[str], Any], Any, str]] = {
    "kills": (int, 10, "of drivers, workers and actors (test_faults)"),
    "artifacts": (int, 300, "in the corpus (test_faults)"),
    "seed": (int, 1, "of what happens when (test_faults, test_sweeps)"),
    "nights": (int, 5, "of a living corpus (test_sweeps)"),
    "crashes": (float, 0.4, "share of the nights whose sweep is killed and started again (test_sweeps)"),
    "copies": (int, 3, "of the sample corpus (test_cluster)"),
    "evidence": (Path, Path("build/offline.json"), "file for what was seen, with the trace beside it as FILE.strace (test_offline)"),
    "work": (Path, None, "folder for images and logs, 15 GB, which is left there: a second run finds its layers (test_images)"),
    "suite": (str, "", "of Debian; default: this machine's (test_images)"),
    "mirror": (str, "", "of Debian; default: the first that apt is configured for (test_images)"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, for a call that names this folder or a file in it."""
    group = parser.getgroup("end to end")
    for name, (kind, default, said) in OPTIONS.items():
        group.addoption(f"--{name}", type=kind, default=default, help=said)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """They take minutes, root and strace, so they run only where -m names them; an expression such as "not ray" does not."""
    if "e2e" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("e2e")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def option(pytestconfig: pytest.Config) -> Callable[[str], Any]:
    """An option by its name. A call that names another folder has the defaults."""
    return lambda name: pytestconfig.getoption(name, OPTIONS[name][1])
