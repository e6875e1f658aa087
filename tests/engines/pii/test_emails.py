"""Addresses of mail: whose they are, what a mail's header says, and what only looks like one."""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.engines.pii.helpers import ENGINE
from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.testing import text_batch

ROLE, LIST, LICENCE = "role address", "mailing list", "contact in a license"
SIGNED, AUTHOR = "contact in an author or copyright line", "listed as an author"
BSD = "Permission to use, copy and redistribute this software is granted without warranty; this licence stays. Write to "


def told(text: str, column: str | None = None, media_type: str = "text/plain") -> list[tuple[str, str | None, str | None]]:
    """Rule, severity where it is not the rule's own, and message of every hit."""
    batch = to_batch(Block([text], column=column), Identity(0, "a", media_type), Limits())
    return [(hit.rule.removeprefix("pii."), hit.severity, hit.message) for hit in ENGINE.scan_text(batch)]


@each(
    ("text", "detail"),
    [
        ("write to anna.becker@posteo.de", None),
        ("jessica.board@heidmanlaw.com", None),
        ("13812345678@139.com", None),
        ("It was submitted by (sje726@aol.com)", None),
        ("ask info@firma.de", ROLE),
        ("noreply02@lawfirm.com", ROLE),
        ("krb5-bugs@mit.edu", ROLE),
        ("exmh-workers-admin@redhat.com", ROLE),
        ("dispatchfeedback@news.com", ROLE),
        ("prometheus-team@googlegroups.com", LIST),
        ("pgsql-docs@lists.postgresql.org", LIST),
        ("stp_910_b@list.ru", None),
        ("Crackmice mailing list\nCrackmice@crackmice.com", LIST),
        ("Copyright (c) 2013 Kyle Lutz <kyle.r.lutz@gmail.com>", SIGNED),
        ("// SPDX-FileCopyrightText: 2019 Tina <tina@tina.pm>", SIGNED),
        ("Author-email: jane.roe@posteo.net", SIGNED),
        (".. moduleauthor:: Greg Ward <gward@python.net>", SIGNED),
        ("Signed-off-by: Jane Roe <roe@kernel.org>", SIGNED),
        (" -- Thomas Goirand <zigo@debian.org>  Mon, 21 Sep 2020 10:00:00 +0200", SIGNED),
        (BSD + "bob@codehaus.org.", LICENCE),
        ("# Authors\n\n- Ann Lee\n- Daniel Miller <danielm@vs-networks.com>\n", AUTHOR),
        ("Copyright 2004 by\n#    Dan Schult <dschult@colgate.edu>", AUTHOR),
        ('authors = [\n    { name = "Kenneth Reitz", email = "me@kennethreitz.org" },\n]', AUTHOR),
        ("Our customers\n\n- Ann Lee\n- Daniel Miller <danielm@vs-networks.com>\n", None),
    ],
)
def test_whose_it_is(text: str, detail: str | None) -> None:
    assert told(text) == [("email", "info" if detail else None, detail)]


@each(
    ("text", "address"),
    [
        ("メールアドレスはada@kaldor.comです。", "ada@kaldor.com"),
        ("您的邮箱是ada.b@kaldor.co.uk，电话", "ada.b@kaldor.co.uk"),
        ("ご質問はada@kaldor.netまでどうぞお気軽にお問い合わせくださいますようお願いいたします", "ada@kaldor.net"),
        ("문의는 ada@kaldor.kr으로 보내세요", "ada@kaldor.kr"),
        ("写信给用户@例子.中国", "写信给用户@例子.中国"),
        ("an jörg@müller.de", "jörg@müller.de"),
        ("<!--ada@kaldor.com-->", "ada@kaldor.com"),
        ("owner=ada@kaldor.com", "ada@kaldor.com"),
        ("ada@kaldor.comПривет", "ada@kaldor.com"),
        ("ada@kaldor.comPhone: none", "ada@kaldor.com"),
        ("ada@kaldor.deTel", "ada@kaldor.de"),
        ("ada@kaldor.com.Please write", "ada@kaldor.com"),
        ("ada@kaldor.com555-2671", "ada@kaldor.com"),
        ("ada@kaldor.com-Please", "ada@kaldor.com"),
        ("ada@mail.comcast.net", "ada@mail.comcast.net"),
        ("ada@kaldor.community", "ada@kaldor.community"),
        ("ada@kaldor.com.br", "ada@kaldor.com.br"),
        ("Ada@Kaldor.Co.Uk", "Ada@Kaldor.Co.Uk"),
    ],
)
def test_what_stands_around_an_address_without_a_space_is_not_a_part_of_it(text: str, address: str) -> None:
    hits = [hit for hit in ENGINE.scan_text(text_batch([text])) if hit.rule == "pii.email"]
    assert [text[hit.start : hit.end] for hit in hits] == [address]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("ada@kaldor.comben@bird.net", ["ada@kaldor.com", "ben@bird.net"]),
        ("ada@kaldor.comben.lee@bird.net", ["ada@kaldor.com", "ben.lee@bird.net"]),
        ("ada@kaldor.com.ben@bird.net", ["ada@kaldor.com", "ben@bird.net"]),
        ('to: "ada@kaldor.com\\nben@bird.net\\n"', ["ada@kaldor.com", "ben@bird.net"]),
        ('"\\tada@kaldor.com\\r\\nBen@bird.net"', ["ada@kaldor.com", "Ben@bird.net"]),
        ("nobody@example.comben@bird.net", ["ben@bird.net"]),
    ],
)
def test_addresses_that_follow_each_other_are_two(text: str, addresses: list[str]) -> None:
    assert [text[hit.start : hit.end] for hit in ENGINE.scan_text(text_batch([text]))] == addresses


