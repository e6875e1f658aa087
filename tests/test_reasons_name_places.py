"""Reasons, gaps and messages say where and what kind, and never quote a file.

One test reads the code: no site puts the words of a library, or a text of the corpus, into a sentence. The other one runs an audit and a
cleaning over files of every format with planted words at every kind of fault, and looks for those words.
"""

from __future__ import annotations

import ast
import functools
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cleaning.in_process import InProcess, write
from tests.formats.test_gaps_are_told import CASES, DAMAGES
from tests.test_no_clear_secret import WITHOUT_MODELS, strings

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "veritensor_ray"
READING = [path for name in ("cleaning", "engines", "extract", "formats", "pipeline") for path in sorted((PACKAGE / name).rglob("*.py"))]

# The roots of the errors whose sentences are written in this package.
OWN = {"Again", "Broken", "DatabaseMissing", "Malformed", "Unparsable", "Unreachable", "VeritensorError"}
# About a setting, a model, a rule or a database of the user, none of which is the corpus.
ABOUT_THE_MACHINE = {"CannotRunError", "DatabaseMissing", "ModelError", "UsageError", "ValueError"}
MACHINE = {
    "engines/dependencies/advisory_cache.py", "engines/dependencies/osv.py", "engines/dependencies/osv_import.py", "engines/injection/described.py",
    "pipeline/context.py", "pipeline/machine_report.py", "pipeline/passages/reading_back.py",
}  # fmt: skip
VETTED = {
    "access_code", "as_read_error", "failed", "failure", "getattr", "isinstance", "line_of", "not_installed", "set_exception", "told", "type", "_single",
}  # fmt: skip
PLACES = {"bound", "end", "errno", "lineno", "reason_code", "start", "strerror"}
# What makes a sentence for the ledger.
SAY = {
    "Again", "CannotRewriteError", "Damaged", "Encrypted", "Gap", "LimitExceeded", "Malformed", "NoData", "ReadError", "TarError", "Unparsable",
    "Unread", "gap", "_note", "refusal",
}  # fmt: skip


