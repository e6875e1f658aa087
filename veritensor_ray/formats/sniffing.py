"""Determines the type of a file from its first bytes and never from its name, which only decides between kinds of text.

It does not read any files itself.
"""

from __future__ import annotations

import codecs
import csv
import functools
import json
import lzma
import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from charset_normalizer import from_bytes

from veritensor_ray.core import media_types
from veritensor_ray.core.format_table import FORMATS, TEXT_TYPES
from veritensor_ray.core.media_types import PLAIN, UNKNOWN, Format
from veritensor_ray.formats.common.kind import HEAD_BYTES, Kind
from veritensor_ray.formats.mail.recognise import mail_type
from veritensor_ray.formats.model_files.onnx import structure as onnx
from veritensor_ray.formats.model_files.pickle import structure as pickles
from veritensor_ray.formats.records.recognise import is_record_head
from veritensor_ray.formats.text.recognise import few_controls, wide_encoding

_MAGIC = tuple((place, magic, one.media_type) for one in FORMATS for place, magic in one.magics)
# Indexed by the first byte of a file: the formats to try, in order.
_DEEPER = tuple(known for known in _MAGIC if known[0])
_MAGIC_OF = {
    magic[:1]: tuple(known for known in _MAGIC if known[0] or known[1][:1] == magic[:1]) for place, magic, _ in _MAGIC if not place
}
_OPENINGS = tuple((re.compile(one.opening, re.IGNORECASE), one.media_type) for one in FORMATS if one.opening)
_UNSPECIFIC = (PLAIN, media_types.XML, media_types.SVG)  # these names say little, so text that declares its own type takes precedence


def _any_of(formats: Sequence[Format]) -> tuple[re.Pattern[bytes], tuple[str, ...]]:
    """One pattern that matches the beginning of any of the formats, with a group for each, and their media types in the order of the
    groups.
    """
    known = [(one.begins, one.media_type) for one in formats if one.begins]
    return re.compile(b"|".join(b"(%s)" % begins for begins, _ in known), re.DOTALL), tuple(media_type for _, media_type in known)


_BEGINS, _BEGUN = _any_of(FORMATS)
_READABLE, _ = _any_of([one for one in FORMATS if one.is_read])


def sniff(head: bytes, extension: str, tail: bytes = b"", whole: bool = True) -> Kind:
    """The kind of a file that begins with `head` (up to HEAD_BYTES) and ends with `tail`. `whole` says that `head` is the whole file."""
    if not head:
        return Kind(TEXT_TYPES.get(extension, PLAIN), "utf-8")
    if media_type := by_magic(head) or _by_structure(head, whole):
        return Kind(media_type)
    if media_type := mail_type(head, TEXT_TYPES.get(extension, PLAIN)):
        return Kind(media_type, "latin-1")
    if media_type := _behind_text(head, extension, tail, whole):
        return Kind(media_type)
    found = _encoding(head, whole)
    if found:
        encoding, bom = found
        text = head[bom:].decode(encoding, "ignore")
        return Kind(_text_type(text, extension, tail), encoding, bom)
    if b"%PDF-" in head[:1024]:  # viewers search this far for it
        return Kind(media_types.PDF)
    return Kind(by_beginning(head) or UNKNOWN)


def by_beginning(head: bytes) -> str | None:
    """The media type of files that are neither text nor of a format with a strong magic: media, fonts, and streams after skippable frames."""
    if found := _BEGINS.match(head):
        return _BEGUN[(found.lastindex or 1) - 1]
    return next((media_type for place, magic, media_type in _MAGIC if head.startswith(magic, place)), None) or _behind_skipped(head)


def _behind_skipped(head: bytes) -> str | None:
    """Recognizes Zstandard or LZ4 after skippable frames, each of which is a magic number, a length and arbitrary bytes."""
    at = 0
    while head[at + 1 : at + 4] == b"\x2a\x4d\x18" and head[at] & 0xF0 == 0x50:
        at += 8 + int.from_bytes(head[at + 4 : at + 8], "little")
    media_type = by_magic(head[at:]) if at else None
    return media_type if media_type in (media_types.ZSTD, media_types.LZ4) else None


def by_magic(head: bytes) -> str | None:
    """The media type, if the first bytes alone determine it."""
    for place, magic, media_type in _MAGIC_OF.get(head[:1], _DEEPER):
        if head.startswith(magic, place) and not _excused(magic, head):
            return media_type
    if _is_arrow_stream(head):
        return media_types.ARROW_STREAM
    if _is_pickle(head):
        return media_types.PICKLE
    if head[2:4] == b"\r\n" and head[5:8] == b"\x00\x00\x00" and head[4:5] in b"\x00\x01\x03" and head[16:17] in b"\xe3c":  # PEP 552
        return media_types.BYTECODE
    if head[8:10] == b'{"' and 0 < int.from_bytes(head[:8], "little") < 100_000_000:
        return media_types.SAFETENSORS
    if re.match(rb"WARC/[01]\.\d+\r?\n", head):
        return media_types.WARC
    if head[4:8] == bytes(4) and is_record_head(head[:12]):
        return media_types.TFRECORD
    return media_types.TAR if _is_tar(head) else _packed(head)


