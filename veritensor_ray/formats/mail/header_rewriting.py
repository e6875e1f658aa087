"""Writes changes to the text of a header field: in encoded words, in folded lines, and as parameters and addresses need them.

It does not depend on orders.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, applied
from veritensor_ray.formats.editing.placing import combined
from veritensor_ray.formats.mail.header_values import HeaderPiece, header_pieces, header_text
from veritensor_ray.formats.mail.mime import FOLD, Field, decoded, raw_text
from veritensor_ray.formats.mail.unsaid import PARAMETER, CodedPiece

_LONGEST_WORD = 75  # characters of an encoded word
_IN_WORDS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_TOKEN = re.compile(r"[!#$&+\-.^_`|~0-9A-Za-z]+")
_MASK = re.compile(r"\[([A-Z0-9_]+)\]")
_EMPTY_LINES = re.compile(r"\r?\n[ \t]+(?=\r?\n|\Z)")
_UNSTRUCTURED = frozenset({"subject", "comments"})
_WITH_PARAMETERS = frozenset({"content-type", "content-disposition"})
_RECIPIENTS = ("to", "cc", "bcc", "delivered-to", "received")
_ADDRESSES = frozenset(
    ("from", "sender", "reply-to", "return-path", "errors-to", *_RECIPIENTS, "message-id", "in-reply-to", "references", "content-id")
)
_MASKED = "masked.invalid"  # a domain that no one can have (RFC 2606)


def changed_field(data: bytes, field: Field, edits: Sequence[Edit], newline: bytes) -> tuple[int, int, bytes]:
    """Return a range of the message and what takes its place, for changes to the text of a field: ascending, not overlapping.

    Raises CannotRewriteError.
    """
    whole, codec = raw_text(data[field.start : field.stop])
    value = field.value
    before = whole.index(value)
    if codec != "utf-8" and "\ufffd" in value:
        raise CannotRewriteError("a field of its header holds bytes that are not characters")
    text = header_text(value)
    some = list(_fitted(field.name, text, edits))
    said = applied(text, some)
    new = _EMPTY_LINES.sub("", _changed(value, some, newline.decode()))
    if not _says(new, said) and field.name in _UNSTRUCTURED:  # white space between encoded words, for example, would not be seen
        new = _words(said, HeaderPiece(said, 0, 0, "utf-8", "Q"), newline.decode())
    if not _says(new, said):
        raise CannotRewriteError("a field of its header cannot be written with its changes")
    start = field.start + _size(whole[:before], codec)
    return start, start + _size(value, codec), new.encode("utf-8" if value.isascii() else codec, "replace")


def _says(value: str, text: str) -> bool:
    """Return whether a value is one field, with this text."""
    return header_text(value).split() == text.split() and not {"\r", "\n"} & {*FOLD.sub("", value)}


def _size(text: str, codec: str) -> int:
    return len(text.encode(codec, "replace"))


def _changed(value: str, edits: Sequence[Edit], newline: str) -> str:
    """Return the value of a field with changes to its text."""
    folds = [found.span() for found in FOLD.finditer(value)]
    unfolded = FOLD.sub(" ", value)
    gone, places, ends = 0, list[int](), list[int]()  # where folds stand in the unfolded value, and how many characters they hide
    for start, end in folds:
        places.append(start - gone)
        gone += end - start - 1
        ends.append(gone)

    def at(char: int) -> int:
        number = bisect_left(places, char)
        return char + (ends[number - 1] if number else 0)

    made = [Edit(at(start), at(end), new) for start, end, new in _in_pieces(unfolded, edits, newline)]
    return applied(value, made)


def _in_pieces(unfolded: str, edits: Sequence[Edit], newline: str) -> Iterator[Edit]:
    """Yield changes to the unfolded value. Of encoded words, all that follow each other are written anew."""
    left, base = deque(edits), 0
    for piece in header_pieces(unfolded):
        end = base + len(piece.text)
        own = list[Edit]()
        while left and (left[0].start < end or (left[0].start == left[0].end == end)):
            edit = left.popleft()
            own.append(Edit(edit.start - base, min(edit.end, end) - base, edit.text))
            if edit.end > end:  # the rest of it is in the next piece, and the text that takes its place is here
                left.appendleft(Edit(end, edit.end, ""))
                break
        if own and piece.charset is None:
            yield from (Edit(piece.start + edit.start, piece.start + edit.end, edit.text) for edit in own)
        elif own:
            yield Edit(piece.start, piece.end, _words(applied(piece.text, own), piece, newline))
        base = end


def _words(text: str, piece: HeaderPiece, newline: str) -> str:
    """Return a text as encoded words, in the charset that it had if that has all its characters."""
    for charset in dict.fromkeys((piece.charset or "utf-8", "utf-8")):
        chunks = list(_chunks(text, charset, piece.coding))
        if decoded(b"".join(data for _, data in chunks), charset)[0] == text:
            return f"{newline} ".join(word for word, _ in chunks)
    raise CannotRewriteError("an encoded word holds what its charset does not have")


def _chunks(text: str, charset: str, coding: str) -> Iterator[tuple[str, bytes]]:
    """Yield encoded words, and the bytes in each. No character is cut in two."""
    at = 0
    while at < len(text):
        size = 1
        word, data = _word(text[at : at + 1], charset, coding)
        while at + size < len(text):
            longer = _word(text[at : at + size + 1], charset, coding)
            if len(longer[0]) > _LONGEST_WORD:
                break
            (word, data), size = longer, size + 1
        yield word, data
        at += size


def _word(text: str, charset: str, coding: str) -> tuple[str, bytes]:
    try:
        data = text.encode(charset, "replace")
    except (LookupError, UnicodeError):
        data = text.encode("utf-8", "replace")
    if coding == "B":
        code = binascii.b2a_base64(data, newline=False).decode()
    else:
        code = "".join(chr(byte) if byte in _IN_WORDS else "_" if byte == 32 else f"={byte:02X}" for byte in data)
    return f"=?{charset}?{coding}?{code}?=", data


def _fitted(name: str, text: str, edits: Sequence[Edit]) -> Iterator[Edit]:
    """Yield changes as the syntax of a field needs them: parameters in quotation marks, and masks in addresses without brackets."""
    if any("\r" in edit.text or "\n" in edit.text or "\0" in edit.text for edit in edits):
        raise CannotRewriteError("what would take the place of a finding in a header has several lines")
    if name in _WITH_PARAMETERS:
        yield from sorted(_quoted_parameters(text, edits))
    elif name.removeprefix("resent-") in _ADDRESSES:
        yield from (edit._replace(text=_MASK.sub(_addressed("@" in text[edit.start : edit.end]), edit.text)) for edit in edits)
    else:
        yield from edits


def _addressed(is_address: bool) -> str:
    return rf"\1@{_MASKED}" if is_address else r"\1"


def _quoted_parameters(text: str, edits: Sequence[Edit]) -> Iterator[Edit]:
    """Yield the changes; a value without quotation marks gets them if its new text needs them."""
    plain = [found.span(4) for found in PARAMETER.finditer(text) if found[4] and not found[2]]
    inside = dict[tuple[int, int], list[Edit]]()
    for edit in edits:
        number = bisect_right(plain, (edit.start, len(text))) - 1
        if number >= 0 and edit.end <= plain[number][1]:
            inside.setdefault(plain[number], []).append(edit)
        else:
            yield edit
    for (start, end), own in inside.items():
        value = applied(text[start:end], [Edit(edit.start - start, edit.end - start, edit.text) for edit in own])
        yield Edit(start, end, value if _TOKEN.fullmatch(value) else _quoted(value))


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def in_coded(text: str, pieces: Sequence[CodedPiece], new: str) -> list[Edit]:
    """Return the changes to a field's text that give a parameter in pieces (RFC 2231) a new value: all of it goes into the first piece."""
    first = pieces[0]
    if first.percent:
        value = "utf-8''" + quote(new, safe="")
        value = f'"{value}"' if first.quoted else value
    elif any(piece.percent for piece in pieces):
        raise CannotRewriteError("a parameter has pieces of several kinds")
    else:
        value = _quoted(new)
    begin = first.value - first.quoted
    return [Edit(begin, first.end, value), *(Edit(len(text[: piece.start].rstrip("; \t")), piece.end, "") for piece in pieces[1:])]


def together(edits: Iterable[Edit], coded: Sequence[Edit]) -> list[Edit]:
    """Return changes to a field's text, and those to its parameters in pieces, which take the place of others in the same parameter."""
    return combined(edits, sorted(coded))
