"""Small pieces of Markdown: escaped text, tables, and lookups in the tables of hand-written pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

from tools.site.links import rewritten

ROOT = Path(__file__).resolve().parents[2]
GENERATED = "*This page is generated from the code of this version.*"


def text(value: str) -> str:
    """Plain text as Markdown that shows it as it is; code between backticks stays code."""
    parts = re.split(r"(`[^`]*`)", value.strip())
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_\[\]])", r"\\\1", part).replace("<", "&lt;") for part in parts)


def sentence(value: str) -> str:
    """A cell's words with a capital and a period."""
    capital = value[:1].upper() + value[1:]
    return f"{capital}." if value and not value.endswith((".", "…")) else capital


def code(value: object) -> str:
    """A word in code type."""
    return f"`{value}`"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; line ends and bars in cells are escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(one) for one in line) + " |" for line in lines) + "\n"


def _cell(value: str) -> str:
    return re.sub(r"\s*\n\s*", " ", re.sub(r"(?<!\\)\|", r"\\|", value)).strip()


@cache
def described(page: str, section: str = "", *, on: str) -> dict[str, str]:
    """Returns what a hand-written page says about each name: rows of its tables and items of its lists that begin with names in code type.

    `page` is a path below docs/, `section` the exact text of a heading there; `on` is the path of the site's page that shows the words, so
    that links in them lead where they did. Where several names share a row, and its meaning has as many parts between semicolons, each name
    gets its part.
    """
    markdown = (ROOT / "docs" / page).read_text(encoding="utf-8")
    if section:
        found = re.search(rf"^(#+) {re.escape(section)}\n(.*?)(?=^#{{1,6}} |\Z)", markdown, re.MULTILINE | re.DOTALL)
        if found is None:
            raise LookupError(f"docs/{page} has no section {section!r}")
        markdown = found[2]
    words: dict[str, str] = {}
    cells = [re.split(r"(?<!\\)\|", row) for row in re.findall(r"^\| *(`.*?) *\| *$", markdown, re.MULTILINE)]
    rows = [(row[0], row[-1]) for row in cells]
    items = re.findall(r"^[-*] +(`[^`\n]+`(?:(?:, | and )`[^`\n]+`)*)(?::| [-–—]) +((?:.|\n(?! *[-*#\n]))+)", markdown, re.MULTILINE)
    for names, meaning in (*rows, *items):
        elsewhere = meaning.strip().replace("see below", f"see [{page.removesuffix('.md')}]({PurePosixPath(page).name})")
        named, whole = re.findall(r"`([^`]+)`", names), rewritten(elsewhere, PurePosixPath("docs", page), PurePosixPath(on))
        parts = whole.split("; ")
        for name, part in zip(named, parts if len(parts) == len(named) else [whole] * len(named), strict=True):
            words.setdefault(name, part)
    return words
