"""No copy still holds a value that was removed from it, wherever it stands and however it is written."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import zipfile
import zlib

import lz4.frame
import pytest
import zstandard

from tests.cleaning.marked import rewritten
from veritensor_ray.cleaning.cleaning_policy import parse
from veritensor_ray.cleaning.copy_manifest import Result
from veritensor_ray.cleaning.last_net import still_there, telling
from veritensor_ray.core.config import Limits
from veritensor_ray.masking.values_in_bytes import ValuesInBytes

VALUE = "ada.lindqvist@kaldor-mail.com"
SAID = f"say {VALUE} "
UNCHECKED = "unchecked: copy"  # these zips hold files without a reader


TWICE = b'password = "p@ssw0rd-of-mine"\n\nelsewhere: p@ssw0rd-of-mine\n'


def zipped(other: bytes, text: str = f"write to {VALUE} now\n") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", text)
        archive.writestr("b.bin", b"\x01\x02\x00" + other)
    return file.getvalue()


def pdf_stream(text: bytes) -> bytes:
    return b"7 0 obj <</Filter /FlateDecode>> stream\n" + zlib.compress(text) + b"\nendstream endobj\n"


@pytest.mark.parametrize(
    ("other", "where"),
    [
        (SAID.encode(), "in b.bin, at byte 7"),
        (SAID.encode("utf-16-le"), "in b.bin, at byte 10"),
        (base64.b64encode(SAID.encode()), "in b.bin, at byte 9"),
        (SAID.replace("@", "\\u0040").encode(), "in b.bin, at byte 7"),
        (gzip.compress(SAID.encode() * 9)[:-1], "in b.bin, in the gzip stream at byte 3, at byte 4"),
        (bz2.compress(SAID.encode() * 9), "in b.bin, in the bzip2 stream at byte 3, at byte 4"),
        (lzma.compress(base64.b64encode(b"x" * 99 + SAID.encode()) * 9), "in b.bin, in the xz stream at byte 3, at byte 138"),
        (zstandard.compress(SAID.encode().hex().encode() * 9), "in b.bin, in the Zstandard stream at byte 3, at byte 8"),
        (lz4.frame.compress(SAID.replace("@", "%40").encode() * 9), "in b.bin, at byte 28"),
        (pdf_stream(f"BT ({SAID}) Tj ET ".encode() * 9), "in b.bin, in the zlib stream at byte 43, at byte 8"),
        (gzip.compress(bytes(99) + zlib.compress(SAID.encode() * 9)), "in b.bin, in the gzip stream at byte 3, in the zlib stream at byte 99, at byte 4"),
        (zipped(zlib.compress(SAID.encode() * 9), "nothing\n"), "in b.bin, in b.bin, in the zlib stream at byte 3, at byte 4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_value_is_found_in_bytes_and_in_streams_of_any_depth(other: bytes, where: str) -> None:
    assert left(zipped(other, "nothing\n")) == f"a value that was removed is still in the copy, {where}"


@pytest.mark.parametrize(
    ("data", "name", "policy"),
    [
        (zipped(b"nothing"), "x.zip", UNCHECKED),
        (zipped(b"ada.lindqvist@kaldor-mail.community"), "x.zip", UNCHECKED),  # another address
        (zipped(b"", f"write to {VALUE} or to ada.lindqvist&#64;kaldor-mail.com\n"), "x.zip", UNCHECKED),  # the reader sees both
        # What the policy keeps in one place may stand in others.
        (
            f"mail,other\n{VALUE},x\nx,{VALUE}\n".encode(),
            "x.csv",
            "rules: [{column: mail, action: mask}, {column: other, action: keep}]",
        ),
        # Somebody was born on the day on which somebody else came.
        (b"name,date_of_birth,visited\nx,1984-03-12,2020-01-02\ny,1990-01-02,1984-03-12\n", "x.csv", "level: info"),
        # A pseudonym may be anything, even the value of somebody else.
        (f"write to {VALUE} now\n".encode(), "x.txt", "rules: [{category: pii, action: pseudonym}]"),
    ],
)
def test_a_copy_is_not_held_without_a_reason(data: bytes, name: str, policy: str) -> None:
    found = rewritten(data, name, parse(policy))
    assert (found.cleaned.result, found.cleaned.reason) == (Result.CLEANED, None)


def test_a_copy_with_a_value_in_plain_sight_of_no_engine_is_held() -> None:
    """The word before it made the first one a password; nothing says that the second one is the same."""
    found = rewritten(TWICE, "x.txt")
    assert found.cleaned.result is Result.HELD
    assert found.cleaned.reason == "a value that was removed is still in the copy, at byte 36"


def test_the_policy_may_say_that_such_a_file_is_copied() -> None:
    found = rewritten(TWICE, "x.txt", parse("unsupported: copy"))
    assert found.cleaned.result is Result.COPIED
    assert found.cleaned.reason == (
        "copied with 1 finding in it, as the policy says: a value that was removed is still in the copy, at byte 36"
    )


def left(data: bytes, limits: Limits | None = None) -> str | None:
    return still_there(io.BytesIO(data), ValuesInBytes([VALUE], frozenset([VALUE])), limits or Limits(), lambda: None)


@pytest.mark.parametrize("before", [0, 1, (1 << 20) - 40, (1 << 20) - 10, 1 << 20, (2 << 20) - 5_000, (3 << 20) + 7])
def test_a_value_across_pieces_is_found_where_it_is(before: int) -> None:
    assert left(b"." * before + VALUE.encode() + b"." * 99) == f"a value that was removed is still in the copy, at byte {before:,}"
    assert left(b"." * before + VALUE.encode() + b"x" * 99) is None


def test_streams_are_followed_as_deep_as_files_may_be_nested() -> None:
    data = SAID.encode() * 9
    for _ in range(4):
        data = bytes(9) + zlib.compress(data)
    assert "at byte 4" in (left(data) or "")
    assert left(data, Limits(depth=3)) is None


def test_a_bomb_is_not_searched_to_its_end() -> None:
    bomb = gzip.compress(gzip.compress(bytes(30 << 20)))
    limits = Limits.model_validate({"expanded_bytes": "1MB"})
    assert left(bomb, limits) == (
        "its copy cannot be searched for the values that were removed: its contents expand to more than 1000000 bytes; the rest was not read"
    )
    assert left(gzip.compress(bytes(900_000)), limits) is None


def test_the_search_says_that_it_makes_progress() -> None:
    pulses: list[int] = []
    data = gzip.compress(bytes(5 << 20)) + bytes(3 << 20)
    still_there(io.BytesIO(data), ValuesInBytes([VALUE]), Limits(), lambda: pulses.append(1))
    assert len(pulses) >= 13  # a sign of life for each megabyte of the file, and of its stream when it is unpacked and searched


KEY = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *(f"{number:04d}MIIEowIBAAKCAQEAxyz/abcdefgh" for number in range(40)), "-----END"])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (VALUE, [VALUE]),
        (f" {VALUE}\n", [VALUE]),
        ("short 1", []),
        ("000-00-0000", []),
        ("482133771", []),
        ("4821337712", ["4821337712"]),
        ("48-2133-77", ["48-2133-77"]),
        ("Ada Lindqvist", []),
        ("p@ssword", ["p@ssword"]),
        (KEY, KEY.splitlines()[1:17]),
    ],
)
def test_what_is_searched_for_cannot_stand_somewhere_by_chance(text: str, values: list[str]) -> None:
    assert [*telling(text)] == values
