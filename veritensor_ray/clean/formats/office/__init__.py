"""Rewrites Word, Excel and PowerPoint files: the reader follows its texts to their bytes, and only these change.

The reader of the audit reads the document once more, and its texts remember from which bytes they come. So an order means exactly the
characters that its engine saw, wherever they stand: in runs of a paragraph, in a shared string, in an attribute.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

from veritensor_ray import bounds
from veritensor_ray.clean.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.clean.formats.office.changes import Changes
from veritensor_ray.clean.formats.office.links import Links
from veritensor_ray.clean.formats.office.part import Change, Part
from veritensor_ray.clean.formats.office.plan import Plan
from veritensor_ray.clean.formats.office.repack import repacked
from veritensor_ray.clean.formats.office.tracing import Reading
from veritensor_ray.clean.orders import Orders
from veritensor_ray.extract.budget import Budget
from veritensor_ray.extract.readers.office.docx import read_docx
from veritensor_ray.extract.readers.office.package import Package
from veritensor_ray.extract.readers.office.pptx import read_pptx
from veritensor_ray.extract.readers.office.traced import Trace
from veritensor_ray.extract.readers.office.xlsx import read_xlsx
from veritensor_ray.extract.source import Item, Source

_MOST = bounds.HELD
_SIGNATURES = "_xmlsignatures/"
_COMMENTS = frozenset(
    {
        *("comments", "commentsExtended", "commentsIds", "commentsExtensible", "people"),
        *("threadedComment", "person", "commentAuthors", "authors"),
    }
)
_MACROS = frozenset(
    {"vbaProject", "wordVbaData", "vbaProjectSignature", "vbaProjectSignatureAgile", "vbaProjectSignatureV3", "extensibility"}
)
_MACRO_RULES = "structure.macro"
_PROPERTIES = frozenset({"core-properties", "extended-properties", "custom-properties"})
_ROOT = re.compile(r"(?:\s*(?:<\?[^>]*>|<!--.*?-->))*\s*(<[^?!](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>)", re.DOTALL)
_NOTE = re.compile(rb"ObjectType\s*=\s*[\"'](\w+)")
Read = Callable[[Source, Trace], Iterator[Item]]


def rewrite_docx(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a Word document."""
    _Document(source, orders).rewrite(read_docx, out)


