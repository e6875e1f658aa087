"""Makes text safe to keep and to show: masks identifiers and secrets, makes invisible characters visible; it knows no engine."""

from __future__ import annotations

import re
import unicodedata

_SECRETS = re.compile(
    r"""
    (?P<url>(?<=://)[^\s/@:'"<>]{0,256}:[^\s/'"<>]{1,256}(?=@))  # user:password in a URI
  | (?P<block>-----BEGIN\ [A-Z ]*PRIVATE\ KEY(?:\ BLOCK)?-----[\s\S]*?(?:-----END|\Z))
  | (?P<body>(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{0,76}(?:(?:\r?\n|\\n)[A-Za-z0-9+/]{60,76})+={0,2}  # the inside of such a block
       (?:(?:\r?\n|\\n)[A-Za-z0-9+/]{1,76}={0,2})?)
  | (?P<token>\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}
       |\bsk-[A-Za-z0-9_-]{16,}|\bglpat-[A-Za-z0-9_-]{16,}|\bhf_[A-Za-z0-9]{20,}|\bAIza[A-Za-z0-9_-]{30,}
       |\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.?[A-Za-z0-9_-]*)
  | (?P<card>(?<!\d)(?:\d[ -]?){12,18}\d(?!\d))
  | (?P<ssn>(?<!\d)\d{3}-\d{2}-\d{4}(?!\d))
  | (?P<iban>\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?\b)
  | (?P<email>\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)
    """,
    re.VERBOSE,
)
_WHOLE = ("url", "block", "body")  # of the others two characters stay, for whoever has to find them
_ASSIGNED = re.compile(
    r"""
    (?:(?:pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|account|private)[_-]?key|authorization)
       ["'\]\\]{0,4}\s{0,3}(?::=|=>|[=:])\s{0,3}\\?["']?(?:(?:bearer|basic)\s+)?
     | \bbearer\s+(?=[\w.~+/=-]{16}))
    (?P<value>(?<=")[^"\n]{4,256}|(?<=')[^'\n]{4,256}|[^\s"'<>]{6,})
    """,
    re.VERBOSE | re.IGNORECASE,
)
# What is said or typed in place of assigned. A value of prose has to look like a password: a digit, or a sign or capital inside the word.
_GIVEN = re.compile(
    r"""
    (?:
      (?<![\w-])(?:-[uU]|--(?:proxy-)?user)(?:[ =]{1,2}|["'],\s{0,3})["']?(?!\d+:\d+\b)(?![a-z]:[\\/])[^\s:"'<>]{1,64}:(?!//)
    | \bcurl\s(?:[^\n]{0,120}?\s)?-u[^\s:"'<>]{1,64}:(?!//)
    | \b(?:mysql|mariadb)\w{0,12}\s(?:[^\n;|]{0,200}?\s)?-p["']?(?!ort\b|rotocol\b)(?=[^\s"'])
    | \b(?:sshpass\s{1,3}-p|redis-cli\s(?:[^\n;|]{0,120}?\s)?-a)\s{0,3}["']?
    | (?<![\w-])--(?:password|passwd|pass|token|api-key|secret)\s{1,3}["']?(?!-)
    | \b(?:machine\s{1,4}\S{1,253}|default)\s{1,8}(?:login\s{1,4}\S{1,64}\s{1,8})?(?:account\s{1,4}\S{1,64}\s{1,8})?password\s{1,4}
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
# One of them is in whatever the expression above finds; most texts have none, and looking for words is cheap.
_GIVEN_HINTS = (
    "-u",
    "pass",
    "mysql",
    "mariadb",
    "redis",
    "-user",
    "key",
    "token",
    "secret",
    "kennwort",
    "losung",
    "mot de",
    "contrase",
    "senha",
    "wachtwoord",
)
_URI_CREDENTIALS = re.compile(
    r"(?<=://)[^\s/]*:[^\s/]*@|(?<=[?&])(?:sig|token|access_key|X-Amz-Signature|X-Amz-Credential)=[^&\s]*", re.IGNORECASE
)
_NAMED_SECRETS = ("url", "block", "token")  # of a name the rest stays: it has to be found again
_NAMED_QUERY = re.compile(
    r"(?<=[?&])(?:[\w.-]{0,40}(?:token|key|sig|signature|credential|password|secret|pwd)=)(?P<value>[^&\s\"']+)", re.IGNORECASE
)
_EXTENSION = re.compile(r"\.[A-Za-z]\w{0,5}(?=$|[/!])")
_QUOTED = re.compile(r"'[^'\n]*(?:'|$)|\"[^\"\n]*(?:\"|$)")
_BOUND = re.compile(
    rf"(?:{_QUOTED.pattern})|\b(?:than|above|beyond|first) (?P<number>\d{{1,20}})(?= (?:bytes|characters|rows|entries|pixels|parts)\b)"
)
_RUN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{12,}(?![A-Za-z0-9])")
_CHANGE = re.compile(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[a-z0-9]|(?<=[0-9])[A-Za-z]")
INNER = re.compile(r"(?<=\w)\w")
# Unicode's Default_Ignorable_Code_Point, as far as Python calls them printable: variation selectors, fillers and the like.
_IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def mask(text: str) -> str:
    """The text with identifiers and secrets masked; as long as it was, so that offsets stay."""
    return _without_given(_ASSIGNED.sub(_value, _SECRETS.sub(_known, text)))


def name_safe(name: str) -> str:
    """A name of a member or column with credentials and tokens masked; numbers and dates stay, or it would not be found again."""
    name = _SECRETS.sub(lambda match: _known(match) if match.lastgroup in _NAMED_SECRETS else match.group(), name)
    return _without_given(_ASSIGNED.sub(_value_of_name, _NAMED_QUERY.sub(_value, name)))


def _without_given(text: str) -> str:
    low = text.lower()
    return _GIVEN.sub(_value, text) if any(hint in low for hint in _GIVEN_HINTS) else text


def reason_safe(text: str) -> str:
    """What an exception or an archive says is the attacker's text: redacted, what it quotes too, and writable as UTF-8."""
    return visible(_QUOTED.sub(lambda match: without_random(match.group()), without_credentials(_with_bounds(text, mask(text)))))


def _with_bounds(text: str, masked: str) -> str:
    """The masked text with the numbers of our own sentences about bounds: a size in bytes may look like a card. What is quoted stays masked."""
    for found in _BOUND.finditer(text):
        start, end = found.span("number")
        masked = masked[:start] + text[start:end] + masked[end:] if found["number"] else masked
    return masked


def without_random(text: str) -> str:
    """The text with words that look drawn by chance masked: letters and digits in turns."""
    return _RUN.sub(lambda match: _stars(match.group()) if _is_random(match.group()) else match.group(), text)


def _is_random(word: str) -> bool:
    return any(map(str.isdigit, word)) and len(_CHANGE.findall(word)) >= 4


def _known(match: re.Match[str]) -> str:
    found, keep = match.group(), 0 if match.lastgroup in _WHOLE else 2
    return found[:keep] + _stars(found[keep:])


def _value(match: re.Match[str]) -> str:
    """All but the last group, which is the value."""
    begin, end = match.span(match.lastgroup or 0)
    return match.string[match.start() : begin] + _stars(match.string[begin:end]) + match.string[end : match.end()]


def _value_of_name(match: re.Match[str]) -> str:
    """The same, but for the file name extension and what stands behind it."""
    extension = _EXTENSION.search(match["value"], 1)
    kept = match["value"][extension.start() :] if extension else ""
    return match.group()[: match.start("value") - match.start()] + _stars(match["value"][: len(match["value"]) - len(kept)]) + kept


def _stars(text: str) -> str:
    return "".join(c if c in " \n" else "*" for c in text)


def visible(text: str) -> str:
    """Control, bidirectional, zero-width and other invisible characters as escapes, so that no terminal or page obeys them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(c) for c in text)


def _shown(character: str) -> str:
    if character in "\n\r\t" or unicodedata.category(character) == "Zs":
        return " "
    if character.isprintable() and not _IGNORABLE.match(character):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def without_credentials(uri: str) -> str:
    """A URI or message with user names, passwords and signatures in URIs taken out."""
    return _URI_CREDENTIALS.sub("", uri)
