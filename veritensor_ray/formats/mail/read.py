"""Reads email messages and mailboxes: header fields, the texts of the parts with their MIME path, and everything else as members."""

from __future__ import annotations

import io
import mimetypes
import re
from collections.abc import Iterator
from email.message import Message
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.media_types import CSV, HTML, MESSAGE, PLAIN, XML
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.undecoded import undecoded
from veritensor_ray.formats.common.utf8 import is_utf8
from veritensor_ray.formats.mail.mime import MailPart, decoded, decoded_body, header_text, read_part, split_parts
from veritensor_ray.formats.mail.recognise import header_begin, is_known_field
from veritensor_ray.formats.mail.unsaid import beside_encoding, unsaid_fields
from veritensor_ray.formats.residue.read import streams_in
from veritensor_ray.formats.residue.strings import VIEW

_LARGEST = bounds.MAIL
_DEPTH = bounds.MAIL_DEPTH
_PARTS = bounds.MAIL_PARTS
_SHOWN = frozenset({"from", "to", "cc", "subject"})  # every mail program shows these
_STRUCTURAL = frozenset({"content-type", "content-transfer-encoding", "mime-version"})
_LONG = 200
_MAILBOX_LINE = re.compile(rb"From \S[^\r\n]{0,300}\d\d:\d\d[^\r\n]{0,60}\r?\n")
_MAILBOX_BARE = re.compile(rb"From [^\s@]{1,64}@[^\s@]{1,255}[ \t]*\r?\n")  # some programs omit the date
_ARMOR = "-----BEGIN PGP MESSAGE-----"
_ENCRYPTED = frozenset({"application/pgp-encrypted", "multipart/encrypted"})
_AS_TEXT = frozenset({"message/delivery-status", "message/disposition-notification", "message/external-body", "message/partial"})
_ENVELOPES = 1000
_ENCODED = re.compile(rb"^content-transfer-encoding[ \t]*:[ \t]*[bq]", re.IGNORECASE | re.MULTILINE)
_LINE = 1 << 16
_YENC = b"=ybegin "


class _MailPlace(NamedTuple):
    """A part that is still to be read: its bytes, its path, its depth, and the line in which it begins."""

    begin: int
    end: int
    path: str
    depth: int
    line: int


def read_mail(source: Source) -> Iterator[Item]:
    """Read a message. `part` is the MIME path (1.2), `column` a header field; locations count within the field or the decoded part."""
    data = source.file.read(_LARGEST + 1)
    yield from _message(data[:_LARGEST], source)
    if len(data) > _LARGEST:
        raise LimitExceeded("mail_bytes", f"the message is larger than {_LARGEST} bytes")


def _message(data: bytes, source: Source) -> Iterator[Item]:
    begin = header_begin(data)
    if data[:begin].strip():
        yield Block([decoded(data[:begin], "utf-8-sig")[0].strip()], column="envelope", line=1, view="metadata")
    unsaid: dict[str, None] = {}
    searched = _Searched(data, source.budget)
    ahead, count = [_MailPlace(begin, len(data), "", 0, 1 + data.count(b"\n", 0, begin))], 0
    while ahead:
        place = ahead.pop()
        count += 1
        if count > _PARTS:
            yield Gap(f"only the first {_PARTS} parts were read", bound="mail_parts")
            return
        part = read_part(data, place.begin, place.end, place.line)
        if not part.fields and not place.path and _ENCODED.search(data):
            yield Gap("the message does not begin with a header: its parts and encodings are read as plain text")
        yield from _header(part, place.path)
        unsaid.update(dict.fromkeys(unsaid_fields(part.fields, _STRUCTURAL, _LONG)))
        about = part.about
        kind = _kind(about)
        boundary = _parameter(about, "boundary")
        if kind in _ENCRYPTED or (kind.endswith("pkcs7-mime") and "enveloped" in _parameter(about, "smime-type", "enveloped")):
            yield Gap("the part is encrypted", location=_location(place.path), code=ReasonCode.ENCRYPTED)
        if kind.startswith("multipart/") and boundary:
            if place.depth >= _DEPTH:
                yield Gap("parts are nested too deeply; the rest is read as text", location=_location(place.path), bound="mail_depth")
            else:
                places, closed = split_parts(data, part.begin, part.end, boundary, _PARTS)
                yield from _around(data, places, place.path)
                if not closed and len(places) > 1:
                    yield Gap("the boundary that ends the parts is missing: the message may be cut off", location=_location(place.path))
                if len(places) > 1:
                    ahead += reversed(_inner(data, places, place))
                    continue
        unsaid.update(dict.fromkeys(beside_encoding(data[part.begin : part.end], _encoding(part))))
        yield from _leaf(data, part, kind, about, place, source, searched)
    yield from searched.rest()
    if unsaid:
        yield Block(["\n".join(unsaid)], column="names and parameters", view=VIEW)


