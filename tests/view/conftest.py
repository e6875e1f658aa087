"""What the tests of the live page share: a served output that nobody changes, and a browser for each module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser import browser
from tests.exports.report.outputs import mixed
from tests.view.serving import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """It ends with the module: its event loop would be in the way of tests that have one."""
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A read-only server of `mixed`, whose session is open."""
    folder = tmp_path_factory.mktemp("served")
    mixed(folder / "out")
    with served(folder / "out") as one:
        one.enter()
        yield one
