"""Rewrites messages and mailboxes: header fields, bodies in their charset and transfer encoding, and the files in them.

The message is parsed as its reader does it, and only the bytes of what changes are replaced. Everything else stays as it is, byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import Any, BinaryIO, NamedTuple

from veritensor_ray.core.media_types import MESSAGE, PLAIN
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.archives.members import ambiguous, count_member, member
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.spool import CHUNK
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Edit, Order, OrderedRange, Orders, Unit, applied
from veritensor_ray.formats.editing.spans import is_there
from veritensor_ray.formats.editing.splice import spliced
from veritensor_ray.formats.mail.header_rewriting import changed_field, in_coded, together
from veritensor_ray.formats.mail.header_values import header_text
from veritensor_ray.formats.mail.mime import Field, decoded_body, decoding, raw_text
from veritensor_ray.formats.mail.read import LARGEST, messages, page
from veritensor_ray.formats.mail.recognise import header_begin
from veritensor_ray.formats.mail.soundness import unsound
from veritensor_ray.formats.mail.structure import PAGE, PARTS, TEXT, MailEntity, entities, field_column, is_text
from veritensor_ray.formats.mail.transfer_encodings import hunks, written_again
from veritensor_ray.formats.mail.unsaid import UNSAID, Said, beside_encoding, unsaid_fields
from veritensor_ray.formats.opened_files import opened
from veritensor_ray.masking.redaction import name_safe

_FROM_LINES = re.compile(rb"^From ", re.MULTILINE)
_STATEFUL = ("utf-7", "utf-16", "utf-32", "hz", "iso2022", "iso-2022")
_NEWLINES_AT_END = re.compile(rb"(?:\r?\n)*\Z")
_SIGNED_TYPES = ("multipart/signed", "application/pkcs7-mime", "application/x-pkcs7-mime")
_SIGNATURES = frozenset({"dkim-signature", "domainkey-signature", "arc-seal", "arc-message-signature"})
_CLEAR_SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"
# What a message says to those who read it and to programs that show it; the other fields are about its way.
_KEPT_FIELDS = frozenset(
    ("from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references", "mime-version")
)
# Fields with ids, which may end with an address, and those about the way.
_TRACES = frozenset({"message-id", "in-reply-to", "references", "received", "content-id"})
_LOCAL = r"[\w.!#$%&'*+/=?^`{|}~-]"
_ADDRESS = re.compile(rf"(?<!{_LOCAL}){_LOCAL}++@[\w.-]++|(?<!\d)\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?!\d)")
_LONGEST = 500  # characters of an address with what precedes it in an id
_EDGE = re.compile(r"[^A-Za-z0-9]")
_HEADER = re.compile(rb"(?:[^\r\n]+\r?\n)*")
_NOBODY = "From MAILER-DAEMON Thu Jan  1 00:00:00 1970"


def rewrite_mail(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write a message with the ordered changes. Raises CannotRewriteError, ReadError."""
    data = bytearray()
    while piece := source.file.read(CHUNK):
        data += piece
        if len(data) > LARGEST:
            raise CannotRewriteError(f"the message is larger than {LARGEST} bytes (mail_bytes)", ReasonCode.LIMIT)
    out.write(_Message(bytes(data), source, orders, orders.replaced()).rewritten())