def _inner(data: bytes, places: list[tuple[int, int]], place: _MailPlace) -> list[_MailPlace]:
    """The locations of the parts of a multipart; line numbers continue from one to the next."""
    found: list[_MailPlace] = []
    line, at = place.line, place.begin
    for number, (begin, end) in enumerate(places[1:-1], 1):
        line += data.count(b"\n", at, begin)
        at = begin
        found.append(_MailPlace(begin, end, f"{place.path}.{number}" if place.path else str(number), place.depth + 1, line))
    return found


def _around(data: bytes, places: list[tuple[int, int]], path: str) -> Iterator[Item]:
    """Yield the text before the first and after the last boundary, which mail programs do not show."""
    if len(places) < 2:
        yield Gap("the boundary between the parts is missing; they are read as one text", location=_location(path))
        return
    for (begin, end), column in ((places[0], "preamble"), (places[-1], "epilogue")):
        text = decoded(data[begin:end], "")[0]
        if text.strip():
            yield Block([text], part=path or None, column=column, line=1, view="hidden")


def _header(part: MailPart, path: str) -> Iterator[Block]:
    groups: dict[tuple[str, str | None], list[tuple[str, str, int]]] = {}
    for field in part.fields:
        if not field.value or (field.name in _STRUCTURAL and len(field.value) < _LONG):
            continue
        text = header_text(field.value)
        view = "visible" if field.name in _SHOWN and not path else "metadata"
        via = "encoded-word" if "=?" in field.value and text != field.value else None
        groups.setdefault((view, via), []).append((text, field.name or "header", field.line))
    for (view, via), rows in groups.items():
        texts, columns, lines = zip(*rows, strict=True)
        yield Block(list(texts), column=list(columns), line=list(lines), part=path or None, view=view, decoded_via=via)


def _encoding(part: MailPart) -> str:
    return "".join(part.all("content-transfer-encoding")[:1]).partition(";")[0].strip().lower()


