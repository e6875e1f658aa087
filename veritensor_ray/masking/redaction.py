"""Make text safe to store and show: mask identifiers and secrets, and make invisible characters visible.

It does not depend on any engine.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable

from veritensor_ray.core.format_table import declared_type
from veritensor_ray.masking.iban_form import ibans
from veritensor_ray.masking.secret_kinds.secret_shapes import ANY_DISCORD_TOKEN, ANY_PASSWORD_HASH, PEM_IN_BASE64, PUTTY_KEY
from veritensor_ray.masking.secret_kinds.token_form import Token
from veritensor_ray.masking.secret_kinds.token_kinds import TOKENS
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.masking.spellings import readings

SECRET, PERSONAL, GIVEN = "secret", "pii", "given"  # kinds of masked values; `GIVEN` is the weakest: a value after a word like "password"
Note = Callable[[str, str], None]  # receives the kind and text of each masked value

_LOGIN = re.compile(r"(?<=://)[^\s/@:'\"<>]{0,256}:(?P<value>[^\s/'\"<>]{1,256})(?=@)|(?<=://)(?=[^\s/@:]*\d)[^\s/@:'\"<>]{20,256}(?=@)")
_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END|\Z)")
_NEXT = r"(?:=?\r?\n|\\n|\?=\s{1,3}=\?[\w-]{1,20}\?[qbQB]\?)"  # a line break, possibly in a mail header
_BODY = re.compile(  # the inside of such a block
    rf"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{{0,76}}(?:{_NEXT}[A-Za-z0-9+/]{{56,76}}(?![A-Za-z0-9+/]))+={{0,2}}(?:{_NEXT}[A-Za-z0-9+/]{{1,76}}={{0,2}})?"
)
_ACCOUNT = re.compile(r"[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?")  # like an IBAN, or a part of one
_CARD = re.compile(r"\d(?<!\d\d)[ -]?(?:\d[ -]?){11,17}\d(?!\d)")  # a class of characters first, by which Python skips others
_CARD_OF_NAME = re.compile(
    r"(?<!\d)[3-6](?:\d{12,18}|\d{3}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{3}[ -]\d{6}[ -]\d{5})(?!\d)"
)  # not a date followed by a number
_SSN = re.compile(r"\d(?<!\d\d)\d{2}-\d{2}-\d{4}(?!\d)")
_EMAIL = re.compile(r"(?<![^\W_])[\w.+-]{1,64}@(?:[^\W_]|-){1,63}(?:\.(?:[^\W_]|-){1,63})+")
# Hidden entirely, or except for two characters, which help to find it again; each with a hint, a word that every match contains.
_WHOLE = (("://", _LOGIN, 0), ("PRIVATE KEY", _BLOCK, 0), ("PuTTY-User-Key-File-", PUTTY_KEY, 0))
_MARKED = (
    ("\n", _BODY, 0),
    ("\\n", _BODY, 0),
    ("$", ANY_PASSWORD_HASH, 2),
    (".", ANY_DISCORD_TOKEN, 2),
    ("0tLS0t", PEM_IN_BASE64, 0),
    ("tLS0tL", PEM_IN_BASE64, 0),
)
_PERSONAL = (("", _ACCOUNT, 2), ("", _CARD, 2), ("-", _SSN, 2), ("@", _EMAIL, 2))
# No token is shorter than such a word, and most texts have few of them, so the prefixes of tokens are searched only there.
_LONG = re.compile(r"[\w./+=:~$?&;%!@-]{12,}")
_SPACED = tuple((hint, token) for token in TOKENS if r"\s" in token.source for hint in token.hints)
_TOKENS = tuple((hint, token) for token in TOKENS if r"\s" not in token.source for hint in token.hints)
_START = 3  # characters by which most of those words are looked up, which is faster than to search for each of them
_BY_START: dict[str, list[int]] = {}
for _number, (_hint, _) in enumerate(_TOKENS):
    _BY_START.setdefault(_hint[:_START], []).append(_number)
_TOO_SHORT = [number for start, numbers in _BY_START.items() if len(start) < _START for number in numbers]

_ASSIGNED_WORDS = "(?:pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|account|private)[_-]?key|authorization)"
_ASSIGNED = re.compile(
    rf"""
    (?:{_ASSIGNED_WORDS}
       ["'\]\\]{{0,4}}\s{{0,3}}(?::=|=>|[=:])\s{{0,3}}\\{{0,3}}["']{{0,2}}(?:(?:bearer|basic)\s+)?
     | \bbearer\s+(?=[\w.~+/=-]{{16}}))
    (?P<value>(?<=")[^"\n]{{4,256}}|(?<=')[^'\n]{{4,256}}|[^\s"'<>]{{6,}})
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Spoken or typed instead of assigned. In prose, a value must look like a password: a digit, or a sign or capital inside the word.
_GIVEN = re.compile(
    r"""
    (?:
      (?<![\w-])(?:-[uU]|--(?:proxy-)?user)(?:[ =]{1,2}|["'],\s{0,3})["']?(?!\d+:\d+\b)(?![a-z]:[\\/])[^\s:"'<>]{1,64}:(?!//)
    | \bcurl\s(?:[^\n]{0,120}?\s)?-u[^\s:"'<>]{1,64}:(?!//)
    | \b(?:mysql|mariadb)\w{0,12}\s(?:[^\n;|]{0,200}?\s)?-p["']?(?!ort\b|rotocol\b)(?=[^\s"'])
    | \b(?:sshpass\s{1,3}-p|redis-cli\s(?:[^\n;|]{0,120}?\s)?-a|psexec(?:\.exe)?\s(?:[^\n;|]{0,200}?\s)?-p)\s{0,3}["']?
    | (?<![\w-])--(?:password|passwd|pass|token|api-key|secret)\s{1,3}["']?(?!-)
    | \b(?:machine\s{1,4}\S{1,253}|default)\s{1,8}(?:login\s{1,4}\S{1,64}\s{1,8})?(?:account\s{1,4}\S{1,64}\s{1,8})?password\s{1,4}
    | \bidentified\s(?:with\s\w{1,40}\s)?by\s{1,3}['"]
    | \b(?:auth\s?=\s?|login|basicauth|getconnection)\((?:\s{0,9}["'][^"'\n]{0,200}["']\s{0,9},){1,2}\s{0,9}["']
    )(?P<typed>[^\s"'|<>{}]{3,256})
  | (?:(?:password|passwd|passphrase|passcode|passwort|kennwort|losung|mot\ de\ passe|contraseña|senha|wachtwoord)
       (?:[ \t]{0,3}[:=][ \t]{0,3}|[ \t]{1,3}(?:(?:is|was|ist|lautet|est|es|è|é)(?:[ ](?:now|jetzt|still))?:?[ \t]{1,3})?)
     | (?:(?:api|access|secret|private)[ _-]?key|token|secret)[ \t]{1,3}(?:is|was|ist|lautet|est|es|è|é):?[ \t]{1,3})
    ["'`“‘«]?
    (?!sha-?\d|md5|pbkdf2|bcrypt|argon2|\d{4}-\d\d-\d\d|https?://|[{}$%(\[])
    (?=[^\s"'<>]{0,80}?(?:\d|[!\#$%^&*@+=~?][A-Za-z]|(?-i:[a-z][A-Z])))
    (?P<spoken>[^\s"'`<>]{5,255}[^\s"'`<>.,;:!?)”’»])
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Every match of the two expressions above contains one of these; most texts contain none, and looking for words is cheap.
_ASSIGNED_HINTS = ("pass", "pwd", "secret", "token", "key", "authorization", "bearer")
_GIVEN_HINTS = (
    *("-u", "pass", "mysql", "mariadb", "redis", "psexec", "identified", "auth", "login", "getconnection", "key", "token", "secret"),
    *("kennwort", "losung", "mot de", "contrase", "senha", "wachtwoord"),
)
# Where matches of these expressions may begin, in lower case. Python tries an expression that ignores case at every character.
_ASSIGNED_AT = re.compile(r"a(?=ccess|ccount|pi|uthorization)|b(?=earer)|p(?=ass|rivate|wd)|s(?=ecret)|t(?=oken)")
_GIVEN_AT = re.compile(
    r"-(?=-|u)|a(?=ccess|pi|uth)|b(?=asicauth)|c(?=ontrase|url)|d(?=efault)|g(?=etconnection)|i(?=dentified)|k(?=ennwort)|l(?=ogin|osung)"
    r"|m(?=achine|ariadb|ot de passe|ysql)|p(?=ass|rivate|sexec)|r(?=edis-cli)|s(?=ecret|enha|shpass)|t(?=oken)|w(?=achtwoord)"
)
_NAMED_QUERY = re.compile(
    r"(?<=[?&])(?:[\w.-]{0,40}(?:token|key|keyid|sig|signature|credential|password|secret|pwd)=)(?P<value>[^&\s\"']+)", re.IGNORECASE
)
_KEY_BELOW = re.compile(
    rf"{_ASSIGNED_WORDS}s?(?:\[\d*\])?[.\[][\"']?(?P<value>[^\s.\[\]/\"']{{6,}})", re.IGNORECASE
)  # of JSON, in the name of a column
_COMPONENT = re.compile(r"[^/!]+")
_EXTENSION = re.compile(r"\.[A-Za-z]\w{0,5}(?=$|[/!])")
_QUOTED = re.compile(r"'[^'\n]*(?:'|$)|\"[^\"\n]*(?:\"|$)")
_BOUND = re.compile(
    rf"(?:{_QUOTED.pattern})|\b(?:than|above|beyond|first|snapshot) (?P<number>\d{{1,20}})(?= (?:bytes|characters|rows|entries|pixels|parts|of the)\b|, which)"
)
_RUN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{12,}(?![A-Za-z0-9])")
_CHANGE = re.compile(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[a-z0-9]|(?<=[0-9])[A-Za-z]")
_SOLID, _NO_SPACE = re.compile(r"[^ \n]+"), re.compile(r"\S+")
_SPACES = str.maketrans("\n\r\t", "   ")
INNER = re.compile(r"(?<=\w)\w")
# Unicode's Default_Ignorable_Code_Point, where Python calls it printable: variation selectors, fillers and the like.
_IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def mask(text: str, note: Note | None = None) -> str:
    """Mask identifiers and secrets. The length does not change, so offsets stay valid."""
    masked = _without_ibans(_marked(text, note), text, note)
    for hint, pattern, keep in _PERSONAL:
        if hint in masked:
            masked = _starred(pattern, masked, text, PERSONAL, note, keep)
    low = text.lower()
    if any(map(low.__contains__, _ASSIGNED_HINTS)):
        masked = _starred(_ASSIGNED, masked, text, GIVEN, note, at=_ASSIGNED_AT)
    return _starred(_GIVEN, masked, text, GIVEN, note, at=_GIVEN_AT) if any(map(low.__contains__, _GIVEN_HINTS)) else masked


@functools.lru_cache(256)  # many cells and many decoded texts are equal
def masked_with_values(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the masked text, and the kind and text of each masked value."""
    values: list[tuple[str, str]] = []
    masked = mask(text, lambda kind, value: values.append((kind, value)))
    return masked, tuple(values)


def name_safe(name: str) -> str:
    """Mask credentials, tokens and proven identifiers in the name of a member, column or part.

    Other numbers and dates stay, because the name could not be found again otherwise.
    """
    return _COMPONENT.sub(_not_written_otherwise, _safe(name))


def _not_written_otherwise(component: re.Match[str]) -> str:
    """Keep only the extension of a name that spells a secret in an encoded form."""
    name = component.group()
    if all(_safe(reading.text) == reading.text for reading in readings(name)):
        return name
    extension = _EXTENSION.search(name, 1)
    return stars(name[: extension.start()]) + name[extension.start() :] if extension else stars(name)


def _safe(name: str) -> str:
    masked = _marked(name, None)
    if len(masked) > 6:
        masked = _without_ibans(masked, name, None)
        masked = _CARD_OF_NAME.sub(lambda found: _kept(found) if _is_card(found.group()) else found.group(), masked)
        masked = _EMAIL.sub(_address, _SSN.sub(_kept, masked)) if "@" in masked or "-" in masked else masked
    masked = _KEY_BELOW.sub(_random_key, masked)
    masked = _ASSIGNED.sub(_value_of_name, _starred(_NAMED_QUERY, masked, name, SECRET, None))
    return _starred(_GIVEN, masked, name, GIVEN, None) if any(hint in name.lower() for hint in _GIVEN_HINTS) else masked


TAGGED = re.compile(r"~[0-9a-f]{6}$")  # the suffix that `tagged` adds to a name


def tagged(shown: str, name: str, site_key: bytes) -> str:
    """Return what is shown of a name. If it is masked, add a keyed digest, so that two names stay different."""
    if shown == name:
        return shown
    mac = hmac.digest(site_key, b"name\0" + name.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return f"{shown}~{mac[:3].hex()}"


def reason_safe(text: str) -> str:
    """Redact a reason. An exception or archive may quote the attacker's text, which is redacted and made valid UTF-8."""
    return visible(_QUOTED.sub(lambda match: without_random(match.group()), without_credentials(_with_bounds(text, mask(text)))))


def _with_bounds(text: str, masked: str) -> str:
    """Restore numbers in our own sentences about limits and snapshots, because these may look like a card number.

    Quoted text stays masked.
    """
    for found in _BOUND.finditer(text):
        start, end = found.span("number")
        masked = masked[:start] + text[start:end] + masked[end:] if found["number"] else masked
    return masked


def without_random(text: str) -> str:
    """Mask words that look random, in which letters and digits alternate."""
    return _RUN.sub(lambda match: stars(match.group()) if _is_random(match.group()) else match.group(), text)


def _is_random(word: str) -> bool:
    return any(map(str.isdigit, word)) and len(_CHANGE.findall(word)) >= 4


def _marked(text: str, note: Note | None) -> str:
    """Mask secrets that are recognizable by their form, regardless of their surroundings."""
    masked = text
    for hint, pattern, keep in _WHOLE:
        if hint in masked:
            masked = _starred(pattern, masked, text, SECRET, note, keep)
    long = "\n".join(dict.fromkeys(_LONG.findall(masked)))
    for token in (*_likely_tokens(long), *(token for hint, token in _SPACED if hint in masked)):
        masked = _starred(token.glued, masked, text, SECRET, note, 2)
    for hint, pattern, keep in _MARKED:
        if hint in masked:
            masked = _starred(pattern, masked, text, SECRET, note, keep)
    return masked


def _likely_tokens(text: str) -> list[Token]:
    """Return the tokens one of whose words occurs in a text, in the order of the table."""
    starts = _BY_START.keys() & set(map("".join, zip(text, text[1:], text[2:], strict=False)))
    numbers = sorted(_TOO_SHORT + [number for start in starts for number in _BY_START[start]]) if text else []
    return [token for hint, token in map(_TOKENS.__getitem__, numbers) if hint in text]


def _without_ibans(masked: str, text: str, note: Note | None) -> str:
    for start, end in ibans(masked):
        if note is not None:
            note(PERSONAL, text[start:end])
        masked = masked[: start + 2] + stars(masked[start + 2 : end]) + masked[end:]
    return masked


def _starred(
    pattern: re.Pattern[str],
    masked: str,
    text: str,
    kind: str,
    note: Note | None,
    keep: int | None = None,
    at: re.Pattern[str] | None = None,
) -> str:
    """Mask the matches of a pattern except their first `keep` characters. Without `keep`, mask only the last group, the value.

    Each match begins where `at`, if given, matches the text in lower case.
    """

    def star(found: re.Match[str]) -> str:
        begin, end = found.span() if keep is not None else found.span(found.lastgroup or 0)
        if note is not None:
            note(kind, text[slice(*found.span(found.lastgroup or 0))])
        begin = min(end, begin + (keep or 0))
        return masked[found.start() : begin] + stars(masked[begin:end]) + masked[end : found.end()]

    if at is None or not masked.isascii():  # outside of ASCII, letters match that have another lower case
        return pattern.sub(star, masked)
    pieces, done = [], 0
    for place in at.finditer(masked.lower()):
        if place.start() >= done and (found := pattern.match(masked, place.start())):
            pieces += [masked[done : found.start()], star(found)]
            done = found.end()
    return "".join(pieces) + masked[done:] if pieces else masked


def _kept(found: re.Match[str]) -> str:
    return found.group()[:2] + stars(found.group()[2:])


def _is_card(text: str) -> bool:
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    return sum(digits[::2]) % 10 == -sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2]) % 10


def _address(found: re.Match[str]) -> str:
    """Mask an email address, but not `icon@2x.png`. A file extension after it stays."""
    labels = found.group().rpartition("@")[2].split(".")
    while labels and (declared_type(f".{labels[-1].lower()}") or labels[-1].lower() in ("bin", "dat", "tmp", "bak")):
        labels.pop()
    if len(labels) < 2 or not labels[0][:1].isalpha() or not labels[-1].isalpha():
        return found.group()
    end = found.group().rindex("@") + 1 + len(".".join(labels))
    return found.group()[:2] + stars(found.group()[2:end]) + found.group()[end:]


def _value_of_name(match: re.Match[str]) -> str:
    """Mask the value, but keep its file name extension and what follows."""
    extension = _EXTENSION.search(match["value"], 1)
    kept = match["value"][extension.start() :] if extension else ""
    return match.group()[: match.start("value") - match.start()] + stars(match["value"][: len(match["value"]) - len(kept)]) + kept


def _random_key(match: re.Match[str]) -> str:
    """Mask a random-looking key below a word such as "password". `password.hash` is just the name of a column."""
    start = match.start("value") - match.start()
    return match.group()[:start] + stars(match["value"]) if _is_random(match["value"]) else match.group()


def stars(text: str) -> str:
    """Replace each character with a star, except spaces and line feeds."""
    return _SOLID.sub(lambda found: "*" * len(found[0]), text)


def blanked(text: str) -> str:
    """Replace each character with a star, except any white space."""
    if text.split(None, 1) == [text]:  # as most values: one word
        return "*" * len(text)
    return _NO_SPACE.sub(lambda found: "*" * len(found[0]), text)


def visible(text: str) -> str:
    """Escape control, bidirectional, zero-width and other invisible characters, so that no terminal or page interprets them."""
    if text.isascii() and text.isprintable():
        return text
    text = text.translate(_SPACES)
    if text.isprintable() and not _IGNORABLE.search(text):
        return text
    return "".join(map(_shown, text))


@functools.lru_cache(4096)
def _shown(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    if character.isprintable() and not _IGNORABLE.match(character):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
