"""Writes an Outlook message (.msg) as a mail (.eml): nothing here can change an Outlook message in place, but mails can be rewritten.

The same message always becomes the same bytes. What a mail cannot say is not carried over: categories, flags, and other properties that
only Outlook shows.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import quopri
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import format_datetime
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import CopyCode
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.mail.mime import decoded
from veritensor_ray.formats.mail.outlook import (
    ATTACHMENT,
    DEPTH,
    EMBEDDED,
    RECIPIENT,
    OutlookStorage,
    code_page,
    properties,
    storage_of,
    unpacked_rtf,
)
from veritensor_ray.formats.office.ole.compound import Compound

_TEXT, _TEXT8, _BINARY = "001F", "001E", "0102"
_MAILS = re.compile(r"IPM|IPM\.(?:Note|Post)(?!\.(?:SMIME|Secure))(?:\..*)?", re.IGNORECASE)
_FIELD = re.compile(r"([!-9;-~]+):[ \t]?(.*(?:\n[ \t].*)*)")
_SHAPE = ("content-", "mime-version")  # fields about how the message was written when it travelled
_ADDRESS = re.compile(r"[^\s<>@,;:\"()]+@[^\s<>@,;:\"()]+")
_PLAIN = re.compile(r"[\w !#$%&'*+/=?^`{|}~-]*", re.ASCII)
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_TO = {1: "To", 2: "Cc", 3: "Bcc"}
_KIND, _SENT, _DELIVERED = 0x0C15, 0x0039, 0x0E06  # short properties: of a recipient, and dates of a message
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_LINE = 76
Pulse = Callable[[], None]


class _MailPiece(NamedTuple):
    """A part of a mail: its fields and its body, which is written as they say."""

    fields: tuple[str, ...]
    body: bytes

    @property
    def data(self) -> bytes:
        return "".join(f"{one}\r\n" for one in self.fields).encode("ascii", "replace") + b"\r\n" + self.body


def write_as_mail(source: Source, out: BinaryIO, pulse: Pulse) -> None:
    """Write the message as a mail. Raises CannotRewriteError for what is not a mail, and ReadError."""
    ole = Compound(source)
    out.write(_mail(ole, storage_of("", ole.paths), pulse, 0).data)


def _mail(ole: Compound, storage: OutlookStorage, pulse: Pulse, depth: int) -> _MailPiece:
    pulse()
    page, short = code_page(ole, storage, 24 if storage.path else 32), _short(ole, storage, 24 if storage.path else 32)
    said = _Said(ole, storage, page)
    kind = said.text("001A") or "IPM.Note"
    if not _MAILS.fullmatch(kind):
        raise CannotRewriteError("it is an Outlook item of another kind, such as a contact or an appointment", CopyCode.TYPE_NOT_REWRITTEN)
    body = _bodies(said)
    files = [_attachment(ole, one, page, pulse, depth) for one in _inner(storage, ATTACHMENT)]
    if files:
        body = _multipart("mixed", [body, *files])
    fields = [*_headers(said, ole, storage, page, short), "MIME-Version: 1.0", *body.fields]
    return _MailPiece(tuple(fields), body.body)


class _Said:
    """The properties of a storage that have streams of their own."""

    def __init__(self, ole: Compound, storage: OutlookStorage, page: str) -> None:
        self._ole, self._page = ole, page
        self._streams = {(number, kind): stream for number, kind, stream in properties(storage)}

    def text(self, *numbers: str) -> str:
        """Return the first of these properties that says something."""
        for number in numbers:
            for kind in (_TEXT, _TEXT8):
                if (stream := self._streams.get((number, kind))) is not None:
                    data = self._ole.open(stream)
                    text = data.decode("utf-16-le", "replace") if kind == _TEXT else decoded(data, self._page)[0]
                    if (text := text.rstrip("\x00")).strip():
                        return text.encode("utf-8", "replace").decode()
        return ""

    def bytes(self, number: str) -> bytes | None:
        """Return a property of bytes; None if it is not there."""
        stream = self._streams.get((number, _BINARY))
        return None if stream is None else self._ole.open(stream)

    def page_text(self, number: str) -> str:
        """Return a property that may be a text or the bytes of one."""
        data = self.bytes(number)
        return self.text(number) if data is None else decoded(data, self._page)[0].encode("utf-8", "replace").decode()


def _inner(storage: OutlookStorage, name: re.Pattern[str]) -> Iterator[OutlookStorage]:
    for own, streams in storage.inner.items():
        if name.fullmatch(own):
            yield storage_of(f"{storage.path}/{own}" if storage.path else own, streams)


def _short(ole: Compound, storage: OutlookStorage, header: int) -> dict[int, int]:
    """Return the short properties as numbers of eight bytes."""
    found: dict[int, int] = {}
    for stream in storage.streams:
        if stream.endswith("__properties_version1.0"):
            data = ole.open(stream)
            for at in range(header, len(data) - 15, 16):
                _, number, _, value = struct.unpack_from("<HHIQ", data, at)
                found.setdefault(number, value)
    return found


# The header


def _headers(said: _Said, ole: Compound, storage: OutlookStorage, page: str, short: dict[int, int]) -> Iterator[str]:
    """Yield the fields: those that the message travelled with, if they are known, and what the properties say besides."""
    known = set[str]()
    for found in _FIELD.finditer(re.sub(r"\r\n?", "\n", said.text("007D"))):
        name = found[1].lower()
        if not name.startswith(_SHAPE):
            known.add(name)
            lines = [line for line in found[2].split("\n") if line.strip()]
            yield "\r\n".join(
                [f"{found[1]}: {_ascii(lines[0].strip()) if lines else ''}", *(f" {_ascii(one.strip())}" for one in lines[1:])]
            )
    people: dict[str, list[str]] = {"From": [_person(said.text("0042", "0C1A"), said.text("5D02", "0065", "5D01", "0C1F"))]}
    for one in _inner(storage, RECIPIENT):
        about = _Said(ole, one, page)
        name = _TO.get(_short(ole, one, 8).get(_KIND, 1) & 0xFFFFFFFF, "To")
        people.setdefault(name, []).append(_person(about.text("3001"), about.text("39FE", "3003")))
    for name, number in (("To", "0E04"), ("Cc", "0E03"), ("Bcc", "0E02")):
        if name not in people:
            people[name] = [_person(text.strip(), "") for text in said.text(number).split(";")]
    for name, some in people.items():
        if name.lower() not in known and any(some):
            yield f"{name}: " + ",\r\n ".join(filter(None, some))
    if "subject" not in known:
        yield _field("Subject", said.text("0037"))
    if "date" not in known and (date := _date(short.get(_SENT) or short.get(_DELIVERED) or 0)):
        yield f"Date: {date}"
    for name, number in (("Message-ID", "1035"), ("In-Reply-To", "1042"), ("References", "1039")):
        if name.lower() not in known and (text := _CONTROLS.sub(" ", said.text(number)).strip()):
            yield f"{name}: {_ascii(text)}"


def _person(name: str, address: str) -> str:
    """Return somebody as fields of addresses say it. Addresses of other kinds than that of the internet say nothing elsewhere."""
    name, address = (_CONTROLS.sub(" ", one).strip().strip("'\"") for one in (name, address))
    if not _ADDRESS.fullmatch(address):
        address = ""
    if _ADDRESS.fullmatch(name):
        name, address = ("" if address in ("", name) else name), address or name
    shown = name if _PLAIN.fullmatch(name) else f'"{name.replace(chr(92), "").replace(chr(34), "")}"' if name.isascii() else _ascii(name)
    local = _ascii(address) if address.isascii() else address.encode("ascii", "backslashreplace").decode()
    return f"{shown} <{local}>" if shown and local else shown or local


def _field(name: str, text: str) -> str:
    return f"{name}: {_ascii(_CONTROLS.sub(' ', text).strip())}"


def _ascii(text: str) -> str:
    """Return what a field says in ASCII. Lines may be long: nobody reads them, and a fold could part what belongs together."""
    text = _CONTROLS.sub(" ", text)
    return text if text.isascii() else Header(text, "utf-8").encode(linesep="\r\n")


def _date(stamp: int) -> str:
    """Return a date of Windows as mails write it; nothing if it is none."""
    try:
        return format_datetime(_EPOCH + timedelta(microseconds=stamp // 10)) if stamp else ""
    except (OverflowError, ValueError):
        return ""


# The bodies and the files


def _bodies(said: _Said) -> _MailPiece:
    """Return the text of the message in each of the forms that it has."""
    plain, page, packed = said.page_text("1000"), said.page_text("1013"), said.bytes("1009")
    forms = [_text("plain", plain)] if plain or not (page or packed) else []
    if packed is not None and not page:
        rtf = unpacked_rtf(packed)
        if rtf is None:
            raise CannotRewriteError("its formatted text is not compressed as the format requires")
        forms.append(_coded(("Content-Type: text/rtf",), rtf))
    if page:
        forms.append(_text("html", page))
    return forms[0] if len(forms) == 1 else _multipart("alternative", forms)


def _text(kind: str, text: str) -> _MailPiece:
    """Return a text in lines that programs can read without decoding, unless most of it is not ASCII."""
    data = re.sub(r"\r\n?", "\n", text).encode("utf-8", "replace")
    about = f"Content-Type: text/{kind}; charset=utf-8"
    if 4 * sum(one > 0x7F for one in data) > len(data) or b"\0" in data:
        return _coded((about,), data.replace(b"\n", b"\r\n"))
    lines = quopri.encodestring(data).rstrip(b"\n").replace(b"\n", b"\r\n") + b"\r\n"
    return _MailPiece((about, "Content-Transfer-Encoding: quoted-printable"), lines)


def _coded(fields: Sequence[str], data: bytes) -> _MailPiece:
    body = base64.b64encode(data)
    lines = [body[at : at + _LINE] for at in range(0, len(body), _LINE)]
    return _MailPiece((*fields, "Content-Transfer-Encoding: base64"), b"\r\n".join([*lines, b""]))


def _multipart(kind: str, parts: Sequence[_MailPiece]) -> _MailPiece:
    """Return parts in one. No line of base64 or quoted-printable can be the boundary, and it depends only on what is in the parts."""
    digest = hashlib.sha256(b"".join(one.data for one in parts)).hexdigest()
    boundary = f"=_{digest[:40]}"
    pieces = [f"--{boundary}\r\n".encode() + one.data + (b"" if one.data.endswith(b"\r\n") else b"\r\n") for one in parts]
    return _MailPiece((f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"',), b"".join(pieces) + f"--{boundary}--\r\n".encode())


def _attachment(ole: Compound, storage: OutlookStorage, page: str, pulse: Pulse, depth: int) -> _MailPiece:
    pulse()
    said = _Said(ole, storage, page)
    name = _CONTROLS.sub(" ", said.text("3707", "3704", "3001")).strip()
    inside = next((f"{storage.path}/{one}" for one in storage.inner if one.upper() == EMBEDDED.upper()), None)
    if inside is not None:
        return _message(ole, inside, storage, pulse, depth, name)
    data = said.bytes("3701")
    if data is None:
        raise CannotRewriteError("an attachment is only a reference to a file elsewhere")
    kind = said.text("370E").strip().lower()
    if not _TYPE.fullmatch(kind) or kind.startswith(("multipart/", "message/")):
        kind = mimetypes.guess_type(name, strict=False)[0] or "application/octet-stream"
    content_id = _CONTROLS.sub("", said.text("3712")).strip(" <>")
    fields = [f"Content-Type: {kind}", _disposition("inline" if content_id else "attachment", name)]
    if content_id and content_id.isascii():
        fields.append(f"Content-ID: <{content_id}>")
    return _coded(fields, data)


def _message(ole: Compound, path: str, storage: OutlookStorage, pulse: Pulse, depth: int, name: str) -> _MailPiece:
    """Return an attached message as a mail in the mail."""
    streams = next(streams for own, streams in storage.inner.items() if path == f"{storage.path}/{own}")
    if f"{path}/__properties_version1.0" not in streams:
        raise CannotRewriteError("an attachment is an object of another program, which a mail cannot hold", CopyCode.TYPE_NOT_REWRITTEN)
    if depth >= DEPTH:
        raise ReadError("messages are nested too deeply")
    inner = _mail(ole, storage_of(path, streams), pulse, depth + 1)
    stem = name.removesuffix(".msg") or "message"
    return _MailPiece(("Content-Type: message/rfc822", _disposition("attachment", f"{stem}.eml")), inner.data)


def _disposition(kind: str, name: str) -> str:
    """Return the field with the name of a file."""
    if not name:
        return f"Content-Disposition: {kind}"
    if name.isascii():
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'Content-Disposition: {kind};\r\n filename="{quoted}"'
    return f"Content-Disposition: {kind};\r\n filename*=utf-8''{quote(name, safe='')}"
