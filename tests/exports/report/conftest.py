"""What the tests of the page share: a browser for each module."""

from __future__ import annotations

from collections.abc import Iterator
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
