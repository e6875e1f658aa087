"""E-mail and mailboxes: parts with their paths, decoded texts, attachments as members; broken ones lose nothing."""

from __future__ import annotations

import base64
import io
import quopri
import random
import tracemalloc
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest

from tests.cases import each
from tests.formats.reading import flat, members, read, reader_source, reasons, until_error
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.format_registry import reader_for
from veritensor_ray.formats.mail import mime
from veritensor_ray.formats.mail import read as module
from veritensor_ray.formats.recognition import sniff

KIND = Kind("message/rfc822", "latin-1")
BOX = Kind("application/mbox", "latin-1")
HEADER = b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: A letter\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n"


def bodies(data: bytes, *names: str) -> list[Any]:
    """Texts of the parts, without header fields."""
    blocks, _ = read(data, KIND)
    return flat([block for block in blocks if block.column == "body"], *names)


def whole() -> EmailMessage:
    """A message as the standard library writes it: two bodies, a picture in the text, two attachments."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "Zoë <zoe@example.org>", "bob@example.org", "Größe — 数据"
    message["X-Note"] = "read me"
    message.set_content("Hello Bob,\nthis is the plain text with ümlauts.\n")
    message.add_alternative("<html><p>Hello <b>Bob</b></p></html>", subtype="html")
    message.add_attachment(b"\x89PNG rest", maintype="image", subtype="png", filename="chart.png")
    inner = EmailMessage(policy=SMTP)
    inner["Subject"], inner["From"] = "Inner", "eve@example.org"
    inner.set_content("inner text")
    message.add_attachment(inner)
    message.add_attachment("a,b\n1,2\n", subtype="csv", filename="täble.csv")
    return message


def test_a_message_of_the_standard_library() -> None:
    data = whole().as_bytes()
    blocks, gaps = read(data, KIND)
    assert gaps == []
    shown = {column: text for text, column, view in flat(blocks, "column", "view") if view == "visible"}
    assert shown["subject"] == "Größe — 数据" and shown["from"] == "Zoë <zoe@example.org>"
    assert shown["body"].splitlines() == ["Hello Bob,", "this is the plain text with ümlauts."]
    assert ("read me", "x-note", "metadata") in flat(blocks, "column", "view")
    found = members(data, KIND)
    assert list(found) == ["part 1.2.html", "chart.png", "part 3.eml", "täble.csv"]
    assert found["chart.png"] == b"\x89PNG rest" and found["part 3.eml"].startswith(b"Subject: Inner")
    assert found["part 1.2.html"].startswith(b"\xef\xbb\xbf<html>")
    assert sniff(data, "").media_type == "message/rfc822"


TEXT = "Grüße, 5 = 5\r\nzweite Zeile\r\n"


@each(
    ("fields", "body", "text", "via"),
    [
        (b"", b"plain\r\ntext", "plain\r\ntext", None),
        (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", TEXT.encode(), TEXT, None),
        (b"Content-Type: text/plain; charset=iso-8859-1\r\n", TEXT.encode("latin-1"), TEXT, None),
        (b"Content-Type: text/plain; charset=no-such\r\n", TEXT.encode(), TEXT, None),
        (b"Content-Type: text/plain; charset=punycode\r\n", b"abc-", "abc-", None),
        (b"Content-Type: text/plain\r\n", "caf\xe9".encode("latin-1"), "caf\xe9", None),
        (b"content-type: text/plain; charset=\"UTF-8\"\r\nCONTENT-TRANSFER-ENCODING: Quoted-Printable\r\n", quopri.encodestring(TEXT.encode()), TEXT, "quoted-printable"),
        (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n", base64.encodebytes(TEXT.encode()), TEXT, "base64"),
        (b"Content-Transfer-Encoding: base64\r\n", base64.b64encode(b"one") + b"!!\n" + base64.b64encode(b"four") + base64.b64encode(b"five!"), "onefourfive!", "base64"),
        (b"Content-Transfer-Encoding: x-uuencode\r\n", b"begin 644 a\n%:&5L;&\\\n`\nend\n", "hello", "uuencode"),
        (b"Content-Type: multipart/mixed\r\n", b"no boundary", "no boundary", None),
        (b"Content-Type: ;;==\r\n", b"odd type", "odd type", None),
        (b"Content-Type: text/plain; charset*0=ut; charset*1=f-8\r\n", TEXT.encode(), TEXT, None),
    ],
)  # fmt: skip
def test_bodies(fields: bytes, body: bytes, text: str, via: str | None) -> None:
    assert bodies(HEADER + fields + b"\r\n" + body, "decoded_via") == [(text, via)]


def test_places_lead_back_to_the_file() -> None:
    data = HEADER + b"\r\nfirst line\r\nsecond"
    [(text, offset, line, start)] = bodies(data, "byte_offset", "line", "start")
    assert data[offset:] == text.encode() and (line, start) == (1, 0)
    assert bodies(HEADER + b"\r\n" + "ü".encode(), "byte_offset") == [("ü", None)]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?iso-8859-1?Q?caf=E9_au?= lait", "café au lait"),
        (b"=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße"),
        (b"=?utf-8?Q?a?=\r\n =?utf-8?Q?b?= c", "ab c"),
        (b"x =?utf-8?Q?a?= y =?utf-8?Q?b?=", "x a y b"),
        (b"=?no-such?Q?a?=", "a"),
        (b"=?utf-8?Q?broken", "=?utf-8?Q?broken"),
        ("rohe Ümläute".encode(), "rohe Ümläute"),
        (b"folded\r\n\tline", "folded line"),
    ],
)
def test_subjects(raw: bytes, text: str) -> None:
    blocks, _ = read(b"Subject: " + raw + b"\r\nFrom: a\r\n\r\n", KIND)
    assert (text, "subject", "visible", 1) in flat(blocks, "column", "view", "line")


def multipart(*parts: bytes, boundary: str = "XX", kind: str = "mixed", before: bytes = b"", after: bytes = b"") -> bytes:
    """A message of parts that are given with their header."""
    lines = b"".join(b"\r\n--" + boundary.encode() + b"\r\n" + part for part in parts)
    field = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    return HEADER + field + before + lines + b"\r\n--" + boundary.encode() + b"--\r\n" + after


PLAIN = b"Content-Type: text/plain\r\n\r\n"


def test_parts_of_a_digest_are_messages() -> None:
    data = multipart(b"\r\nSubject: one\r\n\r\ntext", PLAIN + b"a text", kind="digest")
    assert members(data, KIND) == {"part 1.eml": b"Subject: one\r\n\r\ntext"}
    assert bodies(data) == ["a text"]


def test_parts_have_their_path_and_nothing_around_them_is_lost() -> None:
    inner = (
        b'Content-Type: multipart/alternative; boundary="YY"\r\n\r\n--YY\r\n' + PLAIN + b"two\r\n--YY\r\n" + PLAIN + b"three\r\n--YY--\r\n"
    )
    data = multipart(PLAIN + b"one", inner, b"X-Secret: odd\r\n\r\nfour", before=b"before", after=b"after")
    blocks, gaps = read(data, KIND)
    assert gaps == []
    rows = [row for row in flat(blocks, "part", "column", "view") if row[2] not in ("from", "to", "subject", "date")]
    assert rows == [
        ("before", None, "preamble", "hidden"),
        ("after", None, "epilogue", "hidden"),
        ("one", "1", "body", "visible"),
        ("two", "2.1", "body", "visible"),
        ("three", "2.2", "body", "visible"),
        ("odd", "3", "x-secret", "metadata"),
        ("four", "3", "body", "visible"),
    ]
    [line] = [line for _, column, line in flat(blocks, "column", "line") if column == "x-secret"]
    assert data.splitlines()[line - 1] == b"X-Secret: odd"


@each(
    "data",
    [
        multipart(PLAIN + b"lost").replace(b"--XX--", b""),
        multipart(PLAIN + b"lost").replace(b"\r\n--XX", b"\r\n--ZZ"),
        multipart(PLAIN + b"lost").replace(b'; boundary="XX"', b""),
        multipart(b"lost"),
        multipart(b"lost\r\nagain"),
        multipart(b": lost\r\n\r\nx"),
        multipart(PLAIN + b"x", after=b"lost"),
        multipart(PLAIN + b"x").replace(b"\r\n--XX--", b"\r\nlost\r\n--XX--"),
        b"lost",
        b"\r\n\r\nlost",
        b"Subject: x\r\nlost without a colon\r\nFrom: y\r\n\r\n",
        b"X-" + b"y" * 300 + b": lost",
        b"Subject: x\nlost",
        HEADER + b"Content-Type: text/plain; name=lost\r\n" + b"Content-Type: text/plain; x=\"" + b"z" * 300 + b" lost\"\r\n\r\nx",
        HEADER + b"Content-Type: application/octet-stream\r\nContent-Type: text/plain\r\n\r\nlost",
        HEADER + b"Content-Type: message/delivery-status\r\n\r\nlost",
        HEADER + b"Content-Type: text/html\r\n\r\n<p>lost",
        HEADER + b"Content-Type: message/rfc822\r\n\r\nSubject: lost\r\n\r\n",
        HEADER + b"Content-Disposition: attachment; filename=\"a.bin\"\r\n\r\nlost",
        HEADER + b"Content-Type: text/plain; name*=utf-8''%FF%FE\r\n\r\nlost",
    ],
)  # fmt: skip
def test_a_text_is_found_wherever_it_stands(data: bytes) -> None:
    blocks, _ = read(data, KIND)
    found = [*flat(blocks), *(content.decode() for content in members(data, KIND).values())]
    assert any("lost" in text for text in found)


@pytest.mark.parametrize(
    ("fields", "body", "name", "content"),
    [
        (b'Content-Type: application/pdf; name="a.pdf"', b"%PDF", "a.pdf", b"%PDF"),
        (b"Content-Type: image/png", b"x", "body.png", b"x"),
        (b"Content-Disposition: attachment; filename*=utf-8''%E6%95%B0.txt", b"x", "数.txt", b"x"),
        (b'Content-Disposition: attachment; filename="=?utf-8?B?w7wudHh0?="', b"x", "ü.txt", b"x"),
        (b"Content-Disposition: attachment; filename=\"../../etc/passwd\"", b"x", "../../etc/passwd", b"x"),
        (b"Content-Type: application/x-none\r\nContent-Transfer-Encoding: base64", b"AAECAw==", "body", b"\x00\x01\x02\x03"),
        (b"Content-Type: text/calendar", b"BEGIN:VCALENDAR", "body.ics", b"BEGIN:VCALENDAR"),
    ],
)  # fmt: skip
def test_attachments(fields: bytes, body: bytes, name: str, content: bytes) -> None:
    assert members(HEADER + fields + b"\r\n\r\n" + body, KIND) == {name: content}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (multipart(PLAIN + b"Version: 1", kind="encrypted"), "the part is encrypted"),
        (HEADER + b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nx", "the part is encrypted"),
        (HEADER + b"\r\n-----BEGIN PGP MESSAGE-----\r\nabc", "the text contains an encrypted message"),
        (
            HEADER + b"Content-Type: text/plain; charset=gb2312\r\n\r\n\xff\xff!",
            "characters that could not be decoded as gb2312, replaced: 2",
        ),
    ],
)
def test_what_cannot_be_read_is_said(data: bytes, reason: str) -> None:
    assert reason in reasons(read(data, KIND)[1])


def test_deep_nesting_ends_with_a_gap_and_loses_nothing() -> None:
    data = PLAIN + b"bottom"
    for i in range(1000):
        data = f'Content-Type: multipart/mixed; boundary="b{i}"\r\n\r\n--b{i}\r\n'.encode() + data + f"\r\n--b{i}--".encode()
    blocks, gaps = read(HEADER + data, KIND)
    assert any("bottom" in text for text in flat(blocks)) and [gap.bound for gap in gaps] == ["mail_depth"]


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PARTS", 5)
    _, gaps = read(multipart(*[PLAIN + b"x"] * 9), KIND)
    assert [gap.bound for gap in gaps] == ["mail_parts"]
    monkeypatch.setattr(module, "LARGEST", 200)
    (blocks, _), raised = until_error(reader_source(HEADER + b"\r\n" + b"x" * 300, KIND), LimitExceeded)
    assert "A letter" in flat(blocks) and isinstance(raised, LimitExceeded) and raised.bound == "mail_bytes"


MESSAGES = [HEADER + b"\r\nfirst\r\n\r\nFrom here it goes on\r\n", b"Subject: two\n\nsecond\n", b"no header\n"]
MAILBOX = b"".join(b"From a@b.c Mon Jan  1 10:00:00 2024\n" + message + b"\n" for message in MESSAGES)


def test_a_mailbox_is_its_messages() -> None:
    assert [content.strip() for content in members(MAILBOX, BOX).values()] == [message.strip() for message in MESSAGES]
    assert list(members(MAILBOX, BOX)) == ["message 1.eml", "message 2.eml", "message 3.eml"]
    blocks, gaps = read(MAILBOX, BOX)
    lines = MAILBOX.splitlines()
    assert gaps == [] and len(flat(blocks)) == 3
    for text, column, line in flat(blocks, "column", "line"):
        assert lines[line - 1].decode() == text and column.startswith("message ")
    assert sniff(MAILBOX, ".txt").media_type == "application/mbox"
    assert members(b"stray text\n\n" + MAILBOX, BOX)["message 1.eml"] == b"stray text\n\n"
    assert members(MAILBOX, BOX, packed=None) and read(b"", BOX) == ([], [])


ATTACHED = multipart(PLAIN + b"text", b'Content-Type: text/csv; name="a.csv"\r\nContent-Transfer-Encoding: base64\r\n\r\nbG9zdA==')


@pytest.mark.parametrize("ahead", [b"From a@b\r\n", b"From a@b Monday\n", b"From nobody\n"])
def test_a_mailbox_whose_lines_have_no_date(ahead: bytes) -> None:
    kind = sniff(ahead + ATTACHED, ".eml")
    assert members(ahead + ATTACHED, kind) == {"message 1.eml": ATTACHED}
    assert flat(read(ahead + ATTACHED, kind)[0], "view") == [(ahead.decode().strip(), "metadata")]
    box = ahead + ATTACHED + b"\r\nFrom c@d\r\n" + ATTACHED + b"\r\nFrom c@d\r\nit is said\r\n"
    assert list(members(box, kind)) == ["message 1.eml", "message 2.eml"]


@pytest.mark.parametrize("ahead", [b">From a@b Mon\r\n", b"\xef\xbb\xbf", b"\r\n \r\n", b"\xef\xbb\xbf\r\n>From a@b\n"])
def test_what_stands_before_a_header_does_not_hide_it(ahead: bytes) -> None:
    kind = sniff(ahead + ATTACHED, ".eml")
    assert (kind.media_type, members(ahead + ATTACHED, kind)) == ("message/rfc822", {"a.csv": b"lost"})
    blocks, gaps = read(ahead + ATTACHED, kind)
    assert gaps == [] and ("A letter", 3 + ahead.count(b"\n")) in flat(blocks, "line")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (ATTACHED.replace(b"--XX--", b""), "the boundary that ends the parts is missing: the message may be cut off"),
        (ATTACHED[:-40], "the boundary that ends the parts is missing: the message may be cut off"),
        (b"??\n" + ATTACHED, "the message does not begin with a header: its parts and encodings are read as plain text"),
    ],
)
def test_a_message_that_is_damaged_says_so(data: bytes, reason: str) -> None:
    assert reasons(read(data, KIND)[1]) == [reason]


def test_a_mailbox_needs_the_memory_of_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    message = b"From a@b.c Mon Jan  1 10:00:00 2024\nSubject: x\n\n" + b"text of it\n" * 2_000 + b"\n"
    data = message * 40
    tracemalloc.start()
    try:
        source = reader_source(data, BOX)
        before = tracemalloc.get_traced_memory()[0]
        reader = reader_for(BOX)
        assert reader is not None and sum(isinstance(item, Member) for item in reader(source)) == 40
        assert tracemalloc.get_traced_memory()[1] - before < 4 * len(message)
    finally:
        tracemalloc.stop()
    monkeypatch.setattr(module, "LARGEST", 1000)
    _, gaps = read(data, BOX)
    assert len(gaps) == 40 and gaps[0].bound == "mail_bytes" and gaps[0].member == "message 1.eml"


@pytest.mark.parametrize("data", [whole().as_bytes(), MAILBOX, multipart(PLAIN + b"one", PLAIN + b"two")])
@pytest.mark.parametrize("kind", [KIND, BOX])
def test_damage_raises_nothing_else(data: bytes, kind: Kind) -> None:
    reader, chance = reader_for(kind), random.Random(7)
    assert reader is not None
    damaged = [data[:i] for i in range(0, len(data), 13)]
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(5):
            changed[chance.randrange(len(data))] = chance.randrange(256)
        damaged.append(bytes(changed))
    for some in damaged:
        try:
            for item in reader(reader_source(some, kind)):
                assert isinstance(item, (Block, Gap, Member))
        except ReadError:
            pass


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: " + b"=?utf-8?Q?a?= " * 50_000,
        b"Subject: x" + b"\r\n x" * 200_000,
        b"a:\r\n" * 200_000,
        b"\x00" * 500_000,
        b"Content-Type: multipart/mixed; boundary=" + b"x" * 100_000 + b"\r\n\r\n",
        HEADER + b"Content-Type: multipart/mixed; boundary=-\r\n\r\n" + b"---\r\n" * 100_000,
        HEADER + b"Content-Type: text/plain" + b"; a=b" * 100_000 + b"\r\n\r\nx",
        HEADER + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=" * 1_000_000,
    ],
)
def test_hostile_messages_take_no_time(data: bytes) -> None:
    read(data, KIND)


def test_base64_of_many_pieces() -> None:
    pieces = [b"x" * n for n in range(1, 20)]
    assert mime.from_base64(b"\r\n".join(base64.b64encode(piece) for piece in pieces)) == b"".join(pieces)


def test_a_stream_that_cannot_seek() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    source = reader_source(b"", KIND)
    reader = reader_for(KIND)
    assert reader is not None
    object.__setattr__(source, "file", Pipe(HEADER + b"\r\ntext"))
    assert "text" in flat([item for item in reader(source) if isinstance(item, Block)])
