"""Zip archives that are documents of a kind of their own: every entry is a member, and what of the text stays closed is said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray import bounds
from veritensor_ray.errors import ReadError
from veritensor_ray.extract.readers.containers.zip_reader import read_zip
from veritensor_ray.extract.readers.office.package import Package
from veritensor_ray.extract.source import Item, Source
from veritensor_ray.reasons import ReasonCode
from veritensor_ray.segments import Block, Gap

_ENCRYPTION = "META-INF/encryption.xml"
_LISTED = bounds.ENCRYPTION_LIST
_REFERENCE = re.compile(rb"CipherReference\s[^>]{0,2000}?URI\s{0,9}=\s{0,9}[\"']([^\"']{1,1000})")
_TEXTS = (b".xhtml", b".html", b".htm", b".xml", b".ncx", b".opf", b".svg")  # fonts are often scrambled, and nothing is lost by it


def read_epub(source: Source) -> Iterator[Item]:
    """A book: pages, lists and pictures are members."""
    yield from _locked(source)
    source.file.seek(0)
    yield from read_zip(source)


def _locked(source: Source) -> Iterator[Item]:
    try:
        package = Package(source)
        listed = package.head(_ENCRYPTION, _LISTED) if _ENCRYPTION in package else b""
    except ReadError:
        return  # what is wrong with the archive is said when its entries are read
    count = sum(name.lower().endswith(_TEXTS) for name in set(_REFERENCE.findall(listed)))
    if count:
        reason = f"the book is encrypted: {count} parts cannot be read"
        yield Block([reason], view="metadata", notice="encrypted-document")
        yield Gap(reason, count=count, code=ReasonCode.ENCRYPTED)


def read_iwork(source: Source) -> Iterator[Item]:
    """Pages, Numbers and Keynote: their text is in records that nothing here reads; previews, pictures and properties are members."""
    count = sum(name.endswith(".iwa") for name in Package(source).names)
    yield Gap(f"no reader for iWork documents: {count} parts", count=count, coverage="no-reader", body=True)
    source.file.seek(0)
    yield from read_zip(source)
