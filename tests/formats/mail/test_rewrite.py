"""Mails are rewritten in the encodings that they have; every byte that has no order stays, and what programs read differently is held."""

from __future__ import annotations

import base64
import binascii
import email
import hashlib
import io
import mailbox
import quopri
import re
import zipfile
from email.message import Message
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.cases import each
from tests.cleaning.marked import rewritten
from tests.formats.archives.ar.test_read import row_of
from tests.formats.archives.packed import zipped
from tests.formats.editing.ordering import cleaned, covering, order, over_bytes
from tests.formats.reading import flat
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result
from veritensor_ray.core.config import Limits
from veritensor_ray.core.media_types import MAILBOX, MESSAGE
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Unit
from veritensor_ray.formats.mail.read import read_mail
from veritensor_ray.formats.mail.rewrite import rewrite_mail, rewrite_mailbox
from veritensor_ray.testing import RewriterContract, SampleDocument

KIND, BOX = Kind(MESSAGE, "latin-1"), Kind(MAILBOX, "latin-1")
HEADER = b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: A letter\r\nMIME-Version: 1.0\r\n"
PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n"
CARD, MASK = "4929 4212 3456 7897", "[PAYMENT_CARD]"
ADDRESS, KEY = "ada.lindqvist@kaldor-mail.com", "glpat-" + "Zx9Qw3Er7Ty1Ui5Op2As"
LOW = CleanPolicy(level="low")


def b64(data: bytes) -> str:
    """Base64 in one line."""
    return base64.b64encode(data).decode()


def parted(*parts: bytes, kind: str = "mixed", before: bytes = b"", after: bytes = b"", boundary: bytes = b"=_b 1") -> bytes:
    """A message of parts that are given with their header."""
    lines = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    head = HEADER + b"Content-Type: multipart/" + kind.encode() + b';\r\n boundary="' + boundary + b'"\r\n\r\n'
    return head + before + lines + b"--" + boundary + b"--\r\n" + after


def coded(kind: bytes, data: bytes, encoding: str, fields: bytes = b"") -> bytes:
    """A part in a transfer encoding."""
    body = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)(data)
    body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + encoding.encode() + b"\r\n" + fields + b"\r\n" + body


LETTER = parted(
    PLAIN + b"\r\nwords to read\r\n",
    coded(b"text/plain; name=list.txt", b"alpha, beta\n", "base64"),
)
SIMPLE = HEADER + b"X-Way: by hand\r\nReceived: one place\r\nReceived: other\r\n\tplaces\r\n\r\nplain words\r\nfollow.\r\n"


class TestRewritingMails(RewriterContract):
    row = row_of(MESSAGE)
    documents = (SampleDocument(SIMPLE), SampleDocument(LETTER))


def texts(data: bytes) -> list[tuple[str, Unit]]:
    """All texts of a mail, and what it says besides them."""
    items = read_mail(Source(io.BytesIO(data), KIND, Limits()))
    return [
        (text, Unit(part=part, column=column))
        for text, part, column in flat([one for one in items if isinstance(one, Block)], "part", "column")
    ]


def masked(data: bytes, *values: str) -> bytes:
    """The mail with each of these values masked, wherever its reader shows it."""
    orders = [
        order(unit, at.start(), at.end(), value)
        for text, unit in texts(data)
        for value in values
        for at in re.finditer(re.escape(value), text)
    ]
    assert orders
    new, told = cleaned(rewrite_mail, data, KIND, orders, "[EMAIL]")
    assert not told.undone
    return new


_AT = ADDRESS.replace("@", "%40")


