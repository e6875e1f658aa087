"""Strings inside strings: names and values behind the escapes of JSON, languages, URLs and HTML, to three levels, at their exact place."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.cases import each
from tests.engines.secrets.building import ALNUM, HEX, batch, engine, found, letters, with_checksum
from veritensor_ray.core.origins import Mapped
from veritensor_ray.engines.secrets import nested

PASSWORD, KEY = "kX9#vQ2m!Lp", letters(ALNUM, 24)
OBJECT = {"password": PASSWORD, "user": "bob"}


def levels(value: object, count: int) -> str:
    """JSON in a string of JSON, `count` times."""
    for _ in range(count):
        value = {"body": json.dumps(value)}
    return json.dumps(value)


@each("count", [0, 1, 2, 3])
@each("path", ["a.json", "cassette.yml", "a.py", "a.sh", "a.js"])
def test_a_password_is_found_at_each_level(path: str, count: int) -> None:
    assert found(levels(OBJECT, count), path) == [("password", PASSWORD)]


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("a.html", f"<div data-x='{{&quot;password&quot;:&quot;{PASSWORD}&quot;}}'>", PASSWORD),
        ("a.js", f"data-x='{{&amp;quot;password&amp;quot;:&amp;quot;{PASSWORD}&amp;quot;}}'", PASSWORD),
        ("a.md", "https://h/?next=" + quote(f"https://x/?api_key={KEY}&x=1", safe=""), KEY),
        ("a.md", "https://h/?next=" + quote(quote(f"https://x/?api_key={KEY}&x=1", safe=""), safe=""), KEY),
        ("a.md", "https://h/?q=" + quote(json.dumps({"api_key": KEY}), safe=""), KEY),
        ("a.js", f"'{{\\u0022apiKey\\u0022:\\u0022{KEY}\\u0022}}'", KEY),
        ("a.php", f'"{{\\x22api_key\\x22:\\x22{KEY}\\x22}}"', KEY),
        ("a.go", f'"user=\\"bob\\"\\npassword=\\"{PASSWORD}\\"\\n"', PASSWORD),
    ],
)
def test_other_grammars_are_read(path: str, text: str, value: str) -> None:
    assert [words for _, words in found(text, path)] == [value]


def test_an_escaped_value_is_judged_as_what_it_means_and_shown_as_it_is_written() -> None:
    secret = "ab/cd" + letters(ALNUM, 20) + "/" + letters(ALNUM, 9)
    written = secret.replace("/", "\\/")
    assert found(f'$x = \'{{"secret": "{written}"}}\';', "a.php") == [("generic-key", written)]


@pytest.mark.parametrize("before", ["\\n", "\\t", "%3D", "\\u003d", "\\x3d"])
def test_an_escape_may_stand_before_a_token(before: str) -> None:
    token = with_checksum("ghp_")
    assert found(f'"line{before}{token}"', "a.go") == [("github-token", token)]


@pytest.mark.parametrize("before", ["n", "\\q", "3D", "x3d"])
def test_a_letter_may_not_stand_before_a_token(before: str) -> None:
    assert found(f'"{before}{with_checksum("ghp_")}"', "a.go") == []


@pytest.mark.parametrize("address", ["https:\\/\\/bob:{}@h.example\\/x", "https%3A%2F%2Fbob%3A{}%40h.example%2Fx"])
def test_an_address_with_escaped_punctuation_is_read(address: str) -> None:
    text = f'"{address.format("s3cr3tPass9")}"'
    (hit,) = engine().scan_text(batch([text], "a.json"))
    assert hit.rule == "secrets.url-credentials"
    assert "s3cr3tPass9" in text[hit.start : hit.end]


SIGNED = {"name": "root", "sig": letters(HEX, 40)}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_random_text_in_an_object_that_is_a_token_is_found(count: int) -> None:
    text = json.dumps({"Apitoken": json.dumps(SIGNED)})
    for _ in range(count - 1):
        text = json.dumps({"body": text})
    assert found(text, "a.json") == [("generic-key", SIGNED["sig"])]
    assert found(json.dumps(SIGNED), "a.json", "Apitoken") == [("generic-key", SIGNED["sig"])]


@pytest.mark.parametrize(
    "value",
    [
        {"id": letters(HEX, 40)},
        {"sig": "c94dd369-5bc1-4fd1-b3ad-297fc52b3b90"},
        {"sig": "your-signature-goes-here"},
        {"sha256": letters(HEX, 64)},
    ],
)
def test_identifiers_in_such_an_object_are_left_alone(value: dict[str, str]) -> None:
    assert "generic-key" not in dict(found(json.dumps({"token": json.dumps(value)}), "a.json"))


@pytest.mark.parametrize(("name", "is_one"), [("access_token", True), ("cache_key", False), ("integrity", False)])
def test_a_token_may_be_long_if_its_name_says_what_it_is(name: str, is_one: bool) -> None:
    token = "eyJ" + letters(ALNUM, 1900)
    assert found(f'string: "{{\\"{name}\\":\\"{token}\\"}}"', "a.yml") == ([("generic-key", token)] if is_one else [])


def test_a_certificate_is_not_a_token() -> None:
    assert found(f'"token": "MII{letters(ALNUM, 1900)}"', "a.json") == []


@pytest.mark.parametrize(
    "text",
    [
        'password\\": \\"changeme\\"',
        "password%22%3A%22%24%7BPASSWORD%7D%22",
        "/password%20reset/",
        "&quot;password&quot;:&quot;****&quot;",
        "\\npassword\\n",
    ],
)
def test_stand_ins_stay_silent_in_strings_too(text: str) -> None:
    assert found(text, "a.js") == []


@pytest.mark.parametrize("text", ["{", "[", '{"a"', "{" * 4000, '{"a":' * 700, "\\" * 4000, '{\\"a' + "\\" * 900 + '"}', ""])
def test_broken_objects_have_no_leaves(text: str) -> None:
    assert list(nested.leaves(text)) == []


def test_a_flood_of_escaped_names_is_resolved_in_few_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, sizes = nested.resolved, list[int]()

    def counted(text: str, start: int, mark: int, limit: int) -> Mapped:
        sizes.append(limit - start)
        return whole(text, start, mark, limit)

    monkeypatch.setattr(nested, "resolved", counted)
    text = "".join(f'token\\":\\"{n}\\",key%3D{n}x ' for n in range(5000))
    engine().scan_text(batch([text], "a.json"))
    assert len(sizes) < 100
    assert sum(sizes) < 4 * len(text)
