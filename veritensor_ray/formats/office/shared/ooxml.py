"""The common structure of OOXML packages: relationships, properties, embedded files and macros."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Item
from veritensor_ray.formats.office.shared.generic_xml import Leaves
from veritensor_ray.formats.office.shared.link_targets import relation_notice
from veritensor_ray.formats.office.shared.package import Package
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.xml_parts import Attributes, Walker, attribute, only, read_xml

_RELATIONS = bounds.RELATIONS
_FONTS = (".odttf", ".ttf", ".otf", ".fntdata")
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf", ".tif", ".tiff", ".bmp", ".svg", *_FONTS)
_XML = (".xml", ".rels", ".vml")


@dataclass(frozen=True, slots=True)
class Relation:
    """A relationship from one part to another, or to a target outside the package."""

    kind: str
    target: str
    external: bool


class _Relations(Walker):
    def __init__(self, texts: Texts, found: dict[str, Relation]) -> None:
        super().__init__(texts)
        self._found = found
        self.starts = {"Relationship": self._relation}

    def _relation(self, attrs: Attributes) -> None:
        kind = (attribute(attrs, "Type") or "").rstrip("/").rpartition("/")[2]
        target = attribute(attrs, "Target") or ""
        external = (attribute(attrs, "TargetMode") or "").lower() == "external"
        key = attribute(attrs, "Id") or ""
        if len(self._found) >= _RELATIONS:
            raise LimitExceeded("relations", f"a part has more than {_RELATIONS} relationships")
        self._found[key if key not in self._found else f"{key}#{len(self._found)}"] = Relation(kind, target, external)
        if external:
            self.texts.add(target, "metadata", column=kind[:80], notice=relation_notice(kind, target))


class Document:
    """An OOXML package with its relationships."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self._relations: dict[str, dict[str, Relation]] = {}
        self._xml = {name for name in package.names if _is_xml_name(name)}
        self._done: set[str] = set()
        self._looked = False  # whether parts whose names do not promise XML have been examined

    def relations(self) -> Iterator[Block | Gap]:
        """Read all parts that hold relationships. Yields those that lead outside; the others are kept for `related`."""
        for name in [name for name in self._xml_names() if name.lower().partition("#")[0].endswith(".rels")]:
            self._done.add(name)
            folder, _, base = name.partition("#")[0].rpartition("_rels/")
            found = self._relations.setdefault(folder + base[: -len(".rels")], {})
            yield from read_xml(self.package, name, only(_Relations(Texts(name), found)))

    def _xml_names(self) -> list[str]:
        return [name for name in self.package.names if name in self._xml]

    def related(self, part: str) -> dict[str, tuple[str, str]]:
        """The existing parts to which `part` is related: kind and name by id."""
        folder = posixpath.dirname(part)
        found = {}
        for key, relation in self._relations.get(part, {}).items():
            target = relation.target.replace("\\", "/").partition("#")[0]
            name = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            if not relation.external and name in self.package:
                found[key] = (relation.kind, name)
        return found

    def part(self, of: str, kind: str, usual: str) -> str | None:
        """The part that `of` names as its `kind`, or the one with the usual name."""
        named = next((name for found, name in self.related(of).values() if found == kind), usual)
        return named if named in self.package else None

    def main(self, usual: str) -> str:
        """The main part of the package."""
        return next((name for kind, name in self.related("").values() if kind == "officeDocument"), usual)

    def bodiless(self, main: str) -> Iterator[Gap]:
        """Yield a gap if the main part is missing or empty; the other parts are still read."""
        if self.package.lacks(main):
            yield Gap(f"the document has no body: its part {main} is missing or empty"[:300])

    def take(self, name: str) -> bool:
        """Whether `name` exists and has not been read; from now on it counts as read."""
        if name not in self.package or name in self._done:
            return False
        self._done.add(name)
        return True

    def xml_left(self) -> list[str]:
        """The XML parts that have not been taken."""
        if not self._looked:
            self._looked = True
            self._xml |= {name for name in self.package.names if name not in self._xml and self._is_xml(name)}
        return [name for name in self.package.names if name not in self._done and name in self._xml]

    def _is_xml(self, name: str) -> bool:
        """Whether a part is XML under another name, since a body can hide in `document.bin`. A drawing in `media` is a separate file."""
        if "/media/" in name or "/embeddings/" in name or name.lower().endswith(_PICTURES):
            return False
        head = self.package.head(name, 256).lstrip(b"\xef\xbb\xbf \r\n\t").replace(b"\x00", b"").lstrip(b"\xff\xfe")
        return head.startswith(b"<?xml") and b"<svg" not in head

    def files(self) -> Iterator[Item]:
        """Yield all parts that are not XML: macros, embedded files, images, fonts."""
        for name in self.package.names:
            if name in self._done:
                continue
            self._done.add(name)
            base = posixpath.basename(name.lower().partition("#")[0])
            yield self.package.member(name, opaque=base.endswith(_FONTS) or base.startswith("printersettings"))


def _is_xml_name(name: str) -> bool:
    """Whether a name promises XML; the files that macOS adds beside each file contain something else."""
    base = posixpath.basename(name.partition("#")[0].lower())
    return posixpath.splitext(f"x{base}")[1] in _XML and not base.startswith("._")


def stem(name: str) -> str:
    """The name of a part as findings show it."""
    folder, _, base = name.rpartition("/")
    base = base.removesuffix(".xml")
    return "properties" if folder.endswith("docProps") else base


def read_left(document: Document, views: dict[str, str]) -> Iterator[Item]:
    """Read all remaining XML, element by element, and then the files. `views` maps part names without numbers to views."""
    for name in document.xml_left():
        if not document.take(name):
            continue
        walker = Leaves(Texts(stem(name)), views.get(stem(name).rstrip("0123456789"), "metadata"), "name" if "docProps" in name else None)
        if name.lower().endswith(".vml"):
            yield from _vml(document, name, walker)
        else:
            yield from read_xml(document.package, name, only(walker))
    yield from document.files()
    yield from document.package.rest()


def _vml(document: Document, name: str, walker: Leaves) -> Iterator[Item]:
    """Read an old drawing. Many are not valid XML; those are read as text files."""
    walker.accept = _is_said
    found = list(read_xml(document.package, name, only(walker)))
    if any(isinstance(item, Gap) for item in found):
        yield document.package.member(name)
    else:
        yield from found


def _is_said(text: str) -> bool:
    """Whether a value contains words: most values in a drawing are measurements and switches."""
    return " " in text and any(character.isalpha() for character in text)