@each(
    ("old", "new"),
    [
        (f"Subject: to {ADDRESS} here", "Subject: to [EMAIL] here"),
        (f"Subject:{ADDRESS}", "Subject:[EMAIL]"),
        (f"Subject: card {CARD[:9]}\r\n {CARD[10:]}\r\n here", "Subject: card [EMAIL]\r\n here"),
        (f"Subject: one\r\n {ADDRESS}\r\n\there", "Subject: one\r\n [EMAIL]\r\n\there"),
        (f"Subject: Zo\u00eb's {ADDRESS}", "Subject: Zo\u00eb's [EMAIL]"),
        (f"Subject: =?utf-8?Q?Zo=C3=AB_{ADDRESS}?= =?utf-8?q?_x?= y", "Subject: =?utf-8?Q?Zo=C3=AB_=5BEMAIL=5D_x?= y"),
        (f"Subject: =?utf-8?Q?{ADDRESS[:9]}?=\r\n =?utf-8?Q?{ADDRESS[9:]}?=", "Subject: =?utf-8?Q?=5BEMAIL=5D?="),
        (f"Subject: =?iso-8859-1?B?{b64(b'Zo' + bytes([235]) + b' ' + ADDRESS.encode())}?=", "Subject: =?iso-8859-1?B?Wm/rIFtFTUFJTF0=?="),
        (f"Subject: =?utf-8?Q?a_{CARD[:4]}?= {CARD[5:]} =?utf-8?Q?c?=", "Subject: =?utf-8?Q?a_=5BEMAIL=5D_c?="),
        (f"Subject: a =?utf-8?Q?b?= {ADDRESS} =?utf-8?Q?c?=", "Subject: a =?utf-8?Q?b?= [EMAIL] =?utf-8?Q?c?="),
        (f"From: Ada <{ADDRESS}>, Bob <{ADDRESS}>", "From: Ada <EMAIL@masked.invalid>, Bob <EMAIL@masked.invalid>"),
        (f'Cc: "{ADDRESS}"\r\n\t<{ADDRESS}>', 'Cc: "EMAIL@masked.invalid"\r\n\t<EMAIL@masked.invalid>'),
        (f"Resent-To: {CARD} <b@c.de>", "Resent-To: EMAIL <b@c.de>"),
        (f"Received: from a by b for <{ADDRESS}>;\r\n Thu", "Received: from a by b for <EMAIL@masked.invalid>;\r\n Thu"),
        (f"X-To: {ADDRESS}\r\nX-To: to {ADDRESS}", "X-To: [EMAIL]\r\nX-To: to [EMAIL]"),
        (f'Content-Disposition: attachment; filename="{ADDRESS}"', 'Content-Disposition: attachment; filename="[EMAIL]"'),
        (f"Content-Disposition: attachment; filename=a{ADDRESS}b; size=3", 'Content-Disposition: attachment; filename="a[EMAIL]b"; size=3'),
        (f"Content-Disposition: attachment; filename*=utf-8''{_AT}", "Content-Disposition: attachment; filename*=utf-8''%5BEMAIL%5D"),
        (f"Content-Disposition: a;\r\n filename*0*=iso-8859-1''%E9{_AT[:7]};\r\n filename*1*={_AT[7:]}", "Content-Disposition: a;\r\n filename*0*=utf-8''%C3%A9%5BEMAIL%5D"),
        (f'Content-Disposition: a; note*0="{ADDRESS[:7]}"; note*1="{ADDRESS[7:]}"; x=1', 'Content-Disposition: a; note*0="[EMAIL]"; x=1'),
        (f'Content-Type: text/plain; charset=utf-8; note="{ADDRESS}"', 'Content-Type: text/plain; charset=utf-8; note="[EMAIL]"'),
    ],
)  # fmt: skip
def test_fields(old: str, new: str) -> None:
    rest = b"\r\nMessage-ID: <1@example.org>\r\nDate: Thu, 1 Jan 2024 10:00:00 +0000\r\n\r\nHello\r\n"
    changed = masked(old.encode() + rest, ADDRESS, CARD)
    assert changed == new.encode() + rest
    assert email.message_from_bytes(changed, policy=SMTP).items()  # parsed field by field


@each(
    ("codec", "words"),
    [("utf-8", "Gr\u00fc\u00dfe \u6570\u636e"), ("iso-8859-1", "Gr\u00fc\u00dfe"), ("cp1252", "\u201cGr\u00fc\u00dfe\u201d"), ("koi8-r", "\u041f\u0440\u0438\u0432\u0435\u0442"), ("shift_jis", "\u8868\u793a\u30bd"),
     ("iso-2022-jp", "\u65e5\u672c\u8a9e"), ("gb18030", "\u6570\u636e\U0001f600"), ("big5", "\u529f\u8a31"), ("euc-kr", "\ud55c\uad6d"), ("windows-1256", "\u0645\u0631\u062d\u0628\u0627"), ("utf-16", "\u00fc"), ("utf-7", "\u00fc")],
)  # fmt: skip
@each("encoding", ["8bit", "quoted-printable", "base64", "binary"])
def test_bodies_of_every_charset_and_encoding(codec: str, words: str, encoding: str) -> None:
    text = f"{words} {words}\r\n{words} to {ADDRESS}, {words}\r\n\r\n{words}\r\n"
    if codec == "utf-16" and encoding == "8bit":
        return  # it holds NULs, which only binary may
    kind = f"text/plain; charset={codec}".encode()
    body = text.encode(codec)
    part = b"Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n" % (kind, encoding.encode())
    written = {"base64": base64.encodebytes(body), "quoted-printable": binascii.b2a_qp(body, istext=False)}
    raw = written[encoding].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if encoding in written else body
    data = parted(PLAIN + b"\r\nnothing", part + raw, kind="alternative")
    new = masked(data, ADDRESS)
    begin, end = data.index(raw), len(data) - data.index(raw) - len(raw)
    assert (new[:begin], new[-end:]) == (data[:begin], data[-end:])
    second = email.message_from_bytes(new).get_payload(1)
    assert isinstance(second, Message)
    decoded = second.get_payload(decode=True)
    assert isinstance(decoded, bytes)
    assert decoded.decode(codec).split() == text.replace(ADDRESS, "[EMAIL]").split()


