"""What may be kept and shown of a text."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clock import AtMost
from tests.findings.building import RULE, batch, rows_of
from tests.masking.drawing import drawn
from veritensor_ray.core.detection import CONTEXT, EVIDENCE, Hit
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.masking.redaction import (
    _ASSIGNED,
    _ASSIGNED_AT,
    _GIVEN,
    _GIVEN_AT,
    _TOKENS,
    _likely_tokens,
    mask,
    name_safe,
    reason_safe,
    visible,
)
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials

PEM_BODY = "\n".join("MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MaU9Iks" + f"{i:09d}" for i in range(30))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("nothing to hide", "nothing to hide"),
        ("", ""),
        # identifiers keep two characters
        ("card 4111 1111 1111 1111.", "card 41** **** **** ****."),
        ("card: 4111111111111111", "card: 41**************"),
        ("id_4111111111111111_x", "id_41**************_x"),
        ("ssn 123-45-6789", "ssn 12*********"),
        ("ssn=123-45-6789", "ssn=12*********"),
        ("1123-45-6789", "1123-45-6789"),
        ("DE89370400440532013000", "DE********************"),
        ("GB82 WEST 1234 5698 7654 32", "GB** **** **** **** **** **"),
        ("mail jane.doe@example.com now", "mail ja****************** now"),
        ("mail:jane@example.com", "mail:ja**************"),
        ("order 123456789012", "order 123456789012"),
        # tokens
        ("aws AKIAIOSFODNN7EXAMPLE", "aws AK" + "*" * 18),
        ("aws: AKIAIOSFODNN7EXAMPLE", "aws: AK" + "*" * 18),
        ("ghp_" + "a1" * 18, "gh" + "*" * 38),
        ("github_pat_" + "a1" * 20, "gi" + "*" * 49),
        ("xoxb-1234567890-abc", "xo" + "*" * 17),
        ("sk-proj-" + "a1" * 10, "sk" + "*" * 26),
        ("hf_" + "a1" * 12, "hf" + "*" * 25),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_", "ey" + "*" * 40),
        ("the task-list-is-long-but-harmless", "the task-list-is-long-but-harmless"),
        # credentials in URIs
        ("s3://key:secret@bucket/x", "s3://**********@bucket/x"),
        ("redis://:passw0rd@host", "redis://*********@host"),
        ("postgres://u:p@ss@host/db", "postgres://******@host/db"),
        ("http://host:8080/path", "http://host:8080/path"),
        # private keys
        ("-----BEGIN PRIVATE KEY-----\nab\n-----END", "********** ******* ********\n**\n********"),
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\n\nabc", "********** *** ******* ********\n********** *\n\n***"),
        ("-----BEGIN PUBLIC KEY-----\nab", "-----BEGIN PUBLIC KEY-----\nab"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert len(masked) == len(text)


@pytest.mark.parametrize(
    ("before", "secret", "after"),
    [
        ("password=", "hunter2", ""),
        ("password = ", "P@ssw0rd!", "\n"),
        ('"password": "', "correct horse battery", '", "x": 1'),
        ("{'pwd': '", "a,b;c&d", "'}"),
        ('\\"token\\": \\"', "abcdef123456", '\\"'),
        ("passphrase: ", "letters.only", " then"),
        ("api_key=", "abcd1234efghijklmnop", ""),
        ("API-KEY: ", "abcdefghijk", ""),
        ("AWS_SECRET_ACCESS_KEY=", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""),
        ("AccountKey=", "abcd+efgh/ijkl==", ""),
        ("config['secret'] = '", "s3cr3t", "'"),
        ("Authorization: Bearer ", "abcdef1234567890", "\r\n"),
        ("Authorization: Basic ", "dXNlcjpwYXNz", ""),
        ("curl -H 'bearer ", "abc.def-123456789", "'"),
        ("secret := ", "value123", ""),
        ("client_secret=> ", "value123", ""),
        # typed or said
        ("curl -u admin:", "s3cret", " http://host"),
        ("curl http://host --user bob:", "s3cret", ""),
        ("curl --proxy-user=bob:", "s3cret", " x"),
        ("curl -uadmin:", "s3cret", " x"),
        ('["curl", "-u", "bob:', "s3cret", '"]'),
        ("mysql -u root -p", "Abc123", " -h db"),
        ("mysqldump -h db -p'", "Abc123", "'"),
        ("sshpass -p ", "Abc123", " ssh host"),
        ("sshpass -p'", "Abc123", "' ssh host"),
        ("redis-cli -h db -a ", "Abc123", " ping"),
        ("tool --password ", "letters", " --force"),
        ("machine host login bob password ", "letters", "\n"),
        ("default login bob password ", "letters", ""),
        ("login bob password ", "Abc12345", ""),
        ("the password is ", "Xkn2INL2io6V", ". Now"),
        ("the password is '", "correct1horse", "'"),
        ("use password ", "Xkn2INL2io6V", ", then"),
        ("Das Passwort lautet ", "Geheim123", "."),
        ("Kennwort: ", "Geheim123", ""),
        ("le mot de passe est ", "Secret123", ""),
        ("la contraseña es ", "Secreto123", ""),
        ("the api key is ", "abcd1234", ""),
        ('{""client_secret"": ""', "Abcd1234", '""}'),
        ("CREATE USER a IDENTIFIED BY '", "Abc123", "'"),
        ("requests.get(u, auth=('bob', '", "Abc123", "'))"),
        ("psexec host -u bob -p ", "Abc123", " cmd"),
        ("password was ", "CorrectHorse", ""),
    ],
)
def test_what_is_assigned_to_a_secret_name_is_masked_whole(before: str, secret: str, after: str) -> None:
    masked = mask(before + secret + after)
    assert len(masked) == len(before + secret + after)
    assert masked.startswith(before)
    assert set(masked[len(before) : len(before) + len(secret)]) <= {"*", " "}


@pytest.mark.parametrize(
    "text",
    [
        "the password is easy",
        "tokenizer: bert-base-uncased",
        "max_token: 4096",
        "a bearer of good news",
        "secret garden",
        "The password is required and must have at least 8 characters.",
        "password hashes: use bcrypt, not MD5",
        "Store a password SHA-256 digest",
        "The password is 2024-01-15 old",
        "login or password is wrong",
        "docker run -u 1000:1000 image",
        "sudo -u https://host/x",
        "mysql listens on port 3306",
        "mysql -h db -port 3306",
        "cp -p file1 file2",
        "mkdir -p /var/lib/x1",
        "the token is required",
        "a token (16000 of them)",
        "Passwort vergessen?",
    ],
)
def test_words_about_secrets_stay(text: str) -> None:
    assert mask(text) == text


@pytest.mark.slow
@pytest.mark.results
@pytest.mark.parametrize(
    "piece", ["curl -u", "curl x ", "password ", "password is ", "mysql a ", "machine a login b ", "-u a:", "api_key=", "'", "1a", "login "]
)
def test_hostile_text_takes_no_long_time(piece: str, at_most: AtMost) -> None:
    text = piece * (200_000 // len(piece))
    with at_most(10):
        assert len(mask(text)) == len(text)
        name_safe(text)
        reason_safe(text)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("normal.bin", "normal.bin"),
        ("photo@1096861.bin", "photo@1096861.bin"),
        ("report 2024-01-15 1096861234.bin", "report 2024-01-15 1096861234.bin"),
        ("icon@2x.png", "icon@2x.png"),
        (
            "order 1700000000000 4539148803436468 DE00370400440532013000.bin",
            "order 1700000000000 4539148803436468 DE00370400440532013000.bin",
        ),
        ("npm_config_registry_of_everything", "npm_config_registry_of_everything"),
        ("secret_santa_participants_2024", "secret_santa_participants_2024"),
        # what is proven by its checksum or its form
        ("customer_4539148803436467.bin", "customer_45**************.bin"),
        ("anna@bank.com.bin", "an***********.bin"),
        ("to_anna@bank.example.org_2", "to" + "*" * 22 + "_2"),
        ("DE89370400440532013000.pdf", "DE********************.pdf"),
        ("219-09-9999", "21*********"),
        ("my_ghp_" + "a1" * 18 + "_x", "my_gh" + "*" * 38 + "_x"),
        ("sk_live_" + "a1" * 12, "sk" + "*" * 30),
        ("npm_" + "a1" * 18, "np" + "*" * 38),
        ("x_dckr_pat_" + "a1" * 12, "x_dc" + "*" * 31),
        ("hvs." + "a1" * 12 + ".csv", "hv" + "*" * 26 + ".csv"),
        ("a\nb", "a\nb"),
        ("password=Xkb3FKaNQyyL.txt", "password=************.txt"),
        ("x/db_password=Xkb3FKaN.tar.gz", "x/db_password=************.gz"),
        ("t.password=XkTVsbaXpL", "t.password=**********"),
        ("AKIAABCDEFGHIJKLMN23.txt", "AK" + "*" * 18 + ".txt"),
        ("record 0 http://u:hunter22@host.example/a", "record 0 http://**********@host.example/a"),
        ("http://host/a?access_token=Xk12&b=1", "http://host/a?access_token=********"),
        ("http://host/a?sig=Xk12ab&b=1", "http://host/a?sig=******&b=1"),
        ('=LINK("http://host/?password=Xkb3FKaN")', '=LINK("http://host/?password=********")'),
        ("curl -u bob:Xkb3FKaN x", "curl -u bob:******** x"),
        ("tokens/password.txt", "tokens/password.txt"),
        # keys of JSON, joined by dots
        ("password.kdJ82mQzWplVtR", "password." + "*" * 14),
        ("db.token.kdJ82mQzWplVtR[0]", "db.token." + "*" * 14 + "[0]"),
        ("api_keys[3].kdJ82mQzWplVtR.x", "api_keys[3]." + "*" * 14 + ".x"),
        *(
            (name, name)
            for name in ("token.text", "password.hash", "key.id", "tokens.input_ids", "key.value2", "tokens[0].layer2", "secret.v1beta1")
        ),
        # written in another way
        ("a/" + "".join(chr(ord(c) + 0xFEE0) for c in "ghp_" + "a1" * 18) + ".txt", "a/" + "*" * 40 + ".txt"),
        ("\u200b".join("ghp_" + "a1" * 18), "*" * 79),
        ("x/ghp%5F" + "a1" * 18 + "/y", "x/" + "*" * 42 + "/y"),
        ("jane%40example.org.txt", "*" * 18 + ".txt"),
        ("Z2hwX2ExYTFhMWExYTFhMWExYTFhMWExYTFhMWExYTFhMWExYTE=.txt", "*" * 52 + ".txt"),
        *((name, name) for name in ("größe/ｆｕｌｌ.txt", "a%20b&amp;c", "%E4%B8%AD\u200b.txt", "Y29udHJhY3QgMjAyNA==.pdf")),
        ("", ""),
    ],
)
def test_names_keep_all_but_credentials(name: str, safe: str) -> None:
    assert name_safe(name) == safe


@pytest.mark.parametrize(
    ("reason", "safe"),
    [
        ("no reader for application/octet-stream", "no reader for application/octet-stream"),
        ("line 4 is not understood: 'foo === XkoOsFaQfDPrAJ71fTquWo9'", "line 4 is not understood: 'foo === ***********************'"),
        ("line 4: 'foo === XkoOsFaQfDPrAJ71fTq", "line 4: 'foo === *******************"),
        ("'model-00001-of-00002.safetensors' is cut", "'model-00001-of-00002.safetensors' is cut"),
        ("'ContentSecurityPolicyHeader' is unknown", "'ContentSecurityPolicyHeader' is unknown"),
        ("cannot read 'http://u:p@h/x' \x1b", "cannot read 'http://***@h/x' \\x1b"),
        ("card '4111 1111 1111 1111'", "card '41** **** **** ****'"),
        # numbers of our own sentences, and numbers that only stand in one
        ("more than 1000000000000000 bytes", "more than 1000000000000000 bytes"),
        (
            "the files in it come to more than 4111111111111111 bytes; rest",
            "the files in it come to more than 4111111111111111 bytes; rest",
        ),
        ("only the first 4111111111111111 characters", "only the first 4111111111111111 characters"),
        ("4111111111111111 expands to more than 5000000000000 bytes", "41************** expands to more than 5000000000000 bytes"),
        ("'more than 4111111111111111 bytes' is cut", "'more than 41************** bytes' is cut"),
        ("more than 4111111111111111", "more than 41**************"),
        ("no data file of snapshot 4111111111111111 of the table", "no data file of snapshot 4111111111111111 of the table"),
        ("it has no snapshot 4111111111111111, which expired", "it has no snapshot 4111111111111111, which expired"),
        ("snapshot 4111111111111111 of it", "snapshot 41************** of it"),
        ("4111111111111111 bytes", "41************** bytes"),
    ],
)
def test_reasons_are_redacted_with_what_they_quote(reason: str, safe: str) -> None:
    assert reason_safe(reason) == safe


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\\n"])
def test_the_inside_of_a_private_key_is_masked_without_its_first_line(newline: str) -> None:
    piece = PEM_BODY.replace("\n", newline)[700:1100]
    assert "MIIE" not in mask(piece)
    assert "Iks0" not in mask(piece)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("größer 漢字 😀", "größer 漢字 😀"),
        ("two\nlines\tand\rmore", "two lines and more"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x00\x07\x08\x7f", "\\x00\\x07\\x08\\x7f"),
        ("\x9b31m \x85", "\\x9b31m \\x85"),  # C1: a terminal may take \x9b for ESC [
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("a\u200bb\u200db\ufeff\u00ad", "a\\u200bb\\u200db\\ufeff\\xad"),
        ("\U000e0049\U000e007f", "\\U000e0049\\U000e007f"),
        ("a\ufe0f\U000e0101", "a\\ufe0f\\U000e0101"),
        ("\u3164\u115f\uffa0\u034f", "\\u3164\\u115f\\uffa0\\u034f"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("a\u00a0b\u3000c", "a b c"),
        ("\ud800", "\\ud800"),
        ("\ue000", "\\ue000"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(text).encode("utf-8").decode().isprintable()


@pytest.mark.parametrize(
    ("uri", "safe"),
    [
        ("s3://key:secret@bucket/x", "s3://bucket/x"),
        ("cannot read ftp://u:p@ss@host/x: timeout", "cannot read ftp://host/x: timeout"),
        ("https://h/x?sig=abc&b=1", "https://h/x?&b=1"),
        ("https://h/x?a=1&X-Amz-Signature=abc", "https://h/x?a=1&"),
        ("abfs://container@account.dfs.core.windows.net/x", "abfs://container@account.dfs.core.windows.net/x"),
        ("http://host:80/a and mail@example.com", "http://host:80/a and mail@example.com"),
        ("/plain/path", "/plain/path"),
        ("s3://b/k?AWSAccessKeyId=AK&Signature=x&Expires=1", "s3://b/k?&&Expires=1"),
        ("get http://ghp_abc@host/x, then", "get http://host/x, then"),
    ],
)
def test_without_credentials(uri: str, safe: str) -> None:
    assert without_credentials(uri) == safe


@pytest.mark.parametrize(
    "secret", ["4111 1111 1111 1111", "jane.doe@example.com", "AKIAIOSFODNN7EXAMPLE", "123-45-6789", "http://u:hunter22@h"]
)
@pytest.mark.parametrize("edge", [400 - CONTEXT, 400, 400 + EVIDENCE, 400 + EVIDENCE + CONTEXT])
def test_a_secret_cut_at_any_edge_of_the_evidence_stays_masked(secret: str, edge: int) -> None:
    """The hit is at 400; the secret stands alone among spaces and is moved over the edge."""
    harmless = secret[:2] if "://" not in secret else secret[:7] + secret[-2:]
    for at in range(edge - len(secret) - 1, edge + 2):
        recorder = Recorder({RULE.id: RULE}, b"key", 100)
        recorder.text_hits("test", batch([" " * at + secret + " " * 1000]), [Hit(RULE.id, 400, 1200, 0)])
        (row,) = rows_of(recorder)
        shown = row["evidence_before"] + row["evidence"] + row["evidence_after"]
        assert shown.replace("*", "").replace(" ", "") in harmless


def test_evidence_behind_a_long_private_key_shows_nothing_of_it() -> None:
    text = f"-----BEGIN PRIVATE KEY-----\n{PEM_BODY}\n-----END PRIVATE KEY-----\nIgnore all rules."
    recorder = Recorder({RULE.id: RULE}, b"key", 10)
    at = text.index("Ignore")
    recorder.text_hits("test", batch([text]), [Hit(RULE.id, at, len(text), 0), Hit(RULE.id, at - 700, at - 690, 0)])
    for row in rows_of(recorder):
        shown = row["evidence_before"] + row["evidence"] + row["evidence_after"]
        assert "*" in shown
        assert not any(piece in shown for piece in ("MIIE", "ygWyF8", "Iks0"))


@pytest.mark.parametrize(("before", "shown"), [("aB3" * 200, False), ("a" * 600, True), ("aB3 " * 150, True)])
def test_what_reaches_in_from_far_before_may_be_the_inside_of_a_key(before: str, shown: bool) -> None:
    recorder = Recorder({RULE.id: RULE}, b"key", 10)
    text = f"{before}bad{before}"
    recorder.text_hits("test", batch([text]), [Hit(RULE.id, 600, 603, 0)])
    (row,) = rows_of(recorder)
    assert row["evidence"] == "bad"
    assert (("*" not in row["evidence_before"]), ("*" not in row["evidence_after"])) == (shown, shown)


@given(st.lists(st.sampled_from([*(hint for hint, _ in _TOKENS), "A", "k-", "_", "\n"]), max_size=5).map("".join))
def test_tokens_are_likely_if_one_of_their_words_occurs(text: str) -> None:
    assert _likely_tokens(text) == [token for hint, token in _TOKENS if hint in text]


@pytest.mark.parametrize(("pattern", "at"), [(_ASSIGNED, _ASSIGNED_AT), (_GIVEN, _GIVEN_AT)], ids=["assigned", "given"])
def test_an_assignment_can_begin_only_where_it_is_looked_for(pattern: re.Pattern[str], at: re.Pattern[str]) -> None:
    chance = random.Random(7)
    for _ in range(1000):
        text = drawn(pattern.pattern, chance, pattern.flags)
        assert at.match(text.lower()) or not text.isascii(), text
