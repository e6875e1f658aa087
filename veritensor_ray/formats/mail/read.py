"""Reads email messages and mailboxes: header fields, the texts of the parts with their MIME path, and everything else as members."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.undecoded import undecoded
from veritensor_ray.formats.common.utf8 import is_utf8
from veritensor_ray.formats.mail.header_values import header_text
from veritensor_ray.formats.mail.mime import MailPart, decoded, decoded_body
from veritensor_ray.formats.mail.recognise import header_begin, is_known_field
from veritensor_ray.formats.mail.structure import PAGE, PARTS, TEXT, MailEntity, entities, field_column, is_text, member_name, parameter
from veritensor_ray.formats.mail.unsaid import UNSAID, beside_encoding, unsaid_fields
from veritensor_ray.formats.residue.read import streams_in
from veritensor_ray.formats.residue.strings import VIEW

LARGEST = bounds.MAIL
_SHOWN = frozenset({"from", "to", "cc", "subject"})  # every mail program shows these
_MAILBOX_LINE = re.compile(rb"From \S[^\r\n]{0,300}\d\d:\d\d[^\r\n]{0,60}\r?\n")
_MAILBOX_BARE = re.compile(rb"From [^\s@]{1,64}@[^\s@]{1,255}[ \t]*\r?\n")  # some programs omit the date
_ARMOR = "-----BEGIN PGP MESSAGE-----"
_ENCRYPTED = frozenset({"application/pgp-encrypted", "multipart/encrypted"})
_ENVELOPES = 1000
_ENCODED = re.compile(rb"^content-transfer-encoding[ \t]*:[ \t]*[bq]", re.IGNORECASE | re.MULTILINE)
_LINE = 1 << 16
_YENC = b"=ybegin "


def read_mail(source: Source) -> Iterator[Item]:
    """Read a message. `part` is the MIME path (1.2), `column` a header field; locations count within the field or the decoded part."""
    data = source.file.read(LARGEST + 1)
    yield from _message(data[:LARGEST], source)
    if len(data) > LARGEST:
        raise LimitExceeded("mail_bytes", f"the message is larger than {LARGEST} bytes")


def _message(data: bytes, source: Source) -> Iterator[Item]:
    begin = header_begin(data)
    if data[:begin].strip():
        yield Block([decoded(data[:begin], "utf-8-sig")[0].strip()], column="envelope", line=1, view="metadata")
    unsaid: dict[str, None] = {}
    searched = _Searched(data, source.budget)
    for number, entity in enumerate(entities(data, begin)):
        if number >= PARTS:
            yield Gap(f"only the first {PARTS} parts were read", bound="mail_parts")
            return
        part, kind, path = entity.part, entity.kind, entity.path
        if not part.fields and not path and _ENCODED.search(data):
            yield Gap("the message does not begin with a header: its parts and encodings are read as plain text")
        yield from _header(part, path)
        unsaid.update(dict.fromkeys(one.text for one in unsaid_fields(part.fields)))
        if kind in _ENCRYPTED or (kind.endswith("pkcs7-mime") and "enveloped" in parameter(entity.about, "smime-type", "enveloped")):
            yield Gap("the part is encrypted", location=_location(path), code=ReasonCode.ENCRYPTED)
        if entity.deep:
            yield Gap("parts are nested too deeply; the rest is read as text", location=_location(path), bound="mail_depth")
        if entity.places:
            yield from _around(data, entity)
        if entity.is_split:
            if not entity.closed:
                yield Gap("the boundary that ends the parts is missing: the message may be cut off", location=_location(path))
            continue
        unsaid.update(dict.fromkeys(beside_encoding(data[part.begin : part.end], entity.encoding)))
        yield from _leaf(data, entity, source, searched)
    yield from searched.rest()
    if unsaid:
        yield Block(["\n".join(unsaid)], column=UNSAID, view=VIEW)


def _around(data: bytes, entity: MailEntity) -> Iterator[Item]:
    """Yield the text before the first and after the last boundary, which mail programs do not show."""
    if not entity.is_split:
        yield Gap("the boundary between the parts is missing; they are read as one text", location=_location(entity.path))
        return
    for (begin, end), column in ((entity.places[0], "preamble"), (entity.places[-1], "epilogue")):
        text = decoded(data[begin:end], "")[0]
        if text.strip():
            yield Block([text], part=entity.path or None, column=column, line=1, view="hidden")


def _header(part: MailPart, path: str) -> Iterator[Block]:
    groups: dict[tuple[str, str | None], list[tuple[str, str, int]]] = {}
    for field in part.fields:
        if not is_text(field):
            continue
        text = header_text(field.value)
        view = "visible" if field.name in _SHOWN and not path else "metadata"
        via = "encoded-word" if "=?" in field.value and text != field.value else None
        groups.setdefault((view, via), []).append((text, field_column(field), field.line))
    for (view, via), rows in groups.items():
        texts, columns, lines = zip(*rows, strict=True)
        yield Block(list(texts), column=list(columns), line=list(lines), part=path or None, view=view, decoded_via=via)


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


def _leaf(data: bytes, entity: MailEntity, source: Source, searched: _Searched) -> Iterator[Item]:
    part, path = entity.part, entity.path
    for name in ("content-type", "content-transfer-encoding"):
        if len(set(part.all(name))) > 1:
            yield Gap(f"the part has two different {name} fields; the first one was used", location=_location(path))
    body, via = decoded_body(data[part.begin : part.end], entity.encoding)
    if not body.strip() and not entity.name:
        return
    form = entity.form
    if form == PAGE:
        yield Member(entity.member, io.BytesIO(page(decoded(body, entity.charset)[0])))
        yield from searched.text(body, member_name(path, "")) if via else ()
    elif form == TEXT:
        base = source.byte_base if source.via is None and via is None else None
        yield from _body_blocks(body, via, entity, base)
        yield from searched.text(body, member_name(path, "")) if via else ()
    else:
        searched.file(part.begin, part.end)
        yield Member(entity.member, io.BytesIO(body))


def page(text: str) -> bytes:
    """Return a page as the file that it is given as."""
    return codecs.BOM_UTF8 + text.encode("utf-8", "replace")


def _body_blocks(body: bytes, via: str | None, entity: MailEntity, base: int | None) -> Iterator[Item]:
    text, bad = decoded(body, entity.charset)
    exact = base is not None and not bad and len(text) == len(body)
    yield Block(
        [text],
        part=entity.path or None,
        column="body",
        line=1,
        byte_offset=(base or 0) + entity.part.begin if exact else None,
        decoded_via=via,
    )
    yield from undecoded(bad, entity.charset[:40], _location(entity.path))
    if _ARMOR in text:
        yield Gap("the text contains an encrypted message", location=_location(entity.path), code=ReasonCode.ENCRYPTED)


def _location(path: str) -> str | None:
    return f"part {path}" if path else None


def read_mailbox(source: Source) -> Iterator[Item]:
    """Yield each message as a member.

    The envelope lines before them, which name the senders, are read here. Only one message is in memory at a time.
    """
    envelopes: list[tuple[str, str, int]] = []
    for number, (envelope, line, message, cut) in enumerate(messages(source), 1):
        if envelope.strip():
            envelopes.append((decoded(envelope, "")[0].rstrip("\r\n"), f"message {number}", line))
        if len(envelopes) >= _ENVELOPES:
            yield _envelopes(envelopes)
            envelopes = []
        yield Member(f"message {number}.eml", io.BytesIO(message))
        if cut:
            yield Gap(f"the message is longer than {LARGEST} bytes", member=f"message {number}.eml", bound="mail_bytes")
    if envelopes:
        yield _envelopes(envelopes)


def _envelopes(found: list[tuple[str, str, int]]) -> Block:
    texts, columns, lines = zip(*found, strict=True)
    return Block(list(texts), column=list(columns), line=list(lines), view="metadata")


def messages(source: Source) -> Iterator[tuple[bytes, int, bytes, bool]]:
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
        elif len(message) + len(piece) > LARGEST:
            cut = True
        else:
            message += piece
        after_blank = whole and not piece.strip()
        whole = piece.endswith(b"\n")
        piece = following
    source.counts.lines += line
    if message or envelope:
        yield envelope, began, bytes(message), cut
