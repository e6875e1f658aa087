"""Values in every place of a mail that the measurement of the copies knows: both of its parsers find the same parts, and no value."""

from __future__ import annotations

import pytest

from bench.mail_cleaning import WAYS, PlantedMail, compared, split_mail, tree
from tests.cleaning.marked import rewritten

CARD = "4929 4212 3456 7897"
MAILS = {
    "text": b"From: Ada\nTo: Bob\nSubject: Boats\n\nDear Bob,\n\nthe fee is due.\n",
    "parts": (
        b"From: Ada\r\nSubject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=b\r\n"
        b"DKIM-Signature: v=1; b=AAAA=\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        b"Gr\xf6\xdfe\r\n--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+SGVsbG88L3A+\r\n--b--\r\n"
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mail", MAILS)
def test_a_planted_value_goes_and_the_parts_stay(mail: str, way: str) -> None:
    parts = split_mail(MAILS[mail])
    assert parts is not None
    before = WAYS[way](parts, f"Paid with {CARD} today")
    planted = PlantedMail("x.eml", CARD, way, signed=mail == "parts")
    assert "the value is still there" in compared(before, before, planted, [])
    found = rewritten(before, "x.eml")
    assert found.data is not None, found.cleaned.reason
    assert list(compared(before, found.data, planted, found.cleaned.actions)) == []


def test_the_comparison_sees_other_parts() -> None:
    data = MAILS["parts"]
    planted = PlantedMail("x.eml", CARD, "", signed=True)
    said = list(compared(data, data.replace(b"text/html", b"text/plain"), planted, []))
    assert said == [
        "other parts for the standard library",
        "other parts for fast-mail-parser",
        "the manifest does not say that its signature is invalid",
    ]
    assert tree(data) == tree(data)
