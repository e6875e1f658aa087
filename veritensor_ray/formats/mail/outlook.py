"""Reads Outlook messages (.msg): OLE files with one stream per property (MS-OXMSG). Bodies and attachments become members."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Generator, Iterator
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.mail.mime import decoded
from veritensor_ray.formats.office.ole.compound import Compound, shown
from veritensor_ray.formats.office.ole.unsaid_strings import GivenWords, odd_names

_PROPERTY = re.compile(r"__substg1\.0_([0-9A-Fa-f]{4})([0-9A-Fa-f]{4})(?:-[0-9A-Fa-f]{8})?")
ATTACHMENT = re.compile(r"__attach_version1\.0_#[0-9A-Fa-f]+")
RECIPIENT = re.compile(r"__recip_version1\.0_#[0-9A-Fa-f]+")
_TEXT, _TEXT8, _BINARY = "001F", "001E", "0102"
EMBEDDED = "__substg1.0_3701000D"
_SUBJECT, _BODY, _HTML, _RTF, _HEADERS, _CLASS = "0037", "1000", "1013", "1009", "007D", "001A"
_DATA, _LONG_NAME, _SHORT_NAME, _DISPLAY_NAME = "3701", "3707", "3704", "3001"
_COLUMNS = {
    _SUBJECT: "subject",
    "0C1A": "from",
    "0C1F": "from address",
    "5D01": "from address",
    "0E04": "to",
    "0E03": "cc",
    "0E02": "bcc",
    "1035": "message-id",
    _HEADERS: "headers",
    _BODY: "body",
}
_SHOWN = frozenset({_SUBJECT, "0C1A", "0E04", "0E03", _BODY})
_FILES = re.compile(r"__substg1\.0_(?:3701|1009|1013)[0-9A-Fa-f]{4}\Z")  # attachments and formatted bodies, which are given as files
DEPTH = 20
_MOST_RTF = bounds.HELD
_CODE_PAGES = (0x3FDE, 0x3FFD)  # the properties with the code pages of the internet body and of strings
_PREFIX = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n" + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


class OutlookStorage(NamedTuple):
    """A message, recipient or attachment in the file."""

    path: str
    streams: list[str]
    inner: dict[str, list[str]]


def read_outlook(source: Source) -> Iterator[Item]:
    """Read the message and those attached to it, and then the strings that nobody gave. `part` is the attachment, `column` the property."""
    ole, words = Compound(source), GivenWords()
    for item in _message(ole, storage_of("", ole.paths), "", 0):
        if isinstance(item, Block):
            words.add(item.texts)
        yield item
    yield from words.unsaid((path for path in ole.paths if not _FILES.search(path)), ole.open, shown, ole.budget)
    yield from odd_names(ole.paths, shown)


def storage_of(path: str, streams: list[str]) -> OutlookStorage:
    """The streams of a storage, and those of the storages in it."""
    own: list[str] = []
    inner: dict[str, list[str]] = {}
    skip = len(path) + 1 if path else 0
    for stream in streams:
        head, slash, _ = stream[skip:].partition("/")
        if slash:
            inner.setdefault(head, []).append(stream)
        else:
            own.append(stream)
    return OutlookStorage(path, own, inner)


def _message(ole: Compound, storage: OutlookStorage, part: str, depth: int) -> Iterator[Item]:
    page = code_page(ole, storage, 32 if not storage.path else 24)
    texts: list[tuple[str, str, str]] = []
    for number, kind, stream in properties(storage):
        if kind in (_TEXT, _TEXT8) and number not in (_HTML, _DATA):
            text = yield from _string(ole, stream, kind, page)
            if text.strip():
                texts.append((text, _COLUMNS.get(number, f"property {number}"), "visible" if number in _SHOWN else "metadata"))
        elif number in (_HTML, _RTF):
            yield from _rich_body(ole, stream, number, kind, page, part)
    yield from _blocks(texts, part)
    if any("smime" in text.lower() and "signed" not in text.lower() for text, column, _ in texts if column == f"property {_CLASS}"):
        yield Gap("the message is encrypted", location=part or None, code=ReasonCode.ENCRYPTED)
    for name, streams in storage.inner.items():
        path = f"{storage.path}/{name}" if storage.path else name
        if RECIPIENT.fullmatch(name):
            yield from _recipient(ole, storage_of(path, streams), page, part)
        elif ATTACHMENT.fullmatch(name):
            label = f"attachment {int(name.rpartition('#')[2], 16) + 1}"
            yield from _attachment(ole, storage_of(path, streams), page, f"{part}, {label}" if part else label, depth)


def properties(storage: OutlookStorage) -> Iterator[tuple[str, str, str]]:
    """Yield the number, type and stream of each property that has a stream."""
    for stream in storage.streams:
        found = _PROPERTY.fullmatch(stream.rpartition("/")[2])
        if found:
            yield found[1].upper(), found[2].upper(), stream


def code_page(ole: Compound, storage: OutlookStorage, header: int) -> str:
    """The codec of strings that are not Unicode, from the table of short properties."""
    found: dict[int, int] = {}
    for stream in storage.streams:
        if not stream.endswith("__properties_version1.0"):
            continue
        try:
            data = ole.open(stream)
        except ReadError:
            continue
        for at in range(header, len(data) - 15, 16):
            _, number, _, value = struct.unpack_from("<HHIQ", data, at)
            if number in _CODE_PAGES:
                found[number] = value & 0xFFFFFFFF
    page = next((found[number] for number in _CODE_PAGES if number in found), 0)
    return {0: "cp1252", 65001: "utf-8", 20127: "ascii", 28591: "latin-1", 1200: "utf-16-le"}.get(page, f"cp{page}")


def _string(ole: Compound, stream: str, kind: str, page: str) -> Generator[Item, None, str]:
    data = yield from _opened(ole, stream)
    if kind == _TEXT:
        return data.decode("utf-16-le", "replace").rstrip("\x00")
    return decoded(data, page)[0].rstrip("\x00")


def _opened(ole: Compound, stream: str) -> Generator[Item, None, bytes]:
    try:
        return ole.open(stream)
    except ReadError as error:
        yield Gap.of(error)
    return b""


def _rich_body(ole: Compound, stream: str, number: str, kind: str, page: str, part: str) -> Iterator[Item]:
    data = yield from _opened(ole, stream)
    name = f"{part}, body" if part else "body"
    if number == _HTML and data:
        text = data.decode("utf-16-le", "replace") if kind == _TEXT else decoded(data, page)[0]
        yield Member(f"{name}.html", io.BytesIO(b"\xef\xbb\xbf" + text.encode("utf-8", "replace")))
    elif number == _RTF and data:
        rtf = unpacked_rtf(data)
        if rtf is None:
            yield Gap("the formatted text is not compressed as the format requires", location=part or None)
        else:
            ole.budget.add(len(rtf))
            if len(rtf) >= _MOST_RTF:
                yield Gap(f"only the first {_MOST_RTF} bytes of the body were unpacked", location=name, bound="held_bytes")
            yield Member(f"{name}.rtf", io.BytesIO(rtf))


def _blocks(texts: list[tuple[str, str, str]], part: str) -> Iterator[Block]:
    for view in ("visible", "metadata"):
        some = [(text, column) for text, column, shown in texts if shown == view]
        if some:
            yield Block([text for text, _ in some], column=[column for _, column in some], line=1, part=part or None, view=view)


def _recipient(ole: Compound, storage: OutlookStorage, page: str, part: str) -> Iterator[Item]:
    found: list[str] = []
    for number, kind, stream in properties(storage):
        if kind in (_TEXT, _TEXT8) and number in (_DISPLAY_NAME, "3003", "39FE"):
            text = yield from _string(ole, stream, kind, page)
            if text.strip() and text not in found:
                found.append(text)
    if found:
        yield Block(found, column="recipient", part=part or None, view="metadata")


def _attachment(ole: Compound, storage: OutlookStorage, page: str, part: str, depth: int) -> Iterator[Item]:
    names: dict[str, str] = {}
    data: str | None = None
    for number, kind, stream in properties(storage):
        if number == _DATA and kind == _BINARY:
            data = stream
        elif kind in (_TEXT, _TEXT8):
            names[number] = yield from _string(ole, stream, kind, page)
    name = next((names[number] for number in (_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME) if names.get(number)), part)
    rest = {number: text for number, text in names.items() if text.strip() and text != name}
    if rest:
        yield Block(list(rest.values()), column=[f"property {number}" for number in rest], part=part, view="metadata")
    if data is not None:
        content = yield from _opened(ole, data)
        if name.lower().endswith(".rpmsg"):
            yield Gap("the message is encrypted", location=part, code=ReasonCode.ENCRYPTED)
        yield Member(name, io.BytesIO(content))
    for inner, streams in storage.inner.items():
        path = f"{storage.path}/{inner}"
        if inner.upper() != EMBEDDED.upper():
            continue
        if depth >= DEPTH:
            yield Gap("messages are nested too deeply", location=part, bound="mail_depth")
        elif f"{path}/__properties_version1.0" in streams:
            yield from _message(ole, storage_of(path, streams), part, depth + 1)
        else:
            for stream in streams:
                content = yield from _opened(ole, stream)
                yield Member(f"{name}/{stream[len(path) + 1 :]}", io.BytesIO(content))


def unpacked_rtf(data: bytes) -> bytes | None:
    """Decompress RTF (MS-OXRTFCP): runs of bytes and references to the last 4096 bytes. Returns None if the data is invalid."""
    if len(data) < 16:
        return None
    size, kind = struct.unpack_from("<4xI4s", data)
    if kind == b"MELA":
        return data[16 : 16 + size]
    if kind != b"LZFu":
        return None
    out = bytearray(_PREFIX)
    at, end, most = 16, len(data), min(size, _MOST_RTF) + len(_PREFIX)
    while at < end and len(out) < most:
        control = data[at]
        at += 1
        for bit in range(8):
            if at >= end or len(out) >= most:
                break
            if not control >> bit & 1:
                out.append(data[at])
                at += 1
                continue
            if at + 1 >= end:
                return bytes(out[len(_PREFIX) :])
            reference = data[at] << 8 | data[at + 1]
            at += 2
            if not _copy(out, reference >> 4, (reference & 15) + 2):
                return bytes(out[len(_PREFIX) :])
    return bytes(out[len(_PREFIX) : most])


def _copy(out: bytearray, place: int, length: int) -> bool:
    """Append the referenced part of the ring of 4096 bytes. Returns False for the end marker."""
    distance = (len(out) - place) % 4096
    if distance == 0:
        return False
    for _ in range(length):
        out.append(out[-distance] if distance <= len(out) else 32)
    return True
