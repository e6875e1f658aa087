"""Rewrites Word, Excel and PowerPoint files: the reader follows its texts to their bytes, and only these change.

The reader of the audit reads the document once more, and its texts remember from which bytes they come. So an order means exactly the
characters that its engine saw, wherever they stand: in runs of a paragraph, in a shared string, in an attribute.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.formats.archives.members import member
from veritensor_ray.formats.archives.zip.zip_writer import ZipRewriter
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.office.excel.read import read_xlsx
from veritensor_ray.formats.office.powerpoint.read import read_pptx
from veritensor_ray.formats.office.rewriting.linked_parts import Links
from veritensor_ray.formats.office.rewriting.part import Part
from veritensor_ray.formats.office.rewriting.part_changes import Changes
from veritensor_ray.formats.office.rewriting.removal import Removal
from veritensor_ray.formats.office.rewriting.rewrite_plan import Plan
from veritensor_ray.formats.office.rewriting.tracing import Collected
from veritensor_ray.formats.office.shared.package import Package
from veritensor_ray.formats.office.shared.traced import Trace
from veritensor_ray.formats.office.word.read import read_docx
from veritensor_ray.masking.redaction import name_safe

_MOST = bounds.HELD
_SIGNATURES = "_xmlsignatures/"
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
        removal = Removal(self._links, self._orders, self._bytes)
        reading = Collected(Plan(self._orders, removal.unlinked), self._orders.pulse)
        for _ in read(_again(self._source), reading.trace):
            pass  # the texts go to the trace; anything unreadable leaves its orders undone
        changes = Changes(reading, self._orders)
        changes.make()
        gone = removal.parts(text_changed=bool(changes.by_part), formulas_removed=changes.without_formulas)
        references = self._links.without(gone)
        new = self._members(gone)
        for name in self._names:
            makes, plain = changes.by_part.get(name, ()), references.get(name, ())
            if name not in gone and (makes or plain):
                part = Part(name, self._bytes(name))
                new[name] = part.changed([*(make(part) for make in makes), *plain])
        new |= removal.emptied()
        self._write(new, gone, out)

    def _members(self, gone: set[str]) -> dict[str, bytes]:
        """Rewrite the files inside the document."""
        new: dict[str, bytes] = {}
        for name in self._names:
            inner = self._orders.member_orders(name)
            if name in gone or not inner or (not list(inner) and "embeddings/" not in name):
                continue
            if (content := member(name, io.BytesIO(self._bytes(name)), self._source, inner)) is not None:
                with closing(content):
                    new[name] = content.read()
        return new

    def _bytes(self, name: str) -> bytes:
        """Return the content of a part. Raises CannotRewriteError, ReadError."""
        data = self._package.open(name).read(_MOST + 1)
        if len(data) > _MOST:
            raise CannotRewriteError(f"its part {name_safe(name)} has more than {_MOST} bytes")
        return data

    def _write(self, new: dict[str, bytes], gone: set[str], out: BinaryIO) -> None:
        directory, entries = self._package.archive
        names = [name for name, _ in entries]
        removed = {number for number, name in enumerate(names) if name in gone}
        writer = ZipRewriter(directory, [entry for _, entry in entries], self._orders.pulse, gap=self._orders.drop_residue)
        writer.write(out, lambda number: io.BytesIO(new[names[number]]) if names[number] in new else None, removed)


def _again(source: Source) -> Source:
    """Return the source at its beginning, with a budget as if nothing had been read from it."""
    size = source.file.seek(0, io.SEEK_END)
    source.file.seek(0)
    return replace(source, budget=Budget(source.limits, size))
