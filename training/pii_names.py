"""Names of persons and organisations from some thirty cultures; it knows no template and no model."""

from __future__ import annotations

import functools
import random
import unicodedata

from faker import Faker
from faker.providers.lorem.en_US import Provider as Lorem

from training.pii_lists import words

LOCALES = (
    "en_US", "en_GB", "en_AU", "en_CA", "en_IN", "en_IE", "en_NZ", "de_DE", "de_AT", "de_CH", "fr_FR", "fr_CA", "es_ES", "es_MX", "es_AR", "es_CO", "it_IT",
    "pt_PT", "pt_BR", "nl_NL", "nl_BE", "sv_SE", "da_DK", "no_NO", "fi_FI", "pl_PL", "cs_CZ", "sk_SK", "hu_HU", "ro_RO", "hr_HR", "sl_SI", "lt_LT", "lv_LV",
    "et_EE", "tr_TR", "id_ID", "en_PH",
)  # fmt: skip
HOME = {"en": LOCALES[:7], "de": ("de_DE", "de_AT", "de_CH"), "fr": ("fr_FR", "fr_CA"), "es": ("es_ES", "es_MX", "es_AR", "es_CO")}
_ROMANISED = (
    9  # lists of names that come romanised, because Faker has them in their own scripts only: a line of first names, one of last names
)
_COMMON = tuple(w for w in dict.fromkeys(Lorem.word_list) if len(w) > 3)
_PARTICLES = (
    "van",
    "van der",
    "van den",
    "de",
    "de la",
    "von",
    "zu",
    "di",
    "da",
    "dos",
    "del",
    "le",
    "bin",
    "al",
    "ten",
    "af",
    "O'",
    "Mc",
    "Mac",
    "D'",
)
_TITLES = (
    "Herr ",
    "Frau ",
    "Mme ",
    "M. ",
    "Sra. ",
    "Sr. ",
    "Dr. ",
    "Dr ",
    "Prof. ",
    "Mr. ",
    "Mrs. ",
    "Ms. ",
    "Mr ",
    "Ms ",
    "Sir ",
    "Judge ",
    "Captain ",
    "Sgt. ",
    "Rev. ",
    "Coach ",
    "Nurse ",
)
_ENDS = (
    "ify",
    "ly",
    "io",
    "ium",
    "ora",
    "ex",
    "ix",
    "on",
    "data",
    "base",
    "list",
    "point",
    "stack",
    "works",
    "ware",
    "soft",
    "tech",
    "lytics",
    "scope",
    "mint",
    "pay",
    "cast",
    "hub",
    "box",
    "kit",
    "guard",
    "sense",
)


@functools.cache
def pool(locale: str) -> tuple[list[str], list[str], list[str], list[str]]:
    """First names, last names, companies and cities of a locale; the same ones in every run."""
    fake = Faker(locale)
    fake.seed_instance(11)
    make = [fake.first_name, fake.last_name, fake.company, fake.city]
    return tuple(list(dict.fromkeys(str(f()) for _ in range(n))) for f, n in zip(make, (500, 800, 150, 300), strict=True))  # type: ignore[return-value]


