"""Finds what the lines of a mail say besides what its reader gives: odd names of fields, parameters, and lines that no encoding has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from veritensor_ray.formats.mail.header_values import header_text
from veritensor_ray.formats.mail.mime import UUENCODE, Field, decoded, is_uuencode
from veritensor_ray.formats.mail.structure import LONG, STRUCTURAL
from veritensor_ray.formats.residue.xml_tokens import may_matter

# A parameter with its name, which may count a piece of it (RFC 2231), and its value.
UNSAID = "names and parameters"  # the column of all of it
PARAMETER = re.compile(r"""(?<![^\s;="*])([^\s;="*]++)(\*\d{0,3}\*?)?\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))""")
_BOUNDARY = re.compile(r"[\w'()+,./:=? -]{1,70}")
_NOT_BASE64 = re.compile(rb"^[^\r\n]*[^A-Za-z0-9+/=\s][^\r\n]*", re.MULTILINE)
_BEGIN = re.compile(rb"begin [0-7]{3,4} ")
_MOST_LINES = 1000


class Said(NamedTuple):
    """Something that a field says besides its text.

    It stands in the field's text from `start`, or was put together from several places there, which are ranges of whole parameters and of
    their values. The name of a field stands nowhere.
    """

    text: str
    field: Field
    start: int = -1
    pieces: Sequence[CodedPiece] = ()


class CodedPiece(NamedTuple):
    """A piece of a parameter (RFC 2231), with the characters of the whole of it and of its value in the field's text."""

    start: int
    end: int
    value: int
    percent: bool
    quoted: bool


def unsaid_fields(fields: Iterable[Field]) -> Iterator[Said]:
    """Yield names that are not words, what short structural fields say, and parameters in pieces or codes."""
    for field in fields:
        if may_matter(field.written):
            yield Said(field.written, field)
        if field.name in STRUCTURAL and len(field.value) < LONG:
            yield from (one for one in _said(header_text(field.value), field) if may_matter(one.text))
        if "*" in field.value:
            yield from _coded(field)


def _said(value: str, field: Field) -> Iterator[Said]:
    """Yield the type, and the names and values of parameters. A boundary as programs make it says nothing."""
    head = value.partition(";")[0]
    yield Said(head.strip(), field, len(head) - len(head.lstrip()))
    for found in PARAMETER.finditer(value):
        yield Said(found[1], field, found.start(1))
        said, start = (found[3], found.start(3)) if found[3] is not None else (found[4], found.start(4))
        if found[1].lower() != "boundary" or not _BOUNDARY.fullmatch(said):
            yield Said(said, field, start)


def _coded(field: Field) -> Iterator[Said]:
    """Yield the values of parameters that are cut into pieces or percent-encoded."""
    joined: dict[str, list[str]] = {}
    pieces: dict[str, list[CodedPiece]] = {}
    for found in PARAMETER.finditer(header_text(field.value)):
        if found[2]:
            quoted = found[3] is not None
            joined.setdefault(found[1], []).append(found[3] if quoted else found[4])
            piece = CodedPiece(*found.span(), found.start(3 if quoted else 4), found[2].endswith("*"), quoted)
            pieces.setdefault(found[1], []).append(piece)
    for name, some in joined.items():
        one = "".join(some)
        charset, _, rest = one.partition("'") if one.count("'") > 1 else ("", "", "'" + one)
        text = decoded(unquote_to_bytes(rest.partition("'")[2]), charset)[0]
        if may_matter(text):
            yield Said(text, field, pieces=pieces[name])


def beside_encoding(body: bytes, encoding: str) -> list[str]:
    """Return the lines of a body that are not in its encoding, base64 or uuencode, and that the decoder therefore skips."""
    if encoding in UUENCODE:
        lines = (_BEGIN.sub(b"", line) for line in body.splitlines() if not is_uuencode(line))
    elif "base64" in encoding:
        lines = (found[0] for found in _NOT_BASE64.finditer(body))
    else:
        return []
    found = (line.decode("utf-8", "replace").strip() for line in islice(lines, _MOST_LINES))
    return [line for line in found if may_matter(line)]
