"""Templates to text: what stands in for each slot; it knows no model."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from faker.providers.job.en_US import Provider as Jobs

from training import pii_medical as medical
from training import pii_names as names
from training import pii_places as places
from training.pii_pieces import Piece, joined

_SLOT = re.compile(
    r"<(person|first|last|org|street|address|city|country|condition|drug|date|time|id|number|job|money|phone|weekday|email|version|product|url)>"
)
_NAME = re.compile(r" |, ")
_JOBS = {
    "en": "software engineer|nurse|project manager|teacher|sales assistant|accountant|head of marketing|electrician|CEO|CFO|driver|data analyst|HR manager|chef|plumber|paralegal|lab technician|customer service agent|Managing Director|intern",
    "de": "Sachbearbeiterin|Projektleiter|Krankenpfleger|Lehrerin|Geschäftsführer|Vertriebsleiterin|Elektriker|Buchhalterin|Personalleiter|Werkstudentin|Hausmeister",
    "fr": "infirmière|chef de projet|comptable|professeur|directrice commerciale|électricien|assistante|ingénieur|stagiaire|responsable RH",
    "es": "enfermera|jefe de proyecto|contable|profesora|directora comercial|electricista|ayudante|ingeniero|becario|responsable de compras",
}  # fmt: skip
_DAYS = {"en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday", "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
         "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche", "es": "lunes martes miércoles jueves viernes sábado domingo"}  # fmt: skip
_MONTHS = {"en": "January February March April May June July August September October November December", "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
           "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre", "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"}  # fmt: skip
_PRODUCTS = ("Premium Plan|Widget Deluxe|Trail Runner 3|Oak Desk|USB-C Cable|Espresso Machine X200|Garden Hose 25m|Blue Mug|Wireless Mouse|Yoga Mat Pro|Desk Lamp|Winter Jacket|Notebook A5|Coffee Beans 1kg|Power Drill|"
             "Starter Kit|Cordless Vacuum|LED Strip|Office Chair Ergo|Travel Adapter|Gift Card|Running Shoes|Smart Thermostat|Printer Toner 85A")  # fmt: skip
_MAILS = (
    "gmail.com",
    "yahoo.com",
    "outlook.com",
    "web.de",
    "gmx.net",
    "orange.fr",
    "hotmail.es",
    "acme.com",
    "corp.net",
    "proton.me",
    "mail.ru",
    "company.org",
)


def date(rng: random.Random, language: str) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1940, 2026)
    word = _MONTHS[language].split()[month - 1]
    written = {"en": (f"{word} {day}, {year}", f"{day} {word} {year}", f"{word} {day}", f"{day} {word[:3]}"), "de": (f"{day}. {word} {year}", f"{day}. {word}"),
               "fr": (f"{day} {word} {year}", f"{day} {word}"), "es": (f"{day} de {word} de {year}", f"{day} de {word}")}[language]  # fmt: skip
    return rng.choice(
        (
            *written,
            f"{year}-{month:02}-{day:02}",
            f"{day:02}.{month:02}.{year}",
            f"{month}/{day}/{year}",
            f"{day:02}/{month:02}/{year % 100:02}",
        )
    )


def identifier(rng: random.Random) -> str:
    shape = rng.choice(("######", "##-####", "??-#####", "????####", "#-###-##", "INV-####", "PO#####", "########", "?##?##", "2024/####"))
    return "".join(str(rng.randint(0, 9)) if c == "#" else rng.choice("ABCDEFGHKLMNPRSTX") if c == "?" else c for c in shape)


def email(rng: random.Random, language: str) -> str:
    first, last = (re.sub(r"\W", "", names.plain(n)).lower() for n in names.first_last(rng, language))
    found = (
        rng.choice(
            (f"{first}.{last}", f"{first[:1]}{last}", f"{first}{rng.randint(1, 99)}", f"{first}_{last}", "info", "office", "noreply")
        )
        + "@"
        + rng.choice(_MAILS)
    )
    return f"<{found}>" if rng.random() < 0.15 else found


def phone(rng: random.Random, _: str) -> str:
    shape = rng.choice(
        (
            "+1 ###-###-####",
            "(###) ###-####",
            "+49 ### #######",
            "0## ########",
            "+33 # ## ## ## ##",
            "+44 20 #### ####",
            "###-###-####",
            "+34 ### ### ###",
            "07### ######",
            "+## ### ### ###",
        )
    )
    return "".join(str(rng.randint(0, 9)) if c == "#" else c for c in shape)


def money(rng: random.Random, _: str) -> str:
    amount = rng.choice(
        (
            f"{rng.randint(1, 999)}",
            f"{rng.randint(1, 99)},{rng.randint(100, 999)}.{rng.randint(0, 99):02}",
            f"{rng.randint(1, 9999)}.{rng.randint(0, 99):02}",
        )
    )
    return rng.choice((f"${amount}", f"€{amount}", f"{amount} EUR", f"£{amount}", f"{amount} €", f"USD {amount}", f"CHF {amount}"))


FILLERS: dict[str, Callable[[random.Random, str], str]] = {
    "date": date, "email": email, "phone": phone, "money": money,
    "time": lambda r, _: r.choice((f"{r.randint(0, 23)}:{r.randint(0, 59):02}", f"{r.randint(1, 12)} {r.choice(('am', 'pm'))}", f"{r.randint(1, 12)}:{r.randint(0, 59):02} {r.choice(('AM', 'PM'))}")),
    "id": lambda r, _: identifier(r),
    "number": lambda r, _: str(r.choice((r.randint(0, 20), r.randint(1, 999), r.randint(1000, 99999)))),
    "job": lambda r, lang: _fake_job(r) if lang == "en" and r.random() < 0.6 else r.choice(_JOBS[lang].split("|")),
    "weekday": lambda r, lang: r.choice(_DAYS[lang].split()),
    "version": lambda r, _: f"{r.randint(0, 20)}.{r.randint(0, 30)}" + r.choice(("", f".{r.randint(0, 9)}", "-rc1", "b2")),
    "product": lambda r, _: r.choice(_PRODUCTS.split("|")),
    "url": lambda r, _: f"https://{r.choice(('www.', 'docs.', 'shop.', ''))}{r.choice(('example', 'acme', 'nordwind', 'datahub'))}.{r.choice(('com', 'org', 'io', 'de'))}/{identifier(r)}",
}  # fmt: skip


def _fake_job(rng: random.Random) -> str:
    return str(rng.choice(list(Jobs.jobs)))


def slot(rng: random.Random, name: str, language: str) -> list[Piece]:
    """What stands in for a slot: an entity, or filler without a label."""
    if name == "person":
        title, found = names.person(rng, language)
        return [(title, ""), (found, "person")]
    if name == "first":
        return [(names.first_last(rng, language)[0], "person")]
    if name == "last":
        return [(names.last_name(rng, language), "person")]
    if name == "org":
        return [(names.organization(rng, language), "organization")]
    if name == "street":
        return [(places.street(rng, language), "address")]
    if name == "address":
        return [(places.address(rng, language), "address")]
    if name in ("city", "country"):
        return [((places.city if name == "city" else places.country)(rng, language), "location")]
    if name in ("condition", "drug"):
        return [((medical.condition if name == "condition" else medical.drug)(rng, language), "medical")]
    return [(FILLERS[name](rng, language), "")]


def fill(rng: random.Random, text: str, language: str) -> list[Piece]:
    """A line with its slots filled; a first and a last name side by side are one person, a street and its city one address."""
    pieces: list[Piece] = []
    at, before = 0, ""
    for match in _SLOT.finditer(text):
        gap, name = text[at : match.start()], match[1]
        new = slot(rng, name, language)
        if {before, name} == {"first", "last"} and _NAME.fullmatch(gap):
            new = [(pieces.pop()[0] + gap + new[0][0], "person")]
            gap = ""
        pieces += [(gap, ""), *new]
        at, before = match.end(), name
    pieces.append((text[at:], ""))
    return joined(pieces)
