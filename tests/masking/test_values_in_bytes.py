"""A search for exact values in bytes, in all spellings that the product knows."""

from __future__ import annotations

import base64
import html
from urllib.parse import quote

import pytest

from veritensor_ray.masking.values_in_bytes import OVERLAP, FoundValue, ValuesInBytes

VALUE = "ada.lindqvist@kaldor-mail.com"
RAW = VALUE.encode()
UMLAUTS = "jörg.müller@käldor.de"


def spelled(pattern: str) -> bytes:
    return "".join(pattern % ord(character) for character in VALUE).encode()


@pytest.mark.parametrize(
    "data",
    [
        RAW,
        VALUE.encode("utf-16-le"),
        VALUE.encode("utf-16-be"),
        VALUE.encode("utf-32-le"),
        base64.b64encode(RAW),
        base64.b64encode(b"1" + RAW + b"2"),
        base64.b64encode(b"12" + RAW),
        base64.b64encode(VALUE.encode("utf-16-le")),
        base64.encodebytes(b"before " * 9 + RAW + b" after" * 9),
        base64.encodebytes(b"before " * 9 + RAW).replace(b"\n", b"\\n"),
        base64.encodebytes(b"before " * 9 + RAW).decode().encode("utf-16-le"),
        RAW.hex().encode(),
        RAW.hex().upper().encode(),
        RAW.hex(" ").encode(),
        RAW.hex(":").encode(),
        quote(VALUE, safe="").encode(),
        spelled("%%%02x"),
        VALUE.replace("@", "&commat;").encode(),
        spelled("&#%d;"),
        spelled("&#x%X;"),
        VALUE.replace("@", "\\u0040").encode(),
        spelled("\\u%04x"),
        spelled("\\x%02x"),
        spelled("\\%03o"),
        spelled("\\U%08x"),
        spelled("\\u{%x}"),
        spelled("=%02X"),
        (VALUE[:9] + "=\r\n" + VALUE[9:].replace("@", "=40")).encode(),
        VALUE.replace("@", "\\@").encode(),
        VALUE.replace("@", "\\u0040").encode("utf-16-be"),
    ],
)
def test_a_value_is_found_in_every_spelling(data: bytes) -> None:
    found = ValuesInBytes([VALUE, "another value"]).first(b"12 " + data + b" 34")
    assert found is not None
    assert found.value == VALUE
    assert 2 <= found.at <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        UMLAUTS.encode(),
        UMLAUTS.encode("cp1252"),
        UMLAUTS.encode("utf-16-le"),
        quote(UMLAUTS).encode(),
        html.escape(UMLAUTS).encode("ascii", "xmlcharrefreplace"),
        UMLAUTS.encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00"),
        base64.b64encode(b"x" + UMLAUTS.encode()),
    ],
)
def test_letters_beyond_ascii(data: bytes) -> None:
    assert ValuesInBytes([UMLAUTS]).first(b"\x00\x01" + data) is not None


@pytest.mark.parametrize(("data", "at"), [(b"x" + RAW, 1), (b"&amp;&amp;" + RAW.replace(b"@", b"%40"), 10), (b"a\nb %0A" + RAW, 7)])
def test_the_place_is_that_of_the_data_as_it_is(data: bytes, at: int) -> None:
    assert ValuesInBytes([VALUE]).first(data) == FoundValue(at, VALUE)


@pytest.mark.parametrize(
    ("value", "data", "found"),
    [
        ("10.20.30.41", b"at 10.20.30.41.", True),
        ("10.20.30.41", b"at 10.20.30.415", False),
        ("10.20.30.41", b"at 110.20.30.41", False),
        ("10.20.30.41", "at 10.20.30.415".encode("utf-16-le"), False),
        ("10.20.30.41", "at 10.20.30.41 5".encode("utf-16-le"), True),
        ("+49 30 1234567", b"call9+49 30 1234567", True),
        (UMLAUTS, UMLAUTS.encode("cp1252") + b"x", False),
    ],
)
def test_a_word_counts_only_between_other_characters(value: str, data: bytes, found: bool) -> None:
    assert (ValuesInBytes([value], frozenset([value])).first(data) is not None) is found
    assert ValuesInBytes([value]).first(data) is not None


@pytest.mark.parametrize("data", [b"", b"short", RAW[:-1], RAW.upper(), bytes(1000), b"\\" * 99, b"%%&&==\\\\" * 50, b"=\r\n" * 20])
def test_anything_else_is_not_found(data: bytes) -> None:
    assert ValuesInBytes([VALUE]).first(data) is None


def test_without_a_value_nothing_is_found() -> None:
    assert not ValuesInBytes([])
    assert ValuesInBytes([]).first(RAW) is None


def test_a_value_at_an_edge_is_left_to_the_piece_that_shows_its_neighbours() -> None:
    search = ValuesInBytes([VALUE])
    assert search.first(RAW) is not None
    assert search.first(RAW + b" ", begins=False) is None
    assert search.first(b" " + RAW, ends=False) is None
    assert search.first(b" " + RAW + b" ", begins=False, ends=False) is not None
    assert OVERLAP > 2 * 10 * 256  # the longest form, each byte as an escape of ten characters, in UTF-16


def test_ten_thousand_values_with_a_common_beginning() -> None:
    values = [f"https://ada:{number:05d}@kaldor.com/" for number in range(10_000)]
    search = ValuesInBytes(values)
    assert search.first(b"see https://ada:12345x@kaldor.com/ " * 500) is None
    assert search.first(b"see https://ada:09876@kaldor.com/") == FoundValue(4, values[9876])
