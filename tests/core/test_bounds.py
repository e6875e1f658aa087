"""Bounds have one home: what cuts content off is in one table, every gap names a row of it, and the documentation is that table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits, OcrSettings

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "veritensor_ray"
LARGE = 100_000
# Numbers that cut nothing off: sizes of pieces and batches, and what a format says of itself.
PIECES = {
    "CHUNK", "PIECE", "PIECES", "CHARS", "BATCH_TEXTS", "BATCH_CHARS", "BATCH_BYTES", "BATCH_VALUES", "BATCH_CELLS", "BATCH_PIXELS",
    "TEXTS", "WINDOW", "BUFFER", "FIRST", "OVERFLOW", "PAIRS_AT_ONCE", "CHUNK_CHARS", "PIECE_BYTES", "AT_ONCE", "POINTERS",  # read or given off at once
    "LENGTH", "LONGEST", "GROUP", "BIG", "SOURCE",  # longer ones are read in another way
    "REMEMBERED", "KNOWN", "STEPS", "SEARCHED",  # of what is not done twice, and how often a clock is looked at
    "EARNED",  # before it is worth while to make an automaton
    "PORTION", "DICTIONARIES", "BEAT",  # of what is rewritten at once
    "MEMORY", "HEADER",  # what a format may take or say of itself before it is recognized
    "HASHED",  # salts of hashes
    "LEAST", "LEAST_NAMED", "BELOW",  # whole numbers that may be cards or accounts
    "SCRIPTS", "SPACELESS", "LAST", "LAST_ROW", "MAX32", "ALL", "MASK", "POLYNOMIAL", "GENERATOR", "TORCH_MAGIC", "LARGEST", "EBML", "FARTHEST", "PER_CHUNK",  # numbers of formats
}  # fmt: skip
# These read what the user imports, and nothing of a corpus.
IMPORTING = {
    "engines/dependencies/known_names.py",
    "engines/dependencies/osv_import.py",
    "engines/dependencies/osv.py",
    "engines/dependencies/exploitation_import.py",
}


def trees(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Modules of the package by their path."""
    for folder in folders:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


def value(node: ast.expr | None) -> int:
    """The largest number that an expression of numbers alone comes to."""
    if isinstance(node, ast.Tuple):
        return max((value(one) for one in node.elts), default=0)
    if node is None or any(not isinstance(part, (ast.BinOp, ast.Constant, ast.operator)) for part in ast.walk(node)):
        return 0
    found = eval(compile(ast.Expression(node), "", "eval"), {})  # noqa: S307  # of our own source, and numbers alone
    return found if isinstance(found, int) else 0


def test_no_reader_or_engine_has_a_bound_of_its_own() -> None:
    own = []
    for path, tree in trees("formats", "engines"):
        bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
        for node in (node for body in bodies for node in body if isinstance(node, (ast.Assign, ast.AnnAssign))):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {name.id.lstrip("_") for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
            if value(node.value) >= LARGE and not names & PIECES and path not in IMPORTING:
                own.append(f"{path}:{node.lineno}: {', '.join(names)} belongs into veritensor_ray/core/bounds.py")
    assert own == []


def test_every_gap_names_a_bound_of_the_table() -> None:
    named, unknown = set(), []
    for path, tree in trees("."):
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            raised = node.args[:1] if getattr(node.func, "id", "") == "LimitExceeded" else []
            for name in (*raised, *(keyword.value for keyword in node.keywords if keyword.arg == "bound")):
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    named.add(name.value)
                    unknown += [] if name.value in bounds.NAMES else [f"{path}:{node.lineno}: {name.value}"]
    assert unknown == []
    assert len(named) > 50


def test_equal_bounds_have_one_value() -> None:
    tree = ast.parse((PACKAGE / "core" / "bounds.py").read_text())
    numbers = [value(node.args[1]) for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_fixed"]
    assert numbers.count(bounds.HELD) == 1
    assert len({row.name for row in bounds.FIXED}) == len(bounds.FIXED) == len(numbers)
    assert not {row.name for row in bounds.FIXED} & set(bounds.CONFIGURED)


@pytest.mark.parametrize("section", [Limits, OcrSettings])
def test_every_setting_that_is_a_bound_says_what_it_bounds(section: type[Limits] | type[OcrSettings]) -> None:
    assert [name for name, field in section.model_fields.items() if not field.description and name != "languages"] == []


def test_the_documentation_is_the_table() -> None:
    assert (ROOT / "docs" / "bounds.md").read_text() == bounds.page(), "python -m veritensor_ray.core.bounds > docs/bounds.md"


def test_each_name_of_a_bound_is_given_once() -> None:
    tree = ast.parse((PACKAGE / "core/bounds.py").read_text())
    rows = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "_fixed"
    ]
    for names in (
        [ast.unparse(row.targets[0]) for row in rows],
        [ast.unparse(row.value.args[0]) for row in rows if isinstance(row.value, ast.Call)],
    ):
        assert len(names) == len(set(names)) > 100
