"""A file is reported, said to be unchecked, or it escapes; one that ends the process does not take the others with it."""

from __future__ import annotations

import io
import os

import pyarrow as pa
import pytest
from PIL import Image

from bench.account.auditing import DIED, ESCAPED, REPORTED, SAID, Auditor, Blind
from bench.account.canary import EMAIL, RAW, TOKEN


@pytest.fixture(scope="module")
def auditor() -> Auditor:
    """Engines loaded once."""
    return Auditor()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.txt", RAW, REPORTED),
        ("a.txt", f"write to {EMAIL} today".encode(), REPORTED),
        ("a.json", b'{"token": "%b"}' % TOKEN.encode(), REPORTED),
        ("a.txt", b"nothing to see here", ESCAPED),
        ("a.docx", b"PK\x03\x04 nothing of an archive", SAID),
        ("a.flv", b"FLV\x01\x05\0\0\0\x09" + bytes(12), SAID),
    ],
)
def test_verdicts(auditor: Auditor, name: str, data: bytes, expected: str) -> None:
    assert [one.result for one in auditor.verdicts([(name, data)])] == [expected]


def test_each_file_has_its_own(auditor: Auditor) -> None:
    files = [("a.txt", RAW if number % 3 else b"nothing") for number in range(40)]
    assert [one.result for one in auditor.verdicts(files)] == [REPORTED if number % 3 else ESCAPED for number in range(40)]


class Dying(Blind):
    """Ends its process when it sees an image."""

    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        os._exit(1)


def test_a_process_that_dies() -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    files = [("a.txt", RAW), ("a.png", picture.getvalue()), ("a.txt", RAW), ("a.txt", b"nothing")]
    assert [one.result for one in Auditor(f"{__name__}:Dying").verdicts(files)] == [REPORTED, DIED, REPORTED, ESCAPED]
