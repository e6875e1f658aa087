"""What the tests of the page share: a browser for each module, and where pictures for the documentation go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """It ends with the module: its event loop would be in the way of tests that have one."""
    with browser() as started:
        yield started


OPTIONS = {
    "screenshots": "folder for the pictures of the documentation; default: they are only taken",
    "audit": "output of an audit for the pictures; default: a small one",
    "state": "state of a sweep for the pictures; default: a small one",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, for a call that names this folder or a file in it."""
    group = parser.getgroup("report")
    for name, said in OPTIONS.items():
        group.addoption(f"--{name}", type=Path, default=None, help=said)