@pytest.mark.parametrize("width", [4, 60, 76, 1000])
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_lines_of_base64_are_as_long_as_they_were(width: int, newline: bytes) -> None:
    text = b"some words that come first, " * 9 + ADDRESS.encode() + b" and others"
    code = base64.b64encode(text)
    lines = newline.join(code[at : at + width] for at in range(0, len(code), width))
    data = HEADER.replace(b"\r\n", newline) + b"Content-Transfer-Encoding: base64" + newline * 2 + lines + newline
    new = masked(data, ADDRESS)
    again = base64.b64encode(text.replace(ADDRESS.encode(), b"[EMAIL]"))
    expected = newline.join(again[at : at + width] for at in range(0, len(again), width))
    assert new == data.replace(lines, expected)


def test_only_the_lines_with_a_change_are_written_anew() -> None:
    text = b"odd=20spaces=20=\r\nFrom=20here \r\n=C3=BC to %s=\r\n and =2E\r\n=3D=46\r\n.\r\n"
    data = HEADER + PLAIN + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + text
    assert masked(data % ADDRESS.encode(), ADDRESS) == data % b"[EMAIL]"


def test_a_line_does_not_begin_as_a_message_in_a_mailbox() -> None:
    words = "x" * 73 + "From here on " + ADDRESS
    data = HEADER + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + words.encode() + b"\r\n"
    lines = masked(data, ADDRESS).split(b"\r\n")
    assert lines[-3:] == [b"x" * 73 + b"=", b"=46rom here on [EMAIL]", b""]


def test_pages_and_files_are_rewritten_by_their_own() -> None:
    page, table = f"<p title={ADDRESS}>Zo\u00eb</p>\n", f"a;{ADDRESS}\n"
    data = parted(
        coded(b"text/html; charset=iso-8859-1", page.encode("latin-1"), "quoted-printable"),
        coded(b"text/csv", table.encode(), "base64", b'Content-Disposition: attachment; filename="t.csv"\r\n'),
        coded(b"application/zip; name=a.zip", zipped(("t.txt", table.encode()), ("b.txt", b"b")), "base64"),
        coded(b"message/rfc822", parted(coded(b"text/plain", table.encode(), "base64"), boundary=b"inner"), "7bit"),
        coded(b"application/json; name=a.json", b"[1, 2]", "base64"),
    )
    found = rewritten(data, "a.eml")
    assert found.data is not None, found.cleaned.reason
    old, new = email.message_from_bytes(data), email.message_from_bytes(found.data)
    assert shape(new) == shape(old)
    assert contents(new)[0] == page.replace(ADDRESS, "[EMAIL]").replace("\n", "\r\n").encode("latin-1")
    assert contents(new)[1] == b"a;[EMAIL]\n"
    with zipfile.ZipFile(io.BytesIO(contents(new)[2])) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"t.txt": b"a;[EMAIL]\n", "b.txt": b"b"}
    assert contents(new)[3:] == [b"a;[EMAIL]\n", b"[1, 2]"]


def shape(message: Message) -> list[tuple[str, object, object]]:
    """What the standard library says of the parts."""
    return [(part.get_content_type(), part.get_boundary(), part.get_filename()) for part in message.walk()]


def contents(message: Message) -> list[bytes]:
    """The decoded contents of the parts that hold no others."""
    return [data for part in message.walk() if isinstance(data := part.get_payload(decode=True), bytes)]


