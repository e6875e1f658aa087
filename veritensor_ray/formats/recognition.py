"""Determines the type of a file by its first bytes and, for zip and OLE files (many documents and checkpoints), by its list of entries.

It does not read any content.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import olefile

from veritensor_ray.core import bounds, media_types
from veritensor_ray.formats.archives.zip.structure import Data, Directory, ZipEntry, find_directory, local_header
from veritensor_ray.formats.common.kind import HEAD_BYTES, Kind
from veritensor_ray.formats.common.spool import edges
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.sniffing import sniff

_MIMETYPE = 100  # bytes of the type that an OpenDocument or EPUB stores first: a short name
_ENTRIES = bounds.SNIFFED_ENTRIES
_TYPES = "[Content_Types].xml"
_DIGITS = re.compile(r"(?<=[a-z])\d{1,3}(?=\.xml$)")  # some programs number the main part too
_FLAT = re.compile(rb"<\w{1,20}:document\s[^>]*opendocument:xmlns:office")
_PARTS = {
    "word/document.xml": media_types.DOCX,
    "xl/workbook.xml": media_types.XLSX,
    "xl/workbook.bin": media_types.XLSB,
    "ppt/presentation.xml": media_types.PPTX,
}
_STREAMS = {
    "__properties_version1.0": media_types.OUTLOOK,
    "WordDocument": media_types.DOC,
    "Workbook": media_types.XLS,
    "Book": media_types.XLS,
    "PowerPoint Document": media_types.PPT,
    "EncryptedPackage": media_types.OLE_LOCKED,
}


@dataclass(frozen=True, slots=True)
class Recognised:
    """The kind of a file and its size in bytes; for a zip also its directory, if it has one."""

    kind: Kind
    size: int
    directory: Directory | None = None


def recognise(file: BinaryIO, extension: str) -> Recognised:
    """Determine the kind of a seekable file from its content, and rewind it. `extension` only decides between kinds of text.

    A damaged container keeps the type that its first bytes indicate.
    """
    head, tail, size = edges(file, HEAD_BYTES)
    kind = sniff(head, extension, tail, whole=size <= len(head))
    look, directory, found = _LOOK.get(kind.media_type), None, None
    try:
        if kind.media_type == media_types.ZIP and (directory := find_directory(file)):
            found = _zipped(directory)
        elif look is not None:
            found = look(file)
    except Exception:  # noqa: BLE001  # libraries raise arbitrary exceptions for hostile files; the reader will report what is wrong
        found = None
    file.seek(0)
    return Recognised(Kind(found, kind.encoding, kind.bom) if found else kind, size, directory)


def _zipped(directory: Directory) -> str | None:
    found = {entry.place: entry for entry in directory.first(_ENTRIES)}
    if "mimetype" in found:
        declared = _short(directory.file, found["mimetype"])
        if declared == media_types.EPUB or declared.startswith(media_types.OPEN_DOCUMENT):
            return declared
    if _TYPES in found:
        parts = (name for name in found if name.startswith(("word/", "xl/", "ppt/")))
        if media_type := next((_PARTS[part] for name in parts if (part := _DIGITS.sub("", name)) in _PARTS), None):
            return media_type
    if any(name.startswith("Index/") and name.endswith(".iwa") for name in found):
        return media_types.IWORK
    if any(name.count("/") <= 1 and name.endswith("data.pkl") for name in found):
        return media_types.PYTORCH
    return media_types.NPZ if found and all(name.endswith(".npy") for name in found) else None


def _short(file: BinaryIO, entry: ZipEntry) -> str:
    """The text of a short entry."""
    local = local_header(file, entry.offset)
    if local is None:
        return ""
    return Pieces(iter(Data(entry, Window(file, local.data, entry.packed)))).read(_MIMETYPE).decode("ascii", "replace").strip()


def _ole(file: BinaryIO) -> str | None:
    with olefile.OleFileIO(file) as ole:
        return next((media_type for stream, media_type in _STREAMS.items() if ole.exists(stream)), None)


def _xml(file: BinaryIO) -> str | None:
    return media_types.FLAT_ODF if _FLAT.search(file.read(16_384)) else None


_LOOK: dict[str, Callable[[BinaryIO], str | None]] = {media_types.OLE: _ole, media_types.XML: _xml}
