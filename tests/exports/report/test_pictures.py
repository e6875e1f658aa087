"""The pictures in the documentation: `make screenshots` writes them from the demo and a sweep; every run takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.browser import opened
from tests.exports.report.outputs import mixed, swept
from veritensor_ray.core.config import Settings
from veritensor_ray.exports.report import page as report_page
from veritensor_ray.exports.rules_of_results import rules_in
from veritensor_ray.results.results import Results, find

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


def results(named: Path | None, otherwise: Results, output: str) -> Results:
    """Results as if they lay below /data, since pictures must not show the paths of the machine that took them."""
    chosen = Results(*find(str(named), {})) if named else otherwise
    return replace(chosen, run={**chosen.run, "sources": ["/data/knowledge-base"], "output": output})


def test_pictures(chromium: Browser, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    audit = results(pytestconfig.getoption("audit", None), mixed(tmp_path / "audit"), "/data/audit")
    sweep = results(pytestconfig.getoption("state", None), swept(tmp_path / "state"), "/data/state")
    folder = pytestconfig.getoption("screenshots", None) or tmp_path
    for name, shown in (("audit", audit), ("sweep", sweep)):
        with (tmp_path / f"{name}.html").open("wb") as file:
            report_page.write(shown, rules_in(shown, Settings()), file)

    def take(name: str) -> None:
        picture = tmp_path / "full.png"
        watched.page.screenshot(path=picture)
        with Image.open(picture) as image:
            assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 50, "a blank page"
            image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(folder / f"{name}.png", optimize=True)

    with opened(chromium, (tmp_path / "audit.html").as_uri(), height=800) as watched:
        take("report")
        watched.page.evaluate("document.getElementById('findings').scrollIntoView()")
        watched.page.keyboard.press("j")
        watched.page.keyboard.press("Enter")
        watched.page.wait_for_selector(".panel, .l1")
        watched.page.keyboard.press("j")
        watched.page.keyboard.press("Enter")
        watched.page.wait_for_selector(".panel")
        take("report-findings")
    with opened(chromium, (tmp_path / "sweep.html").as_uri(), height=640, dark=True) as watched:
        watched.page.evaluate("document.getElementById('trend').scrollIntoView()")
        take("report-trend")