def test_messages_of_a_mailbox(tmp_path: Path) -> None:
    first = b"From %s Thu Jan  1 10:00:00 2024\n" % ADDRESS.encode()
    letter = parted(coded(b"text/plain", b"to " + ADDRESS.encode() + b"\n", "base64"), before=b"", after=b"\r\n").replace(b"\r\n", b"\n")
    untouched = b"From b@c.de Thu Jan  1 10:00:01 2024\n" + HEADER.replace(b"\r\n", b"\n") + b"\nwords\n\n>From here\n\n"
    data = untouched + first + letter + b"\n" + untouched
    (tmp_path / "old").write_bytes(data)
    found = rewritten(data, "a.mbox", LOW.model_copy(update={"rules": ()}))
    assert found.data is not None
    (tmp_path / "new").write_bytes(found.data)
    before, after = (list(mailbox.mbox(tmp_path / name)) for name in ("old", "new"))
    assert len(before) == len(after) == 3
    assert [shape(message) for message in after] == [shape(message) for message in before]
    assert after[1].get_from() == "[MAIL_HEADER] Thu Jan  1 10:00:00 2024"
    assert found.data.count(b"\n>From here\n") == 2
    default = rewritten(data, "a.mbox").data
    assert default is not None and default.startswith(untouched + first) and default.endswith(b"\n" + untouched)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (parted(PLAIN + b"\r\n%s").removesuffix(b"--=_b 1--\r\n"), "it was not wholly checked: the boundary that ends the parts is missing"),
        (parted(PLAIN + b"\r\n%s").replace(b"--=_b 1\r\n", b""), "the message consists of parts, but the boundary between them is missing"),
        (parted(PLAIN + b"\r\n%s", after=b"\r\n--=_b 1\r\n\r\nmore\r\n"), "the message has boundaries that follow each other, or the one that ends"),
        (parted(PLAIN + b"\r\n%s").replace(b"--=_b 1--", b"--=_b 1\r\n--=_b 1--"), "the message has boundaries that follow each other, or the one that ends"),
        (HEADER + b"Broken line\r\n\r\n%s", "the message has a line in its header that is not a field"),
        (parted(b"X: y\r\n--=_b 2\r\n\r\n%s"), "its part 1 has a line in its header that is not a field"),
        (HEADER + b"X : y\r\n\r\n%s", "white space between the name of a field and its colon"),
        (parted(b" \r\n%s"), "its part 1 has a header that ends with a line of white space"),
        (HEADER + b"\r\n%s\rand\r\n", "a carriage return without a line feed"),
        (HEADER + b"X: y\rBcc: me\r\n\r\n%s", "not a field"),
        (HEADER + b"\r\n%s\0\r\n", "it holds NULs"),
        (parted(b"Content-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\n\r--=_b 1\r\n", PLAIN + b"\r\n%s"), "a boundary follows a carriage return"),
        (HEADER + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"one ") + b"\r\n!\r\n" + base64.b64encode(b"to %s"), "lines that are not base64"),
        (HEADER + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"one") + b"==\r\n" + base64.b64encode(b"to %s"), "lines that are not base64"),
        (HEADER + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n" + binascii.b2a_uu(b"to %s."), "a transfer encoding in which nothing is written"),
        (HEADER + b"Content-Transfer-Encoding: x-other\r\n\r\n%s", "a transfer encoding in which nothing is written"),
        (HEADER + b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\n%s", "it was not wholly checked: the part has two different"),
        (parted(PLAIN + b"\r\n%s").replace(b"boundary=", b"boundary=x; boundary="), "boundary"),
        (parted(PLAIN + b"\r\n%s").replace(b"MIME-Version", b"Content-Transfer-Encoding: base64\r\nMIME-Version"), "encoded as a whole"),
        (parted(*(coded(b"text/csv; name=a.csv", b"%s", "7bit") for _ in "ab")), "more than one file of that name"),
        (parted(coded(b"message/rfc822", HEADER + b"X : y\r\n\r\n%s", "7bit")), "part 1.eml: the message has a white space"),
        (HEADER + b"Content-Type: text/plain; charset=utf-7\r\n\r\n+AGE- %s", "not written as its charset is"),
    ],
    ids=range(22),
)  # fmt: skip
def test_what_programs_read_differently_is_held(data: bytes, reason: str) -> None:
    at = base64.b64encode(b"to %s"), base64.b64encode(b"to " + ADDRESS.encode())
    uu = binascii.b2a_uu(b"to %s."), binascii.b2a_uu(b"to " + ADDRESS.encode() + b".")
    found = rewritten(data.replace(*at).replace(*uu).replace(b"%s", ADDRESS.encode()), "a.eml")
    assert found.data is None
    assert found.cleaned.result == Result.HELD
    assert reason in (found.cleaned.reason or "")