class _Searched:
    """Searches a message for compressed data. An attachment is left out, because it is searched as a file of its own."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        self._data, self._budget = data, budget
        self._files: list[tuple[int, int]] = []

    def file(self, begin: int, end: int) -> None:
        """Note that these bytes are a file."""
        self._files.append((begin, end))

    def text(self, body: bytes, name: str) -> Iterator[Item]:
        """Yield what is compressed in a text. Valid UTF-8 is not compressed."""
        if not is_utf8(body) or _YENC in body:
            yield from streams_in(body, name, self._budget)

    def rest(self) -> Iterator[Item]:
        """Yield what is compressed in the message itself."""
        if self._data.isascii() and _YENC not in self._data:
            return
        rest = bytearray(self._data)
        for begin, end in self._files:
            rest[begin:end] = bytes(end - begin)
        yield from self.text(bytes(rest), "message")


def _leaf(data: bytes, part: MailPart, kind: str, about: Message, place: _MailPlace, source: Source, searched: _Searched) -> Iterator[Item]:
    for name in ("content-type", "content-transfer-encoding"):
        if len(set(part.all(name))) > 1:
            yield Gap(f"the part has two different {name} fields; the first one was used", location=_location(place.path))
    body, via = decoded_body(data[part.begin : part.end], _encoding(part))
    name = _file_name(about)
    if not body.strip() and not name:
        return
    charset = _parameter(about, "charset")
    is_text = kind.startswith(("text/", "multipart/")) or kind in _AS_TEXT
    if kind == HTML and not name:
        text = decoded(body, charset)[0]
        yield Member(_member_name(place.path, ".html"), io.BytesIO(b"\xef\xbb\xbf" + text.encode("utf-8", "replace")))
        yield from searched.text(body, _member_name(place.path, "")) if via else ()
    elif is_text and not name and kind not in (CSV, "text/calendar", "text/rtf", XML):
        yield from _body_blocks(body, via, charset, place, source.byte_base if source.via is None and via is None else None, part.begin)
        yield from searched.text(body, _member_name(place.path, "")) if via else ()
    else:
        searched.file(part.begin, part.end)
        yield Member(name or _member_name(place.path, _extension(kind)), io.BytesIO(body))


def _body_blocks(body: bytes, via: str | None, charset: str, place: _MailPlace, base: int | None, begin: int) -> Iterator[Item]:
    text, bad = decoded(body, charset)
    exact = base is not None and not bad and len(text) == len(body)
    yield Block(
        [text],
        part=place.path or None,
        column="body",
        line=1,
        byte_offset=(base or 0) + begin if exact else None,
        decoded_via=via,
    )
    yield from undecoded(bad, charset[:40], _location(place.path))
    if _ARMOR in text:
        yield Gap("the text contains an encrypted message", location=_location(place.path), code=ReasonCode.ENCRYPTED)


def _location(path: str) -> str | None:
    return f"part {path}" if path else None


def _member_name(path: str, extension: str) -> str:
    return f"part {path}{extension}" if path else f"body{extension}"


def _kind(about: Message) -> str:
    try:
        return about.get_content_type()
    except (ValueError, TypeError, IndexError, AttributeError):
        return PLAIN


def _parameter(about: Message, name: str, missing: str = "") -> str:
    try:
        found = about.get_param(name, missing)
    except (ValueError, TypeError, IndexError, LookupError):
        return missing
    if isinstance(found, tuple):
        found = decoded(found[2].encode("latin-1", "replace"), found[0] or "")[0]
    return str(found)


def _file_name(about: Message) -> str:
    """The file name from the content disposition, or else from the content type."""
    try:
        found = about.get_filename("")
    except (ValueError, TypeError, IndexError, LookupError):
        found = ""
    return header_text(str(found)).strip()


def _extension(kind: str) -> str:
    return ".eml" if kind == MESSAGE else mimetypes.guess_extension(kind, strict=False) or ""


def read_mailbox(source: Source) -> Iterator[Item]:
    """Yield each message as a member.

    The envelope lines before them, which name the senders, are read here. Only one message is in memory at a time.
    """
    envelopes: list[tuple[str, str, int]] = []
    for number, (envelope, line, message, cut) in enumerate(_messages(source), 1):
        if envelope.strip():
            envelopes.append((decoded(envelope, "")[0].rstrip("\r\n"), f"message {number}", line))
        if len(envelopes) >= _ENVELOPES:
            yield _envelopes(envelopes)
            envelopes = []
        yield Member(f"message {number}.eml", io.BytesIO(message))
        if cut:
            yield Gap(f"the message is longer than {_LARGEST} bytes", member=f"message {number}.eml", bound="mail_bytes")
    if envelopes:
        yield _envelopes(envelopes)


def _envelopes(found: list[tuple[str, str, int]]) -> Block:
    texts, columns, lines = zip(*found, strict=True)
    return Block(list(texts), column=list(columns), line=list(lines), view="metadata")


def _messages(source: Source) -> Iterator[tuple[bytes, int, bytes, bool]]:
    """Yield the envelope line, its number, the message, and whether it was cut. A new message begins after an empty line.

    Lines without a date count only if the first line has none either, and only before a known mail field.
    """
    envelope, began, line, cut, after_blank = b"", 1, 0, False, True
    message = bytearray()
    whole = True  # whether the last piece ended a line
    piece = source.file.readline(_LINE)
    bare = piece.startswith(b"From ") and not _MAILBOX_LINE.match(piece)
    while piece:
        following = source.file.readline(_LINE)
        line += whole
        first = _MAILBOX_LINE.match(piece) or (bare and (line == 1 or _MAILBOX_BARE.match(piece)) and is_known_field(following))
        if whole and after_blank and first:
            if message or envelope:
                yield envelope, began, bytes(message), cut
            envelope, began, message, cut = piece, line, bytearray(), False
        elif len(message) + len(piece) > _LARGEST:
            cut = True
        else:
            message += piece
        after_blank = whole and not piece.strip()
        whole = piece.endswith(b"\n")
        piece = following
    source.counts.lines += line
    if message or envelope:
        yield envelope, began, bytes(message), cut
