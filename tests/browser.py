"""Pages in a headless Chromium, watched for everything that a page of ours must not do: errors, violations of its policy, requests, dialogs."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request

NAMES = ("chromium", "chromium-browser", "google-chrome")
_VIOLATIONS = "addEventListener('securitypolicyviolation', (one) => console.error(`policy: ${one.violatedDirective} ${one.blockedURI}`));"


@dataclass
class Watched:
    """A page, what went wrong in it, and the addresses that it asked for, the page itself left out."""

    page: Page
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium without a network. Without one on this machine the test is skipped, but in CI it fails."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        why = "there is no Chromium on this machine (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
        )
        yield started
        started.close()


@contextlib.contextmanager
def opened(
    browser: Browser,
    url: str,
    width: int = 1280,
    height: int = 900,
    dark: bool = False,
    scripts: bool = True,
    ready: str = "html[data-ready]",
) -> Iterator[Watched]:
    """Open a page and wait until its tables are there. At the end it must have caused no fault."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", java_script_enabled=scripts
    )
    page = context.new_page()
    watched = Watched(page)
    page.add_init_script(_VIOLATIONS)
    _watch(page, watched, url)
    try:
        page.goto(url)
        if scripts:
            page.wait_for_selector(ready, timeout=30_000)
        yield watched
    finally:
        context.close()
    assert not watched.faults, watched.faults


def _watch(page: Page, watched: Watched, url: str) -> None:
    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            watched.faults.append(f"{message.type}: {message.text}")

    def dialog(shown: Dialog) -> None:
        watched.faults.append(f"dialog: {shown.message}")
        shown.dismiss()

    def request(made: Request) -> None:
        if made.url.partition("#")[0] != url.partition("#")[0]:
            watched.requests.append(made.url)

    page.on("console", console)
    page.on("pageerror", lambda error: watched.faults.append(f"error: {error}"))
    page.on("dialog", dialog)
    page.on("request", request)


def until(page: Page, condition: str) -> None:
    """Wait until an expression is true. Playwright's own way evaluates text inside the page, which its policy forbids."""
    ends = time.monotonic() + 15
    while not page.evaluate(condition):
        assert time.monotonic() < ends, f"this never became true: {condition}"
        page.wait_for_timeout(20)


def out_of_reach(page: Page) -> list[str]:
    """The controls of the bar at the top that do not lie within the window as a whole, or that something covers."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll('.top :is(a, button)')].filter((one) => {
            const { left, right, top, bottom } = one.getBoundingClientRect();
            const seen = [[left + 2, top + 2], [right - 2, bottom - 2]].every(([x, y]) => one.contains(document.elementFromPoint(x, y)));
            return left < 0 || right > innerWidth || top < 0 || bottom > innerHeight || !seen;
        }).map((one) => one.textContent)"""
    )
    return found
