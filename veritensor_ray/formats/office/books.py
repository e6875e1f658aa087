"""Reads documents that are zip archives of members, and reports text that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.archives.zip.read import read_zip
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.office.shared.package import Package

ENCRYPTION = "META-INF/encryption.xml"
_LISTED = bounds.ENCRYPTION_LIST
_REFERENCE = re.compile(rb"CipherReference\s[^>]{0,2000}?URI\s{0,9}=\s{0,9}[\"']([^\"']{1,1000})")
_TEXTS = (b".xhtml", b".html", b".htm", b".xml", b".ncx", b".opf", b".svg")  # fonts are often scrambled, which loses no text


def read_epub(source: Source) -> Iterator[Item]:
    """Read a book, whose pages, lists and images are members."""
    yield from _locked(source)
    source.file.seek(0)
    yield from read_zip(source)


def _locked(source: Source) -> Iterator[Item]:
    try:
        package = Package(source)
        listed = package.head(ENCRYPTION, _LISTED) if ENCRYPTION in package else b""
    except ReadError:
        return  # problems of the archive are reported when its entries are read
    count = sum(name.lower().endswith(_TEXTS) for name in set(_REFERENCE.findall(listed)))
    if count:
        reason = f"the book is encrypted: {count} parts cannot be read"
        yield Block([reason], view="metadata", notice="encrypted-document")
        yield Gap(reason, count=count, code=ReasonCode.ENCRYPTED)


def read_iwork(source: Source) -> Iterator[Item]:
    """Read Pages, Numbers and Keynote.

    There is no reader for the records that hold their text; previews, images and properties are members.
    """
    count = sum(name.endswith(".iwa") for name in Package(source).names)
    yield Gap(f"no reader for iWork documents: {count} parts", count=count, coverage="no-reader", body=True)
    source.file.seek(0)
    yield from read_zip(source)
