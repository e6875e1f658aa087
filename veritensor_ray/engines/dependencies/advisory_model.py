"""Data types for dependencies, indexes and unparsed parts of manifests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

PYPI = "PyPI"
NPM = "npm"
CRATES = "crates.io"
GO = "Go"
MAVEN = "Maven"
GEMS = "RubyGems"
NUGET = "NuGet"
COMPOSER = "Packagist"
ACTIONS = "GitHub Actions"
ECOSYSTEMS = (PYPI, NPM, CRATES, GO, MAVEN, GEMS, NUGET, COMPOSER, ACTIONS)  # by OSV's names, so that its records need no translation
CONDA = "conda"  # packages from conda channels, for which OSV has no advisories
IMAGE = "container image"  # by its tag or digest; what is in an image is not known from its name

_RUNS = re.compile(r"[-_.]+")
NAMES = {
    PYPI: re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,212}[A-Za-z0-9])?\Z"),
    NPM: re.compile(r"(?:@[A-Za-z0-9~_-][\w.~-]{0,212}/)?[A-Za-z0-9~_-][\w.~-]{0,212}\Z"),
    CONDA: re.compile(r"[A-Za-z0-9_][\w.-]{0,212}\Z"),
    CRATES: re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\Z"),
    GO: re.compile(r"[A-Za-z0-9][A-Za-z0-9._~/-]{0,254}\Z"),
    MAVEN: re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z"),
    GEMS: re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,212}\Z"),
    NUGET: re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z"),
    COMPOSER: re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}/[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z"),
    ACTIONS: re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_.-]{1,100}\Z"),
}


def normal(ecosystem: str, name: str) -> str:
    """Return the normalized name of a package: by PEP 503 for Python, in lower case where case does not count, else unchanged."""
    if ecosystem in (PYPI, CONDA):
        return _RUNS.sub("-", name).lower()
    return name.lower() if ecosystem in (NUGET, COMPOSER, ACTIONS) else name


@dataclass(frozen=True, slots=True)
class Dependency:
    """A package that a manifest requires. `version` is None unless it is pinned exactly; `start` and `end` are offsets in characters."""

    ecosystem: str
    name: str
    version: str | None
    start: int
    end: int
    specifier: str = ""
    url: str | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """The key for looking up advisories. A conda package is looked up under its PyPI name, and the service knows names of NuGet and of actions as written."""
        name = self.name if self.ecosystem in (NUGET, ACTIONS) else normal(self.ecosystem, self.name)
        return PYPI if self.ecosystem == CONDA else self.ecosystem, name, self.version

    @property
    def shown(self) -> str:
        """Name and version, in one form for all ecosystems, because `a@1.0` would be masked as an email address."""
        if self.version:
            return f"{self.name}=={self.version}"
        return f"{self.name}{self.specifier}"[:200]


@dataclass(frozen=True, slots=True)
class Index:
    """A package index in addition to, or instead of, the default one. `option` is the manifest's name for it."""

    option: str
    url: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of a manifest that could not be parsed, or that refers to another file."""

    reason: str
    line: int | None = None


Item = Dependency | Index | Unread


class Unparsable(Exception):
    """Raised if a manifest as a whole does not have the format that its name indicates."""


@dataclass(slots=True)
class Manifest:
    """The contents of a manifest, with each dependency once, at its first occurrence."""

    dependencies: list[Dependency] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    unread_total: int = 0
    _seen: set[tuple[str, str, str | None, str | None]] = field(default_factory=set)

    def add(self, item: Item) -> None:
        """Add one item from a parser."""
        if isinstance(item, Index):
            self.indexes.append(item)
        elif isinstance(item, Unread):
            self.unread_total += 1
            if len(self.unread) < 20:
                self.unread.append(item)
        elif (key := (*item.key, item.url)) not in self._seen:
            self._seen.add(key)
            self.dependencies.append(item)
