"""Recognizes office documents, e-books and their like by the entries of a zip file, the streams of an OLE file, or the root of XML."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import BinaryIO

from veritensor_ray.core import media_types

_TYPES = "[Content_Types].xml"
_DIGITS = re.compile(r"(?<=[a-z])\d{1,3}(?=\.xml$)")  # some programs number the main part too
_FLAT = re.compile(rb"<\w{1,20}:document\s[^>]*opendocument:xmlns:office")
_ROOT = 16_384  # bytes in which the root element of XML begins
_PARTS = {
    "word/document.xml": media_types.DOCX,
    "xl/workbook.xml": media_types.XLSX,
    "xl/workbook.bin": media_types.XLSB,
    "ppt/presentation.xml": media_types.PPTX,
}
_STREAMS = {
    "WordDocument": media_types.DOC,
    "Workbook": media_types.XLS,
    "Book": media_types.XLS,
    "PowerPoint Document": media_types.PPT,
    "EncryptedPackage": media_types.OLE_LOCKED,
}


def declared_document(declared: str) -> str | None:
    """The media type of a zip file whose entry `mimetype` holds this text."""
    return declared if declared == media_types.EPUB or declared.startswith(media_types.OPEN_DOCUMENT) else None


def zipped_document(names: Collection[str]) -> str | None:
    """The media type of a zip file by the names of its entries."""
    if _TYPES in names:
        parts = (name for name in names if name.startswith(("word/", "xl/", "ppt/")))
        if media_type := next((_PARTS[part] for name in parts if (part := _DIGITS.sub("", name)) in _PARTS), None):
            return media_type
    return media_types.IWORK if any(name.startswith("Index/") and name.endswith(".iwa") for name in names) else None


def ole_document(has_stream: Callable[[str], bool]) -> str | None:
    """The media type of an OLE file by its streams."""
    return next((media_type for stream, media_type in _STREAMS.items() if has_stream(stream)), None)


def is_flat_document(file: BinaryIO) -> bool:
    """Whether XML, which `file` is at the beginning of, is an OpenDocument."""
    return _FLAT.search(file.read(_ROOT)) is not None