def rewrite_mailbox(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write a mailbox with the ordered changes to its messages and to the lines before them. One message at a time is in memory."""
    removed = orders.replaced()
    for number, (envelope, _, message, cut) in enumerate(messages(source), 1):
        orders.pulse()
        if cut:
            raise CannotRewriteError(f"message {number} is larger than {LARGEST} bytes (mail_bytes)", ReasonCode.LIMIT)
        out.write(_envelope(envelope, number, orders))
        name = f"message {number}.eml"
        new = _message(name, message, source, orders.member_orders(name), removed)
        if len(_FROM_LINES.findall(new)) != len(_FROM_LINES.findall(message)):
            raise CannotRewriteError(f"{name}: with the changes, one of its lines would begin another message")
        out.write(new)


def _message(name: str, data: bytes, source: Source, orders: Orders, removed: Mapping[str, str]) -> bytes:
    """Return a message of a mailbox with its changes. One in which nothing was found stays as it is if it cannot be rewritten."""
    if not orders and next(_places(_HEADER.match(data)[0].decode("latin-1"), removed), None) is None:  # type: ignore[index]  # it matches anything
        return data
    inner = opened(io.BytesIO(data), name, source.limits, source.budget)
    counts = orders.account.counts.copy()
    try:
        if inner.kind.media_type == MESSAGE:
            count_member(source, orders)
            return _Message(data, inner, orders, removed).rewritten()
        content = member(name, io.BytesIO(data), source, orders)
    except CannotRewriteError as error:
        if any(orders):
            raise CannotRewriteError(f"{name}: {error}") from error
        orders.account.counts = counts  # nothing was stripped after all
        return data
    if content is None:
        return data
    with closing(content):
        return content.read()


def _places(text: str, removed: Mapping[str, str]) -> Iterator[Edit]:
    """Yield where addresses that were removed stand in a text, also at the end of an id, and what takes their place."""
    for found in _ADDRESS.finditer(text) if removed else ():
        whole, start = found[0].rstrip(".-"), found.start()
        for begin in () if len(whole) > _LONGEST else (0, *(edge.end() for edge in _EDGE.finditer(whole, 0, whole.find("@") + 1))):
            if (new := removed.get(whole[begin:])) is not None:
                yield Edit(start + begin, start + len(whole), new)
                break


def _envelope(line: bytes, number: int, orders: Orders) -> bytes:
    """Return the line before a message with its changes. It cannot be empty."""
    text, codec = raw_text(line)
    bare = text.rstrip("\r\n")
    edits = orders.edits(Unit(column=f"message {number}"), bare)
    if not edits:
        return line
    new = applied(bare, edits)
    if not new:
        new = _NOBODY
    if not new.startswith("From ") or (" " not in new[5:].strip() and "@" not in new):
        raise CannotRewriteError(f"the line before message {number} would not begin a message any more")
    return (new + text[len(bare) :]).encode(codec, "replace")


class _NewBytes(NamedTuple):
    """Replace the bytes from `start` to `end` of a message."""

    start: int
    end: int
    data: bytes


class _Message:
    """A message and the changes to it."""

    def __init__(self, data: bytes, source: Source, orders: Orders, removed: Mapping[str, str]) -> None:
        self._data, self._source, self._orders, self._removed = data, source, orders, removed
        self._begin = header_begin(data)
        self._newline = b"\r\n" if b"\r\n" in data[: 1 << 16] or b"\n" not in data else b"\n"
        self._changes: list[_NewBytes] = []
        self._gone: set[int] = set()  # where fields begin that are left out

    def rewritten(self) -> bytes:
        """Return the message as it should be. Raises CannotRewriteError."""
        parts = self._parts(self._data)
        if problem := unsound(self._data, parts):
            raise CannotRewriteError(problem)
        self._names = Counter(self._units(parts))
        self._files = Counter(entity.member for entity in parts if not entity.is_split)
        for entity in parts:
            self._orders.pulse()
            if entity.is_split:
                self._around(entity)
            else:
                self._leaf(entity)
        self._before_header()
        self._headers(parts)
        for entity in reversed(parts):  # the outer ones count what changes in the headers of the inner ones
            self._sizes(entity)
        self._over_bytes()
        if not self._changes:
            return self._data
        new = self._applied()
        self._check(parts, new)
        if self._is_signed(parts):
            self._orders.signature_broken()
        return new

    def _parts(self, data: bytes) -> list[MailEntity]:
        found: list[MailEntity] = []
        for entity in entities(data, header_begin(data)):
            found.append(entity)
            if len(found) > PARTS:
                raise CannotRewriteError(f"it has more than {PARTS} parts (mail_parts)", ReasonCode.LIMIT)
        return found

    # The texts, under the names that the reader gives them

    def _units(self, parts: Sequence[MailEntity]) -> list[Unit]:
        """Return the name of every text; a header field may be called as another text is."""
        units = [Unit(column="envelope")] if self._data[: self._begin].strip() else []
        for entity in parts:
            path = entity.path or None
            units += [Unit(path, column=field_column(field)) for field in entity.part.fields if is_text(field)]
            if entity.is_split:
                units += [Unit(path, column="preamble"), Unit(path, column="epilogue")]
            elif entity.form == TEXT:
                units.append(Unit(path, column="body"))
        return units

    def _edits(self, unit: Unit, text: str, also: Sequence[OrderedRange] = ()) -> list[Edit]:
        """Return the changes to a text. If several have its name, an order counts only where its own text stands."""
        given = self._orders.units.get(unit, ())
        if not given and not also:
            return []
        self._orders.pulse()
        alone = self._names[unit] <= 1
        some = [one for one in given if (alone or one.mark.straight) and one.action is not Action.DROP_CELL and is_there(one.mark, text)]
        return self._orders.merged([*also, *(span for order in some for span in order.spans(text))], text)

    # What is before the header and around the parts

    def _before_header(self) -> None:
        if Unit(column="envelope") not in self._orders.units:
            return
        raw = self._data[: self._begin]
        text, codec = raw_text(raw)
        bare = text.lstrip("\ufeff").strip()
        if edits := self._edits(Unit(column="envelope"), bare):
            new = applied(bare, edits) or _NOBODY
            self._changes.append(_NewBytes(0, len(raw), text.replace(bare, new, 1).encode(codec, "replace")))

    def _around(self, entity: MailEntity) -> None:
        """Leave out the texts before and after the parts, which no program shows."""
        for (begin, end), column in ((entity.places[0], "preamble"), (entity.places[-1], "epilogue")):
            raw = self._data[begin:end]
            drop = self._orders.drop_residue
            if not raw.strip() or (drop is None and Strippable.HIDDEN_TEXT not in self._orders.strip):
                continue
            if drop is not None:
                drop()
            else:
                self._orders.stripped(Strippable.HIDDEN_TEXT)
            unit, text = Unit(entity.path or None, column=column), raw_text(raw)[0]
            for order in self._orders.units.get(unit, ()):
                if self._names[unit] <= 1 or (order.mark.straight and is_there(order.mark, text)):
                    self._orders.tick(order)
            blank = _NEWLINES_AT_END.search(raw)
            self._changes.append(_NewBytes(begin, end, blank[0] if blank and column == "epilogue" else b""))

    # Header fields

    def _headers(self, parts: Sequence[MailEntity]) -> None:
        said = self._said(parts)
        also = self._also(parts)
        for entity in parts:
            for field in entity.part.fields:
                if self._strips(field):
                    self._leave_out(entity, field)
                    continue
                unit = Unit(entity.path or None, column=field_column(field))
                own, coded = said.get(field.begin, ((), ()))
                more = also.get(field.begin, ())
                if not own and not coded and not more and unit not in self._orders.units:
                    continue
                edits = list(own)
                if is_text(field):
                    text = header_text(field.value)
                    emptied = self._names[unit] <= 1 and self._orders.drops_cell(unit)
                    edits += [Edit(0, len(text), "")] if emptied else self._edits(unit, text)
                    edits += [one for one in more if not any(edit.start < one.end and one.start < edit.end for edit in edits)]
                if edits or coded:
                    changed = changed_field(self._data, field, together(together(edits, ()), coded), self._newline)
                    self._changes.append(_NewBytes(*changed))

    def _also(self, parts: Sequence[MailEntity]) -> dict[int, list[Edit]]:
        """Return changes to ids and to the fields about the way that hold a removed value, by where the fields begin.

        Engines do not take an id for an address, although it may end with one. A value that the policy keeps in another field stays.
        """
        fields = [(field, header_text(field.value)) for entity in parts for field in entity.part.fields if is_text(field)]
        found = {field.begin: [*_places(text, self._removed)] for field, text in fields if field.name in _TRACES and self._removed}
        values = {text[edit.start : edit.end] for field, text in fields for edit in found.get(field.begin, ())}
        others = (
            [text for field, text in fields if field.name not in _TRACES and field_column(field) not in self._ordered] if values else []
        )
        kept = {value for value in values if any(value in text for text in others)}
        return {
            field.begin: [edit for edit in found[field.begin] if text[edit.start : edit.end] not in kept]
            for field, text in fields
            if found.get(field.begin)
        }

    @cached_property
    def _ordered(self) -> set[str | None]:
        """The columns that have orders."""
        return {unit.column for unit in self._orders.units}

    def _strips(self, field: Field) -> bool:
        return Strippable.METADATA in self._orders.strip and not (
            field.name in _KEPT_FIELDS or field.name.startswith(("content-", "list-"))
        )

    def _leave_out(self, entity: MailEntity, field: Field) -> None:
        self._gone.add(field.begin)
        self._changes.append(_NewBytes(field.begin, field.end, b""))
        self._orders.stripped(Strippable.METADATA)
        unit = Unit(entity.path or None, column=field_column(field))
        text = header_text(field.value)
        for order in self._orders.units.get(unit, ()):
            if self._names[unit] <= 1 or (order.mark.straight and is_there(order.mark, text)):
                self._orders.tick(order)

    def _said(self, parts: Sequence[MailEntity]) -> dict[int, tuple[list[Edit], list[Edit]]]:
        """Return the changes to what fields say besides their texts: by where the field begins, those in its text, and those in coded pieces.

        An order about the name of a field stays undone, and so does one about lines beside an encoding.
        """
        unit = Unit(column=UNSAID)
        found: dict[int, tuple[list[Edit], list[Edit]]] = {}
        if unit not in self._orders.units:
            return found
        texts: dict[str, list[Said | None]] = {}
        for entity in parts:
            for one in unsaid_fields(entity.part.fields):
                texts.setdefault(one.text, []).append(one)
            for line in () if entity.is_split else beside_encoding(self._data[entity.part.begin : entity.part.end], entity.encoding):
                texts.setdefault(line, []).append(None)
        text = "\n".join(texts)
        ends = list(accumulate(len(one) + 1 for one in texts))
        for (said, places), end in zip(texts.items(), ends, strict=True):
            begin = end - 1 - len(said)
            fields = [one for one in places if one is not None and (one.start >= 0 or one.pieces)]
            own = [order for order in self._orders.units[unit] if begin <= order.mark.start and order.mark.end < end]
            if not own or len(fields) < len(places):
                continue
            some = [span for order in own if is_there(order.mark, text) for span in order.spans(text)]
            edits = [
                Edit(max(0, edit.start - begin), min(len(said), edit.end - begin), edit.text) for edit in self._orders.merged(some, text)
            ]
            for one in fields if edits else ():
                plain, coded = found.setdefault(one.field.begin, ([], []))
                if one.pieces:
                    coded += in_coded(header_text(one.field.value), one.pieces, applied(said, edits))
                else:
                    plain += [Edit(edit.start + one.start, edit.end + one.start, edit.text) for edit in edits]
        return found

    # Bodies

    def _leaf(self, entity: MailEntity) -> None:
        begin, end = entity.part.begin, entity.part.end
        unit, form = Unit(entity.path or None, column="body"), entity.form
        name = entity.member
        inner = self._orders.member_orders(name)
        over = [one for one in self._orders.over_bytes if form == TEXT and begin <= one.mark.start < one.mark.end <= end]
        if not over and (unit not in self._orders.units if form == TEXT else not inner):
            return
        raw = self._data[begin:end]
        body, _ = decoded_body(raw, entity.encoding)
        if not body.strip() and not entity.name:
            return
        if form == TEXT:
            new = self._text(entity, unit, body, over)
        else:
            if any(inner) and (self._files[name] > 1 or ambiguous(name, self._files)):
                raise CannotRewriteError(f"{name_safe(name)}: the message has more than one file of that name")
            new = self._page(entity, body, inner) if form == PAGE else self._file(name, body, inner)
        if new is not None and new != body:
            self._changes.append(_NewBytes(begin, end, written_again(raw, new, entity.encoding, self._newline)))

    def _file(self, name: str, body: bytes, inner: Orders) -> bytes | None:
        content = member(name, io.BytesIO(body), self._source, inner)
        if content is None:
            return None
        with closing(content):
            return content.read()

    def _page(self, entity: MailEntity, body: bytes, inner: Orders) -> bytes | None:
        """Return a page with its changes, in the charset of the message."""
        text, _, codec = decoding(body, entity.charset)
        old = page(text)
        content = self._file(entity.member, old, inner)
        if content is None:
            return None
        edits = [Edit(*hunk) for hunk in hunks(old.decode("utf-8-sig"), content.decode("utf-8-sig"))]
        known = [edit._replace(text=edit.text.encode(codec, "xmlcharrefreplace").decode(codec)) for edit in edits]
        return self._spliced(body, text, codec, known)

    def _text(self, entity: MailEntity, unit: Unit, body: bytes, over: Sequence[Order]) -> bytes | None:
        """Return a text with its changes. Orders over bytes count where each byte of the message is a character."""
        text, _, codec = decoding(body, entity.charset)
        begin, plain = entity.part.begin, len(text) == len(body) == entity.part.end - entity.part.begin
        also = [one for order in over if plain for one in order.spans(text, (order.mark.start - begin, order.mark.end - begin))]
        edits = self._edits(unit, text, also)
        return self._spliced(body, text, codec, edits) if edits else None

    def _spliced(self, body: bytes, text: str, codec: str, edits: Sequence[Edit]) -> bytes:
        """Return a body with changes to its text. Raises CannotRewriteError."""
        known = [edit._replace(text=edit.text.encode(codec, "replace").decode(codec)) for edit in edits]
        new = applied(text, known)
        if codec.replace("_", "-").startswith(_STATEFUL):  # the bytes of a character depend on those before it
            if text.encode(codec, "replace") != body:
                raise CannotRewriteError("a text is not written as its charset is")
            done = new.encode(codec, "replace")
        else:
            out = io.BytesIO()
            spliced(replace(self._source, file=io.BytesIO(body), kind=Kind(PLAIN, codec)), out, known, self._orders.pulse)
            done = out.getvalue()
        if decoding(done, codec)[0] != new:
            raise CannotRewriteError("a text cannot be changed in places in its charset")
        return done

    # What depends on the changes

    def _sizes(self, entity: MailEntity) -> None:
        """Keep the fields right that count a body or say its digest, if they were right before."""
        begin, end = entity.part.begin, entity.part.end
        fields = {field.name: field for field in entity.part.fields if field.begin not in self._gone}
        if not fields.keys() & {"content-length", "lines", "content-md5"}:
            return
        own = [one for one in self._changes if begin <= one.start and one.end <= end]
        if not own:
            return
        old = self._data[begin:end]
        new = _with(old, [_NewBytes(one.start - begin, one.end - begin, one.data) for one in own])
        for name, before, after in (
            ("content-length", len(old), len(new)),
            ("lines", old.count(b"\n"), new.count(b"\n")),
        ):
            field = fields.get(name)
            if field is not None and field.value.isdecimal() and len(field.value) < 12 and 0 <= before - int(field.value) <= 2:
                self._replace(field, b"%d" % (int(field.value) + after - before))
        if "content-md5" in fields and not entity.is_split:
            self._replace(fields["content-md5"], base64.b64encode(_md5(decoded_body(new, entity.encoding)[0])))

    def _replace(self, field: Field, value: bytes) -> None:
        old = self._data[field.start : field.stop]
        begin = field.start + len(old) - len(old.lstrip())
        change = _NewBytes(begin, field.start + len(old.rstrip()), value)
        self._changes = [one for one in self._changes if one.end <= change.start or one.start >= change.end] + [change]

    def _over_bytes(self) -> None:
        """Account for orders over bytes that have been replaced."""
        for order in self._orders.over_bytes:
            if any(one.start <= order.mark.start < order.mark.end <= one.end for one in self._changes):
                self._orders.tick(order)

    def _applied(self) -> bytes:
        self._changes.sort()
        if any(one.end > other.start for one, other in zip(self._changes, self._changes[1:], strict=False)):
            raise CannotRewriteError("two of its changes overlap")
        return _with(self._data, self._changes)

    def _check(self, parts: Sequence[MailEntity], new: bytes) -> None:
        """Raise CannotRewriteError if the parts of the new message are not those of the old one."""
        again = self._parts(new)
        if [self._form(one, self._gone) for one in parts] != [self._form(one, frozenset()) for one in again] or unsound(new, again):
            raise CannotRewriteError("the changes would change its parts")

    def _form(self, entity: MailEntity, gone: Any) -> tuple[Any, ...]:
        names = [field.name for field in entity.part.fields if field.begin not in gone]
        said = [value.partition(";")[0] for name in ("content-type", "content-disposition") for value in entity.part.all(name)]
        form = "" if entity.is_split else entity.form
        return entity.path, entity.kind, entity.boundary, entity.encoding, entity.charset, form, len(entity.places), names, said

    def _is_signed(self, parts: Sequence[MailEntity]) -> bool:
        return _CLEAR_SIGNED in self._data or any(
            entity.kind in _SIGNED_TYPES or any(field.name in _SIGNATURES for field in entity.part.fields) for entity in parts
        )


def _with(data: bytes, changes: Sequence[_NewBytes]) -> bytes:
    pieces, at = list[bytes](), 0
    for change in sorted(changes):
        pieces += [data[at : change.start], change.data]
        at = change.end
    return b"".join([*pieces, data[at:]])


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
