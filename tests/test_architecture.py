"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

HEAVY = {"boto3", "easyocr", "gliner", "moto", "ray", "sklearn", "torch", "transformers"}
MOST = 20  # modules in a folder, and names at the package's root
PARTS = ("recognise", "read", "rewrite", "structure")
ROOT = Path(__file__).resolve().parent.parent
MODULES = [
    path
    for folder in ("veritensor_ray", "actors", "jobs")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "/embedded/" not in str(path)
]


@functools.cache
def tree(path: Path) -> ast.Module:
    """A module as Python parses it."""
    return ast.parse(path.read_text())


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_module_says_what_it_is_for() -> None:
    assert [named(path) for path in MODULES if not (ast.get_docstring(tree(path)) or "").strip()] == []


def test_the_wheel_owns_one_name() -> None:
    wrong = []
    for path in MODULES:
        for node in ast.walk(tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{named(path)}:{node.lineno}" for name in names if name.split(".")[0] in ("actors", "jobs")]  # type: ignore[attr-defined]
    assert wrong == [], "import them as veritensor_ray.actors and veritensor_ray.jobs"


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    folders = {path.parent for path in MODULES}
    sizes = {named(folder): sum(path.parent == folder and path.name != "__init__.py" for path in MODULES) for folder in folders}
    assert {folder: size for folder, size in sizes.items() if size > MOST} == {}
    assert len([path for path in (ROOT / "veritensor_ray").iterdir() if not path.name.startswith("__") and path.name != "py.typed"]) <= MOST


def test_a_module_has_a_name_of_its_own() -> None:
    """Only the fixed parts of a family of formats share theirs."""
    where: dict[str, list[str]] = {}
    for path in MODULES:
        if path.name != "__init__.py" and not (path.stem in PARTS and "formats" in path.parts):
            where.setdefault(path.stem, []).append(named(path))
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}


def test_collecting_tests_imports_nothing_heavy() -> None:
    """A test imports such a library where it uses it: whoever runs one file, and each process of a parallel run, waits for all imports."""
    heavy = {
        named(path): names
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if (names := [name for name in _imported(tree(path).body) if name.split(".")[0] in HEAVY or name == "safetensors.torch"])
    }
    assert heavy == {}


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
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                where.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}


def test_engines_take_their_vocabulary_from_one_place_and_everything_else_from_another() -> None:
    wrong = []
    for path in MODULES:
        inside = path.is_relative_to(ROOT / "veritensor_ray" / "engines") or path.is_relative_to(ROOT / "veritensor_ray" / "testing")
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.ImportFrom) or path == ROOT / "veritensor_ray" / "engines" / "base.py":
                continue
            if node.module == "veritensor_ray.core.detection" and inside:
                wrong.append(f"{path.relative_to(ROOT)}: plug-ins, and so our own engines, import from engines.base")
            if (
                node.module == "veritensor_ray.engines.base"
                and not inside
                and {"FileInfo", "Hit", "Rule"} & {one.name for one in node.names}
            ):
                wrong.append(f"{path.relative_to(ROOT)}: import from detection what is not an engine's own")
    assert wrong == []


# Words of other libraries, which have nothing better: `liblzma` names its limit on memory, `ssl` a certificate, Ray a head without an agent,
# and DuckDB an interrupted query and a later version of its files in sentences alone.
FOREIGN = {
    "veritensor_ray/formats/common/streams.py",
    "jobs/announce/notify.py",
    "veritensor_ray/results/results.py",
    "veritensor_ray/formats/duckdb/duckdb_child.py",
    "jobs/cluster/ray_internals.py",
}
ASKED_IN_SQL = re.compile(
    r"SELECT.*(\breason\s*(=|<>|(NOT )?(I?LIKE|IN|GLOB)\b)|(starts_with|ends_with|contains|regexp_\w+)\((\w+\.)?reason\b)", re.DOTALL
)
ASKING = ("startswith", "endswith", "match", "search", "fullmatch")


def is_sentence(node: ast.AST) -> bool:
    """Whether an expression is a reason in words: by its name, or as the text of an exception."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("lower", "upper", "casefold", "strip"):
        return is_sentence(node.func.value)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    key = node.slice.value if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) else ""
    told = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and len(node.args) == 1
    return "reason" in (name, key) or (told and is_error(node.args[0]))  # type: ignore[attr-defined]  # a call


def is_error(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("error", "problem", "broken", "lost", "death", "exception")


def decides_by_a_sentence(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        by_value = any(not isinstance(one, (ast.Is, ast.IsNot)) for one in node.ops)
        return by_value and any(is_sentence(one) for one in (node.left, *node.comparators))
    if isinstance(node, ast.Match):
        return is_sentence(node.subject)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKING:
        return any(is_sentence(one) for one in (node.func.value, *node.args))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and ASKED_IN_SQL.search(node.value) is not None


def test_nothing_is_decided_by_a_sentence() -> None:
    """Codes steer, sentences explain: whoever improves a sentence must not change what a run does."""
    found = {named(path) for path in MODULES if any(decides_by_a_sentence(node) for node in ast.walk(tree(path)))}
    assert found == FOREIGN


@pytest.mark.parametrize(
    "code",
    [
        "one['reason'].startswith(WORDS)",
        "gap.reason == 'encrypted'",
        "reason in WORDS",
        "'cut' in str(error).lower()",
        "re.search('cut', outcome.reason)",
        """rows("SELECT * FROM ledger WHERE reason LIKE 'no reader%'")""",
        """rows("SELECT * FROM ledger l WHERE starts_with(l.reason, 'no reader')")""",
    ],
)
def test_such_decisions_are_recognised(code: str) -> None:
    assert any(decides_by_a_sentence(node) for node in ast.walk(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["gap.reason is None", "gap.reason or 'all'", "f'{name}: {gap.reason}'", "code == gap.code", "'SELECT reason'"]
)
def test_others_are_not(code: str) -> None:
    assert not any(decides_by_a_sentence(node) for node in ast.walk(ast.parse(code)))


def test_the_page_names_every_floor_in_the_order_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [contract] = [one for one in contracts if one.get("containers") == ["veritensor_ray"]]
    floors = [name.strip() for layer in contract["layers"] for name in layer.split("|") if name.strip() != "__main__"]
    section = (ROOT / "docs/architecture.md").read_text().partition("## The floors")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert listed == floors
    there = {path.stem for path in (ROOT / "veritensor_ray").iterdir() if not path.name.startswith("__") and path.name != "py.typed"}
    assert set(listed) == there
