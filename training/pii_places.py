"""Streets, cities and whole addresses of many countries in many layouts; it knows no template and no model."""

from __future__ import annotations

import functools
import random

from faker import Faker

from training.pii_lists import words
from training.pii_names import HOME, LOCALES, first_last, plain, pool

_BEFORE = {"fr": ("rue", "avenue", "boulevard", "place", "chemin", "impasse", "allée", "quai"), "es": ("Calle", "C/", "Avenida", "Avda.", "Plaza", "Paseo", "Camino", "Carrera"), "it": ("Via", "Viale", "Piazza", "Corso", "Largo"),
           "pt": ("Rua", "Avenida", "Travessa", "Praça", "R."), "pl": ("ul.", "al.", "Plac")}  # fmt: skip
_AFTER = {"de": ("straße", "str.", "strasse", "weg", "gasse", "platz", "allee", "ring", "damm", "ufer"), "nl": ("straat", "weg", "laan", "plein", "gracht", "kade", "dreef"),
          "sv": ("gatan", "vägen", "gata"), "da": ("vej", "gade", "allé"), "no": ("veien", "gata", "vegen"), "fi": ("katu", "tie", "kuja"), "hu": (" utca", " út", " tér"), "en": ()}  # fmt: skip


@functools.cache
def _faked(locale: str) -> tuple[list[str], list[str], list[str]]:
    """Street addresses, postcodes and whole addresses as Faker has them."""
    fake = Faker(locale)
    fake.seed_instance(12)
    made = [[str(f()) for _ in range(n)] for f, n in ((fake.street_address, 300), (fake.postcode, 150), (fake.address, 250))]
    return made[0], made[1], made[2]


def city(rng: random.Random, language: str) -> str:
    luck = rng.random()
    if luck < 0.25:
        return rng.choice(words("cities"))
    return rng.choice(pool(rng.choice(HOME[language]) if luck < 0.65 else rng.choice(LOCALES))[3])


def country(rng: random.Random, language: str) -> str:
    return rng.choice(words(f"countries.{language}"))


def number(rng: random.Random) -> str:
    found = str(rng.choice((rng.randint(1, 40), rng.randint(1, 250), rng.randint(100, 9999))))
    return found + (
        rng.choice((*"abcABC", "-" + str(rng.randint(2, 30)), "/" + str(rng.randint(1, 9)), " bis")) if rng.random() < 0.08 else ""
    )


def _locale(rng: random.Random, language: str) -> str:
    return rng.choice(HOME[language]) if rng.random() < 0.55 else rng.choice(LOCALES)


def street(rng: random.Random, language: str, locale: str = "") -> str:
    """A street line: Faker's, or one of ours."""
    locale = locale or _locale(rng, language)
    tongue = locale[:2]
    unit = ""
    if rng.random() < 0.15:
        unit = rng.choice((", ", " ", ", ")) + rng.choice(words("units")).format(
            n=rng.randint(1, 999), s=rng.randint(1, 9), l=rng.choice("ABCDEF")
        )
    if rng.random() < 0.4:
        return rng.choice(_faked(locale)[0]).replace("\n", ", ") + unit
    name = rng.choice(
        (first_last(rng, language)[1], rng.choice(words("street_names")), rng.choice(pool(locale)[3]), " ".join(first_last(rng, language)))
    )
    if tongue in _BEFORE:
        way = rng.choice(_BEFORE[tongue])
        link = rng.choice(("", "de ", "de la ", "du ", "des ")) if tongue in ("fr", "es", "pt") else ""
        line = f"{way} {link}{name}"
        return (
            f"{number(rng)}{rng.choice((' ', ', '))}{line}"
            if tongue == "fr"
            else f"{line}{rng.choice((', ', ' ', ' nº ', ', '))}{number(rng)}"
        ) + unit
    if _AFTER.get(tongue):
        way = rng.choice(_AFTER[tongue])
        return (
            (f"{name.replace(' ', '-')}{'-' if ' ' in name else ''}{way}" if rng.random() < 0.8 else f"{name} {way.strip().capitalize()}")
            + f" {number(rng)}"
            + unit
        )
    if rng.random() < 0.06:
        return rng.choice(("PO Box ", "P.O. Box ", "Post Office Box ", "Postfach ", "Apartado ", "BP ", "Box ")) + str(
            rng.randint(10, 9999)
        )
    if rng.random() < 0.05:
        return f"{number(rng)} {rng.choice(('1st', '2nd', '3rd', '5th', '12th', '40th', '116th'))} {rng.choice(words('ways'))}" + unit
    compass = rng.choice(("N ", "S. ", "East ", "West ", "NW ")) if rng.random() < 0.08 else ""
    return (
        f"{rng.choice(('Flat 3, ', 'The Old Mill, ', 'Unit 7B, ', 'Rose Cottage, ')) if rng.random() < 0.06 else ''}{number(rng)} {compass}{name} {rng.choice(words('ways'))}"
    ) + unit


def address(rng: random.Random, language: str) -> str:
    """A street with what follows it, in one line or several."""
    locale = _locale(rng, language)
    if rng.random() < 0.2:
        found = rng.choice(_faked(locale)[2])
    else:
        place, code = rng.choice(pool(locale)[3]), rng.choice(_faked(locale)[1])
        line, land = street(rng, language, locale), country(rng, language)
        state = rng.choice(("CA", "NY", "TX", "ON", "NSW", "FL", "WA", "Ontario", "Bayern", "Lombardia", "Queensland", "Kent", "Madrid"))
        found = rng.choice(
            (
                "{s}\n{p} {c}",
                "{s}, {p} {c}",
                "{s}\n{c} {p}",
                "{s}, {c} {p}",
                "{s}, {c}",
                "{s}\n{c}, {t} {p}",
                "{s}, {c}, {t} {p}",
                "{s}\n{p} {c}\n{l}",
                "{s}, {p} {c}, {l}",
                "{s}\n{c}\n{l} {p}",
                "{s} {c} {p}",
                "{s}, {c}, {l}",
                "{s} - {p} {c}",
                "{p} {c}, {s}",
                "{c}, {s}",
                "{s}, {c}, {p}",
                "{s}\n{c}\n{p}",
                "{s}; {p} {c}",
                "{s}\n{c} {t}\n{l}",
                "{n} {s}\n {u}\n {c}\n {l} {p}",
                "{n} {s} {u}, {c}, {l} {p}",
                "{n} {s} {c} {t}",
                "{s} {u} {c} {l}",
            )
        )
        found = found.format(
            s=line,
            c=place,
            p=code,
            l=land,
            t=state,
            n=rng.randint(1, 99),
            u=rng.choice(words("units")).format(n=rng.randint(1, 999), s=rng.randint(1, 9), l=rng.choice("ABCD")),
        )
    luck = rng.random()
    if luck < 0.25:
        found = found.replace("\n", rng.choice((", ", " ", " / ", ", ")))
    elif luck < 0.3:
        found = found.replace("\n", "\n  ")
    return plain(found) if rng.random() < 0.1 else found