def named(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A module of the package, which nobody changes."""
    return ast.parse(path.read_text())


@functools.cache
def own_errors() -> frozenset[str]:
    """All classes that inherit from an error of this package."""
    found = set(OWN)
    classes = [node for path in PACKAGE.rglob("*.py") for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)]
    while new := {one.name for one in classes if one.name not in found and any(named(base) in found for base in one.bases)}:
        found |= new
    return frozenset(found)


def caught(handler: ast.ExceptHandler) -> set[str]:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type] if handler.type else []
    return {named(kind) for kind in kinds}


def shows_no_words(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    """Whether an error, where `node` uses it, is passed on as it is, asked for a place, or given to a function that tells no content."""
    parent = above[node]
    if isinstance(parent, ast.Attribute):
        return parent.attr in PLACES
    if isinstance(parent, ast.Call) and isinstance(above[parent], ast.Compare):  # a library that has no code for it
        return True
    if isinstance(parent, ast.Tuple) and isinstance(above[parent], ast.Yield):
        return True
    if isinstance(parent, ast.Raise | ast.Return | ast.Assign | ast.IfExp) or (
        isinstance(parent, ast.Call) and named(parent.func) in VETTED
    ):
        return True
    while not isinstance(parent, ast.stmt):
        parent = above[parent]
    return isinstance(parent, ast.Raise) and isinstance(parent.exc, ast.Call) and named(parent.exc.func) in ABOUT_THE_MACHINE


def repeated(module: ast.Module) -> Iterator[str]:
    """Where a library's error may be quoted."""
    handlers = [node for node in ast.walk(module) if isinstance(node, ast.ExceptHandler) and node.name and not caught(node) <= own_errors()]
    for handler in handlers:
        above = {child: node for node in ast.walk(handler) for child in ast.iter_child_nodes(node)}
        uses = [node for node in above if isinstance(node, ast.Name) and node.id == handler.name]
        yield from (f"line {node.lineno}: {ast.unparse(above[node])}" for node in uses if not shows_no_words(node, above))


def quoted(module: ast.Module) -> Iterator[str]:
    """Where a text of the corpus may be quoted: what has to be cut, or put between quotation marks, is no place."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and (named(node.func) in SAY or ast.unparse(node.func).endswith("problems.append")):
            parts = [part for said in node.args[:2] for part in ast.walk(said) if isinstance(part, ast.FormattedValue)]
            cut = (part for part in parts if part.conversion == ord("r") or any(isinstance(one, ast.Slice) for one in ast.walk(part.value)))
            yield from (f"line {part.lineno}: {ast.unparse(part)}" for part in cut)


def test_no_sentence_repeats_a_library_or_quotes_a_text() -> None:
    modules = {str(path.relative_to(PACKAGE)): parsed(path) for path in READING}
    found = {name: wrong for name, module in modules.items() if name not in MACHINE and (wrong := [*quoted(module), *repeated(module)])}
    assert found == {}


@pytest.mark.parametrize(
    ("code", "where"),
    [
        ("raise ReadError(f'broken: {error}')", repeated),
        ("raise ReadError(str(error)) from None", repeated),
        ("yield Gap(error.args[0])", repeated),
        ("_log.warning('broken: %s', error)", repeated),
        ("yield Gap(f'cannot be parsed: {line[:80]}')", quoted),
        ("yield Unread(f'cannot be parsed: {line!r}')", quoted),
        ("found.problems.append(f'{name!r} occurs twice')", quoted),
    ],
)
def test_what_quotes_is_seen(code: str, where: Callable[[ast.Module], Iterator[str]]) -> None:
    assert [*where(ast.parse(f"try:\n    f()\nexcept ValueError as error:\n    {code}"))]


WORD = "needle77"
# Manifests and configurations, in which X becomes the word.
WRITTEN = {
    "requirements.txt": "foo==X&3xyz\nX is no requirement\n--X value\n-r X.txt\nfoo>=1; X == 'a'\nfoo @ \n[X\n",
    "pyproject.toml": '[project]\ndependencies = ["X !", 7]\n[tool.poetry.dependencies]\n"X !" = "1"\nX = {version = 7}\n',
    "double/pyproject.toml": "[X]\na = 1\n[X]\n",
    "cut/pyproject.toml": '[project]\ndependencies = ["X\nX = X\n',
    "Pipfile": '[packages]\n"X !" = "*"\nX = 7\n',
    "Pipfile.lock": '{"default": {"X !": {}, "X": 7}}',
    "cut/Pipfile.lock": '{"default": {"X',
    "poetry.lock": '[[package]]\nname = "X !"\n[[package]]\nversion = "X"\n',
    "environment.yml": "dependencies:\n- X !\n- pip:\n  - X !\n  - [X]\n",
    "cut/environment.yml": "dependencies: *X\n- X: [X\n",
    "tab/environment.yml": "X:\n\tX: %X\n",
    "package.json": '{"dependencies": {"X !": "1", "X": 7}}',
    "package-lock.json": '{"packages": {"node_modules/X !": {"version": "1"}, "node_modules/X": {"version": 7}}, "dependencies": {}}',
    "tree/package-lock.json": '{"dependencies": {"X !": {"version": "1"}, "X": 7}}',
    "cut/package.json": '{"dependencies": {"X": X}}',
    "config.json": '{"auto_map": {"X": "X--X.X"}, "X": X',
    "chat_template.jinja": "{{ X X }}{% X %}",
    "model.yaml": "_target_: X\n\tX: *X",
    "a.json": '{"a": "X", X}',
    "a.csv": 'a,b\n"X' + "y" * 140_000 + '"X\n',
    "a.ipynb": '{"cells": [{"cell_type": "X", "source": {"X": 1}, "outputs": [{"data": {"image/X": "X*"}}]}]',
    "a.xml": "<?xml version='1.0' encoding='X'?><!DOCTYPE X [<!ENTITY X '&X;'>]><X>&X;&Y;</Z>",
    "a.md": "X\n<!-- X",
}


def overwritten(data: bytes, at: int) -> bytes:
    """The data with the word over what stands at a place; places are dense at the beginning, where headers are."""
    start = at * at * len(data) // 160
    return data[:start] + WORD.encode() + data[start + len(WORD) :]


def faults() -> Iterator[tuple[str, bytes]]:
    for number, (name, build) in enumerate(CASES.values()):
        whole = build()
        yield f"{number}/whole/{name}", whole
        yield from ((f"{number}/{fault}/{name}", damage(whole)) for fault, damage in DAMAGES.items())
        yield from ((f"{number}/over{at}/{name}", overwritten(whole, at)) for at in range(12))
    for name, text in WRITTEN.items():
        yield f"written/{name}", text.replace("X", WORD).encode()
        yield f"half/{name}", text.replace("X", WORD).encode()[: len(text) * 2 // 3]


@pytest.mark.slow
def test_no_sentence_holds_a_word_of_a_damaged_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level(logging.INFO)
    write(tmp_path / "corpus", dict(faults()))
    rules = tmp_path / "rules"
    rules.mkdir()
    meta = 'title = "x" description = "x" category = "hidden-content" severity = "low"'
    (rules / "own.yar").write_text(f'rule own {{ meta: {meta} strings: $a = "needle" condition: $a }}')
    policy = "{level: info, unchecked: copy, rules: [{severity: info, action: mask}]}"
    options = {"engines": list(WITHOUT_MODELS), "rules": [str(rules)], "pii": {"free_text": False}}
    cleaning = InProcess(str(tmp_path / "corpus"), str(tmp_path / "out"), policy, options).scan()
    cleaning.publish()
    ledger = cleaning.before.dataset("ledger").to_table().to_pylist()
    named = frozenset(
        {"artifact", "member", "location", "verdict_reasons"}
    )  # the last are like messages of findings: they quote what was judged
    said = {(row["artifact"], text) for row in ledger for text in strings(row, named)}
    said |= {(name, row["reason"] or "") for name, row in cleaning.manifest().items()}
    said |= {
        ("messages", row["message"])
        for row in cleaning.before.dataset("findings").to_table().to_pylist()
        if row["rule_id"].endswith("malformed")
    }
    said |= {("log", text) for text in (caplog.text, *capfd.readouterr(), *(str(warning.message) for warning in recwarn))}
    assert sum(bool(row["gaps"]) for row in ledger) > 400, "most of them have a gap"
    assert [(name, text) for name, text in sorted(said) if "needle" in text] == []
    assert json.dumps(ledger, default=str).count("needle") < 1000  # names of members, where they are the place
