"""What parsers of manifests yield and advisories are asked for; it knows no file format and no database."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

PYPI = "PyPI"
NPM = "npm"
CONDA = "conda"  # packages of conda channels, for which OSV has no advisories

_RUNS = re.compile(r"[-_.]+")
NAMES = {
    PYPI: re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,212}[A-Za-z0-9])?\Z"),
    NPM: re.compile(r"(?:@[A-Za-z0-9~_-][\w.~-]{0,212}/)?[A-Za-z0-9~_-][\w.~-]{0,212}\Z"),
    CONDA: re.compile(r"[A-Za-z0-9_][\w.-]{0,212}\Z"),
}


def normal(ecosystem: str, name: str) -> str:
    """The name under which an ecosystem knows a package: PEP 503 for Python, as written for npm, whose old names differ in case."""
    if ecosystem == NPM:
        return name
    return _RUNS.sub("-", name).lower()


@dataclass(frozen=True, slots=True)
class Dependency:
    """A package that a manifest asks for. `version` is None unless pinned exactly; `start` and `end` are characters of the text."""

    ecosystem: str
    name: str
    version: str | None
    start: int
    end: int
    specifier: str = ""
    url: str | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What advisories are asked for: a package of conda under the name of PyPI."""
        return PYPI if self.ecosystem == CONDA else self.ecosystem, normal(self.ecosystem, self.name), self.version

    @property
    def shown(self) -> str:
        """Name and version, the same for all ecosystems: `a@1.0` would be masked as a mail address."""
        if self.version:
            return f"{self.name}=={self.version}"
        return f"{self.name}{self.specifier}"[:200]


@dataclass(frozen=True, slots=True)
class Index:
    """A package index beside, or in place of, the default one; `option` is how the manifest calls it."""

    option: str
    url: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of a manifest that was not understood, or that leads to another file."""

    reason: str
    line: int | None = None


Item = Dependency | Index | Unread


class Unparsable(Exception):
    """The manifest as a whole is not what its name says."""


@dataclass(slots=True)
class Manifest:
    """Everything in a file, each dependency once, where it first stands."""

    dependencies: list[Dependency] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    unread_total: int = 0
    _seen: set[tuple[str, str, str | None, str | None]] = field(default_factory=set)

    def add(self, item: Item) -> None:
        """Take one item of a parser."""
        if isinstance(item, Index):
            self.indexes.append(item)
        elif isinstance(item, Unread):
            self.unread_total += 1
            if len(self.unread) < 20:
                self.unread.append(item)
        elif (key := (*item.key, item.url)) not in self._seen:
            self._seen.add(key)
            self.dependencies.append(item)