def rewrite_xlsx(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite an Excel workbook."""
    _Document(source, orders).rewrite(read_xlsx, out)


def rewrite_pptx(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a PowerPoint presentation."""
    _Document(source, orders).rewrite(read_pptx, out)


class _Document:
    """One document on its way into the copy."""

    def __init__(self, source: Source, orders: Orders) -> None:
        self._source, self._orders = source, orders
        self._package = Package(_again(source))
        self._names = self._package.names
        if any("#" in name and name.partition("#")[0] in self._package for name in self._names):
            raise CannotRewriteError("two of its parts have the same name")
        if any(name.startswith(_SIGNATURES) for name in self._names):
            raise CannotRewriteError("it carries a digital signature, which any change would invalidate")
        self._links = Links(self._names, self._bytes)

    def rewrite(self, read: Read, out: BinaryIO) -> None:
        """Write the document with its changes."""
        gone, unlinked = self._removed()
        plan = Plan(self._orders, unlinked)
        reading = Reading(plan)
        for _ in read(_again(self._source), reading.trace):
            self._orders.pulse()
        changes = Changes(reading, self._orders)
        changes.make()
        if changes.without_formulas:
            gone |= {link.target for link in self._links.all if link.kind == "calcChain"}
        if changes.by_part:
            gone |= {link.target for link in self._links.all if link.kind == "thumbnail"}  # a picture of how the document was
        gone = self._links.alone(gone)
        new = self._members(gone)
        references = self._links.without(gone)
        for name in self._names:
            makes = changes.by_part.get(name, [])
            if name in gone or not (makes or name in references or self._is_emptied(name)):
                continue
            part = Part(name, self._bytes(name))
            new[name] = self._changed(part, [*(make(part) for make in makes), *references.get(name, ())])
        self._write(new, gone, out)

    def _changed(self, part: Part, changes: list[Change]) -> bytes:
        if not self._is_emptied(part.name):
            return part.changed(changes)
        self._orders.stripped(Strippable.METADATA)
        return _without_values(part)

    def _is_emptied(self, name: str) -> bool:
        """Return whether a part holds properties that are all to be removed."""
        if Strippable.METADATA not in self._orders.strip:
            return False
        return any(link.target == name and link.kind in _PROPERTIES for link in self._links.all) and not self._is_blank(name)

    def _is_blank(self, name: str) -> bool:
        part = Part(name, self._bytes(name))
        return _without_values(part) == part.data

    def _removed(self) -> tuple[set[str], frozenset[tuple[str, str]]]:
        """Return the parts that go, and the relationships to old drawings of which only comments are left."""
        gone: set[str] = set()
        unlinked: set[tuple[str, str]] = set()
        strip = self._orders.strip
        if Strippable.COMMENTS in strip:
            gone |= self._counted(Strippable.COMMENTS, {link.target for link in self._links.all if link.kind in _COMMENTS})
            drawings = [link for link in self._links.all if link.kind == "vmlDrawing" and self._only_notes(link.target)]
            gone |= {link.target for link in drawings}
            unlinked = {(link.source, link.key) for link in drawings}
        macros = {link.target for link in self._links.all if link.kind in _MACROS}
        if Strippable.MACROS in strip:
            gone |= self._counted(Strippable.MACROS, macros)
        for name in macros:
            inner = list(self._orders.member_orders(name))
            unwanted = any(order.action is Action.STRIP and order.mark.rule.startswith(_MACRO_RULES) for order in inner)
            if inner and (name in gone or unwanted or all(order.action is Action.STRIP for order in inner)):
                gone.add(name)
                for order in inner:
                    self._orders.tick(order)
        if Strippable.METADATA in strip:
            gone |= self._counted(Strippable.METADATA, {link.target for link in self._links.all if link.kind == "thumbnail"})
        return gone, frozenset(unlinked)

    def _counted(self, kind: Strippable, names: set[str]) -> set[str]:
        if names:
            self._orders.stripped(kind, len(names))
        return names

    def _only_notes(self, name: str) -> bool:
        """Return whether an old drawing shows nothing but the comments of a sheet."""
        return {match[1] for match in _NOTE.finditer(self._bytes(name))} == {b"Note"}

    def _members(self, gone: set[str]) -> dict[str, bytes]:
        """Rewrite the files inside the document."""
        from veritensor_ray.clean.files import opened
        from veritensor_ray.clean.formats import rewrite

        new: dict[str, bytes] = {}
        for name in self._names:
            inner = self._orders.member_orders(name)
            if name in gone or not inner or (not list(inner) and "embeddings/" not in name):
                continue
            target = io.BytesIO()
            content = self._bytes(name)
            with closing(io.BytesIO(content)) as file:
                try:
                    rewrite(opened(file, name, self._source.limits, self._source.budget), target, inner)
                except CannotRewriteError:
                    if list(inner):
                        raise
                    continue  # only something to strip, from a file that cannot be rewritten
            if target.getvalue() != content:
                new[name] = target.getvalue()
        return new

    def _bytes(self, name: str) -> bytes:
        """Return the content of a part. Raises CannotRewriteError, ReadError."""
        data = self._package.open(name).read(_MOST + 1)
        if len(data) > _MOST:
            raise CannotRewriteError(f"its part {name[:200]!r} has more than {_MOST} bytes")
        return data

    def _write(self, new: dict[str, bytes], gone: set[str], out: BinaryIO) -> None:
        directory, entries = self._package.archive
        numbers = {name: number for number, (name, _) in enumerate(entries)}
        repacked(
            directory,
            [entry for _, entry in entries],
            {numbers[name]: data for name, data in new.items()},
            {numbers[name] for name in gone if name in numbers},
            out,
            self._orders.pulse,
        )


def _again(source: Source) -> Source:
    """Return the source at its beginning, with a budget as if nothing had been read from it."""
    size = source.file.seek(0, io.SEEK_END)
    source.file.seek(0)
    return replace(source, budget=Budget(source.limits, size))


def _without_values(part: Part) -> bytes:
    """Return a part with nothing but its root element."""
    text = part.decoded()
    root = _ROOT.match(text)
    if root is None or root[1].endswith("/>"):
        return part.data
    return part.encode(text[: root.end()] + text[text.rindex("</") :])
