"""Finds what the lines of a mail say besides what its reader gives: odd names of fields, parameters, and lines that no encoding has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import unquote

from veritensor_ray.formats.mail.mime import UUENCODE, Field, header_text, is_uuencode
from veritensor_ray.formats.residue.xml_tokens import may_matter

# A parameter with its name, which may count a piece of it (RFC 2231), and its value.
_PARAMETER = re.compile(r"""(?<![^\s;="*])([^\s;="*]++)(\*\d{0,3}\*?)?\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))""")
_BOUNDARY = re.compile(r"[\w'()+,./:=? -]{1,70}")
_NOT_BASE64 = re.compile(rb"^[^\r\n]*[^A-Za-z0-9+/=\s][^\r\n]*", re.MULTILINE)
_BEGIN = re.compile(rb"begin [0-7]{3,4} ")
_MOST_LINES = 1000


def unsaid_fields(fields: Iterable[Field], structural: frozenset[str], short: int) -> Iterator[str]:
    """Yield names that are not words, what `structural` fields of at most `short` characters say, and parameters in pieces or codes."""
    for field in fields:
        if may_matter(field.written):
            yield field.written
        if field.name in structural and len(field.value) < short:
            yield from (one for one in _said(header_text(field.value)) if may_matter(one))
        if "*" in field.value:
            yield from _coded(field.value)


def _said(value: str) -> Iterator[str]:
    """Yield the type, and the names and values of parameters. A boundary as programs make it says nothing."""
    yield value.partition(";")[0].strip()
    for name, _, quoted, plain in _PARAMETER.findall(value):
        yield name
        if name.lower() != "boundary" or not _BOUNDARY.fullmatch(quoted or plain):
            yield quoted or plain


def _coded(value: str) -> Iterator[str]:
    """Yield the values of parameters that are cut into pieces or percent-encoded."""
    joined: dict[str, str] = {}
    for name, piece, quoted, plain in _PARAMETER.findall(value):
        if piece:
            joined[name] = joined.get(name, "") + (quoted or plain)
    for one in joined.values():
        text = unquote(one.split("'", 2)[2] if one.count("'") > 1 else one)
        if may_matter(text):
            yield text


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