def test_messages_in_messages_up_to_the_limit() -> None:
    data = HEADER + b"\r\nto " + ADDRESS.encode()
    for _ in range(3):
        data = parted(b"Content-Type: message/rfc822\r\n\r\n" + data, boundary=hashlib.sha256(data).hexdigest()[:9].encode())
    found = rewritten(data, "a.eml")
    assert found.data == data.replace(ADDRESS.encode(), b"[EMAIL]")
    for number in range(1000):
        data = parted(b"Content-Type: message/rfc822\r\n\r\n" + data, boundary=b"b%d" % number)
    found = rewritten(data, "a.eml")
    assert (found.data, found.cleaned.result) == (None, Result.HELD)


def test_what_no_program_shows_goes_with_a_change() -> None:
    data = parted(PLAIN + b"\r\nto " + ADDRESS.encode(), before=b"old words\r\n", after=b"and after\r\n\r\n")
    found = rewritten(data, "a.eml")
    assert found.data == parted(PLAIN + b"\r\nto [EMAIL]", before=b"\r\n", after=b"\r\n\r\n")
    assert {"rule": "clean.residue", "action": "strip", "count": 2} in found.cleaned.actions
    assert rewritten(data.replace(ADDRESS.encode(), b"nobody"), "a.eml").cleaned.result == Result.COPIED
    inside = rewritten(data.replace(b"old", KEY.encode()).replace(b"after", ADDRESS.encode()), "a.eml")
    assert inside.data == found.data


@pytest.mark.parametrize(
    "data",
    [
        b"DKIM-Signature: v=1; b=abc\r\n" + HEADER + b"\r\n%s\r\n",
        b"ARC-Seal: i=1; b=abc\r\n" + HEADER + b"\r\n%s\r\n",
        parted(PLAIN + b"\r\n%s", b"Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n", kind="signed"),
        HEADER + b"\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\n%s\r\n",
    ],
    ids=["DKIM", "ARC", "signed", "clear"],
)
def test_a_signature_becomes_invalid(data: bytes) -> None:
    found = rewritten(data.replace(b"%s", ADDRESS.encode()), "a.eml", CleanPolicy(unchecked="copy"))
    assert found.data == data.replace(b"%s", b"[EMAIL]")
    assert {"rule": "clean.signature", "action": "invalid", "count": 1} in found.cleaned.actions


def test_counts_and_digests_stay_right() -> None:
    body = b"to " + ADDRESS.encode() + b"\r\nand\r\n"

    def counted(text: bytes) -> bytes:
        digest = base64.b64encode(hashlib.md5(text, usedforsecurity=False).digest())
        return HEADER + b"Content-Length: %d\r\nLines: 2\r\nContent-MD5: %s\r\n\r\n" % (len(text), digest) + text

    assert masked(counted(body), ADDRESS) == counted(body.replace(ADDRESS.encode(), b"[EMAIL]"))
    wrong = counted(body).replace(b"Length: ", b"Length: 9")
    assert masked(wrong, ADDRESS).count(b"Length: 9") == 1


def test_what_changes_in_the_headers_of_parts_is_counted() -> None:
    def counted(boundary: bytes, *parts: bytes) -> bytes:
        body = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--" % boundary
        sizes = b"Content-Length: %d\r\nLines: %d\r\n" % (len(body), body.count(b"\n"))
        return b"Content-Type: multipart/mixed; boundary=%b\r\n%b\r\n%b" % (boundary, sizes, body)

    def named(name: str) -> bytes:
        part = b'Content-Type: text/plain; name="%b.txt"\r\n\r\nwords to read' % name.encode()
        return HEADER + counted(b"outer", part, counted(b"inner", part))

    old, new = named(ADDRESS), named("[EMAIL]")
    assert masked(old, ADDRESS) == new
    assert [re.findall(rb"Length: (\d+)", one) for one in (old, new)] == [[b"297", b"103"], [b"252", b"81"]]