_PDF = re.compile(rb"%PDF-\d")
_PDF_OBJECT = re.compile(rb"(?<!\w)\d{1,10}[ \r\n]+\d{1,5}[ \r\n]+obj\b")
_PDF_TRAILER = re.compile(rb"startxref\s+\d{1,20}\s+%%EOF\s*\Z")
_TAIL = 2048


def _behind_text(head: bytes, extension: str, tail: bytes, whole: bool) -> str | None:
    """Recognizes documents that programs open even if text, blanks or a byte order mark precede them."""
    if head[:1024].removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{\\rtf1"):
        return media_types.RTF
    begins = _PDF.search(head, 0, 1024)  # viewers search this far for it
    if begins is None or not _PDF_OBJECT.search(head, begins.end()):
        return None
    known = tail or (head if whole or len(head) < HEAD_BYTES else b"")
    if extension in TEXT_TYPES:  # a page about the format may quote a file: it is one only if nothing follows it
        return media_types.PDF if _PDF_TRAILER.search(known[-_TAIL:]) else None
    return media_types.PDF if not known or b"startxref" in known or b"%%EOF" in known else None


_BEGINNINGS = (
    *(magic for place, magic, _ in _MAGIC if not place),
    *(b"\x80" + bytes([protocol]) for protocol in range(2, 6)),
    *(b"x\x9c", b"x\xda"),
)

# Where by_magic can recognize a file in UTF-8 without bytes below 9: an offset, and the pairs of bytes that may stand there.
_PAIRS = {0: {magic[:2] for place, magic, _ in _MAGIC if not place} | {b"WA", b"x^", b"x\xda"}, 6: {b"%!"}, 257: {b"us"}}
_PAIRS[154] = {bytes([a, b]) for a in b" 01234567" for b in b" 01234567"}  # the end of a tar header's checksum
TEXT_MAGIC = {place: np.isin(np.arange(1 << 16), [int.from_bytes(two, "big") for two in some]) for place, some in _PAIRS.items()}


def may_be_file(head: bytes) -> bool:
    """Whether bytes begin like a file of a known format: a cheap test that `sniff` has to confirm."""
    return head.startswith(_BEGINNINGS) or _READABLE.match(head) is not None


def _excused(magic: bytes, head: bytes) -> bool:
    """Whether to ignore a magic with which ordinary text can begin: it counts only before bytes that text does not contain."""
    if magic == b"BZh":
        return not re.match(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", head)
    return magic.strip().isalnum() and not _controls(head[:512])


def _is_tar(head: bytes) -> bool:
    """Whether the first header has a valid checksum, since tar files older than `ustar` have no magic."""
    told = re.fullmatch(rb" *([0-7]{1,7})[\x00 ]+", head[148:156])
    return bool(told and head[0] and len(head) >= 512 and sum(head[:148]) + sum(head[156:512]) + 8 * 32 == int(told[1], 8))


def _packed(head: bytes) -> str | None:
    """The media type of a compression with a weak magic; it counts only if the beginning decodes."""
    if head[:1] == b"x" and head[1:2] in b"\x01\x5e\x9c\xda" and (head[1:2] != b"^" or _controls(head[:512])):
        return media_types.ZLIB if _decompresses(zlib.decompressobj(), head) else None
    if head[:1] == b"\x5d" and head[13:14] == b"\x00" and head[12:13] in b"\x00\xff":
        return media_types.LZMA if _decompresses(lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=1 << 28), head) else None
    return None


def _decompresses(decoder: Any, head: bytes) -> bool:
    try:
        return bool(decoder.decompress(head, 4096) or decoder.eof)
    except (zlib.error, lzma.LZMAError):
        return False


def _is_arrow_stream(head: bytes) -> bool:
    """Checks for a continuation marker, the length of the schema's flatbuffer, and the offset of the root table in it."""
    length, root = int.from_bytes(head[4:8], "little"), int.from_bytes(head[8:12], "little")
    return head[:4] == b"\xff\xff\xff\xff" and 0 < length < 1 << 28 and length % 8 == 0 and 4 <= root <= 64 and root % 4 == 0


def _by_structure(head: bytes, whole: bool) -> str | None:
    """The media type of model files that begin without a magic number; the bytes that follow have to match the format."""
    if onnx.is_model(head):
        return media_types.ONNX
    if _is_faiss(head):
        return media_types.FAISS
    return media_types.PICKLE if pickles.looks_like(head, whole) else None


def _is_faiss(head: bytes) -> bool:
    """Checks for four letters, the dimension, the number of vectors, and a repeated number that stands for two obsolete fields."""
    return bool(re.match(rb"I[A-Za-z][A-Za-z0-9]{2}", head)) and head[16:32] == (1 << 20).to_bytes(8, "little") * 2


def _is_pickle(head: bytes) -> bool:
    return head[:1] == b"\x80" and len(head) > 3 and head[1] in (2, 3, 4, 5) and head[2:3] in b"\x95}](cX\x8cKGq\x8a)NBUJ\x88\x89\x8f"


def _encoding(head: bytes, whole: bool) -> tuple[str, int] | None:
    """The codec and the length of the byte order mark, or None if the bytes are not text."""
    for bom, codec in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if head.startswith(bom):
            rest = head[len(bom) :]
            return (codec, len(bom)) if _decodes(rest, codec, whole) or _nearly_decodes(rest, codec) else None
    if b"\x00" in head:
        for codec, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
            if len(head) >= 8 and zeros.count(0) > 0.6 * len(zeros) and _decodes(head, codec, whole) and few_controls(head, codec):
                return codec, 0
    if _controls(head) > 0.01 * len(head):
        wide = wide_encoding(head)
        return (wide, 0) if wide else None
    if _decodes(head, "utf-8", whole):
        return "utf-8", 0
    return _legacy_encoding(head) if b"\x00" not in head else None


_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27, 30})


