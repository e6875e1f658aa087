"""Parses pyproject.toml (PEP 621, PEP 735, Poetry, PDM, uv) and Pipfile: hand-written Python manifests in TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from veritensor_ray.core.errors import told
from veritensor_ray.engines.dependencies.advisory_model import NAMES, PYPI, Dependency, Index, Item, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests.positions_of_names import placed
from veritensor_ray.engines.dependencies.manifests.requirements import requirement_line

Pairs = Iterator[tuple[str, Item]]
_LONGEST = 256  # characters of a version
# The parser copies a dotted key once for each of its parts, so a very long key in a hostile file would take hours.
_DOTTED = re.compile(r"""(?<![\w-])(?>(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){64}""")
_EXACT = re.compile(r"\s*={0,3}\s*v?(\d[A-Za-z0-9._!+-]*)\s*\Z")


def load_toml(text: str) -> dict[str, Any]:
    """Parse a TOML document. Raises Unparsable."""
    if _DOTTED.search(text):
        raise Unparsable("it has a key with more than 64 parts")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unparsable(f"it is not valid TOML: {told(error)}") from None


def parse(text: str) -> Iterator[Item]:
    """Yield the items of a pyproject.toml."""
    yield from placed(text, _pyproject(load_toml(text)))


def parse_pipfile(text: str) -> Iterator[Item]:
    """Yield the items of a Pipfile."""
    document = load_toml(text)
    yield from placed(text, _pipfile(document))


def _pyproject(document: dict[str, Any]) -> Pairs:
    project, tool = _table(document.get("project")), _table(document.get("tool"))
    yield from required(_table(document.get("build-system")).get("requires"))
    yield from required(project.get("dependencies"))
    for group in (project.get("optional-dependencies"), document.get("dependency-groups"), _table(tool.get("pdm")).get("dev-dependencies")):
        for requirements in _table(group).values():
            yield from required(requirements)
    yield from _poetry(_table(tool.get("poetry")))
    yield from _uv(_table(tool.get("uv")))
    yield from _sources(_table(tool.get("pdm")).get("source"), "[[tool.pdm.source]]", skip="pypi")


def required(value: Any) -> Pairs:
    """Yield the items of a list of requirements as PEP 508 writes them, each with the word that shows its place."""
    for requirement in value if isinstance(value, list) else ():
        if isinstance(requirement, str):
            for item in requirement_line(requirement, 0, None):
                yield item.name if isinstance(item, Dependency) else requirement, item
        elif not (isinstance(requirement, dict) and set(requirement) == {"include-group"}):
            yield "", Unread("a requirement cannot be parsed")


def _poetry(poetry: dict[str, Any]) -> Pairs:
    tables = [poetry.get("dependencies"), poetry.get("dev-dependencies")]
    tables += [_table(group).get("dependencies") for group in _table(poetry.get("group")).values()]
    for table in tables:
        yield from _constraints(table)
    yield from _sources(poetry.get("source"), "[[tool.poetry.source]]", skip="primary")


def _uv(uv: dict[str, Any]) -> Pairs:
    yield from required(uv.get("dev-dependencies"))
    extra = uv.get("extra-index-url")
    for url in extra if isinstance(extra, list) else ():
        if isinstance(url, str):
            yield "extra-index-url", Index("tool.uv.extra-index-url", url, 0, 0)
    indexes = [index for index in uv.get("index", ()) if isinstance(index, dict)] if isinstance(uv.get("index"), list) else []
    yield from _sources([one for one in indexes if not one.get("explicit") and not one.get("default")], "[[tool.uv.index]]")
    for name, source in _table(uv.get("sources")).items():
        for one in source if isinstance(source, list) else [source]:
            yield from _addressed(name, _table(one))


def _pipfile(document: dict[str, Any]) -> Pairs:
    sources = document.get("source")
    yield from _sources(sources[1:] if isinstance(sources, list) else (), "[[source]]")
    for section, table in document.items():
        if section not in ("source", "requires", "scripts", "pipenv"):
            yield from _constraints(table)


def _constraints(table: Any) -> Pairs:
    """Yield dependencies from a table of names and versions as Poetry and Pipenv write it: each a text, a table or a list of tables."""
    for name, value in _table(table).items():
        if name.lower() == "python":
            continue
        if name.isascii() and not NAMES[PYPI].match(name):
            yield name, Unread("the name of a package is not valid")
            continue
        for one in value if isinstance(value, list) else [value]:
            wanted = one.get("version", "") if isinstance(one, dict) else one
            if isinstance(one, dict) and any(key in one for key in ("git", "url", "file")):
                yield from _addressed(name, one)
            elif isinstance(wanted, str) and len(wanted) <= _LONGEST:
                exact = _EXACT.match(wanted)
                yield name, Dependency(PYPI, name, exact[1] if exact else None, 0, 0, "" if exact else wanted[:100])
            else:
                yield name, Unread("the version of a package cannot be parsed")


def _addressed(name: str, table: dict[str, Any]) -> Pairs:
    url = next((table[key] for key in ("git", "url", "file") if isinstance(table.get(key), str)), None)
    if url is not None and NAMES[PYPI].match(name):
        yield name, Dependency(PYPI, name, None, 0, 0, url=url)


def _sources(value: Any, option: str, skip: str = "") -> Pairs:
    """Yield additional indexes. A single primary source of Poetry replaces the default index and poses no risk."""
    for source in value if isinstance(value, (list, tuple)) else ():
        url = _table(source).get("url")
        if isinstance(url, str) and skip not in (source.get("priority"), source.get("name")) and source.get("priority") != "explicit":
            yield url, Index(option, url, 0, 0)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