def test_fields_about_the_way_are_stripped_on_request() -> None:
    way = b"Received: from a\r\n\tby b\r\nX-Mailer: a program\r\n"
    new, orders = cleaned(rewrite_mail, way + HEADER + b"\r\nwords\r\n", KIND, [], strip=[Strippable.METADATA])
    assert new == HEADER + b"\r\nwords\r\n"
    assert orders.account.counts == {("clean.metadata", "strip"): 2}
    data = parted(PLAIN + b"\r\nwords", before=b"before\r\n")
    new, orders = cleaned(rewrite_mail, data, KIND, [], strip=[Strippable.HIDDEN_TEXT])
    assert (new, orders.account.counts) == (data.replace(b"before", b""), {("clean.hidden-text", "strip"): 1})
    assert cleaned(rewrite_mail, SIMPLE, KIND, [], strip=[Strippable.COMMENTS])[0] == SIMPLE


def test_orders_that_have_no_place_stay_undone() -> None:
    body = Unit(column="body")
    for one in (
        order(body, 0, 5, "wrong"),
        order(body, 0, 5, "plain", action=Action.DROP_CELL),
        order(Unit(column="received"), 0, 4, None),
        order(Unit(column="names and parameters"), 0, 3, "any"),
        over_bytes(0, 9),
    ):
        new, orders = cleaned(rewrite_mail, SIMPLE, KIND, [one])
        assert (new, len(orders.undone)) == (SIMPLE, 1)
    at = SIMPLE.index(b"plain")
    assert cleaned(rewrite_mail, SIMPLE, KIND, [over_bytes(at, at + 5)])[0] == SIMPLE.replace(b"plain", b"[X]")
    emptied = cleaned(rewrite_mail, SIMPLE, KIND, [order(Unit(column="x-way"), 0, 2, "by", action=Action.DROP_CELL)])[0]
    assert emptied == SIMPLE.replace(b"by hand", b"")


def test_a_field_named_like_a_text() -> None:
    data = HEADER + b"Body: to " + ADDRESS.encode() + b"\r\n\r\nto " + ADDRESS.encode() + b"\r\n"
    assert masked(data, ADDRESS) == data.replace(ADDRESS.encode(), b"[EMAIL]")


def test_a_line_that_would_begin_another_message() -> None:
    data = b"From a@b.de Thu Jan  1 10:00:00 2024\n" + SIMPLE.replace(b"\r\n", b"\n") + b"\nXFrom here\n"
    inner = order(Unit(column="body"), 0, 0)
    at = texts(SIMPLE.replace(b"\r\n", b"\n") + b"\nXFrom here\n")[-1][0].index("XFrom")
    mark = inner.mark._replace(member="message 1.eml", start=at, end=at + 1, text="X", straight=True)
    with pytest.raises(CannotRewriteError, match=r"message 1\.eml: with the changes, one of its lines would begin another message"):
        cleaned(rewrite_mailbox, data, BOX, [inner._replace(mark=mark)], mask="")


def test_a_change_that_would_be_a_boundary() -> None:
    data = parted(PLAIN + b"\r\n-X-=_b 1\r\nwords")
    text, unit = next(one for one in texts(data) if one[1].column == "body")
    at = text.index("X")
    with pytest.raises(CannotRewriteError, match="the changes would change its parts"):
        cleaned(rewrite_mail, data, KIND, [order(unit, at, at + 1, "X")], mask="")


def test_too_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.formats.mail.rewrite.PARTS", 3)
    with pytest.raises(CannotRewriteError, match="more than 3 parts"):
        cleaned(rewrite_mail, parted(*[PLAIN + b"\r\nwords"] * 3), KIND, [covering("words", Unit("1", column="body"))])


def test_ids_do_not_end_with_an_address_that_was_removed() -> None:
    fields = f"Message-ID: <ILEHJNJFPDLMDE.{ADDRESS}>\r\nReferences: <1@b.c>\r\n <ILEHJNJ.{ADDRESS}>\r\n".encode()
    data = HEADER + fields + b"\r\nto " + ADDRESS.encode() + b"\r\n"
    found = rewritten(data, "a.eml")
    assert found.data == data.replace(ADDRESS.encode(), b"EMAIL@masked.invalid").replace(b"to EMAIL@masked.invalid", b"to [EMAIL]")
    kept = data.replace(b"bob@example.org", ADDRESS.encode())
    assert rewritten(kept, "a.eml").data == kept.replace(b"\r\nto " + ADDRESS.encode(), b"\r\nto [EMAIL]")
    boxes = b"".join(
        b"From a@b.de Thu Jan  1 10:00:00 2024\n" + one.replace(b"\r\n", b"\n") + b"\n"
        for one in (data, HEADER + fields + b"\r\nwords\r\n")
    )
    new = rewritten(boxes, "a.mbox").data
    assert new is not None and ADDRESS.encode() not in new and new.count(b"EMAIL@masked.invalid") == 4
