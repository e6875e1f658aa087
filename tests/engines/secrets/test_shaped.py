"""Key blocks, addresses with passwords, headers, commands and hashes of passwords."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import each
from tests.clock import AtMost
from tests.engines.secrets.building import ALNUM, batch, engine, found, letters

BODY = base64.b64encode(random.Random(3).randbytes(300)).decode()
LINES = "\n".join(BODY[i : i + 64] for i in range(0, len(BODY), 64))


def pem(kind: str, body: str = LINES, newline: str = "\n") -> str:
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----".replace("\n", newline)


@each("kind", ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"])
@each("newline", ["\n", "\r\n", "\\n", '\\n" +\n  "'])
def test_private_keys_are_found_whole(kind: str, newline: str) -> None:
    key = pem(kind, newline=newline)
    assert found(f'x "{key}" y') == [("private-key", key)]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\\n", "\n> "])
def test_a_private_key_that_is_cut_off_is_found_as_far_as_it_goes(newline: str) -> None:
    key = pem("RSA PRIVATE KEY", newline=newline).rpartition("-----END")[0].removesuffix(newline)
    assert found(f"{key}{newline}That was the key.") == [("private-key", key)]


@pytest.mark.parametrize(
    "text",
    [
        'if line.startswith("-----BEGIN PRIVATE KEY-----"):\n    read()',
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\n<your key>\n-----END RSA PRIVATE KEY-----",
        pem("PUBLIC KEY"),
        pem("CERTIFICATE"),
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----",
    ],
)
def test_no_private_key(text: str) -> None:
    assert found(text, "a.py") == []


def test_keys_with_a_passphrase_are_graded_lower() -> None:
    open_one, locked, old = engine().scan_text(
        batch(
            [
                pem("PRIVATE KEY"),
                pem("ENCRYPTED PRIVATE KEY"),
                pem("RSA PRIVATE KEY", f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{LINES}"),
            ]
        )
    )
    assert (open_one.severity, locked.severity, old.severity) == (None, "medium", "medium")


NUMBER = letters(ALNUM, 43)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f'{{"kty": "OKP", "crv": "Ed25519", "x": "{letters(ALNUM, 43, 9)}", "d": "{NUMBER}"}}', NUMBER),
        (f"const key = {{ kty: 'oct', k: '{NUMBER}' }}", NUMBER),
        (f'{{"d": "{NUMBER}"}}, {{"kty": "OKP", "x": "{letters(ALNUM, 43, 9)}"}}', None),
        ('{"kty": "oct", "k": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', None),
    ],
)
def test_the_private_part_of_a_json_web_key(text: str, value: str | None) -> None:
    assert [found for rule, found in found(text, "a.js") if rule == "private-key"] == ([value] if value else [])


@pytest.mark.parametrize(
    ("text", "value", "severity"),
    [
        ('CREATE USER bob IDENTIFIED BY "lpkuyu"', "lpkuyu", None),
        ("CREATE USER blog WITH PASSWORD 'rdlzq';", "rdlzq", None),
        ("ALTER ROLE app WITH ENCRYPTED PASSWORD 'sunflower'", "sunflower", "low"),
        ("$p = ConvertTo-SecureString 'vxozociufvmcjsfmjew' -AsPlainText -Force", "vxozociufvmcjsfmjew", None),
        ('-Credential $(ConvertTo-SecureString -String "Dlqwumg967*" -AsPlainText)', "Dlqwumg967*", None),
        ("ConvertTo-SecureString '$plain' -AsPlainText", None, None),
        ("CREATE USER bob IDENTIFIED BY 'password'", None, None),
        ("GRANT ALL ON nova.* TO 'nova'@'%' IDENTIFIED BY 'NOVA_DBPASS'", None, None),
        ("sign in with password 'and a second factor'", None, None),
    ],
)
def test_what_sql_and_powershell_are_told_is_a_password(text: str, value: str | None, severity: str | None) -> None:
    hits = [hit for hit in engine().scan_text(batch([text], "a.md")) if hit.rule == "secrets.password"]
    assert [(text[hit.start : hit.end], hit.severity) for hit in hits] == ([(value, severity)] if value else [])


@pytest.mark.parametrize(
    "text",
    [
        "http://127.1.1.1:80\\@127.2.2.2:80/",
        "http://host.example:80#@other.example/",
        "mysql+pymysql://nova:NOVA_DBPASS@controller/nova",
        "rabbit://openstack:RABBIT_PASS@controller",
    ],
)
def test_a_port_and_a_variable_are_no_password(text: str) -> None:
    assert found(text) == []


def test_a_private_key_in_base64() -> None:
    text = base64.b64encode(pem("RSA PRIVATE KEY").encode()).decode()
    assert found(f"key: {text}") == [("private-key", text)]


@each(
    ("text", "rule"),
    [
        ("postgres://app:k3Jd82mQ@db.internal/main", "connection-string"),
        ("mongodb+srv://app:k3Jd82mQ@cluster0.ab12c.mongodb.net/?retryWrites=true", "connection-string"),
        ("redis://:k3Jd82mQ9x@cache:6379/0", "connection-string"),
        ("amqps://app:k3J@d82mQ@queue.internal", "connection-string"),
        ("https://deploy:k3Jd82mQ@git.internal/repo.git", "url-credentials"),
        ("Server=db01;Database=main;User Id=sa;Password=k3Jd82mQ;", "connection-string"),
        ("Driver={SQL Server};Server=db01;Uid=sa;Pwd=k3Jd82mQ;", "connection-string"),
        ("https://user:password@example.com/", None),
        ("postgres://user:pass@localhost/db", None),
        ("postgres://${USER}:${PASSWORD}@db/main", None),
        ("postgres://{user}:{password}@db/main", None),
        ("https://host:8080/path@2x.png", None),
        ("http://localhost:5000/<%= @variable %>", None),
        ("git@host.internal:group/project.git", None),
        ("see http://a.b/c:d and mail e@f.org", None),
    ],
)
def test_addresses(text: str, rule: str | None) -> None:
    assert [name for name, _ in found(text)] == ([rule] if rule else [])


@each(
    ("text", "rule"),
    [
        (f"Authorization: Bearer {letters(ALNUM, 40)}", "http-authorization"),
        (f"Authorization: Basic {base64.b64encode(b'admin:k3Jd82mQ').decode()}", "http-authorization"),
        ("curl -u admin:k3Jd82mQ https://host/", "http-authorization"),
        ("mysql -u root -pk3Jd82mQ main", "password"),
        ("sshpass -p 'k3Jd82mQ' ssh host", "password"),
        ("machine git.internal login app password k3Jd82mQ", "password"),
        ("root:$2y$12$atWJ1Nx6ep65tNx0YIJ4I.jzgI86znQbNRI3lF0qIt/XCYnEPxSc2", "password-hash"),
        ("root:$6$52450745$" + letters(ALNUM, 86) + ":1:2", "password-hash"),
        ("//registry.internal/:_authToken=4f1d2c3b-9a8e-4b7c-8d6e-5f4a3b2c1d0e", "npm-token"),
        ("Authorization: Bearer <token>", None),
        ("Authorization: Bearer $TOKEN", None),
        ("Authorization: Basic realm=x", None),
        ("a bearer of good news and other stories", None),
        ("curl -u $USER:$PASSWORD https://host/", None),
        ("machine learning login page password reset", None),
    ],
)
def test_headers_commands_and_hashes(text: str, rule: str | None) -> None:
    assert [name for name, _ in found(text)] == ([rule] if rule else [])


@pytest.mark.results
@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        "password=",
        "pass",
        "key key ",
        "password='x",
        "://a:b",
        "-----BEGIN PRIVATE KEY-----\n",
        " eyJaaaaaaaa",
        "T3BlbkFJ",
        "auth=(",
        ":AA",
        "sk-",
        "keykey",
        'key\\":\\"',
        "api_key\\u003d",
        "token%22%3A%22",
        "password&quot;:&quot;",
        ":\\/\\/a:b@",
        "%3A%2F%2Fa%3Ab%40",
        "authorization: token ",
        "cookie: a=",
        "cookie: sid=;",
        "curl -u ",
        "secret-token:",
        "tskey- ",
        "bearer+a",
        "basic+",
        "+ABa",
        "Basic YWRtaW46czNjcjN0UGFzcw== ",
        "AKIAQ3EGRLKYWZ2M7NVT ",
    ],
)
def test_floods_take_bounded_time(unit: str, at_most: AtMost) -> None:
    text = unit * (400_000 // len(unit))
    with at_most(5):
        engine().scan_text(batch([text]))


@settings(max_examples=150)
@given(st.text(st.sampled_from("password=:'\"\\ \n\t{}()<>é漢$k3Jd82mQ/@.-_,"), max_size=200))
def test_any_text_gives_hits_within_it(text: str) -> None:
    for hit in engine().scan_text(batch([text, text])):
        assert 0 <= hit.start < hit.end <= len(text)
