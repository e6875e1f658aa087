"""The parts of a MIME message and their encodings (RFC 2045 to 2047, 2231). It does not interpret the parts."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from email.message import Message

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)(?:\r?\n|\Z)")
_LINE = re.compile(rb"[^\n]*(?:\n|\Z)")
_BLANK = re.compile(rb"[ \t]*\r?\n")
FOLD = re.compile(r"\r?\n[ \t]+")
_NO_CODECS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
_WESTERN = "cp1252"
MOST_FIELDS = 10_000
UUENCODE = frozenset({"x-uuencode", "uuencode", "x-uue"})
_UUENCODE = re.compile(rb"[ -`]*")
_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))


@dataclass(frozen=True, slots=True)
class Field:
    """A header field as it stands in the message, with its name in lower case and as it is `written`.

    `line` counts from 1 at the beginning of the message. The field takes the bytes from `begin` to `end`, and what follows its name those
    from `start` to `stop`.
    """

    name: str
    value: str
    line: int
    written: str = ""
    begin: int = 0
    start: int = 0
    stop: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class MailPart:
    """A range of the message: its header fields and the location of its body."""

    fields: list[Field]
    begin: int
    end: int

    def all(self, name: str) -> list[str]:
        """The values of all fields of that name, in lower case."""
        return [field.value for field in self.fields if field.name == name]

    @property
    def about(self) -> Message:
        """The fields that describe the body, for the standard library to parse; a broken field counts as missing."""
        message = Message()
        for name in ("content-type", "content-disposition"):
            for value in self.all(name)[:1]:
                message[name] = FOLD.sub(" ", value[:4000].strip())
        return message


def read_part(data: bytes, begin: int, end: int, line: int) -> MailPart:
    """Parse the part in `data[begin:end]`. Anything between the fields that is not a field becomes a field without a name."""
    fields: list[Field] = []
    at = begin
    while at < end and len(fields) < MOST_FIELDS:
        blank = _BLANK.match(data, at, end)
        if blank:
            at = blank.end()
            break
        found = _FIELD.match(data, at, end) or _LINE.match(data, at, end)
        if found is None or (found.re is _LINE and not fields):
            break  # no header at all
        value, name = (2, found[1].decode("latin-1")) if found.re is _FIELD else (0, "")
        text, _ = raw_text(found[value])
        fields.append(Field(name.lower(), text.strip(), line, name, at, *found.span(value), found.end()))
        line += data.count(b"\n", at, found.end())
        at = found.end()
    return MailPart(fields, at, end)


def raw_text(value: bytes) -> tuple[str, str]:
    """Return what a field's bytes say, and the encoding in which they say it."""
    try:
        return value.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return value.decode(_WESTERN, "replace"), _WESTERN


def decoded(data: bytes, charset: str) -> tuple[str, int]:
    """The text, and the number of characters that could not be decoded. Without a usable charset, it is UTF-8 or Western."""
    text, bad, _ = decoding(data, charset)
    return text, bad


def decoding(data: bytes, charset: str) -> tuple[str, int, str]:
    """The same, and the codec that decoded it."""
    name = charset.strip().lower()
    if name and name not in ("us-ascii", "ascii", "7bit", "8bit") and name.replace("-", "_") not in _NO_CODECS:
        try:
            return data.decode(name), 0, name
        except UnicodeDecodeError:
            text = data.decode(name, "replace")
            return text, text.count("\ufffd"), name
        except (LookupError, ValueError):
            pass
    text, codec = raw_text(data)
    return text, 0, codec


def decoded_body(body: bytes, encoding: str) -> tuple[bytes, str | None]:
    """The decoded body and the name of its encoding, if it had one."""
    if encoding == "base64":
        return from_base64(body), encoding
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body), encoding
    if encoding in UUENCODE:
        return _from_uuencode(body), "uuencode"
    return body, None


def from_base64(data: bytes) -> bytes:
    """Decode base64 text, even several concatenated pieces; anything that is not base64 is skipped."""
    pieces = data.translate(None, _BASE64).split(b"=")
    return b"".join(binascii.a2b_base64(piece[: len(piece) - (len(piece) % 4 == 1)] + b"==") for piece in pieces if len(piece) > 1)


def _from_uuencode(body: bytes) -> bytes:
    found = []
    for line in body.splitlines():
        if line.startswith((b"begin ", b"end")):
            continue
        try:
            found.append(binascii.a2b_uu(line))
        except binascii.Error:
            continue
    return b"".join(found)


def is_uuencode(line: bytes) -> bool:
    """Return whether a line has the characters of uuencode, and as many as its first one says. The last ones may be missing, or one more."""
    size = 1 + -(-((line[0] - 32) % 64) // 3) * 4 if line else 0
    return _UUENCODE.fullmatch(line) is not None and size - 4 < len(line) <= size + 1


def split_parts(data: bytes, begin: int, end: int, boundary: str, most: int) -> tuple[list[tuple[int, int]], bool]:
    """The ranges of the preamble, the parts and the epilogue between the boundary lines; only the preamble if there is no boundary.

    Also returns whether the last boundary line is present, or absent only because there are more than `most` parts.
    """
    line = re.compile(rb"(?:\A|(?<=\n))--" + re.escape(boundary.encode("latin-1", "replace")) + rb"(--)?[ \t]*(?:\r?\n|\Z)")
    places: list[tuple[int, int]] = []
    last, at = begin, begin
    while len(places) <= most and (found := line.search(data, at, end)):
        places.append((last, _without_newline(data, last, found.start())))
        last = at = found.end()
        if found[1]:
            break
    else:
        return [*places, (last, end), (end, end)] if places else [(begin, end)], len(places) > most
    return [*places, (last, end)], True


def _without_newline(data: bytes, begin: int, end: int) -> int:
    """Exclude the line end before a boundary, which belongs to the boundary."""
    if end > begin and data[end - 1 : end] == b"\n":
        end -= 1
        if end > begin and data[end - 1 : end] == b"\r":
            end -= 1
    return end
