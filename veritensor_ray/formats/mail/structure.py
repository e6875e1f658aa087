"""The parts of a message and what each of them is: other parts, a text, a page, or a file. The reader and the rewriter share it."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message

from veritensor_ray.core import bounds
from veritensor_ray.core.media_types import CSV, HTML, MESSAGE, PLAIN, XML
from veritensor_ray.formats.mail.header_values import header_text
from veritensor_ray.formats.mail.mime import Field, MailPart, decoded, read_part, split_parts

PARTS = bounds.MAIL_PARTS
_DEPTH = bounds.MAIL_DEPTH
_AS_TEXT = frozenset({"message/delivery-status", "message/disposition-notification", "message/external-body", "message/partial"})
_FILES = frozenset({CSV, "text/calendar", "text/rtf", XML})
PAGE, TEXT, FILE = "page", "text", "file"
STRUCTURAL = frozenset({"content-type", "content-transfer-encoding", "mime-version"})
LONG = 200  # characters of such a field that says more than it should


@dataclass(frozen=True, slots=True)
class MailEntity:
    """A message or a part of it: the bytes from `begin` to `end`. `path` is its MIME path, empty for the message.

    `places` are the preamble, the parts inside and the epilogue; empty for a leaf. `closed` says whether the last boundary is there, and
    `deep` whether parts inside it were not looked for because they are nested too deeply. `name` is the one of a file.
    """

    part: MailPart
    begin: int
    end: int
    path: str
    depth: int
    line: int
    about: Message
    kind: str
    boundary: str
    name: str
    places: Sequence[tuple[int, int]] = ()
    closed: bool = True
    deep: bool = False

    @property
    def is_split(self) -> bool:
        """Whether it consists of other parts."""
        return len(self.places) > 1

    @property
    def encoding(self) -> str:
        """The transfer encoding, in lower case."""
        return "".join(self.part.all("content-transfer-encoding")[:1]).partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The charset that it names, or nothing."""
        return parameter(self.about, "charset")

    @property
    def form(self) -> str:
        """What a leaf is: a `PAGE` or a `TEXT` that programs show, or a `FILE`."""
        if self.kind == HTML and not self.name:
            return PAGE
        is_text = self.kind.startswith(("text/", "multipart/")) or self.kind in _AS_TEXT
        return TEXT if is_text and not self.name and self.kind not in _FILES else FILE

    @property
    def member(self) -> str:
        """The name of a leaf as a file inside the message."""
        if self.form == PAGE:
            return member_name(self.path, ".html")
        return self.name or member_name(self.path, _extension(self.kind))


def entities(data: bytes, begin: int) -> Iterator[MailEntity]:
    """Yield the message whose header begins at `begin`, and all parts in it, in order. The caller stops when there are too many."""
    ahead = [(begin, len(data), "", 0, 1 + data.count(b"\n", 0, begin), PLAIN)]
    while ahead:
        entity = _entity(data, *ahead.pop())
        yield entity
        if entity.is_split:
            ahead += reversed(_inner(data, entity))


def _entity(data: bytes, begin: int, end: int, path: str, depth: int, line: int, kind: str) -> MailEntity:
    """Return the part in a range. It is of a `kind` if it does not say what it is."""
    part = read_part(data, begin, end, line)
    about = part.about
    about.set_default_type(kind)
    kind, boundary = _kind(about), parameter(about, "boundary")
    places: Sequence[tuple[int, int]] = ()
    closed, deep = True, False
    if kind.startswith("multipart/") and boundary:
        deep = depth >= _DEPTH
        if not deep:
            places, closed = split_parts(data, part.begin, part.end, boundary, PARTS)
    return MailEntity(part, begin, end, path, depth, line, about, kind, boundary, _file_name(about), places, closed, deep)


def _inner(data: bytes, entity: MailEntity) -> list[tuple[int, int, str, int, int, str]]:
    """Return the places of the parts of a multipart, and what they are if they do not say it; line numbers continue from one to the next."""
    found: list[tuple[int, int, str, int, int, str]] = []
    kind = MESSAGE if entity.kind == "multipart/digest" else PLAIN
    line, at = entity.line, entity.begin
    for number, (begin, end) in enumerate(entity.places[1:-1], 1):
        line += data.count(b"\n", at, begin)
        at = begin
        found.append((begin, end, f"{entity.path}.{number}" if entity.path else str(number), entity.depth + 1, line, kind))
    return found


def is_text(field: Field) -> bool:
    """Return whether a field is read as a text of its own."""
    return bool(field.value) and not (field.name in STRUCTURAL and len(field.value) < LONG)


def field_column(field: Field) -> str:
    """Return the column that names the text of a field."""
    return field.name or "header"


def member_name(path: str, extension: str) -> str:
    """Return the name of a part that has none."""
    return f"part {path}{extension}" if path else f"body{extension}"


def _kind(about: Message) -> str:
    try:
        return about.get_content_type()
    except (ValueError, TypeError, IndexError, AttributeError):
        return PLAIN


def parameter(about: Message, name: str, missing: str = "") -> str:
    """Return a parameter of the type."""
    try:
        found = about.get_param(name, missing)
    except (ValueError, TypeError, IndexError, LookupError):
        return missing
    if isinstance(found, tuple):
        found = decoded(found[2].encode("latin-1", "replace"), found[0] or "")[0]
    return str(found)


def _file_name(about: Message) -> str:
    """Return the file name from the content disposition, or else from the content type."""
    try:
        found = about.get_filename("")
    except (ValueError, TypeError, IndexError, LookupError):
        found = ""
    return header_text(str(found)).strip()


def _extension(kind: str) -> str:
    return ".eml" if kind == MESSAGE else mimetypes.guess_extension(kind, strict=False) or ""
