"""Judges a value by itself: whether it is a placeholder, code, words or random."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from veritensor_ray.engines.secrets.word_likeness import PLACEHOLDER, STAND_IN, TYPES, listed, surprises
from veritensor_ray.masking.secret_kinds.checksums import entropy
from veritensor_ray.masking.secret_kinds.published import is_published

_WORDLIKE = 4.7  # bits per letter
_RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_HEX = re.compile(r"(?:0x)?(?:[0-9a-f]+|[0-9A-F]+)\Z")
UUID = re.compile(r"[0-9a-zA-Z]{8}-[0-9a-zA-Z]{4}-[0-9a-zA-Z]{4}-[0-9a-zA-Z]{4}-[0-9a-zA-Z]{12}\Z")
_OF_DOCUMENTATION = ("123e4567-", "550e8400-")
_FEW = 6  # with at most this many different characters, it was typed by hand
_JOINTS = re.compile(r"(?<=[A-Za-z0-9])[;*&^#!$@~+](?=[A-Za-z0-9])")
_SENTENCE = re.compile(r"[:.?,]\s|[:.?,]\Z|[{}<>%$]")
_CODE = re.compile(
    r"""^[$%]\w+\Z | [$%]\{ | \$[A-Z_]{3,} | \#\{ | \{\w*\}\Z | ^\{.*\}\Z | ^<.*>\Z | ^\[.*\]\Z | ::\w | ->\w | => | \{(?:\d?|[A-Z_]{3,}|[A-Za-z][a-zA-Z_.!:]{2,})\} | %[sdr]|(?<![A-Za-z0-9$-])%@
      | ^[\\/.~]{1,3}[\w.-]*/ | ^/[a-z]+\Z | ^[\w-]+/[\w-]+/[\w./-]*\Z(?<=[a-z]) | \.(?:py|js|ts|json|ya?ml|txt|pem|key|crt|cer|p12|pfx|jks|html?|php|java|xml|png|svg|conf|cfg|ini|log|csv|md|css)\Z
      | ^(?:https?|file|s3|gs|ftp|arn|urn|data|env|vault|ssm|secret|op|ref|kms|enc|file)[:!]  | ^(?:ENC|vault|kms)\( | ^!(?:vault|Ref|Sub|GetAtt|env|ENV|secret|include)\b | ^__\w+__\Z | ^[\w-]+/[\w.-]+\.\w{2,4}\Z | \\[nrt]\Z | ^(?:[0-9a-fA-F]{2}:){4} | &\w+; | ^@\w+[./] | ^--?[a-z][a-z-]+\Z
      | \[\^?\w-\w | \]\( | \(\?[:=!<P] | \\[dswb.~_-]""",
    re.VERBOSE,
)  # fmt: skip
_HEAD = re.compile(r"(?P<head>[A-Za-z_$][\w$.\->:]*)(?P<bracket>[(\[])")
_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:[.\->:]{1,2}[A-Za-z_$][\w$]*)*\Z")
_BASE64 = re.compile(r"(?=\D*\d)/?[A-Za-z0-9+/]{24,}={0,2}\Z")
_DATE = re.compile(r"\d{4}[-/.]\d{2}[-/.]\d{2}|^[-+]?\d+(?:\.\d+){1,3}\Z|^v?\d+\.\d+\.\d+|^\d+:\d")
# Public identifiers: YouTube channels, Google Analytics accounts, keys in web pages, recipients of age, hashes in lock files and of keys.
_PUBLIC_ID = re.compile(
    r"(?:UC[A-Za-z0-9_-]{22}|UA-\d{4,10}-\d{1,4}|G-[A-Z0-9]{8,12}|GTM-[A-Z0-9]{4,9}|ca-pub-\d{10,20}|6L[a-z][A-Za-z0-9_-]{5}AAAAA[A-Za-z0-9_-]{27}"
    r"|pk_(?:live|test)_\w{10,120}|pk\.eyJ[\w.-]{20,400}|phc_\w{30,60}|1:\d{8,14}:(?:web|ios|android):[0-9a-f]{16,40}|age1[02-9ac-hj-np-z]{58}|sha(?:1|256|384|512)(?:[-:=]|//)[\w+/=:-]{16,120})\Z",
    re.ASCII,
)
_MASKED = re.compile(r"([^\w\s/])\1{3,}|^/{4,}|[xX]{4,}|([.*•#?])\2{2,}|^(.)\3*\Z")
_TAGGED = re.compile(r"^<|<\Z|<[/!]?[A-Za-z_ -]{3,}>|<[/!]")  # such as <password>
_NAMED_MASK = re.compile(r"\[[A-Z][A-Z_]*\]")  # such as [PASSWORD]
_INVENTED = listed("fake dummy mock mocked placeholder example sample redacted changeme changeit testing bogus")
_SEQUENCES = (
    "0123456789",
    "1234567890",
    "9876543210",
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "qwertyuiopasdfghjklzxcvbnm",
)
_DIGITS, _UPPER, _LOWER, _LETTERS = (
    {i: None for i in range(128) if wanted(chr(i))} for wanted in (str.isdigit, str.isupper, str.islower, str.isalpha)
)
_STRETCH = 6
_STRETCHES = frozenset(sequence[i : i + _STRETCH] for sequence in _SEQUENCES for i in range(len(sequence) - _STRETCH + 1))


def is_stand_in(value: str) -> bool:
    """Return whether a value is only a placeholder for a secret, or is public."""
    low = value.lower()
    if _MASKED.search(value) or _PUBLIC_ID.match(value) or len(set(low)) < (3 if len(low) < 6 else 4) or low in TYPES:
        return True
    if _NAMED_MASK.fullmatch(value) or is_published(value):
        return True
    if _TAGGED.search(value) or any(word in low for word in PLACEHOLDER) or 0 < (low + low).find(low, 1) <= min(8, len(low) // 3):
        return True  # the second condition: it repeats itself, such as `deadbeefdeadbeefdeadbeef`
    parts = [run.lower() for run in _RUN.findall(value)]
    if _INVENTED.intersection(parts):
        return True
    letters = sum(map(len, parts))
    known = sum(len(part) for part in parts if part in STAND_IN)
    return bool(parts) and known == letters and letters >= len(value) * 0.5 and not is_joined(value)


def is_code(value: str) -> bool:
    """Return whether a value is an expression, a reference, a path or a URL rather than a literal secret."""
    if _BASE64.match(value) and naturalness(value) < 0.35:
        return False  # a leading slash does not make it a path
    return _CODE.search(value) is not None or _DATE.search(value) is not None or is_call(value)


def is_call(value: str) -> bool:
    """Return whether a value is a call, an index or a reference rather than text with brackets in it.

    What stands before the bracket is a name, and at its end the value ends or an operator follows.
    """
    if value[:1] in "*&" and value[1:2].isalnum():
        return True
    found = _HEAD.match(value)
    if found is None:
        return False
    head, bracket = found["head"], found["bracket"]
    if any(map(str.isdigit, head)) and not (head.islower() or head.isupper()) and naturalness(head) < 0.5:
        return False
    last = _closing(value, found.end() - 1, bracket)
    return last < 0 or last + 1 == len(value) or value[last + 1] in ".[(?:;,!=+-)"


def _closing(value: str, at: int, bracket: str) -> int:
    """Return where the bracket ends that begins there, or -1."""
    depth, closer = 0, ")" if bracket == "(" else "]"
    for position in range(at, len(value)):
        depth += (value[position] == bracket) - (value[position] == closer)
        if depth == 0:
            return position
    return -1


def is_drawn_uuid(value: str) -> bool:
    """Return whether a UUID is neither an example from documentation nor typed by hand."""
    return len(set(value.lower())) > _FEW and not value.startswith(_OF_DOCUMENTATION) and not has_sequence(value.replace("-", ""))


def is_joined(value: str) -> bool:
    """Return whether words are joined by symbols that neither names nor sentences join them by, as in `my;secure*password`."""
    return " " not in value and len(set(_JOINTS.findall(value))) >= 2


def is_phrase(value: str) -> bool:
    """Return whether a value is two or three words, or has letters beyond ASCII, and is neither a sentence nor about a password."""
    words = [word.lower() for word in re.split(r"[\s\"']+", value)]
    fewest = 2 if value.isascii() else 1
    if not 5 <= len(value) <= 40 or not fewest <= len(words) <= 3 or value[:1].isupper() or _SENTENCE.search(value):
        return False
    return not is_stand_in(value) and not is_code(value) and not any(word in STAND_IN or word in TYPES for word in words)


def is_foreign(value: str) -> bool:
    """Return whether a value is prose in another script: non-ASCII characters (two or more bytes each here) and no digit."""
    return not value.isascii() and not any(map(str.isdigit, value))


def is_name(value: str) -> bool:
    """Return whether a value has the form of a variable name, with or without dots."""
    return _NAME.match(value) is not None


def is_hex(value: str) -> bool:
    """Return whether a value consists of hexadecimal digits in one case."""
    return _HEX.match(value) is not None


@functools.lru_cache(1024)  # the same value is examined several times in a row
def naturalness(value: str, letters_only: bool = False) -> float:
    """Return how much of a value consists of words: 0 for a random value, 1 for a phrase or a name made of words."""
    natural = letters = 0
    for match in _RUN.finditer(value):
        run = match.group().lower()
        letters += len(run)
        if len(run) >= 3 and rarity(run) < _WORDLIKE:
            natural += len(run) if len(run) >= 4 else 2
    others = 0 if letters_only else digits_in(value)
    return natural / (letters + others) if letters + others else 0.0


@functools.lru_cache(8192)
def rarity(run: str) -> float:
    """Return the bits per letter of a lower-case run as a word.

    A value of 3.5 is common, 4.7 occurs in one word in a hundred, and 6.9 is typical of random letters.
    """
    known = surprises()
    marked = f"^^{run}$"
    bits = 0.0
    for i in range(len(run) + 1):
        found = known.get(marked[i : i + 3])
        bits += known[marked[i + 1 : i + 3]] if found is None else found
    return bits / (len(run) + 1)


def runs(value: str) -> int:
    """Return the number of runs of letters. A capital begins a new run."""
    return len(_RUN.findall(value))


def is_random(value: str) -> bool:
    """Return whether a value is long and random enough to be a generated key."""
    size = len(value)
    if size < 16 or " " in value:
        return False
    digits, upper, lower = digits_in(value), _count(value, str.isupper, _UPPER), _count(value, str.islower, _LOWER)
    if digits == size or not (digits or (upper and lower)) or entropy(value) < (2.7 if is_hex(value) else 3.0):
        return False
    if digits >= 2 and (is_hex(value) or has_sequence(value)):
        return True
    words = naturalness(value)
    return words < 0.5 if digits >= 2 else words < 0.3


def is_key(value: str) -> bool:
    """Return whether a value has the form of a generated key whatever its name, and is not a UUID."""
    return value.isascii() and is_random(value) and not (is_stand_in(value) or is_code(value) or UUID.match(value) or has_sequence(value))


def is_mixed(value: str) -> bool:
    """Return whether a shorter value mixes letters and digits without forming words."""
    if len(value) < 8 or " " in value:
        return False
    digits, letters = digits_in(value), _count(value, str.isalpha, _LETTERS)
    if not letters or letters + digits < len(value) * 0.7:
        return False
    words = naturalness(value)
    if not value.isalnum() and naturalness(value, letters_only=True) > 0.6:
        return False  # `types-pywin32`
    turns = digits == 1 and value.isalnum() and not value.islower() and not value.isupper()
    return (words < 0.55 if digits >= 2 else words < (0.3 if turns else 0.2)) and entropy(value) >= 2.3


def digits_in(value: str) -> int:
    """Return the number of digits in a value."""
    return _count(value, str.isdigit, _DIGITS)


def _count(value: str, wanted: Callable[[str], bool], without: dict[int, None]) -> int:
    """Count the characters of a kind. For ASCII, removing them and comparing the lengths is 20 times as fast as testing each."""
    return len(value) - len(value.translate(without)) if value.isascii() else sum(map(wanted, value))


def has_sequence(value: str) -> bool:
    """Return whether a value contains a sequence from the alphabet, the digits or the keyboard, and so was typed by hand."""
    low = value.lower()
    return not _STRETCHES.isdisjoint([low[i : i + _STRETCH] for i in range(len(low) - _STRETCH + 1)])
