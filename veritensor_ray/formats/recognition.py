"""Determines the type of a file from its content and never from its name, which only decides between kinds of text.

Each family of formats recognizes its own. This module knows the order in which they are asked. It reads no content but the first and last
bytes of a file and the list of entries of zip and OLE files, which many documents and checkpoints are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

import olefile

from veritensor_ray.core import bounds, media_types
from veritensor_ray.core.format_table import TEXT_TYPES
from veritensor_ray.core.media_types import PLAIN, UNKNOWN
from veritensor_ray.formats.archives.tar.recognise import is_tar
from veritensor_ray.formats.archives.zip.structure import Data, Directory, ZipEntry, find_directory, local_header
from veritensor_ray.formats.columnar.arrow.recognise import is_arrow_stream
from veritensor_ray.formats.columnar.lance.recognise import LANCE_MARK, is_lance
from veritensor_ray.formats.common.kind import HEAD_BYTES, Kind
from veritensor_ray.formats.common.single_streams import is_bzip2
from veritensor_ray.formats.common.spool import edges
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.compressed.recognise import behind_skipped, packed_type
from veritensor_ray.formats.csv.recognise import is_table
from veritensor_ray.formats.first_bytes import KNOWN, UNLIKE_TEXT
from veritensor_ray.formats.json.recognise import begins_json, is_json_lines
from veritensor_ray.formats.mail.recognise import mail_type, ole_mail
from veritensor_ray.formats.markup.recognise import begins_html
from veritensor_ray.formats.media.recognise import is_mp3
from veritensor_ray.formats.model_files.recognise import model_type, model_type_by_structure, zipped_model
from veritensor_ray.formats.notebook.recognise import is_notebook
from veritensor_ray.formats.office.recognise import declared_document, is_flat_document, ole_document, zipped_document
from veritensor_ray.formats.pdf.recognise import has_pdf_header, is_pdf_behind_text
from veritensor_ray.formats.programs.recognise import is_bytecode
from veritensor_ray.formats.records.recognise import is_tfrecord
from veritensor_ray.formats.rtf import recognise as rtf
from veritensor_ray.formats.text.recognise import controls, text_encoding
from veritensor_ray.formats.web_archives.recognise import is_warc

_LETTERS = 512  # bytes that must contain others than text if a file begins with a magic of letters
_FOOTER = 64  # bytes at the end of a file, which are more than a footer has
_MIMETYPE = 100  # bytes of the type that an OpenDocument or EPUB stores first: a short name


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
    directory, found = None, None
    try:
        if kind.media_type == media_types.ZIP and (directory := find_directory(file)):
            found = _in_zip(directory)
        elif kind.media_type == media_types.OLE:
            found = _in_ole(file)
        elif kind.media_type == media_types.XML:
            found = media_types.FLAT_ODF if is_flat_document(file) else None
    except Exception:  # noqa: BLE001  # libraries raise arbitrary exceptions for hostile files; the reader will report what is wrong
        found = None
    file.seek(0)
    return Recognised(Kind(found, kind.encoding, kind.bom) if found else kind, size, directory)


def sniff(head: bytes, extension: str, tail: bytes = b"", whole: bool = True) -> Kind:
    """The kind of a file that begins with `head` (up to HEAD_BYTES) and ends with `tail`. `whole` says that `head` is the whole file."""
    named = TEXT_TYPES.get(extension, PLAIN)
    if not head:
        return Kind(named, "utf-8")
    if media_type := by_magic(head) or model_type_by_structure(head, whole):
        return Kind(media_type)
    if media_type := mail_type(head, named):
        return Kind(media_type, "latin-1")
    if (tail or head).endswith(LANCE_MARK) and is_lance(head[-_FOOTER:] + tail):
        return Kind(media_types.LANCE)
    if rtf.BEHIND_BLANKS.match(head, 0, rtf.REACH):
        return Kind(media_types.RTF)
    if is_pdf_behind_text(head, extension in TEXT_TYPES, tail, whole):
        return Kind(media_types.PDF)
    if found := text_encoding(head, whole):
        encoding, bom = found
        return Kind(_text_type(head[bom:].decode(encoding, "ignore"), named, extension, tail), encoding, bom)
    return Kind(media_types.PDF if has_pdf_header(head) else by_beginning(head) or UNKNOWN)


def by_magic(head: bytes) -> str | None:
    """The media type, if the first bytes alone determine it."""
    for place, magic, media_type in KNOWN.magics_of(head):
        if head.startswith(magic, place) and _counts(magic, media_type, head):
            return media_type
    if is_warc(head):
        return media_types.WARC
    if UNLIKE_TEXT.match(head) and (found := _by_numbers(head)):
        return found
    return media_types.TAR if is_tar(head) else packed_type(head)


def _by_numbers(head: bytes) -> str | None:
    """The media type of files that begin with numbers, of which at least one has a byte that no text contains."""
    if is_arrow_stream(head):
        return media_types.ARROW_STREAM
    if model := model_type(head):
        return model
    if is_bytecode(head):
        return media_types.BYTECODE
    return media_types.TFRECORD if is_tfrecord(head) else None


def by_beginning(head: bytes) -> str | None:
    """The media type of files that are neither text nor of a format with a strong magic: media, fonts, and streams after skippable frames."""
    found = KNOWN.beginning(head)
    return (None if found == media_types.MP3 and not is_mp3(head) else found) or behind_skipped(head)


def may_be_file(head: bytes) -> bool:
    """Whether bytes begin like a file of a known format: a cheap test that `sniff` has to confirm."""
    return KNOWN.may_begin(head)


def _counts(magic: bytes, media_type: str, head: bytes) -> bool:
    """Whether a magic is one: ordinary text can begin with one that consists of letters, so bytes that text does not contain must follow."""
    if media_type == media_types.BZIP2:
        return is_bzip2(head)
    return not magic.strip().isalnum() or controls(head[:_LETTERS]) > 0


def _text_type(text: str, named: str, extension: str, tail: bytes) -> str:
    """The media type of text, where a name counts for more than guesses about everything but JSON and web pages. `named` is what it promises."""
    start = text.lstrip()[:200]
    if media_type := KNOWN.opening(start, named):
        return media_type
    if begins_json(start):
        if is_json_lines(text, extension):
            return media_types.JSONL
        return media_types.NOTEBOOK if is_notebook(text, tail, extension) else media_types.JSON
    if named in (media_types.CSV, media_types.TSV):
        return named
    if begins_html(start):
        return media_types.HTML
    if extension in TEXT_TYPES and named not in (media_types.JSON, media_types.JSONL, media_types.NOTEBOOK):
        return named
    if start.startswith("<?xml"):
        return media_types.XML
    return media_types.CSV if not extension and is_table(text) else PLAIN


def _in_zip(directory: Directory) -> str | None:
    entries = {entry.place: entry for entry in directory.first(bounds.SNIFFED_ENTRIES)}
    declared = declared_document(_short(directory.file, entries["mimetype"])) if "mimetype" in entries else None
    return declared or zipped_document(entries) or zipped_model(entries)


def _short(file: BinaryIO, entry: ZipEntry) -> str:
    """The text of a short entry."""
    local = local_header(file, entry.offset)
    if local is None:
        return ""
    return Pieces(iter(Data(entry, Window(file, local.data, entry.packed)))).read(_MIMETYPE).decode("ascii", "replace").strip()


def _in_ole(file: BinaryIO) -> str | None:
    with olefile.OleFileIO(file) as ole:
        return ole_mail(ole.exists) or ole_document(ole.exists)
