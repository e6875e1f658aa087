"""Rewrites books in EPUB: their pages, lists and images, each in its own format. Order and compression of the entries stay."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.formats.archives.members import scratch
from veritensor_ray.formats.archives.zip.rewrite import rewrite_zip
from veritensor_ray.formats.common.file_ranges import copy_range
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.office.books import ENCRYPTION
from veritensor_ray.formats.office.rewriting.package_rewriting import again
from veritensor_ray.formats.office.shared.package import Package

_SIGNATURES = "META-INF/signatures.xml"
_DESCRIPTION = ".opf"
_IDENTIFIER = re.compile(rb"<(?:[\w.-]{1,99}:)?identifier(?:\s[^<>]{0,9999})?>([^<]*)")


def rewrite_epub(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a book. Raises CannotRewriteError if programs could not decode its fonts any more."""
    before, changes = Package(again(source)), orders.account.counts.total()
    with closing(scratch()) as made:
        rewrite_zip(again(source), made, orders)
        made.seek(0)
        if ENCRYPTION in before and _identifiers(before) != _identifiers(Package(again(replace(source, file=made, directory=None)))):
            raise CannotRewriteError("its fonts are scrambled with its identifier, which would change")
        if _SIGNATURES in before and orders.account.counts.total() > changes:
            orders.signature_broken()
        copy_range(made, out, 0, None, orders.pulse)


def _identifiers(book: Package) -> list[bytes]:
    """Return the identifiers of a book, of which one is the key of its fonts."""
    return [
        found for name in book.names if name.lower().endswith(_DESCRIPTION) for found in _IDENTIFIER.findall(book.head(name, bounds.HELD))
    ]