def plain(text: str) -> str:
    """Without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def culture(rng: random.Random, language: str) -> str:
    """A locale, or a number of the romanised lists."""
    luck = rng.random()
    if luck < (0.45 if language == "en" else 0.6):
        return rng.choice(HOME[language])
    return str(rng.randrange(_ROMANISED)) if luck > 0.82 else rng.choice(LOCALES)


def first_last(rng: random.Random, language: str) -> tuple[str, str]:
    """A first and a last name that go together; some are invented from halves of others."""
    place = culture(rng, language)
    if place.isdigit():
        firsts, lasts = (part.split() for part in words(f"romanised.{place}"))
    else:
        firsts, lasts, *_ = pool(place)
    first, last = rng.choice(firsts), rng.choice(lasts)
    if rng.random() < 0.08:
        first = blend(rng, first, rng.choice(firsts))
    if rng.random() < 0.12:
        last = blend(rng, last, rng.choice(lasts))
    if rng.random() < 0.12:
        first, last = plain(first), plain(last)
    return first, last


def blend(rng: random.Random, one: str, other: str) -> str:
    """A word that is no name but looks like one."""
    if min(len(one), len(other)) < 4 or " " in one + other or "-" in one + other:
        return one
    return one[: rng.randint(2, len(one) - 1)] + other[rng.randint(1, len(other) - 2) :].lower()


def last_name(rng: random.Random, language: str) -> str:
    last = first_last(rng, language)[1]
    luck = rng.random()
    if luck < 0.04:
        particle = rng.choice(_PARTICLES)
        return particle + ("" if particle[-1] in "'c" else " ") + last
    return f"{last}-{first_last(rng, language)[1]}" if luck < 0.07 else last


def person(rng: random.Random, language: str) -> tuple[str, str]:
    """What stands before the name (a title, mostly nothing), and a full name in one of its forms."""
    first, last = first_last(rng, language)
    if rng.random() < 0.12:
        last = last_name(rng, language)
    middle = first_last(rng, language)[0]
    luck = rng.random()
    forms = ((0.60, f"{first} {last}"), (0.68, f"{first} {middle[0]}. {last}"), (0.72, f"{first[0]}. {last}"), (0.77, f"{first} {middle} {last}"), (0.82, f"{last}, {first}"),
             (0.84, f"{last.upper()} {first}"), (0.86, f"{first} {last.upper()}"), (0.89, f"{first} {last} {first_last(rng, language)[1]}"), (0.91, f"{first[0]}.{middle[0]}. {last}"),
             (0.93, f"{last}, {first[0]}."), (0.94, f"{last} {first}"), (0.955, f"{first} {last} {rng.choice(('Jr.', 'Sr.', 'II', 'III'))}"), (0.97, f"{first} {middle[0]} {last}"), (0.98, f"{first}-{middle} {last}"),
             (1.0, first))  # fmt: skip
    return rng.choice(_TITLES) if rng.random() < 0.09 else "", next(form for limit, form in forms if luck < limit)


def organization(rng: random.Random, language: str) -> str:
    """A company, an institution, a club, a shop; real ones are few."""
    first, last = first_last(rng, language)
    other = first_last(rng, language)[1]
    place = rng.choice(HOME[language]) if rng.random() < 0.6 else rng.choice(LOCALES)
    kind, field, word = (rng.choice(words(f"company_{name}")) for name in ("kinds", "fields", "words"))
    maybe = f" {kind}" if rng.random() < 0.35 else ""
    luck = rng.random()
    if luck < 0.13:
        return rng.choice(pool(place)[2])
    if luck < 0.24:
        return f"{last} {kind}"
    if luck < 0.30:
        return last + rng.choice((" & ", " and ", ", ", "-", " + ")) + other + maybe
    if luck < 0.33:
        return f"{last}, {other} and {first_last(rng, language)[1]}"
    if luck < 0.45:
        return f"{word}{' ' + rng.choice(words('company_words')) if rng.random() < 0.25 else ''} {field}{maybe}"
    if luck < 0.51:
        return f"{rng.choice((last, first))} {field}{maybe}"
    if luck < 0.68:
        return coined(rng) + rng.choice(("", "", "", maybe, maybe, f" {field}"))
    if luck < 0.72:
        return "".join(rng.choice("ABCDEFGHIKLMNOPRSTUVWXZ") for _ in range(rng.choice((3, 3, 3, 4)))) + rng.choice(
            ("", "", f" {kind}", f" {field}")
        )
    if luck < 0.78:
        return rng.choice(words("companies"))
    if luck < 0.84:
        return " ".join(rng.choice(_COMMON).capitalize() for _ in range(rng.choice((2, 2, 3)))) + maybe
    asked = language if rng.random() < 0.8 else rng.choice(list(HOME))
    slots = {"c": rng.choice(pool(place)[3]), "l": last, "f": first, "m": rng.choice(words(f"matters.{asked}")), "w": word}
    return rng.choice(words(f"institutions.{asked}")).format(**slots)


def coined(rng: random.Random) -> str:
    """A name as start-ups have them: two words in one, or a word that is none."""
    one, other = rng.choice(words("company_words")), rng.choice(words("company_words"))
    if rng.random() < 0.6:
        found = one + rng.choice((*_ENDS, other)).lower() if rng.random() < 0.8 else f"{one} {other}"
    else:
        found = (blend(rng, one, other) + rng.choice(("", rng.choice(_ENDS)))).capitalize()
    return found
