"""Outlook messages written as mails: headers, people, bodies, attachments and messages in messages, as the standard library parses them."""

from __future__ import annotations

import io
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from tests.cases import each
from tests.formats.mail import ole_builder
from tests.formats.mail.test_outlook import PACKED, RTF, WHOLE, message, prop, table, within
from tests.formats.reading import reader_source
from veritensor_ray.core.errors import VeritensorError
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.mail.outlook_mail import write_as_mail

HEADERS = "Received: from a\r\n\tby b\r\nFrom: Ann <ann@kaldor-mail.com>\r\nSubject: =?utf-8?q?S=C3=BC=C3=9F?=\r\nContent-Type: text/x; a=b\r\n\r\n"


def written(streams: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    write_as_mail(reader_source(ole_builder.write(streams), Kind("application/vnd.ms-outlook")), out, lambda: None)
    return out.getvalue()


def parsed(streams: dict[str, bytes]) -> EmailMessage:
    mail = message_from_bytes(written(streams), policy=policy.default)
    assert [defect for part in mail.walk() for defect in part.defects] == []
    return mail


def recipient(number: int, kind: int, name: str, address: str) -> dict[str, bytes]:
    about = table(8, x0C15=kind) | prop("3001", name) | prop("39FE", address)
    return within(f"__recip_version1.0_#{number:08X}", about)


def attachment(number: int, streams: dict[str, bytes]) -> dict[str, bytes]:
    return within(f"__attach_version1.0_#{number:08X}", streams)


def test_a_whole_message_becomes_a_mail() -> None:
    left = {name: data for name, data in WHOLE.items() if "#00000002" not in name}
    mail = parsed(left)
    assert (mail["subject"], mail["from"], mail["to"], mail["received"]) == ("Größe — 数据", "Ann", "Bob <bob@example.org>", "by x")
    assert [part.get_content_type() for part in mail.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/csv", "message/rfc822", "text/plain")
    ]
    body, table_file, inner = mail.iter_parts()
    plain, page = body.iter_parts()
    assert plain.get_content().strip() == "The plain body."
    assert page.get_content().strip() == "<p>Grüße</p>"
    assert (table_file.get_filename(), table_file.get_payload(decode=True)) == ("list.csv", b"a,b\n1,2\n")
    attached: Any = inner.get_payload(0)
    assert (attached["subject"], attached.get_content().strip()) == ("Inner", "inner body")


def test_the_same_message_becomes_the_same_bytes() -> None:
    left = {name: data for name, data in WHOLE.items() if "#00000002" not in name}
    assert written(left) == written(left)


@each(
    ("streams", "fields"),
    [
        (
            message(x007D=HEADERS),
            {
                "received": "from a by b",
                "from": "Ann <ann@kaldor-mail.com>",
                "subject": "Süß",
                "content-type": 'text/plain; charset="utf-8"',
            },
        ),
        (message(x007D="", x0C1F="/O=ORG/CN=ANN"), {"from": "Ann"}),
        (message(x007D="", x0C1F="ann@kaldor-mail.com"), {"from": "Ann <ann@kaldor-mail.com>"}),
        (message(x007D="", x0042="Lind, Ada", x0065="ada@kaldor-mail.com"), {"from": '"Lind, Ada" <ada@kaldor-mail.com>'}),
        (message(x007D="", x0042="ada@kaldor-mail.com", x5D02="ada@kaldor-mail.com"), {"from": "ada@kaldor-mail.com"}),
        (message(x007D="", x0042="Åse", x0065="ase@kaldor-mail.com"), {"from": "Åse <ase@kaldor-mail.com>"}),
        (message(x007D="", x0E04="Ann; Bob\r\nBcc: eve@example.org"), {"to": 'Ann, "Bob Bcc: eve@example.org"', "bcc": None}),
        (message(x007D="", x0037="Hello\r\nBcc: eve@example.org"), {"subject": "Hello Bcc: eve@example.org", "bcc": None}),
        (message(x007D="", x1035="<1@example.org>\r\nX: y"), {"x": None}),
        (
            message(x007D="") | recipient(0, 1, "Bob", "bob@kaldor-mail.com") | recipient(1, 2, "Cy", "cy@kaldor-mail.com"),
            {"to": "Bob <bob@kaldor-mail.com>", "cc": "Cy <cy@kaldor-mail.com>"},
        ),
        (
            message(x007D="") | recipient(0, 1, "A", "a@kaldor-mail.com") | recipient(1, 1, "B", "b@kaldor-mail.com"),
            {"to": "A <a@kaldor-mail.com>, B <b@kaldor-mail.com>"},
        ),
        (message(x007D="") | table(32, x3FDE=65001, x0039=133_500_096_000_000_000), {"date": "Thu, 18 Jan 2024 00:00:00 +0000"}),
        (message(x007D="") | table(32, x3FDE=65001, x0039=2**62), {"date": None}),
    ],
)
def test_headers_come_from_the_transport_and_else_from_properties(streams: dict[str, bytes], fields: dict[str, str | None]) -> None:
    mail = message_from_bytes(written(streams), policy=policy.default)
    assert {name: mail[name] for name in fields} == fields


def test_bodies_in_rich_text_and_of_other_scripts_keep_their_content() -> None:
    mail = parsed(message(x007D="", x1000="数据安全") | {"__substg1.0_10090102": PACKED})
    plain, rich = mail.iter_parts()
    assert (plain.get_content().strip(), rich.get_content_type(), rich.get_payload(decode=True)) == ("数据安全", "text/rtf", RTF)


@pytest.mark.parametrize(
    ("name", "kind", "shown", "type_shown"),
    [
        ('a "b" \\.txt', "text/plain", 'a "b" \\.txt', "text/plain"),
        ("Größe.txt", "", "Größe.txt", "text/plain"),
        ("x", "multipart/mixed", "x", "application/octet-stream"),
        ("x", "text/plain\r\nX-Bad: 1", "x", "application/octet-stream"),
        ("a\r\nX-Bad: 1.csv", "", "a X-Bad: 1.csv", "text/csv"),
    ],
)
def test_names_and_types_of_attachments_stay_in_their_fields(name: str, kind: str, shown: str, type_shown: str) -> None:
    files = attachment(0, prop("3707", name) | prop("370E", kind) | {"__substg1.0_37010102": b"\x00\xff"})
    mail = parsed(message(x007D="") | files)
    (file,) = mail.iter_attachments()
    assert (file.get_filename(), file.get_content_type(), file["x-bad"]) == (shown, type_shown, None)
    assert file.get_payload(decode=True) == b"\x00\xff"


@pytest.mark.parametrize(
    ("streams", "said"),
    [
        (message(x001A="IPM.Contact"), "it is an Outlook item of another kind, such as a contact or an appointment"),
        (
            message(x001A="IPM.Note.SMIME.MultipartSigned"),
            "it is an Outlook item of another kind, such as a contact or an appointment",
        ),
        (WHOLE, "an attachment is an object of another program, which a mail cannot hold"),
        (message() | attachment(0, prop("3707", "x")), "an attachment is only a reference to a file elsewhere"),
        (message() | {"__substg1.0_10090102": b"none"}, "its formatted text is not compressed as the format requires"),
    ],
)
def test_what_a_mail_cannot_say_is_refused(streams: dict[str, bytes], said: str) -> None:
    with pytest.raises(CannotRewriteError) as caught:
        written(streams)
    assert str(caught.value) == said


def test_damaged_messages_raise_what_a_reader_raises() -> None:
    data = ole_builder.write(message())
    for at in range(600, len(data), 211):
        broken = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        try:
            write_as_mail(reader_source(broken, Kind("application/vnd.ms-outlook")), io.BytesIO(), lambda: None)
        except VeritensorError:
            continue
