"""Where values that were found stand in other texts."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from unicodedata import normalize
from urllib.parse import quote, quote_plus

import pytest

from tests.clock import AtMost
from veritensor_ray.core import bounds
from veritensor_ray.masking.redaction import GIVEN, PERSONAL, SECRET, mask
from veritensor_ray.masking.sensitive_values import Values, without_values
from veritensor_ray.masking.spellings import readings

TOKEN = "Xk12ab34Cd56Ef78Gh90"
PASSWORD = "hunter2!x"


def hidden(text: str, *found: tuple[str, str]) -> str:
    values = Values()
    for kind, value in found:
        values.note(kind, value)
    return without_values([text], values).get(text, text)


@pytest.mark.parametrize(
    ("kind", "value", "text", "expected"),
    [
        (SECRET, PASSWORD, f"log in with {PASSWORD} please", "log in with ********* please"),
        (SECRET, PASSWORD, f"log in with {PASSWORD.upper()}", "log in with *********"),
        (SECRET, PASSWORD, f"x{PASSWORD}x {PASSWORD}", "x*********x *********"),
        (SECRET, PASSWORD, "nothing here", "nothing here"),
        (SECRET, f"'{PASSWORD}',", f"with {PASSWORD} only", "with ********* only"),
        (SECRET, f"https://bob:{PASSWORD}@", f"with {PASSWORD}", "with *********"),
        (SECRET, f"AccountKey={TOKEN}", f"with {TOKEN}", "with ********************"),
        (SECRET, "two words7", "say two words7 or two\nwords7", "say *** ****** or ***\n******"),
        # how others write it
        (SECRET, 'a"b<c>&7', r"json a\"b<c>&7 html a&quot;b&lt;c&gt;&amp;7 uri a%22b%3Cc%3E%267", None),
        (SECRET, "hunter2", r"h\x00u\x00n\x00t\x00e\x00r\x002", "*" * 31),
        # a part of it
        (SECRET, TOKEN, f"cut {TOKEN[:14]}", "cut **************"),
        (SECRET, TOKEN, f"{TOKEN[4:]} cut", "**************** cut"),
        (SECRET, TOKEN, f"cut {TOKEN[:6]}", "cut ******"),
        (SECRET, TOKEN, f"{TOKEN[-5:]} cut", "***** cut"),
        (SECRET, TOKEN, f"cut {TOKEN[:4]}", f"cut {TOKEN[:4]}"),
        (SECRET, TOKEN, f"not {TOKEN[:9]} at the end", f"not {TOKEN[:9]} at the end"),
        (SECRET, "line one of a long key\nline two of a long key", "has line two of a long key", "has **** *** ** * **** ***"),
        # personal data: initials stay, and only whole words are masked
        (PERSONAL, "Maria Gonzalez", "for Maria Gonzalez only", "for M**** G******* only"),
        (PERSONAL, "Martin", "Martini for Martin", "Martini for M*****"),
        (PERSONAL, "jane@example.com", "mailto:jane@example.com?x", "mailto:j***@e******.c**?x"),
        # what would only be noise
        (SECRET, "abc12", "abc12 is short", "abc12 is short"),
        (SECRET, "password", "password: password", "password: password"),
        (GIVEN, "required", "the token is required", "the token is required"),
        (GIVEN, "letters", "letters are no digits", "letters are no digits"),
        (GIVEN, "letters7", "letters7 are", "******** are"),
        (SECRET, "letters", "letters here, and newsletters", "******* here, and newsletters"),
        (SECRET, "******", "****** and", "****** and"),
    ],
)
def test_where_a_value_is_hidden(kind: str, value: str, text: str, expected: str | None) -> None:
    shown = hidden(text, (kind, value))
    assert len(shown) == len(text)
    assert shown == (expected if expected is not None else "json ********* html *********************** uri ****************")


SIGNS = "Zq7/x+9 K<d=w&'m"
WRITTEN: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of URIs": lambda text: base64.urlsafe_b64encode(f"admin:{text}".encode()).decode(),
    "base64, one letter on": lambda text: base64.b64encode(f":{text} and more".encode()).decode(),
    "base64, two letters on": lambda text: base64.b64encode(f"1:{text}".encode()).decode(),
    "base64 of two bytes a character": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base64 in base64": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in capitals": lambda text: text.encode().hex().upper(),
    "hexadecimal with spaces": lambda text: text.encode().hex(" "),
    "URI": lambda text: quote(text, safe=""),
    "URI, all of it": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "form": quote_plus,
    "JSON": lambda text: "".join(c if c.isalnum() else f"\\u{ord(c):04X}" for c in text),
    "JSON, a sign": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "code": lambda text: "".join(f"\\x{ord(c):02x}" for c in text),
    "HTML": html.escape,
    "HTML in numbers": lambda text: "".join(c if c.isalnum() else f"&#{ord(c)};" for c in text),
    "HTML in hexadecimal numbers": lambda text: "".join(c if c.isalnum() else f"&#x{ord(c):x};" for c in text),
    "Markdown": lambda text: "".join(c if c.isalnum() or c.isspace() else f"\\{c}" for c in text),
    "full width": lambda text: "".join(c if c == " " else chr(ord(c) + 0xFEE0) for c in text),
    "no width between": lambda text: "\\u200b".join(text),  # as evidence shows it
    "two bytes a character": lambda text: "".join(f"{c}\\x00" for c in text),
}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (SECRET, TOKEN),
        (SECRET, SIGNS),
        (SECRET, "hunter2"),
        (GIVEN, SIGNS),
        (PERSONAL, "4539 1488 0343 6467"),
        (PERSONAL, "Maria Gonzalez"),
    ],
)
@pytest.mark.parametrize("way", WRITTEN)
def test_a_value_is_hidden_however_it_is_written(way: str, value: str, kind: str) -> None:
    written = WRITTEN[way](value)
    text = f"then log in with {written} only"
    shown = hidden(text, (kind, value))
    assert len(shown) == len(text)
    assert shown.startswith("then log in with ")
    assert shown.endswith(" only")
    assert shown.count("*") > len(written) / 3
    assert not any(value[at : at + 5] in reading.text for reading in readings(shown) for at in range(len(value) - 4))


def test_a_piece_of_what_is_written_in_another_way_is_hidden_wherever_it_was_cut() -> None:
    for way in ("base64", "hexadecimal", "code", "URI, all of it"):
        written = WRITTEN[way](TOKEN)
        for cut in range(len(written) // 4):
            for piece in (f"{written[cut:]} behind", f"before {written[: len(written) - cut]}"):
                assert hidden(piece, (SECRET, TOKEN)).count("*") > len(written) * 0.6, (way, piece)


@pytest.mark.parametrize(
    "text", ["für Käthe in 漢字", "a%20b &amp; c\\n", "QUJDREVGR0hJSktM deadbeefdeadbeef", "%%% &#; \\u12 \\x &#99999999; %ff%fe"]
)
def test_what_holds_no_value_stays_however_it_is_written(text: str) -> None:
    assert hidden(text, (SECRET, PASSWORD), (PERSONAL, "Maria Gonzalez")) == text


@pytest.mark.results
@pytest.mark.parametrize("way", WRITTEN)
def test_a_long_text_with_many_values_takes_no_long_time(way: str, at_most: AtMost) -> None:
    values = Values()
    for i in range(2_000):
        values.note(SECRET, f"a{i:07x}z")
    text = WRITTEN[way](" ".join(values.kinds))
    with at_most(5):
        assert without_values([text], values)[text].count("*") > len(text) / 3


def test_letters_with_marks_are_one_however_they_are_put_together() -> None:
    for value in ("Pä$$wörd99ß", normalize("NFD", "Pä$$wörd99ß")):
        for form in ("NFC", "NFD"):
            assert (
                hidden(f"with {normalize(form, value)} only", (SECRET, value)).strip("*")
                == "with " + "*" * len(normalize(form, value)) + " only"
            )


def test_redaction_tells_what_it_masked() -> None:
    values = Values()
    mask(f"password: {PASSWORD} ghp_{'a1' * 18} jane@example.com http://u:secretpw@host", values.note)
    assert values.kinds == {PASSWORD: GIVEN, "ghp_" + "a1" * 18: SECRET, "jane@example.com": PERSONAL, "secretpw": SECRET}


def test_the_strongest_kind_counts_wherever_it_comes_from() -> None:
    one, two = Values(), Values()
    one.note(GIVEN, "letters")
    two.note(SECRET, "letters")
    one.merge(two)
    two.note(GIVEN, "letters")
    assert one.kinds == two.kinds == {"letters": SECRET}


def test_values_are_bounded() -> None:
    values = Values()
    for i in range(bounds.VALUES + 100):
        values.note(PERSONAL, f"value {i:07}")
    assert len(values.kinds) == bounds.VALUES
    values = Values()
    values.note(SECRET, "ab" * bounds.VALUE)
    assert list(values.kinds) == ["ab" * (bounds.VALUE // 2)]


@pytest.mark.slow
@pytest.mark.results
@pytest.mark.parametrize(
    "value", [lambda i: f"a{i:07x}z", lambda i: f"jane{i}@example.com", lambda i: "a" * (6 + i % 250) + str(i), lambda i: f"{i:040}"]
)
def test_many_values_in_many_texts_take_no_long_time(value: object, at_most: AtMost) -> None:
    assert callable(value)
    found = [value(i) for i in range(4_000)]
    values = Values()
    for i, one in enumerate(found):
        values.note(SECRET if i % 2 else PERSONAL, one)
    texts = [f"{i} {one[:50]} and {'a' * 300} {found[-i][:50]} end" for i, one in enumerate(found)]
    with at_most(20):
        changed = without_values(texts, values)
    assert len(changed) > 3_900