def _controls(data: bytes) -> int:
    return len(data) - len(data.translate(None, _CONTROLS))


def _decodes(data: bytes, codec: str, whole: bool) -> bool:
    if codec == "utf-8" and data.isascii():
        return data.count(0) <= 0.01 * len(data)
    try:
        text = codecs.getincrementaldecoder(codec)().decode(data, final=whole)
    except UnicodeDecodeError:
        return False
    return text.count("\x00") <= 0.01 * len(text)


def _nearly_decodes(data: bytes, codec: str) -> bool:
    """Whether most of the text decodes: after a byte order mark, a single stray byte must not make the file binary and hide all of it."""
    text = data.decode(codec, "replace")
    return text.count("\ufffd") + text.count("\x00") <= 1 + 0.01 * len(text)


def _legacy_encoding(head: bytes) -> tuple[str, int] | None:
    """A one-byte or East Asian encoding that makes sense of the text around the first non-ASCII bytes."""
    first = re.search(rb"[\x80-\xff]", head)
    sample = head[max(0, first.start() - 2048) : first.start() + 6144] if first else head
    best = from_bytes(sample, cp_exclusion=["utf_7"]).best()
    if best is None:
        return ("latin-1", 0) if sum(b >= 0x80 for b in sample) < 0.3 * len(sample) else None
    return best.encoding, 0


@functools.cache
def _openings(named: str) -> Sequence[tuple[re.Pattern[str], str]]:
    """The openings that say more than a name that promises the type `named`."""
    return [(pattern, media_type) for pattern, media_type in _OPENINGS if named in (*_UNSPECIFIC, media_type)]


def _text_type(text: str, extension: str, tail: bytes) -> str:
    start = text.lstrip()[:200]
    for pattern, media_type in _openings(TEXT_TYPES.get(extension, PLAIN)):
        if pattern.match(start):
            return media_type
    if re.match(r'[\[{]\s*(["\]}\[{\d-]|true|false|null|$)', start):
        return _json_type(text, extension, tail)
    if extension in (".csv", ".tsv", ".tab"):
        return TEXT_TYPES[extension]
    if re.match(r"(<!--.*?-->\s*)?(<!doctype html|<html)", start, re.IGNORECASE | re.DOTALL):
        return media_types.HTML
    named = TEXT_TYPES.get(extension)
    if named and named not in (media_types.JSON, media_types.JSONL, media_types.NOTEBOOK):
        return named
    if start.startswith("<?xml"):
        return media_types.XML
    return media_types.CSV if not extension and _is_table(text) else PLAIN


def _json_type(text: str, extension: str, tail: bytes) -> str:
    lines = [line for line in "\n".join(text.split("\n", 4)[:4]).splitlines()[:4] if line.strip()]
    if extension in (".jsonl", ".ndjson") or (len(lines) >= 2 and all(_is_json(line) for line in lines[:2])):
        return media_types.JSONL
    if '"cells"' in text and ('"nbformat"' in text or b'"nbformat"' in tail or extension == ".ipynb"):
        return media_types.NOTEBOOK
    return media_types.JSON


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return line.lstrip()[:1] in "{["


def _is_table(text: str) -> bool:
    """Whether at least five lines have the same number (two or more) of separated cells."""
    lines: Sequence[str] = text.splitlines()[:-1][:50]
    if len(lines) < 5:
        return False
    for delimiter in ",\t;":
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=delimiter)}
        except csv.Error:
            continue
        if len(widths) == 1 and widths.pop() >= 3:
            return True
    return False
