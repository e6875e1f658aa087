"""Numbers of well-known systems, and numbers with a weak checksum where no word says what they are: nobody's."""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.engines.pii.helpers import ENGINE, engine, found
from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.engines.pii.systems import clock, known
from veritensor_ray.testing import text_batch


@each(
    ("left", "value", "right", "expected"),
    [
        ("", "1732456789012", "", "time"),
        ("", "20231128", "", "time"),
        ("id 550e8400-e29b-41d4-a716-", "446655440000", "", "UUID"),
        ("arn:aws:iam::", "123456789012", ":role/x", "ARN"),
        ("https://doi.org/10.1234/", "4532015112", "", "DOI"),
        ("sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c", "15000", "f0a", "hash"),
        ("", "978-3-16-148410-0", "", "ISBN"),
        ("", "7732-18-5", "", "CAS number"),
        ("", "97-2003", "", "years"),
        ("", "2147483647", "", "placeholder"),
        ("", "999-99-9999", "", "placeholder"),
        ("with ESMTP id ", "BADCC4415C", "", "esmtp id"),
        ("subject to DFARS ", "252.227-7013", "", "dfars"),
        ('"expires": ', "1732456789", "", "expires"),
        ("Tel. ", "1732456789", "", ""),
        ("card ", "4532015112830366", "", ""),
        ("call ", "(415) 555-2671", "", ""),
    ],
)
def test_known(left: str, value: str, right: str, expected: str) -> None:
    assert known(left, value, right) == expected


@pytest.mark.parametrize(
    ("digits", "expected"), [("999999999", False), ("1000000000", True), ("2176000000000", True), ("4532015112830366", False)]
)
def test_clock(digits: str, expected: bool) -> None:
    assert clock(digits) == expected


@each(
    "text",
    [
        "page 295109912611193",  # a page's id that passes the check of a French number
        '"created": 1732456789012, "card": 1732456789014',
        "id BADCC4415C for <x>",
        "999-99-9999",
        "911-70-1234",
        "style 2 2 3 3 2 2 4 2 2",
        "call arn:aws:sns:us-east-1:415555267123:topic",
        "Office 97-2003 and Office 2003-2007",
        "phone book, CAS 7732-18-5",
        "hideorshow('xa727299c')",
        "private static final long X = 10000000L;",
        "12345678Z S2740116C X9613851N BNZAA2318J 811228-9874",
        "2341 2341 2346",
        "MBI,MBIA Inc.,Buy,7.03,USD,6.83,1228895",
        "156641360502280  function-entry:call_stack.py:start:23",
        "telephone 101 (2014 est.)",
        "Meeting ID 850 752 6242",
        "receipt number 0207-7422290",
        "clause 252.227-7013",
        "UCX6OQ3DkcsbYNE6H8uQQuVA and GSM 310260",
        "U+1F600 LATIN SMALL LETTER 1F6001F6",
        "born in Leeds, first elected in 1990, again on 3 March 1994",
        "mort le 13 août 1963",
        "Today is 27 February 2023. I was born exactly then",
    ],
)
def test_leaves_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DNI 12345678Z", [("national-id", "12345678Z")]),
        ("AA 12 34 56 C", [("national-id", "AA 12 34 56 C")]),
        ("2 95 10 99 126 111 93", [("national-id", "2 95 10 99 126 111 93")]),
        ("19811228-9874", [("national-id", "19811228-9874")]),
        ("1EG4-TE5-MK73", [("medical", "1EG4-TE5-MK73")]),
        ("<b>Account Number</b><font size=3>: 0700016539", [("iban", "0700016539")]),
        ("born on 3 March 1984, married on 4 May 2010", [("date-of-birth", "3 March 1984")]),
        ("* 1984-04-03 (date of birth)", [("date-of-birth", "1984-04-03")]),
        ("Name,Geburtsdatum,Ort\nAnna,31.03.2002,Ulm", [("date-of-birth", "31.03.2002")]),
    ],
)
def test_finds(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("5651874132787200", "low"),
        ("a,b,5651874132787200,c", "low"),
        ("he paid with 5651874132787200 yesterday", None),
        ("4532015112830366|12/27|123", None),
        ("card 4532015112830366", None),
    ],
)
def test_a_card_that_nothing_calls_one(text: str, severity: str | None) -> None:
    assert [(hit.rule, hit.severity) for hit in ENGINE.scan_text(text_batch([text]))] == [("pii.payment-card", severity)]


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("Ann Lee;4155552671;ann.lee@posteo.net", None, ["phone", "email"]),
        ("Ann Lee;4155552671;Leeds", None, []),
        ("415 555 2671", "contact", ["phone"]),
        ("020 7946 0018", "B", ["phone"]),
        ("9885 1152-Office", None, ["phone"]),
        ("call 33 93 31", None, ["phone"]),
        ("4155552671", "B", []),
    ],
)
def test_telephone_numbers_in_rows(text: str, column: str | None, expected: list[str]) -> None:
    batch = to_batch(Block([text], column=column), Identity(0, "t.csv", "text/csv"), Limits())
    assert [hit.rule.removeprefix("pii.") for hit in engine().scan_text(batch)] == expected
