"""Messages that pages quote in tables are those of the program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.docs.blocks import ROOT

# page, heading above the table, column with the messages, least number of parts
TABLES = [
    ("airgap.md", "## What goes wrong", 0, 15),
    ("operations.md", "## How the ledger records bad input", 2, 25),
    ("offline.md", "## If a model is missing", 1, 15),
    ("engines/pii.md", "## Email addresses", 0, 5),
    ("engines/pii.md", "## Whose diagnosis", 0, 8),
]
OF_OTHERS = {
    "Signature Verification Failure",
    "did NOT match",
    "No such image",
    "ErrImageNeverPull",
    r"\xe9",
}  # not messages of this program


@cache
def said() -> str:
    """All strings of the program, with … where an f-string has a value, and all lines of its shell scripts."""
    paths = [path for name in ("veritensor_ray", "jobs", "actors", "scripts", "deploy") for path in sorted((ROOT / name).rglob("*"))]
    texts = [text for path in paths if path.suffix == ".py" for text in strings(ast.parse(path.read_text()))]
    return "\n".join([*texts, *(path.read_text() for path in paths if path.suffix == ".sh")])


def strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def parts(text: str, heading: str, column: int) -> set[str]:
    """The parts of the messages in one column of the table below a heading; … in a message stands for any text."""
    section = re.split(r"^#+ ", text.split(f"\n{heading}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    cells = [row.split("|")[column + 1] for row in section.splitlines() if row.startswith("| ")]
    messages = [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]
    return {part.strip(" ,:;()") for message in messages for part in message.split("…")} - {""}


@pytest.mark.parametrize(("page", "heading", "column", "least"), TABLES, ids=[f"{row[0]} {row[1][3:]}" for row in TABLES])
def test_messages_in_tables_are_those_of_the_program(page: str, heading: str, column: int, least: int) -> None:
    found = parts((ROOT / "docs" / page).read_text(), heading, column)
    assert len(found) >= least
    assert {part for part in found - OF_OTHERS if part not in said()} == set()


def test_parts_of_messages() -> None:
    page = "# A\n\n## B\n\n| x | y |\n| --- | --- |\n| `a … b, …` | `c` |\n| | `d` |\n\n## C\n\n| `e` | `f` |\n"
    assert (parts(page, "## B", 0), parts(page, "## B", 1)) == ({"a", "b"}, {"c", "d"})
    assert next(strings(ast.parse("f'a {b}' 'c'"))) == "a …c"
