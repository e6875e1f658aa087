"""Finds secrets with a recognizable form in text: key blocks, addresses with passwords, HTTP headers, commands and password hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.core.config import Severity
from veritensor_ray.engines.secrets import likelihood, nested
from veritensor_ray.engines.secrets.word_likeness import STAND_IN
from veritensor_ray.masking.secret_kinds import checksums
from veritensor_ray.masking.secret_kinds.secret_shapes import DISCORD, DISCORD_HEAD, KEY_REST, PASSWORD_HASH, PUTTY_KEY


class ShapedSecret(NamedTuple):
    """A secret at [start, end) in a buffer."""

    rule: str
    start: int
    end: int
    score: float
    severity: Severity | None = None
    message: str | None = None


_PEM = re.compile(r"-----BEGIN ((?:[A-Z0-9]{2,12} ){0,3})PRIVATE KEY(?: BLOCK)?-----")
_BODY = re.compile(r"[A-Za-z0-9+/=]{24,}")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_MAX, _PEM_HEAD = 16_384, 400


def private_keys(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield a PEM block that has content. `at` is the offset of "PRIVATE KEY"."""
    start = text.rfind("-----BEGIN", max(0, at - 60), at)
    found = _PEM.match(text, start) if start >= 0 else None
    if found is None or not found.start() < at < found.end():
        return
    limit = min(end_of_text, found.end() + _PEM_MAX)
    ending = _PEM_END.search(text, found.end(), limit)
    last = ending.start() if ending else limit
    body = _BODY.search(text, found.end(), min(last, found.end() + _PEM_HEAD))
    if body is None:
        if not text[found.end() : end_of_text].strip() and found.end() == end_of_text:
            yield ShapedSecret("private-key", start, found.end(), 0.5, "medium", "Beginning of a private key")
        return
    if checksums.entropy(body.group()) < 3.2 and len(body.group()) > 40:
        return  # filled with a single letter
    locked = "ENCRYPTED" in found[1] or "ENCRYPTED" in text[found.end() : found.end() + 80]
    rest = ending or KEY_REST.match(text, body.end(), limit)
    stop = rest.end() if rest else body.end()
    yield ShapedSecret(
        "private-key",
        start,
        stop,
        0.97 if ending else 0.9,
        "medium" if locked else None,
        "Private key with a passphrase" if locked else None,
    )


