"""Parses the lock files of Composer (composer.lock) and NuGet (packages.lock.json), both of which are JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from veritensor_ray.engines.dependencies.advisory_model import COMPOSER, NAMES, NUGET, Dependency, Item, Unread
from veritensor_ray.engines.dependencies.manifests.locks import load_json
from veritensor_ray.engines.dependencies.manifests.positions_of_names import placed

_NAME = re.compile(r'"name"\s*+:\s*+"([^"\\]*)"')


def parse_composer(text: str) -> Iterator[Item]:
    """Yield the packages of a composer.lock. A branch (`dev-main`) is not a version."""
    yield from placed(text, _composer(load_json(text, "composer.lock")), _NAME)


def _composer(document: dict[str, Any]) -> Iterator[tuple[str, Item]]:
    for section in ("packages", "packages-dev"):
        packages = document.get(section)
        for package in packages if isinstance(packages, list) else ():
            name, version = (package.get("name"), package.get("version")) if isinstance(package, dict) else (None, None)
            if not isinstance(name, str) or not NAMES[COMPOSER].match(name) or not isinstance(version, str):
                yield str(name or ""), Unread("the entry of a package cannot be parsed")
                continue
            dist = package.get("dist")
            if not (isinstance(dist, dict) and dist.get("type") == "path"):
                branch = version.startswith("dev-")
                yield name, Dependency(COMPOSER, name, None if branch else version, 0, 0, f" {version[:100]}" if branch else "")


def parse_nuget(text: str) -> Iterator[Item]:
    """Yield the packages of a packages.lock.json, for each target framework."""
    yield from placed(text, _nuget(load_json(text, "packages.lock.json")))


def _nuget(document: dict[str, Any]) -> Iterator[tuple[str, Item]]:
    frameworks = document.get("dependencies")
    for packages in frameworks.values() if isinstance(frameworks, dict) else ():
        for name, entry in packages.items() if isinstance(packages, dict) else ():
            if isinstance(entry, dict) and entry.get("type") == "Project":
                continue
            version = entry.get("resolved") if isinstance(entry, dict) else None
            if not NAMES[NUGET].match(name) or not isinstance(version, str):
                yield name, Unread("the entry of a package cannot be parsed")
            else:
                yield name, Dependency(NUGET, name, version, 0, 0)
