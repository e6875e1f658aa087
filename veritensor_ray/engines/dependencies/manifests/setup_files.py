"""Parses setup.cfg and setup.py. A setup.py is parsed as text and never run: what it computes is not known."""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import told
from veritensor_ray.engines.dependencies.advisory_model import Item, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests.positions_of_names import placed
from veritensor_ray.engines.dependencies.manifests.pyproject import required

_LISTS = ("install_requires", "setup_requires", "tests_require", "extras_require")
_SECTIONS, _FOR_ALL = ("options", "options.extras_require"), "DEFAULT"
_SECTION = re.compile(r"\[(.+)\]")
_SIGN = re.compile("[=:]")
_UNPARSED = (SyntaxError, ValueError, RecursionError, MemoryError)


def parse_cfg(text: str) -> Iterator[Item]:
    """Yield the requirements in the sections `options` and `options.extras_require` of a setup.cfg."""
    yield from placed(text, _options(_sections(text)))


def _options(sections: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, Item]]:
    for section in _SECTIONS:
        for key, written in sections.get(section, {}).items():
            if section == "options" and key not in _LISTS:
                continue
            if written.startswith("file:"):
                yield written[:200], Unread("another file is included, and that is not followed")
            else:  # as setuptools reads it: one requirement in each line, or semicolons in the only line
                yield from required(written.splitlines() if "\n" in written else written.split(";"))


def _sections(text: str) -> dict[str, dict[str, str]]:
    """Return the values in the two sections, as configparser does. That takes hours for a file full of lines without a name."""
    found: dict[str, dict[str, list[str]]] = {_FOR_ALL: {}}
    section: dict[str, list[str]] | None = None
    lines: list[str] | None = None  # of the value that is being read
    indent = 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith(("#", ";")):
            continue
        before, indent = indent, len(line) - len(line.lstrip())
        if lines is not None and indent > before:
            indent = before
            lines.append(words)
        elif header := _SECTION.match(words):
            section, lines = found.setdefault(header[1], {}) if header[1] in (_FOR_ALL, *_SECTIONS) else {}, None
        else:
            name, *values = _SIGN.split(words, maxsplit=1)
            if section is None or not name.strip():
                raise Unparsable(f"it is not valid: line {number} is neither a section nor a part of one")
            lines = section[name.strip().lower()] = [value.strip() for value in values]
    return {name: {key: "\n".join(value) for key, value in (found[_FOR_ALL] | found[name]).items()} for name in _SECTIONS if name in found}


def parse_setup(text: str) -> Iterator[Item]:
    """Yield the requirements that a setup.py passes to `setup` as literals, or as names that it assigns literals to."""
    if len(text) > bounds.PYTHON_SOURCE:
        raise Unparsable(f"it is larger than {bounds.PYTHON_SOURCE} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(ast.walk(ast.parse(text)))
    except _UNPARSED as error:
        raise Unparsable(f"it is not valid Python: {told(error)}") from None
    yield from placed(text, _pairs(_arguments(nodes), _assigned(nodes)))


def _arguments(nodes: list[ast.AST]) -> Iterator[ast.expr]:
    for node in nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup":
            yield from (keyword.value for keyword in node.keywords if keyword.arg is None or keyword.arg in _LISTS)


def _assigned(nodes: list[ast.AST]) -> dict[str, list[ast.expr]]:
    """Return all that is assigned or added to each name, since only running the file would show which of it counts."""
    found: defaultdict[str, list[ast.expr]] = defaultdict(list)
    for node in nodes:
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else (node.target,):
                if isinstance(target, ast.Name):
                    found[target.id].append(node.value)
    return dict(found)


def _pairs(values: Iterable[ast.expr], assigned: Mapping[str, list[ast.expr]]) -> Iterator[tuple[str, Item]]:
    """Yield what expressions list. Each name is followed once, since names may refer to each other, and any number of lists to one name."""
    stack, followed = [*values][::-1], set[str]()
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from required(node.value.splitlines())
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            stack += reversed(node.elts)
        elif isinstance(node, ast.Dict):
            stack += reversed(node.values)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            stack += (node.right, node.left)
        elif isinstance(node, ast.Name) and node.id in assigned:
            stack += () if node.id in followed else reversed(assigned[node.id])
            followed.add(node.id)
        else:
            yield "", Unread("requirements are computed, and the file is not run", node.lineno)