def putty_keys(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield a PuTTY key file."""
    found = PUTTY_KEY.match(text, at, end_of_text)
    if found:
        yield ShapedSecret("private-key", at, found.end(), 0.97, "medium" if "Encryption: aes" in found.group() else None)


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{1,24}\Z")
_LOGIN = re.compile(r"://([^\s/:@\"'<>`\\]{0,128}):([^\s/\"'<>`]{1,200})@(?=[\w.\-\[$%{*])")
_STORES = re.compile(
    r"(?:postg|pg|mysql|maria|mongo|redis|rediss|amqp|jdbc|mssql|sqlserver|oracle|cockroach|clickhouse|cassandra|nats|kafka|ldap|db2|neo4j|bolt|influx|couch|elastic)",
    re.IGNORECASE,
)


def url_credentials(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield a user name and password in an address. `at` is the offset of "://"."""
    found = _LOGIN.match(text, at, end_of_text)
    if found is None:
        return
    scheme = _SCHEME.search(text, max(0, at - 26), at)
    user, password = found.groups()
    if scheme is None or is_no_password(user, password):
        return
    store = _STORES.search(scheme.group()) is not None
    weak = password.isalpha() and (password.lower() == user.lower() or likelihood.naturalness(password) > 0.6)
    rule = "connection-string" if store else "url-credentials"
    score = 0.4 if weak else 0.9
    yield ShapedSecret(rule, scheme.start(), found.end(), score, "low" if weak else None)


_ADDRESS = 300
_ESCAPED_LOGIN = re.compile(
    r"(?::\\/\\/|%3A%2F%2F)[^\s@:%\"'<>/\\]{0,64}+(?::|%3A)[^\s@%\"'<>/\\]{2,100}+(?:[%\\][^\s\"'<>@]{0,60}?)?(?:@|%40)", re.IGNORECASE
)  # before its punctuation is resolved, which costs more


def escaped_addresses(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield a user name and password in an address whose punctuation is escaped. `at` is the offset of the escaped "://"."""
    first, mark = max(0, at - 26), at + text.startswith(":", at)
    if not _ESCAPED_LOGIN.match(text, at, end_of_text):
        return
    inner = nested.resolved(text, first, mark, min(end_of_text, mark + _ADDRESS))
    place = inner.text.find("://", max(0, mark - first - 1))
    for found in url_credentials(inner.text, place, len(inner.text)) if place >= 0 else ():
        start, end = inner.original(found.start, found.end)
        yield found._replace(start=start, end=end)


_PORT = re.compile(r"\d{1,5}\W*\Z|\W")
_VARIABLE = re.compile(
    r"(?:[A-Z0-9]{2,20}_){0,4}(?:[A-Z]{0,10}PASS(?:WORD)?|PASSWD|PWD|PW|SECRET|TOKEN)\Z"
)  # a placeholder such as NOVA_DBPASS


def is_no_password(user: str, password: str) -> bool:
    """Return whether the password of a user is a placeholder, a variable, the port of an address, or that of the documented examples."""
    low = password.lower()
    if len(password) < 3 or password[:1] in "$%{<[*#" or password[-1:] in "}>]*" or _PORT.match(password) or _VARIABLE.match(password):
        return True
    if likelihood.is_stand_in(password) and (low != user.lower() or low in ("user", "username", "test", "foo", "string")):
        return True
    return (
        low in STAND_IN
        or low.replace(" ", "") == "opensesame"
        or "${" in password
        or "{{" in password
        or "%(" in password
        or "(" in password
    )


_PSEXEC = re.compile(r"psexec(?:\.exe)?\b[^\n\x1e]{0,300}?\s-u\s+([^\s]{1,80})\s+-p\s+\"?([^\s$%\"<]{3,80})", re.IGNORECASE)
_MYSQL = re.compile(r"mysql(?:dump|admin)?\s(?:[^\n\x1e]{0,200}?\s)?(?:-p|--password=)(?![\s$<{\"'])([^\s\"'$<;|&]{4,80})()")
_SSHPASS = re.compile(r"sshpass\s+-p\s*[\"']?([^\s\"'$<]{3,80})()")


def command(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield a password on a command line."""
    for pattern in (_PSEXEC, _SSHPASS, _MYSQL):
        found = pattern.match(text, at, min(end_of_text, at + 600))
        if found:
            group = 2 if found[2] else 1
            if not likelihood.is_stand_in(found[group]) and found[group].lower() not in STAND_IN:
                yield ShapedSecret("password", found.start(group), found.end(group), 0.7)


_PAIR = re.compile(
    r"[\w.]*[= ]{0,3}\(\s{0,9}(?:[\w.]{1,40}|[bruf@]?([\"'])(?:(?!\1)[^\n\\]){0,200}\1)\s{0,9},\s{0,9}(?:[bruf@]?([\"'])(?:(?!\2)[^\n\\]){1,80}\2\s{0,9},\s{0,9})?[bruf@]?([\"'])((?:(?!\3)[^\n\\]){4,80})\3\s{0,9}\)"
)
_IDENTIFIED = re.compile(
    r"(?:identified\s(?:with\s[\w']{1,40}\s)?by|with\s(?:encrypted\s)?password(?:\s?=)?|convertto-securestring(?:\s-string)?)\s{1,3}([\"'])((?:(?!\1)[^\n]){4,100})\1",
    re.IGNORECASE,
)


def login_call(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield the last argument of a login call, which passes user and password without naming them."""
    found = _PAIR.match(text, at, min(end_of_text, at + 600))
    if found is None:
        return
    group = found.lastindex or 1
    value = found[group]
    mixed = likelihood.is_mixed(value) or (
        any(map(str.isdigit, value)) and likelihood.naturalness(value) < 0.9 and not likelihood.is_name(value)
    )
    if mixed and not likelihood.is_stand_in(value) and not likelihood.is_code(value) and " " not in value:
        yield ShapedSecret("password", found.start(group), found.end(group), 0.6)


def stated(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield a value that SQL or PowerShell sets as a password, which counts however weak it is."""
    found = _IDENTIFIED.match(text, at, end_of_text)
    if found is None or " " in found[2] or _VARIABLE.match(found[2]):
        return
    if not likelihood.is_stand_in(found[2]) and not likelihood.is_code(found[2]):
        weak = found[2].isalpha() and likelihood.naturalness(found[2]) > 0.6
        yield ShapedSecret("password", found.start(2), found.end(2), 0.45 if weak else 0.7, "low" if weak else None)


_NETRC = re.compile(r"machine\s+[\w.\-]{1,100}\s+login\s+[^\s]{1,100}\s+password\s+([^\s]{3,200})")


def netrc(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield the password in a line of .netrc."""
    found = _NETRC.match(text, at, end_of_text)
    if found and not likelihood.is_stand_in(found[1]) and not likelihood.is_code(found[1]):
        yield ShapedSecret("password", found.start(1), found.end(1), 0.85, "high")


def password_hash(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield a password hash in a format of Unix, Apache, bcrypt or Argon2."""
    found = PASSWORD_HASH.match(text, at, end_of_text)
    if found:
        yield ShapedSecret("password-hash", at, found.end(), 0.85)


def discord_tokens(text: str) -> Iterator[ShapedSecret]:
    """Yield Discord bot tokens, which contain no literal to search for but have three parts of known lengths."""
    for tail in DISCORD.finditer(text):
        head = DISCORD_HEAD.search(text, max(0, tail.start() - 27), tail.start())
        if head and any(c.isdigit() for c in tail.group()):
            proven = checksums.is_discord(head.group())
            yield ShapedSecret("discord-token", head.start(), tail.end(), 0.95 if proven else 0.6, None if proven else "medium")


_JWK_NEAR = 1500  # characters: an RSA key has its other numbers in between
_JWK = re.compile(r"[{,\s]\\?[\"']?(?:d|k)\\?[\"']?\s{0,3}:\s{0,3}\\?[\"']([A-Za-z0-9_-]{22,1400})\\?[\"']")


def json_web_keys(text: str, at: int, end_of_text: int) -> Iterator[ShapedSecret]:
    """Yield the private number of a JSON Web Key, or its symmetric key, from the object around "kty", whose offset is `at`."""
    first, last = text.rfind("{", max(0, at - _JWK_NEAR), at), text.find("}", at, min(end_of_text, at + _JWK_NEAR))
    found = _JWK.search(text, first, last if last > 0 else min(end_of_text, at + _JWK_NEAR)) if first >= 0 else None
    if found and checksums.entropy(found[1]) > 3.5:
        yield ShapedSecret("private-key", found.start(1), found.end(1), 0.9, None, "Private part of a JSON Web Key")


PLACES = (
    (("PRIVATE KEY",), private_keys),
    (("PuTTY-User-Key-File-",), putty_keys),
    (("://",), url_credentials),
    ((":\\/\\/",), escaped_addresses),
    (("$2a$", "$2b$", "$2y$", "$1$", "$5$", "$6$", "$8$", "$9$", "$y$", "$apr1$", "$argon2", "$krb5"), password_hash),
    (("machine ",), netrc),
    (("kty",), json_web_keys),
)
PLACES_ANY_CASE = (
    (("%3a%2f%2f",), escaped_addresses),
    (("psexec", "sshpass ", "mysql"), command),
    (("auth=(", "auth = (", "login(", "basicauth(", "getconnection("), login_call),
    (("identified ", "with password", "with encrypted password", "convertto-securestring"), stated),
)
