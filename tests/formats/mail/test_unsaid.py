"""What the lines of a mail say besides fields, texts and files."""

from __future__ import annotations

import base64

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
    "line within base64": mail(body=b"written to " + ADDRESS.encode() + b"\r\n" + FILE),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_nobody_shows_is_found(place: str) -> None:
    assert {"residue", "decoded"} & {mark.view for mark in rewritten(PLACES[place], "a.eml").marks}


@pytest.mark.parametrize(
    "document",
    [
        mail(),
        mail('Content-Disposition: attachment; filename="picture.png"\r\nContent-ID: <part1.0305@mail>\r\n'),
        mail("X-Mailer: Microsoft Outlook Express 6.00.2600.0000\r\nX-MS-TNEF-Correlator: 1\r\nX-OriginalArrivalTime: 1\r\n"),
        mail(boundary="Apple-Mail=_0A1B2C3D-4E5F-6789-ABCD-EF0123456789"),
        mail("X: *" + "a" * 200_000 + "\r\n"),  # a word is tried once, not from each of its letters
    ],
)
def test_an_ordinary_mail_says_nothing_else(document: bytes) -> None:
    items = list(read_mail(reader_source(document, Kind(MESSAGE, "utf-8"))))
    assert [item.texts for item in items if isinstance(item, Block) and item.view == "residue"] == []
