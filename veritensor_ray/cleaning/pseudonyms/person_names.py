"""Makes up persons, organizations and email addresses, word by word, so that "John Smith", "Smith" and `john.smith@…` agree."""

from __future__ import annotations

import re
import unicodedata

from veritensor_ray.cleaning.pseudonyms.draw import Draw, permuted


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_BEGINNINGS = _split("B Br C Cl D Dr F Fr G Gr H J K Kr L M N P Pr R S Sh St T Th Tr V W Y Z")
_VOWELS = _split("a e i o u")
_MIDDLES = _split("b d l ll m n nn r rr s ss t tt v nd ld rd lm rn rl st nt rv ls")
_ENDS = _split("a an ar ard as el en er ert ett ey ia ic ick in ina is on or oss ow old ton ley man sen ford well wick")
_LONG = 7  # letters: longer names become longer names
_TITLES = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "miss",
        "mx",
        "dr",
        "prof",
        "professor",
        "sir",
        "dame",
        "rev",
        "sr",
        "jr",
        "ii",
        "iii",
        "iv",
        "md",
        "phd",
        "msc",
        "bsc",
        "mba",
        "esq",
        "herr",
        "frau",
        "hr",
        "dipl",
        "ing",
        "monsieur",
        "madame",
        "mme",
        "mlle",
        "senor",
        "senora",
        "sra",
        "signor",
        "signora",
        "capt",
        "sgt",
    ]
)
_PARTICLES = frozenset(
    [
        "von",
        "van",
        "de",
        "der",
        "den",
        "del",
        "della",
        "di",
        "da",
        "dos",
        "du",
        "la",
        "le",
        "el",
        "al",
        "bin",
        "ibn",
        "ben",
        "zu",
        "zum",
        "zur",
        "ter",
        "ten",
        "y",
        "e",
        "und",
        "and",
        "of",
        "the",
    ]
)
_LEGAL = frozenset(
    [
        "inc",
        "llc",
        "ltd",
        "limited",
        "plc",
        "corp",
        "corporation",
        "company",
        "co",
        "gmbh",
        "ag",
        "kg",
        "kgaa",
        "ug",
        "se",
        "ohg",
        "ev",
        "gbr",
        "mbh",
        "sa",
        "sas",
        "sarl",
        "srl",
        "spa",
        "bv",
        "nv",
        "ab",
        "as",
        "oy",
        "aps",
        "sl",
        "group",
        "holding",
        "university",
        "institute",
        "bank",
        "hospital",
        "foundation",
        "association",
        "international",
        "partners",
        "bros",
        "sons",
        "the",
        "of",
        "and",
        "for",
        "fur",
        "de",
    ]
)
_WORD = re.compile(r"[^\W\d_]+(?:['’](?!s\b)[^\W\d_]+)*")
_DIGIT = re.compile(r"\d")
_POSSESSIVE = re.compile(r"(?<=['’])s\b")
_EMAIL = re.compile(r"([^\s@]+)@([^\s@]+\.[^\s@.]+)")
_SECOND_LEVEL = frozenset(["co", "com", "ac", "gov", "org", "net", "edu", "or", "ne", "go"])
_DOMAINS = ("example.com", "example.org", "example.net")


def folded(word: str) -> str:
    """Return a word without case and accents, by which spellings of one name agree."""
    decomposed = unicodedata.normalize("NFKD", word).casefold()
    return "".join(c for c in decomposed if not unicodedata.combining(c)).replace("’", "'")


def made_up(key: bytes, kind: str, word: str) -> str:
    """Return a made-up word for a word, capitalized. It is never the word itself."""
    value = folded(word)
    attempt = 0
    while True:
        draw = Draw(key, kind, value, attempt)
        inside = [draw.one_of(_VOWELS) + draw.one_of(_MIDDLES) for _ in range(2 if len(value) > _LONG else 1)]
        made = draw.one_of(_BEGINNINGS) + "".join(inside) + draw.one_of(_ENDS)
        if folded(made) != value:
            return made.capitalize()
        attempt += 1


def _in_case_of(made: str, word: str) -> str:
    if len(word) > 1 and word.isupper():
        return made.upper()
    return made.lower() if word[0].islower() else made


def _word(key: bytes, kind: str, word: str) -> str:
    """Return a made-up word in the case of the original; an initial becomes another one."""
    if len(word) == 1 and word.isascii():
        return Draw(key, kind, folded(word)).like(word)
    return _in_case_of(made_up(key, kind, word), word)


def _words(key: bytes, text: str, kind: str, kept: frozenset[str]) -> str | None:
    """Replace every word, except those to be kept and, in lower case, particles. Returns None if there was nothing to replace."""

    def replaced(match: re.Match[str]) -> str:
        word = match.group()
        is_kept = (len(word) > 1 and folded(word) in kept) or word in _PARTICLES
        return word if is_kept else _word(key, kind, word)

    pieces = _POSSESSIVE.split(text)  # the s of a possessive stays
    draw = Draw(key, kind, folded(text))
    made = "s".join(_DIGIT.sub(lambda _: draw.digits(1), _WORD.sub(replaced, piece)) for piece in pieces)
    return None if made == text else made


def person(key: bytes, text: str) -> str | None:
    """Make up a person. Titles, particles (`van`), punctuation and case stay."""
    return _words(key, text, "name", _TITLES)


def organization(key: bytes, text: str) -> str | None:
    """Make up an organization. Its legal form stays."""
    return _words(key, text, "organization", _LEGAL)


def email(key: bytes, text: str) -> str | None:
    """Make up an address under a domain that is reserved for examples. One domain always becomes the same one."""
    match = _EMAIL.fullmatch(text)
    if match is None:
        return None
    local, host = match.groups()
    return f"{_local(key, local)}@{_host(key, host)}"


def _local(key: bytes, local: str) -> str:
    digits = "".join(_DIGIT.findall(local))
    new = iter(permuted(key, f"local {folded(_DIGIT.sub('0', local))}", digits))
    words = _WORD.sub(lambda match: _word(key, "name", match.group()), local)
    return re.sub(r"[^A-Za-z0-9.+_-]", "", _DIGIT.sub(lambda _: next(new), words)).strip(".") or "name"


def _host(key: bytes, host: str) -> str:
    labels = folded(host).split(".")
    own = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL else 2
    owner = ".".join(labels[-own:])
    made = [made_up(key, "domain", label).lower() for label in (*labels[:-own], owner)]
    return ".".join([*made, Draw(key, "zone", owner).one_of(_DOMAINS)])
