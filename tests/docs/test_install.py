"""What the pages tell a user to install is there: the package is in no public index, so no command asks one for it by its name alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]
FROM_AN_INDEX = re.compile(r"^[^#\n]*\b(?:pip|pipx|uv pip|uv tool) install\b[^#\n]*[\s'\"]veritensor-ray(?![\w./-])[^\n]*$", re.MULTILINE)


def commands(text: str) -> str:
    """The indented and fenced blocks of a page."""
    return "\n".join([*re.findall(r"^ {4,}\S.*$", text, re.MULTILINE), *re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_command_looks_for_the_package_in_an_index(path: Path) -> None:
    assert FROM_AN_INDEX.findall(commands(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "command", ["pip install veritensor-ray", "pip install --no-deps veritensor-ray", "pipx install 'veritensor-ray[s3]'"]
)
def test_such_a_command_is_seen(command: str) -> None:
    assert FROM_AN_INDEX.findall(commands(f"Text\n\n    {command}\n"))


def test_what_is_built_has_the_name_that_is_installed() -> None:
    named = re.findall(r"dist/([\w*.-]+\.whl)", (ROOT / "docs/install.md").read_text(encoding="utf-8"))
    assert set(named) == {"veritensor_ray-*.whl"}
    assert "veritensor_ray-*.whl" in (ROOT / "Makefile").read_text(encoding="utf-8")