@each(
    "text",
    [
        "Message-ID: <CEC2D796-D8FC-11D6-AD37-0030657C53EA@ianbell.com>",
        "In-Reply-To: <anna@posteo.de>",
        "References: <x@posteo.de>\n <anna@posteo.de>",
        "> Message-Id: <F9lj99A9tN0DhtK8x9O0000290c@hotmail.com>",
        "in <20020202130844.32a8b78b.matthias@egwn.net> he wrote",
        "<87pnfb69f3.fsf@bernat.ch>",
        "<E17kb3f-0002Em-00@cpu59.osdn.com>",
        "1234567+octocat@users.noreply.github.com",
        "bounce-lghtml-2534368@sprocket.lockergnome.com",
        "bounces+5381-anna=posteo.de@mg.shop.com",
        "host/kerberos.mit.edu@ATHENA.MIT.EDU",
        "your.name@gmail.com, you@here.net, someone@yahoo.com",
        "x@xxx.org and me@foo.com",
        "systemctl restart devstack@n-api.service",
        "prometheus_8kq@group.calendar.google.com",
    ],
)
def test_nobody_reads_it(text: str) -> None:
    assert told(text) == []


@each(
    ("column", "text", "expected"),
    [
        ("from", "Anna Becker <anna@posteo.de>", [("mail-header", None, None)]),
        ("to", "<info@firma.de>", [("mail-header", "info", ROLE)]),
        ("received", "from a.net (a.net [81.2.69.142]) by b.net with ESMTP id BADCC4415C for <anna@posteo.de>",
         [("mail-header", None, "IP address"), ("mail-header", None, None)]),
        ("message 1", "From anna@posteo.de Tue Sep 10 15:15:30 2002", [("mail-header", None, None)]),
        ("message-id", "<anna.becker@posteo.de>", []),
        ("in-reply-to", "Message from anna@posteo.de of Monday", [("mail-header", None, None)]),
        ("dkim-signature", "i=anna@posteo.de; b=4532015112830366", []),
        ("headers", "Message-ID: <anna@posteo.de>\nTo: bert@posteo.de\n", [("mail-header", None, None)]),
        ("subject", "call (415) 555-2671 or anna@posteo.de", [("phone", None, None), ("email", None, None)]),
        ("body", "ask anna@posteo.de", [("email", None, None)]),
        ("cc", "anna@posteo.de, Tel. 030 901820", [("mail-header", None, None), ("phone", None, None)]),
    ],
)  # fmt: skip
def test_the_header_of_a_mail(column: str, text: str, expected: list[tuple[str, str | None, str | None]]) -> None:
    assert told(text, column, "message/rfc822") == expected


def test_a_column_of_a_table_is_no_header() -> None:
    assert told("anna@posteo.de", "to", "text/csv") == [("email", None, None)]
    assert told("jane@posteo.net", "package.author.email", "application/json") == [("email", "info", SIGNED)]


def test_a_header_that_was_pasted_into_a_text() -> None:
    quoted = "he wrote\n\n> From: Anna <anna@posteo.de>\n> Subject: lunch\n>\n> ask bert@posteo.de"
    assert [(hit.rule, quoted[hit.start : hit.end]) for hit in ENGINE.scan_text(text_batch([quoted]))] == [
        ("pii.mail-header", "anna@posteo.de"),
        ("pii.email", "bert@posteo.de"),
    ]
    assert told("From: anna@posteo.de") == [("email", None, None)]
