"""The parts of a document that is a zip package, on their way into the copy: their bytes, the files among them, and the new archive."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.formats.archives.members import member
from veritensor_ray.formats.archives.zip.zip_writer import ZipRewriter
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.office.shared.package import Package
from veritensor_ray.masking.redaction import name_safe

MOST = bounds.HELD


class PackageCopy:
    """One package that is copied with changes. `names` are those of its parts."""

    def __init__(self, source: Source, orders: Orders) -> None:
        self._source, self._orders = source, orders
        self._package = Package(again(source))
        self.names = self._package.names
        if any("#" in name and name.partition("#")[0] in self._package for name in self.names):
            raise CannotRewriteError("two of its parts have the same name")

    def members(self, gone: set[str], stripped: Callable[[str], bool]) -> dict[str, bytes]:
        """Rewrite the files inside the package. Those that are `stripped` are rewritten even if nothing was found in them."""
        new: dict[str, bytes] = {}
        for name in self.names:
            inner = self._orders.member_orders(name)
            if name in gone or not inner or (not list(inner) and not stripped(name)):
                continue
            if (content := member(name, io.BytesIO(self.content(name)), self._source, inner)) is not None:
                with closing(content):
                    new[name] = content.read()
        return new

    def content(self, name: str) -> bytes:
        """Return the content of a part. Raises CannotRewriteError, ReadError."""
        data = self._package.open(name).read(MOST + 1)
        if len(data) > MOST:
            raise CannotRewriteError(f"its part {name_safe(name)} has more than {MOST} bytes")
        return data

    def write(self, new: Mapping[str, bytes], gone: set[str], out: BinaryIO) -> None:
        """Write the package with the new parts, and without those that are gone."""
        directory, entries = self._package.archive
        names = [name for name, _ in entries]
        removed = {number for number, name in enumerate(names) if name in gone}
        writer = ZipRewriter(directory, [entry for _, entry in entries], self._orders.pulse, gap=self._orders.drop_residue)
        writer.write(out, lambda number: io.BytesIO(new[names[number]]) if names[number] in new else None, removed)


def again(source: Source) -> Source:
    """Return the source at its beginning, with a budget as if nothing had been read from it."""
    size = source.file.seek(0, io.SEEK_END)
    source.file.seek(0)
    return replace(source, budget=Budget(source.limits, size))
