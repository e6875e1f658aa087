"""Parses pom.xml of Maven. No document type is accepted, so no entity can grow, and nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import told
from veritensor_ray.engines.dependencies.advisory_model import MAVEN, NAMES, Dependency, Item, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests.positions_of_names import placed

_USERS = {"dependency": "", "plugin": "org.apache.maven.plugins", "parent": "", "extension": ""}  # elements, and their usual groups
_PARTS = frozenset({"groupId", "artifactId", "version"})
_DEEPEST = 100  # levels; Maven's own elements need ten
_LONGEST = 256  # characters of a name or a version with properties in it
_PROPERTY = re.compile(r"\$\{([^${}\s]{1,200})\}")
_EXACT = re.compile(r"\[?\s*([0-9A-Za-z][\w.+-]{0,255})\s*\]?\Z", re.ASCII)


class _Full(Exception):  # ends the parsing, and is not an error
    """Raised where a file has more dependencies than are read."""


@dataclass(slots=True)
class _Pom:
    """What the elements of a pom.xml say, as expat comes across them."""

    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def begin(self, name: str, _: object) -> None:
        """Enter an element."""
        if len(self.path) >= _DEEPEST:
            raise Unparsable(f"its elements are nested more than {_DEEPEST} levels deep")
        local = name.rpartition(":")[2]
        if local in _USERS:
            if len(self.used) >= bounds.DEPENDENCIES:
                raise _Full
            self.open.append(len(self.used))
            self.used.append((local, {}))
        self.path.append(local)
        self.text.clear()

    def end(self, _: str) -> None:
        """Leave an element, and keep its text if it is a part of a dependency or a property."""
        name = self.path.pop()
        value, holder = "".join(self.text).strip(), self.path[-1] if self.path else ""
        self.text.clear()
        if name in _USERS:
            self.open.pop()
        elif name in _PARTS and holder in _USERS and self.open:
            self.used[self.open[-1]][1].setdefault(name, value[:512])
        elif holder == "properties":
            self.properties.setdefault(name, value[:512])
        elif name in _PARTS and holder == "project":
            self.properties[f"project.{name}"] = value[:512]


def parse_pom(text: str) -> Iterator[Item]:
    """Yield the dependencies, plugins and parent of a pom.xml. A version may be a property that the same file sets."""
    pom = _Pom()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = pom.begin, pom.end
    parser.CharacterDataHandler = pom.text.append
    parser.StartDoctypeDeclHandler = _refused
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise Unparsable(f"it is not valid XML: {told(error)}") from None
    except _Full:
        yield Unread(f"dependencies after the first {bounds.DEPENDENCIES} were not read")
    yield from placed(text, _dependencies(pom))


def _refused(*_: object) -> None:
    raise Unparsable("it has a document type declaration")


def _dependencies(pom: _Pom) -> Iterator[tuple[str, Item]]:
    for kind, parts in pom.used:
        if not parts:
            continue  # the settings of plugins have elements of the same names
        artifact = _filled(pom, parts.get("artifactId", ""))
        name = f"{_filled(pom, parts.get('groupId', _USERS[kind]))}:{artifact}"
        written = parts.get("version", "")
        exact = _EXACT.match(_filled(pom, written))
        if NAMES[MAVEN].match(name):
            yield artifact, Dependency(MAVEN, name, exact[1] if exact else None, 0, 0, "" if exact else f" {written[:100]}".rstrip())
        else:
            yield parts.get("artifactId", "")[:100], Unread("a dependency has no name, or its name is set in another file")


def _filled(pom: _Pom, text: str) -> str:
    """Replace properties with their values in the file, but only once, since a property may name itself."""
    return _PROPERTY.sub(lambda match: pom.properties.get(match[1], match[0]), text) if len(text) <= _LONGEST else text
