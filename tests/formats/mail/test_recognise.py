"""What begins like an e-mail or a mailbox, and what only looks so."""

from __future__ import annotations

from tests.cases import each
from veritensor_ray.formats.recognition import sniff

HEADER = b"Received: from a by b;\r\n\tMon, 1 Jan 2024\r\nFrom: a@example.org\r\nSubject: x\r\n"
LINE = b"From a@example.org Mon Jan  1 10:00:00 2024\n"


@each(
    ("head", "extension", "media_type"),
    [
        (HEADER + b"\r\ntext", "", "message/rfc822"),
        (HEADER + b"\r\n" + bytes(200), "", "message/rfc822"),
        (HEADER, "", "message/rfc822"),
        (HEADER + b"\r\ntext", ".txt", "message/rfc822"),
        (HEADER + b"no field\r\n\r\n", "", "text/plain"),
        (b"Subject: x\n\ntext", "", "text/plain"),
        (b"Subject: x\n\ntext", ".eml", "message/rfc822"),
        (b"Title: a\nDate: b\nTo: c\n\ntext", "", "text/plain"),
        (HEADER + b"\r\ntext", ".py", "text/x-python"),
        (HEADER + b"\r\ntext", ".yaml", "application/yaml"),
        (b"HTTP/1.1 200 OK\r\nDate: x\r\nFrom: y\r\nTo: z\r\n\r\n", "", "text/plain"),
        (LINE + HEADER + b"\n", "", "application/mbox"),
        (LINE + HEADER + b"\n" + bytes(200), ".mbox", "application/mbox"),
        (b"From here on it is 10:00 o'clock\nText: no\n", "", "text/plain"),
        (b"From the start\n", "", "text/plain"),
        # the line before the header without a date, or quoted; a byte order mark or empty lines before it
        (b"From a@b\n" + HEADER + b"\ntext", "", "application/mbox"),
        (b"From a@b\r\n" + HEADER + b"\r\ntext", ".txt", "application/mbox"),
        (b"From a@b\nSubject: x\nFrom: y\n\ntext", ".eml", "application/mbox"),
        (b"From a@b\nSubject: x\n\ntext", ".txt", "text/plain"),
        (b">From a@b Mon Jan 1\n" + HEADER + b"\ntext", "", "message/rfc822"),
        (b"\xef\xbb\xbf" + HEADER + b"\ntext", "", "message/rfc822"),
        (b"\r\n\r\n" + HEADER + b"\ntext", "", "message/rfc822"),
        (b"From a@b\nThe meeting: at ten\n", "", "text/plain"),
    ],
)
def test_mail_by_its_header(head: bytes, extension: str, media_type: str) -> None:
    assert sniff(head, extension).media_type == media_type


def test_a_header_without_an_end_takes_no_time() -> None:
    assert sniff(b"From: a\n" + b" x\n" * 20_000, "").media_type == "text/plain"
    assert sniff(b"a:" * 30_000, "").media_type == "text/plain"
