"""Parses conda's environment.yml (packages from channels, and the pip requirements among them) and the recipes meta.yaml and recipe.yaml.

A recipe's templates are not run: names that it sets to a literal are filled in, and whatever else it computes is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from veritensor_ray.core import bounds
from veritensor_ray.engines.dependencies.advisory_model import CONDA, NAMES, Dependency, Index, Item, Unread
from veritensor_ray.engines.dependencies.manifests.positions_of_names import placed
from veritensor_ray.engines.dependencies.manifests.requirements import requirement_line
from veritensor_ray.engines.dependencies.manifests.yaml_documents import checked, documents

_ITEMS = bounds.CONDA_ITEMS  # aliases let a small file list the same thing endlessly
_SPEC = re.compile(r"(?:[\w./:-]+::)?([A-Za-z0-9_][\w.-]*)\s*(?:\[[^\]]*\])?\s*(.*)\Z", re.DOTALL)
_EXACT = re.compile(r"(?:={1,2}\s*)?([0-9][A-Za-z0-9._!+-]*)(?:[=\s]\s*[\w.*-]+)?\s*\Z")  # a build may follow
_RECIPE = re.compile(r"^(?:[ ]{2})*+(?:- )?(?:requirements|outputs|requires):", re.MULTILINE)
_CONTEXT = re.compile(r"^context:[ \t]*\r?\n((?:[ ]++[^\n]*+\n)*+)", re.MULTILINE)
_PAIR = re.compile(r"^[ ]+(\w+):[ ]*[\"']?([\w.-]{1,200})[\"']?[ \t]*\r?$", re.MULTILINE)
_SET = re.compile(r"""\{%-?[ \t]*set[ \t]+(\w+)[ \t]*=[ \t]*(?:"([^"\n]{0,200})"|'([^'\n]{0,200})'|([\w.]{1,200}))[ \t]*-?%\}""")
# Each ends at its first end, or where another one begins, so that many beginnings cost no more than their characters.
_STATEMENT = re.compile(r"\{%(?:[^%{\n]|%(?!\})|\{(?!%))*+%\}|\{#(?:[^#{\n]|#(?!\})|\{(?!#))*+#\}")
_PRINTED = re.compile(r"\$?\{\{((?:[^{}\n]|\}(?!\})|\{(?!\{))*+)\}\}")
_VARIABLE = re.compile(r"\s*+-?\s*+(\w+)\s*+(?:\|[^|]*+)?\Z")  # a filter such as `lower` changes nothing that matters here
_TOOLCHAIN = re.compile(r"\s*(?:compiler|stdlib|cdt|pin_subpackage)\(")  # names no package, or one of the recipe itself
_PINNED = re.compile(r"""\s*pin_compatible\(\s*["']([\w.-]{1,214})["']""")
_NOTHING, _UNKNOWN = "\ue000", "\ue001"


def parse(text: str) -> Iterator[Item]:
    """Yield the items of the list `dependencies`. An unrelated YAML file of that name has no such list and yields nothing."""
    found = next((one for one in documents(text)[:1] if isinstance(one, dict)), {}).get("dependencies")
    yield from placed(text, _items(found if isinstance(found, list) else []))


def parse_recipe(text: str) -> Iterator[Item]:
    """Yield the requirements of a recipe, of its outputs and of their tests. An unrelated YAML file of that name yields nothing."""
    if not _RECIPE.search(text):
        return
    recipes = [one for one in documents(_filled_in(checked(text))) if isinstance(one, dict)]
    yield from placed(text, _items(entry for recipe in recipes for entry in _required(recipe)))


def _filled_in(text: str) -> str:
    """Return a recipe without its templates."""
    values = {found[1]: found[2] or found[3] or found[4] or "" for found in _SET.finditer(text)}
    if context := _CONTEXT.search(text):
        values |= {found[1]: found[2] for found in _PAIR.finditer(context[1])}

    def printed(found: re.Match[str]) -> str:
        if _TOOLCHAIN.match(found[1]):
            return _NOTHING
        if pinned := _PINNED.match(found[1]):
            return pinned[1]
        name = _VARIABLE.match(found[1])
        return values.get(name[1], _UNKNOWN) if name else _UNKNOWN

    return _PRINTED.sub(printed, _STATEMENT.sub("", text))


def _required(recipe: dict[str, Any]) -> Iterator[Any]:
    """Yield the entries of all lists of requirements, under every condition, since only the build knows which one holds."""
    outputs = recipe.get("outputs")
    stack: list[Any] = []
    for part in reversed([recipe, *(outputs if isinstance(outputs, list) else ())]):
        if isinstance(part, dict):
            test = part.get("test")
            stack += [test.get("requires") if isinstance(test, dict) else None, part.get("requirements")]
    for _ in range(_ITEMS):
        node = stack.pop() if stack else None
        if isinstance(node, dict):
            stack += reversed([_named_by(key, value) for key, value in node.items()])
        elif isinstance(node, list):
            stack += reversed(node)
        elif node:
            yield node
        if not stack:
            return
    yield None  # aliases repeat its parts endlessly


def _named_by(key: str, value: Any) -> Any:
    """Return what a key of the requirements names: not its conditions, nor the recipe itself."""
    if key in ("if", "pin_subpackage") or key.startswith("ignore_"):
        return None
    return value.get("name") if key == "pin_compatible" and isinstance(value, dict) else value


def _items(entries: Iterable[Any]) -> Iterator[tuple[str, Item]]:
    left = _ITEMS
    for entry in entries:
        requirements = entry.get("pip") if isinstance(entry, dict) else None
        for one in requirements if isinstance(requirements, list) else [entry]:
            left -= 1
            if left < 0:
                yield "", Unread(f"entries after the first {_ITEMS} were not read")
                return
            if not isinstance(one, str):
                yield "", Unread("an entry cannot be parsed")
            elif requirements is not None:
                yield from _pip(one)
            elif one.strip() not in ("", _NOTHING):
                yield conda_item(one)


def _pip(text: str) -> Iterator[tuple[str, Item]]:
    for item in requirement_line(text, 0, None):
        yield item.name if isinstance(item, Dependency) else item.url if isinstance(item, Index) else text, item


def conda_item(text: str) -> tuple[str, Item]:
    """Return the item of a requirement as conda writes it, with the word that shows its place."""
    if _UNKNOWN in text:
        known = text.partition(_UNKNOWN)[0].split(" ", 1)[0]
        return known, Unread("a requirement is computed by a template, and templates are not run")
    match = _SPEC.match(text.strip().replace(_NOTHING, "").rstrip())
    if match is None or not NAMES[CONDA].match(match[1]):
        return text, Unread("a requirement cannot be parsed")
    exact = _EXACT.match(match[2])
    return match[1], Dependency(CONDA, match[1], exact[1] if exact else None, 0, 0, "" if exact else match[2][:100])
