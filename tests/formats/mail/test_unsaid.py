"""What the lines of a mail say besides fields, texts and files."""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib

import pytest

from tests.cleaning.marked import rewritten
from tests.formats.reading import reader_source
from veritensor_ray.core.media_types import MESSAGE
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.mail.read import read_mail

ADDRESS = "jane.doe@vault-mail.org"
TOKEN = "glpat-" + "Zx9Qw3Er7Ty1Ui5Op2As"
TEXT, FILE = b"From: a\r\nSubject: b\r\n", base64.encodebytes(b"\x89PNG and other bytes")


def mail(fields: str = "", boundary: str = "----=_NextPart_000_01C2E1.4D5F", body: bytes = FILE) -> bytes:
    """A mail with a text and a file; `fields` are further ones of the file."""
    edge = boundary.encode()
    first = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary="' + edge + b'"\r\n\r\n--' + edge
    words = b'\r\nContent-Type: text/plain; charset="iso-8859-1"; format=flowed\r\n\r\nGood morning\r\n--' + edge
    head = b'\r\nContent-Type: image/png; name="picture.png"\r\nContent-Transfer-Encoding: base64\r\n' + fields.encode() + b"\r\n"
    return TEXT + first + words + head + body + b"--" + edge + b"--\r\n"


UUENCODED = b"begin 644 picture.png\r\n" + binascii.b2a_uu(b"\x89PNG and other bytes") + b"`\r\nend\r\n"
YENC = b"=ybegin line=128 size=99 name=a\r\n%s\r\n=yend size=99\r\n" % bytes((byte + 42) % 256 for byte in f"to {ADDRESS}, ".encode())
PACKED = zlib.compress(ADDRESS.encode())

PLACES = {
    "name of a field": mail(f"{TOKEN}: 1\r\n"),
    "parameter of the type": mail().replace(b"format=flowed", b'note="' + ADDRESS.encode() + b'"'),
    "name in the type": mail().replace(b"picture.png", ADDRESS.encode()),
    "parameter in codes": mail(
        "Content-Disposition: attachment; filename*=utf-8''" + ADDRESS.replace("@", "%40").replace(".", "%2E") + "\r\n"
    ),
    "parameter in pieces": mail(f'X-Note: a; note*0="{ADDRESS[:6]}"; note*1="{ADDRESS[6:]}"\r\n'),
    "charset": mail().replace(b"iso-8859-1", ADDRESS.encode()),
    "boundary": mail(boundary=ADDRESS),
    "line within uuencode": mail(body=b"written to " + ADDRESS.encode() + b"\r\n" + UUENCODED).replace(b"base64", b"x-uuencode"),
    "capitals within uuencode": mail(body=b"WRITTEN TO " + ADDRESS.upper().encode() + b"\r\n" + UUENCODED).replace(b"base64", b"x-uue"),
    "yEnc": mail(body=YENC).replace(b"base64", b"x-yencode"),
    "yEnc as text": mail(body=YENC).replace(b"base64", b"8bit").replace(b"image/png; name=", b"text/plain; x="),
    "preamble": mail().replace(b"\r\n\r\n--", b"\r\n\r\n" + PACKED + b"\r\n--", 1),
    "epilogue": mail() + b"\r\n" + PACKED,
    "between the words of a text": mail().replace(b"morning", PACKED),
    "in a text in base64": mail(body=base64.encodebytes(b"some words " + PACKED)).replace(b"image/png; name=", b"text/plain; x="),
    "in a page in base64": mail(body=base64.encodebytes(b"<p>some words " + PACKED)).replace(b"image/png; name=", b"text/html; x="),
    "line within base64": mail(body=b"written to " + ADDRESS.encode() + b"\r\n" + FILE),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_nobody_shows_is_found(place: str) -> None:
    assert {"residue", "decoded"} & {mark.view for mark in rewritten(PLACES[place], "a.eml").marks}


def test_a_file_that_is_compressed_is_found_once() -> None:
    document = mail(body=gzip.compress(ADDRESS.encode() + b", written as a long line of words")).replace(b"base64", b"binary")
    assert [mark.rule for mark in rewritten(document, "a.eml").marks] == ["pii.email"]


@pytest.mark.parametrize(
    "document",
    [
        mail(),
        mail('Content-Disposition: attachment; filename="picture.png"\r\nContent-ID: <part1.0305@mail>\r\n'),
        mail("X-Mailer: Microsoft Outlook Express 6.00.2600.0000\r\nX-MS-TNEF-Correlator: 1\r\nX-OriginalArrivalTime: 1\r\n"),
        mail().replace(b"morning", "m\xf6rning, Zo\xeb".encode("latin-1")),
        mail(body=UUENCODED).replace(b"base64", b"x-uuencode"),
        mail(boundary="Apple-Mail=_0A1B2C3D-4E5F-6789-ABCD-EF0123456789"),
        mail("X: *" + "a" * 200_000 + "\r\n"),  # a word is tried once, not from each of its letters
    ],
)
def test_an_ordinary_mail_says_nothing_else(document: bytes) -> None:
    items = list(read_mail(reader_source(document, Kind(MESSAGE, "utf-8"))))
    assert [item.texts for item in items if isinstance(item, Block) and item.view == "residue"] == []
