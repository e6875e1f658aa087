"""Placeholders and the examples of documentation are silent in every place where a secret would be found."""

from __future__ import annotations

import base64

import pytest

from tests.cases import each
from tests.engines.secrets.building import ALNUM, found, letters

PLACES = [
    ("a.py", 'api_token = "{}"'),
    ("a.yml", "api_token: {}"),
    ("a.env", "API_TOKEN={}"),
    ("a.http", "Authorization: Bearer {}"),
    ("a.http", "Cookie: session={}"),
    ("a.js", '"{{\\"api_token\\": \\"{}\\"}}"'),
    ("a.xml", "<token>{}</token>"),
    ("a.sh", "curl -H 'X-Auth-Token: {}' https://h"),
]
# From RFC 6749, RFC 6750, OpenID Connect Core and OAuth 1.0.
DOCUMENTED = [
    "2YotnFZFEjr1zCsicMWpAA",
    "tGzv3JOkF0XG5Qx2TlKWIA",
    "mF_9.B5f-4.1JqM",
    "7Fjfp0ZBr1KtDRbnfVdmIw",
    "SlAV32hkKG",
    "kd94hf93k423kf44",
]
PLACEHOLDERS = [
    "changeme", "change-me-please", "${API_TOKEN}", "$API_TOKEN", "{{ secret }}", "%(token)s", "#{token}", "@token@", "__TOKEN__", "<token>",
    "<your-token>", "[token]", "YOUR_API_KEY", "your-api-key-here", "REPLACE_ME", "********", "xxxxxxxxxxxxxxxx", "XXXX-XXXX-XXXX", "example-token",
    "TODO", "null", "deadbeefdeadbeefdeadbeefdeadbeef", "00000000000000000000000000000000", "op://vault/item/field",
]  # fmt: skip


@each(("path", "form"), PLACES)
@each("value", PLACEHOLDERS + DOCUMENTED)
def test_a_placeholder_and_a_documented_example_are_silent(path: str, form: str, value: str) -> None:
    assert found(form.format(value), path) == []


@pytest.mark.parametrize(("path", "form"), PLACES)
def test_a_random_value_in_the_same_place_is_found(path: str, form: str) -> None:
    value = letters(ALNUM, 24)
    assert [words for _, words in found(form.format(value), path)] == [value]


def test_the_token_that_explains_json_web_tokens_is_silent() -> None:
    parts = (b'{"typ":"JWT",\r\n "alg":"HS256"}', b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}')
    head = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    assert found(f"token: {head}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "a.md") == []
    assert [rule for rule, _ in found(f"token: {head}.{letters(ALNUM, 43)}", "a.md")] == ["jwt"]
