"""Finds and judges values whose name suggests a secret, in code, configuration, tables and prose."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.core.config import Severity
from veritensor_ray.engines.secrets import extents, likelihood
from veritensor_ray.engines.secrets.assigned_names import NameKind, is_harmless, kind_of
from veritensor_ray.engines.secrets.extents import TextWithValues
from veritensor_ray.engines.secrets.word_likeness import STAND_IN, TYPES, listed

ANY_CASE = (
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "cred",
    "auth",
    "salt",
    "nonce",
    "contrasena",
    "_pat",
    "pw",
    "login",
    "access",
    "private",
    "tenant",
)

SOURCE = listed(
    "py pyx pyi js jsx mjs cjs ts tsx java kt kts scala go rs c h cc cpp cxx hpp hh m mm cs vb swift rb php pl pm lua r jl dart groovy gradle ex exs erl hs ml fs clj"
)
PROSE = listed("txt md rst html htm adoc tex pdf docx eml")

_MAX = 512
_LONG = re.compile(r"(?!MII)[A-Za-z0-9._~+/=%|-]{513,4096}\Z")  # tokens that hold data; a certificate begins with MII
_METHODS = ("encode", "decode", "format", "split", "strip", "replace", "join", "startswith", "endswith")  # their argument is not a secret
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.-"
_RIGHT = re.compile(r"[A-Za-z0-9_$.\-]{0,60}+", re.ASCII)
_SEPARATOR = re.compile(
    r"""
    (?:\\{0,7}["'`]|[\])?!]|\[\d{0,4}\]|\*\*|__|</(?:b|strong|code|em)>){0,4}+
    (?P<type>\s{0,3}:\s{0,3}[A-Za-z_][\w.]{0,30}(?:[\[<][^\]>\n]{0,40}[\]>])?(?:\s?\|\s?\w{1,20}){0,3}(?=\s{0,3}=[^=]))?
    (?P<mark>
        (?P<item>:[ \t]{0,3}\r?\n[ \t]{0,60}-[ \t]{1,4}(?=[^\s-]))
      | [ \t]{0,20}(?:(?P<assign>:=|=>|\|\||\?\?|<-|=(?!=)|:(?!:))|(?P<compare>[=!]==?))[ \t]{0,20}(?:\r?\n[ \t]{0,60}(?=["'`]))?
      | (?P<comma>,)\s{0,20}(?=[brufBRUF@]{0,2}\\{0,7}["'`])
      | (?P<call>\()\s{0,20}(?:[A-Za-z_][\w.]{2,40}\(\s{0,3})?(?=[brufBRUF@]{0,2}\\{0,7}["'`])
      | (?P<xml>>)(?=[^\s<])
      | (?P<pair>\s{0,3}\{\s{0,60}(?:(?:type|description|sensitive)\s{0,20}=[^\n{}]{0,120}\n\s{0,40}){0,3}default\s{0,20}=\s{0,3}|,?\s{1,60}["']?value["']?\s{0,2}[:=]\s{0,2})
      | (?P<said>[ \t](?:is|was|ist|lautet|est|es)[ \t:]{1,3})
      | (?P<space>[ \t]{1,8}(?=\\{0,7}["'`]))
      | (?P<option>[ \t]{1,2}(?=[^\s"'`\-]))
    )
    (?:!!str\s|(?P<wrapper>[A-Za-z_][\w.\-]{2,40}(?:\(|[ ](?:-String[ ])?))(?=[brufBRUF@]{0,2}["']))?
    """,
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
# The value of a command-line option, as `_SEPARATOR` finds it, must be random (so at least 16 characters) unless its name begins with a dash.
_PROSE_AFTER = re.compile(
    r"[ \t]{1,2}(?!value|(?:is|was|ist|lautet|est|es)[ \t:])[A-Za-z0-9_.]{1,15}+(?=[\s<>,;]|\Z)(?![ ](?:-String[ ])?[brufBRUF@]{0,2}[\"'])",
    re.ASCII | re.IGNORECASE,
)
_WHOLE = ("assign", "said", "option")  # ways in which a value may have any punctuation
_NOT_IN_KEYS = re.compile(r"[\"'`<>,;\\()\[\]{}&]")  # a value that is not quoted and has one of these is a password, or more than a key
_QUOTE = re.compile(r"[A-Za-z@$]{0,2}(\\{0,7}(?:\"\"\"|'''|[\"'`]))", re.ASCII)
LOOSE = r"(?:[-_. ]?(?:secret|access|private|api|token|key|auth|pat|code|tok|credential)){0,6}+s?[\s\-.:=>\"',]{1,6}+(?P<value>[A-Za-z0-9][A-Za-z0-9+/=_.~\-]{13,512}+)"
_BY_VENDOR = re.compile(
    r"(?:[-_. ](?!\w{13})\w{1,12}){0,2}?\s{0,3}(?:[:=]\s{0,3}[\"']?|[ \-\"'])([A-Za-z0-9][A-Za-z0-9+/=_.~\-]{15,512}+)", re.ASCII
)
_AWS_SECRET = re.compile(r"[A-Za-z0-9/+]{40}\Z")
_PUBLIC = re.compile(r"\b(?:rsa|dsa|gpg|pgp|ed25519|signing) key", re.IGNORECASE)  # in prose followed by a fingerprint
_OPTION = re.compile(r"-[A-Za-z]{4,}\Z")  # of PowerShell
_HOST = re.compile(r"[a-z0-9-]\.[a-z]{2,6}\Z")
_CALL = re.compile(r"\w\(|^[*&]\w")
_VERSIONED = re.compile(r"(?:\A|-)\d+(?:\.\d+)+(?:-|\Z)")  # part of a package's name
_SYMBOL = re.compile(r"[^\w\s.\-]")


class AssignedValue(NamedTuple):
    """An assigned value, its position, and the kind of assignment."""

    text: str
    start: int
    quoted: bool
    way: str  # name of the separator

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Verdict(NamedTuple):
    """The judgment on a value under its name."""

    rule: str
    score: float
    severity: Severity


def start_of_name(text: str, at: int, floor: int) -> int:
    """Return where the name around a position begins, but no earlier than `floor`."""
    before = text[max(floor, at - 60) : at]
    return at - len(before) + len(before.rstrip(_NAME_CHARACTERS))


def end_of_name(text: str, at: int) -> int:
    """Return where the name around a position ends."""
    found = _RIGHT.match(text, at)
    return found.end() if found else at


def is_hopeless(text: str, place: int, end: int) -> bool:
    """Return whether a short word follows the name that ends there, as in prose, so that nothing is assigned. `place` is in the name."""
    return _PROSE_AFTER.match(text, end) is not None and "-" not in text[max(0, place - 60) : place]


def values_after(whole: TextWithValues, start: int, end: int, extension: str) -> Iterator[AssignedValue]:
    """Yield the value that is assigned to the name from `start` to `end`; then, if it is not a secret, what of it a stricter reading leaves."""
    text = whole.text
    mark = _SEPARATOR.match(text, end)
    if mark is None:
        return
    way = next(
        name for name in ("item", "assign", "compare", "comma", "call", "xml", "pair", "said", "space", "option") if mark[name] is not None
    )
    if mark["wrapper"] and mark["wrapper"].rstrip("(").endswith(_METHODS):
        return
    way = "call" if mark["wrapper"] else way
    quote = _QUOTE.match(text, mark.end())
    if quote:
        first = quote.end()
        last = extents.quoted_end(text, first, quote[1], extension)
        if last >= 0 and "\n" not in text[first:last]:
            passed = (
                way == "assign"
                and extension in SOURCE
                and mark["mark"] == "="
                and text[max(0, start - 80) : start].rstrip()[-1:] in ("(", ",")
            )
            yield AssignedValue(text[first:last], first, True, "argument" if passed else way)
        return
    if way in ("compare", "comma", "call", "space") or mark["wrapper"]:
        return
    first = mark.end()
    if mark["type"] and extension not in SOURCE and mark["mark"] == "=":  # `password: abc=def`, and no type
        first = mark.start("type") + len(mark["type"]) - len(mark["type"].lstrip(": \t"))
    if way == "xml" and (element := extents.element_end(text, first)) is not None:
        yield AssignedValue(text[first:element], first, True, way)
    said = "!?*" if way == "said" else ""
    if way in _WHOLE and extension not in SOURCE and (ended := whole.bare_end(start, first, extension, said)) is not None:
        yield AssignedValue(text[first:ended], first, False, way)
    yield from _word_after(whole, first, way)


def _word_after(whole: TextWithValues, first: int, way: str) -> Iterator[AssignedValue]:
    """Yield a value that ends at the first punctuation which is rare in secrets and common around them."""
    last = whole.plain_end(first)
    if last is None:
        return
    value = whole.text[first:last].rstrip(".:)]}!?" if way == "said" else ".:)]}")
    if way != "assign":
        yield AssignedValue(value, first, way == "xml", way)
    elif whole.text[last : last + 1] not in ("<", "("):
        cut = value.find("&")
        yield AssignedValue(value[:cut] if cut >= 4 else value, first, False, way)


def vendor_value(text: str, end: int) -> AssignedValue | None:
    """Return a random value that follows the name of a service, or None."""
    found = _BY_VENDOR.match(text, end)
    return AssignedValue(found[1].rstrip("."), found.start(1), False, "vendor") if found else None


def judged(name: str, value: AssignedValue, extension: str) -> Verdict | None:
    """Judge a value by its name, in a file with that extension. Returns None if it is not a secret."""
    return _judged(name, value.text, value.quoted, value.way, extension)


@functools.lru_cache(4096)  # values repeat, especially in texts designed to slow the scan down
def _judged(name: str, text: str, quoted: bool, way: str, extension: str) -> Verdict | None:
    kind, value = kind_of(name), AssignedValue(text, 0, quoted, way)
    if (
        kind is NameKind.NONE
        or (not 4 <= len(text) <= _MAX and not (kind is NameKind.SECRET and _LONG.match(text)))
        or likelihood.is_stand_in(text)
        or likelihood.is_code(text)
    ):
        return None
    if kind is not NameKind.PASSWORD and likelihood.UUID.match(text):
        return Verdict("uuid" if kind is NameKind.TENANT else "generic-key", 0.45, "low") if likelihood.is_drawn_uuid(text) else None
    if kind is NameKind.TENANT:
        return None
    if way == "argument" and kind is NameKind.PASSWORD and likelihood.is_phrase(text):
        return Verdict("password", 0.4, "low")
    if likelihood.is_foreign(text) if kind is NameKind.PASSWORD else not text.isascii():
        return None
    if _echoes(name, text) or text[0] in "@=,;)" or (value.way == "space" and name.lower() in ("pass", "key", "token", "auth", "access")):
        return None
    source = extension in SOURCE
    if kind is not NameKind.PASSWORD and not value.quoted and _NOT_IN_KEYS.search(text):
        return None
    if kind is NameKind.KEY and not value.quoted and extension in PROSE and likelihood.is_hex(text):
        return None  # a cache key in the address of an image
    if not value.quoted and (_CALL.search(text) if source else likelihood.is_call(text)):
        return None
    if not value.quoted and (source or value.way == "option"):
        if not (name.startswith("--") or (value.way == "option" and _OPTION.match(name))) and (
            not likelihood.is_random(text) or (likelihood.is_name(text) and likelihood.naturalness(text) > 0.2)
        ):
            return None
        if value.way == "option" and kind is not NameKind.PASSWORD and not likelihood.is_random(text):
            return None
    strict = value.way in ("comma", "call", "space", "compare", "option", "said", "item")
    if value.way == "said" and (
        kind is not NameKind.PASSWORD or not (likelihood.is_mixed(text) or (_SYMBOL.search(text) and any(map(str.isdigit, text))))
    ):
        return None
    if kind is NameKind.PASSWORD and value.way in ("comma", "call") and text.isalpha():
        return None
    if value.way == "item" and not likelihood.is_random(text):  # the items of a list are often names of secrets
        return None
    if kind is NameKind.PASSWORD:
        return _password(name, text, value, strict, extension)
    score = 0.0 if strict and "_" in text and likelihood.is_name(text) and likelihood.naturalness(text) > 0.2 else _key(kind, text, strict)
    if not score:
        return None
    if kind is NameKind.SECRET and "aws" in name.lower() + extension and _AWS_SECRET.match(text) and not likelihood.is_hex(text):
        return Verdict("aws-secret-key", 0.95, "high")
    if likelihood.has_sequence(text):
        return Verdict("generic-key", score * 0.6, "low")
    return Verdict("generic-key", score, "medium" if kind is NameKind.SECRET and score >= 0.5 else "low")


def _echoes(name: str, text: str) -> bool:
    """Return whether a value repeats its own name."""
    letters = "".join(c for c in text.lower() if c.isalpha())
    plain = "".join(c for c in name.lower() if c.isalpha())
    return (
        bool(letters)
        and len(letters) > len(text) * 0.6
        and (letters in plain or (len(plain) > 5 and plain in letters and len(letters) < len(plain) + 9))
    )


def _password(name: str, text: str, value: AssignedValue, strict: bool, extension: str) -> Verdict | None:
    written = value.quoted or extension not in PROSE or "_" in name or name.isupper() or name.startswith("-")  # and not part of a sentence
    score = password_score(text, strict, written, value.way in ("compare", "option"))
    if not score:
        return None
    return Verdict("password", score, "medium" if score > 0.5 else "low")


def password_score(text: str, strict: bool, written: bool, alone: bool = False) -> float:
    """Return how likely a value is a password: random, mixed, a word with digits or symbols, or a mere word.

    `alone` means that it is compared with a password or is a command-line option.
    """
    core = text.rstrip(":?!.,…")
    words = likelihood.naturalness(core)
    digits = likelihood.digits_in(core)
    if (strict and "_" in core and likelihood.is_name(core)) or sum(map(str.isalnum, core)) < max(3, len(core) / 2):
        return 0.0
    if " " in core.strip():
        return 0.35 if digits and words < 0.7 and len(core) < 24 and not strict else 0.0
    if likelihood.is_random(core) or likelihood.is_mixed(core):
        return 0.55 if likelihood.has_sequence(core) else 0.8
    if digits == len(core):
        return 0.35 if digits >= 6 and not strict else 0.0
    if likelihood.is_joined(core):
        return 0.45
    if _SYMBOL.search(core) and len(core) >= 6 and (digits or words < 0.9):
        return 0.6
    if digits and len(core) >= 5:
        spelt = likelihood.naturalness(core, letters_only=True)
        if (spelt > 0.6 and (strict or not core.isalnum())) or (spelt > 0.8 and likelihood.runs(core) > 3):
            return 0.0
        return 0.5
    if words < 0.35 and (written or len(core) >= 8) and (alone or not strict):
        return 0.45 if len(core) > 5 else 0.35
    return 0.3 if written and not strict and _is_word(core) else 0.0


def _is_word(core: str) -> bool:
    """Return whether a value is a mere word, which many passwords are, but also many other values."""
    return core.isalpha() and core.islower() and 6 <= len(core) <= 24 and core not in STAND_IN and core not in TYPES


def _key(kind: NameKind, text: str, strict: bool) -> float:
    """Return how likely a value is a key."""
    random = likelihood.is_random(text)
    if kind is NameKind.ABOUT:
        return 0.4 if random and len(text) >= 24 and not likelihood.is_hex(text) and likelihood.naturalness(text) < 0.25 else 0.0
    if kind is NameKind.KEY:
        plain = likelihood.is_hex(text)
        if not random or (len(text) < 20 and (strict or not plain)):
            return 0.0
        return 0.4 if plain else 0.5
    if random:
        return 0.75
    if likelihood.is_mixed(text) and len(text) >= 10:
        return 0.6
    if strict:
        return 0.0
    if likelihood.is_mixed(text):
        return 0.45
    if text.isalpha() and len(text) >= 8 and likelihood.naturalness(text) < 0.15:
        return 0.5 if len(text) >= 16 else 0.35
    if text.isdigit() and len(text) >= 16:
        return 0.35
    return (
        0.4 if _SYMBOL.search(text.rstrip(":?!.,…")) and len(text) >= 8 and " " not in text and likelihood.naturalness(text) < 0.6 else 0.0
    )


def loosely_judged(name: str, value: AssignedValue, extension: str) -> Verdict | None:
    """Judge a value that was not clearly assigned to its name. Only a random one counts."""
    text = value.text
    if extension in SOURCE or is_harmless(name) or _PUBLIC.search(name):
        return None
    if (
        not text.isascii()
        or not likelihood.is_random(text)
        or likelihood.is_stand_in(text)
        or likelihood.is_code(text)
        or sum(c.isdigit() for c in text) < 2
        or text.startswith(("/", "MII"))
        or _VERSIONED.search(text)
        or _HOST.search(text)
    ):
        return None
    if likelihood.naturalness(text, letters_only=True) > 0.4 and not likelihood.has_sequence(text):
        return None
    return Verdict("generic-key", 0.4 if likelihood.has_sequence(text) else 0.55, "low")
