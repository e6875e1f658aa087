"""The relationships and content types of a package: who refers to which part, and how a part is removed without a trace."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple
from xml.sax.saxutils import unescape

from veritensor_ray.formats.office.rewriting.part import Change, Part

CONTENT_TYPES = "[Content_Types].xml"
_ELEMENT = re.compile(r"<(?:[\w.-]+:)?(Relationship|Override|file-entry)\b(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?(?:/>|>\s*</[^<>]*>)")
_ATTRIBUTE = re.compile(r"\s([\w.:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_ENTITIES = {"&quot;": '"', "&apos;": "'", "&#39;": "'", "&#34;": '"'}


class Link(NamedTuple):
    """A relationship from `source` (empty for the package) to a part. `kind` is the last component of its type."""

    source: str
    rels: str
    key: str
    kind: str
    target: str


class Links:
    """The relationships between the parts of a package. `read` returns the bytes of a part."""

    def __init__(self, names: Iterable[str], read: Callable[[str], bytes]) -> None:
        self._read = read
        self._names = set(names)
        self.all = [link for name in names if name.lower().endswith(".rels") for link in self._of(name)]

    def _of(self, rels: str) -> Iterable[Link]:
        folder, _, base = rels.rpartition("_rels/")
        source = folder + base[: -len(".rels")]
        for _, _, values in elements(Part(rels, self._read(rels)), "Relationship"):
            if values.get("TargetMode", "").lower() != "external":
                target = resolved(posixpath.dirname(source), values.get("Target", ""))
                if target in self._names:
                    yield Link(source, rels, values.get("Id", ""), values.get("Type", "").rstrip("/").rpartition("/")[2], target)

    def alone(self, removed: Iterable[str]) -> set[str]:
        """Return the parts to remove, with their relationships and with every part to which only removed ones refer."""
        gone = set(removed)
        while True:
            orphans = {link.target for link in self.all if link.source in gone} - gone
            orphans -= {link.target for link in self.all if link.source not in gone}
            if not orphans:
                break
            gone |= orphans
        return gone | {link.rels for link in self.all if link.source in gone}

    def without(self, gone: set[str]) -> Mapping[str, list[Change]]:
        """Return the changes that make nothing refer to the removed parts, by part."""
        changes: dict[str, list[Change]] = {}
        for rels in {link.rels for link in self.all if link.target in gone and link.source not in gone}:
            part = Part(rels, self._read(rels))
            folder = posixpath.dirname(next(link.source for link in self.all if link.rels == rels))
            changes[rels] = [
                Change(start, end, b"")
                for start, end, values in elements(part, "Relationship")
                if values.get("TargetMode", "").lower() != "external" and resolved(folder, values.get("Target", "")) in gone
            ]
        if gone and CONTENT_TYPES in self._names:
            types = Part(CONTENT_TYPES, self._read(CONTENT_TYPES))
            changes[CONTENT_TYPES] = [
                Change(start, end, b"")
                for start, end, values in elements(types, "Override")
                if values.get("PartName", "").lstrip("/") in gone
            ]
        return {name: some for name, some in changes.items() if some}


def resolved(folder: str, target: str) -> str:
    """Return the name of the part that a target means, seen from a folder of the package."""
    target = target.replace("\\", "/").partition("#")[0]
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))


def elements(part: Part, name: str) -> Iterable[tuple[int, int, dict[str, str]]]:
    """Yield where the elements of that name begin and end, in bytes, and their attributes."""
    text = part.decoded()
    at = characters = 0
    for match in _ELEMENT.finditer(text):
        if match[1] != name:
            continue
        at += len(part.encode(text[characters : match.start()]))
        size = len(part.encode(match[0]))
        values = {found[1]: unescape(found[2] if found[2] is not None else found[3], _ENTITIES) for found in _ATTRIBUTE.finditer(match[0])}
        yield at, at + size, values
        at += size
        characters = match.end()
