"""Classifies names by the secret they suggest: a password, a key, something related, or none."""

from __future__ import annotations

import functools
import re
from enum import IntEnum

from veritensor_ray.engines.secrets.word_likeness import HARMLESS, KEY, PASSWORD, QUALIFIED, SECRET, SUFFIX, VENDORS, listed

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_BRACKET = re.compile(r"\[[^\]]*\]")
_PASSWORD_END = ("password", "passwd", "pwd", "passphrase", "passcode", "passwort")
_SECRET_END = (
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "authkey",
    "credential",
    "credentials",
    "clientkey",
    "appkey",
)
_NO_KEY = listed("monkey turkey hotkey hockey jockey donkey whiskey mickey lackey malarkey keykey")
_IDENTIFIER = listed("id ids uuid guid name user username type kind url uri href path kid date time at version sid email host")
_VALUE = listed("value val text content data default")
# Every name that suggests a secret contains one of these.
_ALL = {"tenant", *PASSWORD, *SECRET, *KEY, *_PASSWORD_END, *_SECRET_END}
_PROMISING = re.compile("|".join(sorted(word for word in _ALL if not any(other in word for other in _ALL - {word}))))


class NameKind(IntEnum):
    """How strongly a name suggests a secret."""

    NONE = 0
    ABOUT = 1  # password_hint, token_type: the value is rarely a secret
    KEY = 2  # the key of a dictionary, a cache or a cipher
    SECRET = 3
    PASSWORD = 4
    TENANT = 5  # of a cloud: only a UUID counts


@functools.lru_cache(maxsize=8192)
def kind_of(name: str) -> NameKind:
    """Classify the name of a variable, setting or column, or a path of such names."""
    if _PROMISING.search(name.lower()) is None:
        return NameKind.NONE
    parts = [part for part in _BRACKET.sub("", name).split(".") if part.strip("-_$")]
    while len(parts) > 1 and parts[-1].lower() in _VALUE:
        parts.pop()
    if not parts:
        return NameKind.NONE
    words = [word.lower() for word in _WORD.findall(parts[-1])]
    around = [word.lower() for part in parts[:-1] for word in _WORD.findall(part)]
    if is_harmless(name):
        return NameKind.NONE
    while len(words) > 1 and (words[-1].isdigit() or (words[-1] in SUFFIX and words[-1] != "key")):
        words.pop()
    return _of_words(words, around)


@functools.lru_cache(maxsize=8192)
def is_harmless(name: str) -> bool:
    """Return whether a name indicates a value that may be public, such as a public key or a checksum."""
    return not HARMLESS.isdisjoint(word.lower() for word in _WORD.findall(name.rpartition(".")[2] or name))


@functools.lru_cache(maxsize=1024)
def is_identifier(name: str) -> bool:
    """Return whether a name is that of an identifier, an address, a time or a digest rather than of a value."""
    words = [word.lower() for word in _WORD.findall(name)]
    return is_harmless(name) or not words or words[-1] in _IDENTIFIER


def _of_words(words: list[str], around: list[str]) -> NameKind:
    if not words:
        return NameKind.NONE
    last, before = words[-1], words[-2] if len(words) > 1 else around[-1] if around else ""
    if last in PASSWORD or last.endswith(_PASSWORD_END):
        return NameKind.PASSWORD
    if last in SECRET or last.endswith(_SECRET_END):
        return NameKind.SECRET
    if last in KEY or (last.endswith(("key", "keys")) and last not in _NO_KEY):
        told = before in QUALIFIED or before in SECRET or VENDORS.intersection((*words, *around))
        return NameKind.SECRET if (told and last not in ("login", "auth")) or "sonar" in (*words, *around) else NameKind.KEY
    if last.startswith("tenant") or (before == "tenant" and last in ("id", "key")):
        return NameKind.TENANT
    if any(word in PASSWORD or word in SECRET or word in KEY or word.endswith((*_PASSWORD_END, *_SECRET_END)) for word in words):
        return NameKind.ABOUT
    return NameKind.NONE
