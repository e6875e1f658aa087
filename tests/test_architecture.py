"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

HEAVY = {"boto3", "easyocr", "gliner", "moto", "ray", "sklearn", "torch", "transformers"}
ROOT = Path(__file__).resolve().parent.parent
MODULES = [
    path
    for folder in ("veritensor_ray", "actors", "jobs")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "/embedded/" not in str(path)
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert (ast.get_docstring(tree) or "").strip()
    for node in ast.walk(tree):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        assert not [name for name in names if name.split(".")[0] in ("actors", "jobs")], "the wheel owns one name: veritensor_ray"


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_collecting_tests_imports_nothing_heavy(path: Path) -> None:
    """A test imports such a library where it uses it: whoever runs one file, and each process of a parallel run, waits for all imports."""
    assert not [name for name in _imported(ast.parse(path.read_text()).body) if name.split(".")[0] in HEAVY or name == "safetensors.torch"]


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    """Modules that are imported, or asked for, outside of functions."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Expr | ast.Assign) and "importorskip" in (text := ast.unparse(node)):
            yield from re.findall(r"importorskip\('([\w.]+)'", text)
        yield from _imported([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)])


def test_the_wheel_has_every_file_that_is_no_module() -> None:
    package = ROOT / "veritensor_ray"
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["veritensor_ray"]
    shipped = {path for pattern in patterns for path in package.glob(pattern) if path.is_file()}
    there = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert there - shipped == set()


def test_actors_and_jobs_are_links() -> None:
    for name in ("actors", "jobs"):
        link = ROOT / "veritensor_ray" / name
        assert link.is_symlink()
        assert link.resolve() == ROOT / name


def test_a_class_has_a_name_of_its_own() -> None:
    where: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                where.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}


def test_engines_take_their_vocabulary_from_one_place_and_everything_else_from_another() -> None:
    wrong = []
    for path in MODULES:
        inside = path.is_relative_to(ROOT / "veritensor_ray" / "engines") or path.name == "testing.py"
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or path == ROOT / "veritensor_ray" / "engines" / "base.py":
                continue
            if node.module == "veritensor_ray.detection" and inside:
                wrong.append(f"{path.relative_to(ROOT)}: plug-ins, and so our own engines, import from engines.base")
            if (
                node.module == "veritensor_ray.engines.base"
                and not inside
                and {"FileInfo", "Hit", "Rule"} & {one.name for one in node.names}
            ):
                wrong.append(f"{path.relative_to(ROOT)}: import from detection what is not an engine's own")
    assert wrong == []
