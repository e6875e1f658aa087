"""Parses lock files of Python and Rust: poetry.lock, uv.lock, pdm.lock, pylock.toml (PEP 751), Pipfile.lock and Cargo.lock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from veritensor_ray.core.errors import told
from veritensor_ray.engines.dependencies.advisory_model import CRATES, NAMES, PYPI, Dependency, Index, Item, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests.positions_of_names import LOCK_NAME, placed
from veritensor_ray.engines.dependencies.manifests.toml_tables import load_toml

BIG = 2 << 20  # characters; a larger machine-written lock file is read line by line, which is 20 times as fast
_LINE = re.compile(
    r"""
    ^(?: \[\[(?P<array>[^\]\n]+)\]\] [ \t]* | \[(?P<table>[^\]\n]+)\] [ \t]*
       | (?P<key>name|version|source|type|url|git|index|path|editable|virtual|vcs|archive|directory) [ ]=[ ] (?P<value>[^\n]*) ) \r?$
    """,
    re.VERBOSE | re.MULTILINE,
)
_PLAIN = re.compile(r'"([^"\\]*)"\Z')


def parse_toml(text: str) -> Iterator[Item]:
    """Yield the items of any of the TOML formats, all of which keep their packages in an array of tables."""
    yield from placed(text, _items(_packages(text)), LOCK_NAME)


def parse_cargo_lock(text: str) -> Iterator[Item]:
    """Yield the crates of a Cargo.lock. A crate without a source is part of the project."""
    yield from placed(text, _crates(_packages(text)), LOCK_NAME)


def _packages(text: str) -> list[Any]:
    packages = _by_line(text) if len(text) > BIG else None
    if packages is not None:
        return packages
    document = load_toml(text)
    found = document.get("package", document.get("packages", []))
    if not isinstance(found, list):
        raise Unparsable("it has no list of packages")
    return found


def _crates(packages: Iterable[Any]) -> Iterator[tuple[str, Item]]:
    for package in packages:
        name, version = (package.get("name"), package.get("version")) if isinstance(package, dict) else (None, None)
        if not isinstance(name, str) or not NAMES[CRATES].match(name) or not isinstance(version, str):
            yield str(name or ""), Unread("the entry of a crate cannot be parsed")
        elif isinstance(source := package.get("source"), str):
            yield name, Dependency(CRATES, name, version, 0, 0, url=source if source.startswith("git+") else None)


def _items(packages: Iterable[Any]) -> Iterator[tuple[str, Item]]:
    registries: dict[str, str] = {}
    for package in packages:
        name = package.get("name") if isinstance(package, dict) else None
        if not isinstance(name, str) or not NAMES[PYPI].match(name):
            yield str(name or ""), Unread("the name of a package is not valid")
            continue
        source = package.get("source", package)
        local, url, registry = _origin(source if isinstance(source, dict) else {}, package)
        if registry is not None and registry not in registries:
            registries[registry] = name
        if not local:
            version = package.get("version")
            yield name, Dependency(PYPI, name, version if isinstance(version, str) else None, 0, 0, url=url)
    for url, name in list(registries.items())[1:]:  # an index that a package uses in addition to the first one
        yield name, Index("a second index", url, 0, 0)


def _origin(source: dict[str, Any], package: dict[str, Any]) -> tuple[bool, str | None, str | None]:
    """Return whether a package is the project itself or a folder of it, the package's direct address, and its registry."""
    if source.get("type") in ("directory", "file") or any(key in source for key in ("virtual", "editable", "path", "directory")):
        return True, None, None
    if source.get("type") in ("git", "url"):
        return False, _string_or_none(source.get("url")), None
    for key in ("git", "vcs", "archive", "url"):
        value = source.get(key)
        url = _string_or_none(value.get("url")) if isinstance(value, dict) else _string_or_none(value)
        if url is not None and source.get("type") != "legacy":
            return False, url, None
    return (
        False,
        None,
        _string_or_none(source.get("registry")) or _string_or_none(package.get("index")) or _string_or_none(source.get("url")),
    )


def _string_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _by_line(text: str) -> list[dict[str, Any]] | None:
    """Return the packages of a file as Poetry, PDM and uv write it, or None if it needs a full TOML parser."""
    if '"""' in text or "'''" in text:
        return None
    packages: list[dict[str, Any]] = []
    target: dict[str, Any] | None = None
    for match in _LINE.finditer(text):
        if match["key"] is None:
            target = _opened(match["array"], match["table"], packages)
        elif target is not None and match["key"] not in target:
            value = _value(match["value"])
            if value is None:
                return None
            target[match["key"]] = value
    return packages if packages and all("name" in package for package in packages) else None


def _opened(array: str | None, table: str | None, packages: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the table to which the following lines belong."""
    if array in ("package", "packages"):
        packages.append({})
        return packages[-1]
    if packages and table in ("package.source", "packages.vcs", "packages.archive", "packages.directory"):
        inner: dict[str, Any] = packages[-1].setdefault(table.partition(".")[2], {})
        return inner
    return None


def _value(text: str) -> Any:
    plain = _PLAIN.match(text.rstrip())
    if plain:
        return plain[1]
    try:
        return load_toml(f"value = {text}")["value"]  # an inline table
    except Unparsable:
        return None


def load_json(text: str, named: str) -> dict[str, Any]:
    """Parse a JSON object, which is the content of a file `named` like this. Raises Unparsable."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unparsable(f"it is not valid JSON: {told(error)}") from None
    if not isinstance(document, dict):
        raise Unparsable(f"it is not a {named}")
    return document


def parse_pipfile_lock(text: str) -> Iterator[Item]:
    """Yield the items of a Pipfile.lock: sections of names, each with its exact version."""
    yield from placed(text, _pipfile_items(load_json(text, "Pipfile.lock")))


def _pipfile_items(document: dict[str, Any]) -> Iterator[tuple[str, Item]]:
    meta = document.get("_meta")
    sources = meta.get("sources") if isinstance(meta, dict) else None
    for source in sources[1:] if isinstance(sources, list) else ():
        if isinstance(source, dict) and isinstance(source.get("url"), str):
            yield source["url"], Index("a second source", source["url"], 0, 0)
    for section, packages in document.items():
        for name, entry in packages.items() if section != "_meta" and isinstance(packages, dict) else ():
            if not NAMES[PYPI].match(name) or not isinstance(entry, dict):
                yield name, Unread("the entry of a package cannot be parsed")
            elif not any(key in entry for key in ("path", "editable")) or "git" in entry:
                version = entry.get("version")
                exact = version.lstrip("=") if isinstance(version, str) and version.startswith("==") else None
                url = next((entry[key] for key in ("git", "file", "url") if isinstance(entry.get(key), str)), None)
                yield name, Dependency(PYPI, name, exact, 0, 0, url=url)
