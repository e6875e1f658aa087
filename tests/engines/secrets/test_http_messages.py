"""Credentials in HTTP messages: raw, recorded as HAR, VCR and Postman do, in commands of curl, and in source code."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from bench.secrets_sets import scan_folder
from tests.cases import each
from tests.engines.secrets.building import ALNUM, HEX, batch, engine, found, letters


def pair(text: str, encoding: str = "utf-8") -> str:
    return base64.b64encode(text.encode(encoding)).decode()


BASIC, KEY, SESSION = pair("admin:s3cr3tPass9"), letters(ALNUM, 24), letters(HEX, 32)


@each(
    ("path", "text"),
    [
        ("a.http", "Authorization: Basic {}"),
        ("a.go", 'req.Header.Set("Authorization", "Basic {}")'),
        ("a.cs", 'request.Headers.Authorization = new AuthenticationHeaderValue("Basic", "{}");'),
        ("a.cs", 'request.AddHeader("Authorization", "Basic {}");'),
        ("a.py", "headers = {{'Authorization': b'Basic {}'}}"),
        ("a.py", 'h = {{"Authorization": "Basic " + "{}"}}'),
        ("a.js", "headers: {{ Authorization: `Basic {}` }}"),
        ("a.sh", "curl -H 'Authorization: Basic {}' https://h"),
        ("a.yml", "    Authorization:\n      - Basic {}"),
        ("a.md", "https://h/?auth=Authorization%3A%20Basic%20{}"),
        ("a.rb", '"Authorization\\": \\"Basic {}\\""'),
    ],
)
@each("token", [BASIC, pair("admin:pässwört1"), pair("admin:pässwört1", "latin-1"), letters(ALNUM, 38) + "Q="])
def test_basic_credentials_are_found_in_every_language(path: str, text: str, token: str) -> None:
    assert found(text.format(token), path) == [("http-authorization", token)]


@pytest.mark.parametrize(
    "said",
    [
        "user:password",
        "username:password",
        "test:test",
        "foo:bar",
        "Aladdin:open sesame",
        "user:${PASSWORD}",
        "api:changeme",
        "user:xxxxxxxx",
    ],
)
def test_placeholder_pairs_are_silent(said: str) -> None:
    assert found(f"Authorization: Basic {pair(said)}", "a.http") == []
    assert found(f'base64.b64encode(b"{said}")', "a.py") == []


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication is used",
        "basic understanding1",
        "Basic realm=Restricted",
        '"Basic YOUR_TOKEN_GOES_HERE"',
        '"Basic ' + "A" * 24 + '"',
    ],
)
def test_the_word_basic_alone_is_not_a_header(text: str) -> None:
    assert found(f"authorization: {text}", "a.md") == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "auth = base64.b64encode(b'{}').decode()"),
        ("a.js", 'const h = "Basic " + btoa("{}");'),
        ("a.js", "Buffer.from('{}').toString('base64')"),
        ("a.php", 'base64_encode("{}")'),
        ("a.go", 'base64.StdEncoding.EncodeToString([]byte("{}"))'),
        ("A.java", 'Base64.getEncoder().encodeToString("{}".getBytes())'),
        ("a.cs", 'Convert.ToBase64String(Encoding.ASCII.GetBytes("{}"))'),
        ("a.rb", 'Base64.strict_encode64("{}")'),
    ],
)
def test_a_pair_that_code_encodes_is_found(path: str, text: str) -> None:
    assert found(text.format("admin:s3cr3tPass9"), path) == [("http-authorization", "admin:s3cr3tPass9")]


@pytest.mark.parametrize(
    "text",
    [
        "btoa('data:text')",
        "Buffer.from('admin:s3cr3tPass9')",
        "b64encode(b'%s:%s')",
        "btoa(`${u}:${p}`)",
        "btoa('http://host1/x')",
        "b64encode(b'key: value9')",
    ],
)
def test_other_texts_that_code_encodes_are_not_a_pair(text: str) -> None:
    assert found(text, "a.js") == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.http", "Cookie: theme=dark; JSESSIONID={}; lang=en"),
        ("a.http", "Set-Cookie: sid={}; Path=/; HttpOnly"),
        ("a.go", 'req.Header.Add("Cookie", "session={}")'),
        ("a.py", "headers = {{'Cookie': 'sessionid={}'}}"),
        ("a.sh", "curl -b 'session={}' https://h"),
        ("a.yml", "      Cookie:\n      - _session_id={}"),
    ],
)
def test_the_cookie_of_a_session_is_low(path: str, text: str) -> None:
    (hit,) = engine().scan_text(batch([text.format(SESSION)], path))
    assert (hit.rule, hit.severity) == ("secrets.http-authorization", "low")
    assert text.format(SESSION)[hit.start : hit.end] == SESSION


@pytest.mark.parametrize("between", ["; ", " Set-Cookie: ", " | cookie=", "; a=b" * 1200 + " Set-Cookie: x=y; "])
def test_headers_in_one_line_are_read_to_the_end_of_each(between: str) -> None:
    other = SESSION[::-1]
    text = f"Cookie: theme=dark; sid={SESSION}{between}session={other}; lang=en"
    assert found(text, "a.log") == [("http-authorization", SESSION), ("http-authorization", other)]


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("curl -u ann:{} https://h", [KEY]),
        ("curl -u ann https://h --user bob:{}", [KEY]),
        ("curl https://h\n-u ann:{}", [KEY]),
        ("curl https://h\nhttps://h -u ann:{}", []),
        ("curl " + "x" * 380 + " -u ann:{}", [KEY]),
        ("curl " + "x" * 420 + " -u ann:{}", []),
        ("curl curl curl -u ann:{} -b 'sid=" + SESSION + "'", [KEY, SESSION]),
        ("curl -u $USER:{}", []),
    ],
)
def test_an_option_of_curl_belongs_to_its_line_and_is_near(command: str, values: list[str]) -> None:
    assert found(command.format(KEY), "a.sh") == [("http-authorization", value) for value in values]


@pytest.mark.parametrize(
    "pairs", ["theme=" + SESSION, "csrftoken=" + SESSION, "sid=changeme-please", "_ga=GA1.2.1234567890.1234567890", "session=${SESSION}"]
)
def test_other_cookies_are_left_alone(pairs: str) -> None:
    assert found(f"Cookie: {pairs}", "a.http") == []


@pytest.mark.parametrize("header", ["X-Api-Key", "Private-Token", "X-Auth-Token"])
def test_a_header_in_a_list_of_yaml_is_found_if_it_is_random(header: str) -> None:
    assert found(f"    {header}:\n    - {KEY}\n", "a.yml") == [("generic-key", KEY)]
    assert found(f"    {header}:\n    - the-token-of-bob\n", "a.yml") == []


@pytest.mark.parametrize("scheme", ["Token", "GenieKey", "OAuth", "Splunk", "Bot", "Key"])
def test_a_header_with_any_scheme_is_found(scheme: str) -> None:
    assert found(f"Authorization: {scheme} {KEY}", "a.http") == [("http-authorization", KEY)]


HAR = {
    "log": {
        "version": "1.2",
        "entries": [
            {
                "request": {
                    "headers": [
                        {"name": "Authorization", "value": f"Basic {BASIC}"},
                        {"name": "Cookie", "value": f"a=b; PHPSESSID={SESSION}"},
                    ],
                    "cookies": [{"name": "JSESSIONID", "value": SESSION[::-1]}],
                    "queryString": [{"name": "token", "value": KEY}],
                    "postData": {"text": json.dumps({"password": "kX9#vQ2m!Lp"})},
                }
            }
        ],
    }
}
POSTMAN = {
    "item": [
        {
            "request": {
                "auth": {
                    "type": "bearer",
                    "bearer": [{"key": "token", "type": "string", "value": KEY}, {"value": "kX9#vQ2m!Lp", "key": "password"}],
                },
                "header": [{"key": "Cookie", "value": f"session={SESSION}"}],
            }
        }
    ]
}


@pytest.mark.parametrize(
    ("name", "recorded", "wanted"),
    [
        ("a.har", HAR, {BASIC, SESSION, SESSION[::-1], KEY, "kX9#vQ2m!Lp"}),
        ("a.postman_collection.json", POSTMAN, {KEY, "kX9#vQ2m!Lp", SESSION}),
    ],
)
def test_recorded_traffic_is_read_as_json(tmp_path: Path, name: str, recorded: object, wanted: set[str]) -> None:
    (tmp_path / name).write_text(json.dumps(recorded), "utf-8")
    (found_there,) = scan_folder(tmp_path).values()
    assert {one.text for one in found_there} == wanted
