"""Parses package.json, and package-lock.json and npm-shrinkwrap.json in all three lock file versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from veritensor_ray.engines.dependencies.advisory_model import NAMES, NPM, Dependency, Item, Unread
from veritensor_ray.engines.dependencies.manifests.locks import load_json
from veritensor_ray.engines.dependencies.manifests.positions_of_names import KEY, placed

_SECTIONS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_EXACT = re.compile(r"[v=\s]*(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)\s*\Z")
_REMOTE = re.compile(r"(?:git(?:\+\w+)?|https?|ssh|github|gitlab|bitbucket|gist):|[\w.-]+/[\w.-]+(?:#.*)?\Z")
_LOCAL = ("file:", "link:", "workspace:", "portal:", ".", "/", "~/")
_LEVELS = 200  # of packages nested in packages


def parse_package(text: str) -> Iterator[Item]:
    """Yield the items of a package.json."""
    yield from placed(text, _package(load_json(text, "package.json")))


def _package(document: dict[str, Any]) -> Iterator[tuple[str, Item]]:
    for section in _SECTIONS:
        table = document.get(section)
        for name, wanted in table.items() if isinstance(table, dict) else ():
            item = asked_for(name, wanted)
            if item is not None:
                yield name, item


def asked_for(name: str, wanted: Any) -> Dependency | Unread | None:
    """Return the item for one line of package.json, or None for a folder of the project itself."""
    if not isinstance(wanted, str) or not NAMES[NPM].match(name):
        return Unread("the entry of a package cannot be parsed")
    if wanted.startswith("npm:"):  # another package under this name
        other, _, version = wanted[4:].rpartition("@") if "@" in wanted[5:] else (wanted[4:], "", "")
        return asked_for(other, version)
    if wanted.startswith(_LOCAL):
        return None
    exact = _EXACT.match(wanted)
    if exact:
        return Dependency(NPM, name, exact[1], 0, 0)
    return Dependency(NPM, name, None, 0, 0, f" {wanted[:100]}".rstrip(), wanted if _REMOTE.match(wanted) else None)


def parse_lock(text: str) -> Iterator[Item]:
    """Yield the items of a package-lock.json: from `packages` in versions 2 and 3, or from the tree of `dependencies` in version 1."""
    document = load_json(text, "package-lock.json")
    packages, tree = document.get("packages"), document.get("dependencies")
    if isinstance(packages, dict) and any("node_modules/" in key for key in packages):
        yield from placed(text, _flat(packages), KEY)
    elif isinstance(tree, dict):
        yield from placed(text, _tree(tree))


def _flat(packages: dict[str, Any]) -> Iterator[tuple[str, Item]]:
    for key, entry in packages.items():
        _, found, name = key.rpartition("node_modules/")
        if not found or not isinstance(entry, dict) or entry.get("link") is True:
            continue
        alias = entry.get("name")
        yield key, _locked(alias if isinstance(alias, str) else name, entry, entry.get("resolved"))


def _tree(tree: dict[str, Any]) -> Iterator[tuple[str, Item]]:
    """Walk the tree depth first, in the file's order. No recursion, because the file determines the depth."""
    levels = [iter(tree.items())]
    while levels:
        name, entry = next(levels[-1], (None, None))
        if name is None:
            levels.pop()
            continue
        if not isinstance(entry, dict):
            yield name, Unread("the entry of a package cannot be parsed")
            continue
        yield name, _locked(name, entry, entry.get("resolved"))
        inner = entry.get("dependencies")
        if isinstance(inner, dict) and inner:
            if len(levels) >= _LEVELS:
                yield "", Unread(f"packages nested more than {_LEVELS} levels deep were not read")
            else:
                levels.append(iter(inner.items()))


def _locked(name: str, entry: dict[str, Any], resolved: Any) -> Item:
    version = entry.get("version")
    if not isinstance(version, str) or not NAMES[NPM].match(name):
        return Unread("the entry of a package cannot be parsed")
    if version.startswith("npm:"):
        return asked_for(name, version) or Unread("the entry of a package cannot be parsed")
    exact = _EXACT.match(version)
    source = resolved if isinstance(resolved, str) else version
    remote = source.startswith(("git", "http:", "ssh:")) or (exact is None and bool(_REMOTE.match(source)))
    return Dependency(NPM, name, exact[1] if exact else None, 0, 0, "" if exact else f" {version[:100]}", source if remote else None)
