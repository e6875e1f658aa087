"""Names and addresses as captions of cases, lists, letters' ends, mail, chat and copyright lines have them; it knows no model."""

from __future__ import annotations

import random
from collections.abc import Iterator

from training import pii_names as names
from training import pii_places as places
from training.pii_marked import Marked, of_pieces
from training.pii_pieces import Piece


def arranged(rng: random.Random) -> Iterator[Marked]:
    """Some eight thousand texts."""
    for count, make in ((1500, _caption), (2500, _list), (2500, _address), (1500, _signed)):
        for _ in range(count):
            yield of_pieces(make(rng), "names and addresses in context")


def _person(rng: random.Random, language: str = "en") -> str:
    return names.person(rng, language)[1].replace("\n", " ")


def _caption(rng: random.Random) -> list[Piece]:
    last = names.last_name(rng, "en")
    other: Piece = rng.choice((
        (last, "person"), (last.upper(), "person"), (names.organization(rng, "en"), "organization"), ("United States", "location"), ("State", ""),
        (places.city(rng, "en"), "location"),
    ))  # fmt: skip
    a, b = rng.randrange(1, 999), rng.randrange(1, 999)
    source = rng.choice(
        (f", {a} U.S. {b} ({rng.randrange(1900, 2024)})", f", {a} F.{a % 2 + 2}d {b}", ".", f", Case No. 3:12-cv-04{b}", " is instructive.")
    )
    before = rng.choice(("", "In ", "See ", "citing ", "Cf. ", "the holding in "))
    return [(before, ""), (names.last_name(rng, "en"), "person"), (rng.choice((" v. ", " vs. ", " v ")), ""), other, (source, "")]


def _list(rng: random.Random) -> list[Piece]:
    language = rng.choice(("en", "en", "en", "de", "fr", "es"))
    between = rng.choice(("\n", ", ", "; ", "\n- ", "\n* ", " and ", "\n\n", " / ", "\t", " | ", " & "))
    luck = rng.random()
    first_only = rng.random() < 0.2
    pieces: list[Piece] = [
        (rng.choice(("", "Present: ", "Attendees\n", "Authors: ", "cc: ", "Members:\n", "- ", "Team: ", "thanks to ", "Winners\n")), "")
    ]
    for number in range(rng.randint(2, 8)):
        name = names.first_last(rng, language)[0] if first_only else _person(rng, language)
        name = name.lower() if luck < 0.1 else name.upper() if luck < 0.15 else name
        pieces += [(between if number else "", ""), (name, "person")]
    return pieces


def _address(rng: random.Random) -> list[Piece]:
    language = rng.choice(("en", "en", "en", "de", "fr", "es"))
    kind = rng.choice(("Blvd.", "Ave", "Street", "St.", "Rd.", "Parkway", "Drive", "Lane", "Way", "Court", "Blvd", "Avenue"))
    quarter = rng.choice(("N. ", "S. ", "East ", "W. ", "North ", "", "", ""))
    own = f"{rng.randrange(1, 9999)} {quarter}{names.last_name(rng, 'en')} {kind}"
    street = places.street(rng, language).replace("\n", ", ") if rng.random() < 0.5 else own
    if rng.random() < 0.3:
        n = rng.randint(2, 40)
        street += rng.choice((", ", ",\n", " ")) + rng.choice(
            (f"{n}th Floor", f"Suite {n * 17}", f"Apt. {n}", f"Unit {n}", f"#{n * 9}", f"P.O. Box {n * 113}")
        )
    if rng.random() < 0.6:
        postcode = rng.randrange(10000, 99999)
        state = rng.choice(("CA", "NY", "TX", "WA", "IL", "MA", "OH"))
        street += rng.choice((", ", "\n")) + places.city(rng, language) + rng.choice((f", {state} {postcode}", f" {postcode}", ""))
    before = rng.choice(("", "Address: ", "at ", "located at ", "our office, ", "Ship to:\n", "He lives at ", "mail checks to "))
    return [(before, ""), (street, "address"), (rng.choice(("", " until May.", ". Thanks", "\nTel: 555", "\n")), "")]


def _signed(rng: random.Random) -> list[Piece]:
    name, first = _person(rng), names.first_last(rng, "en")[0]
    short = rng.choice((name, first, first.lower(), name.lower()))
    return rng.choice((
        [("From: ", ""), (name, "person"), (" <x@y.org>\nTo: list\nSubject: Re: build", "")],
        [(f"On Mon, {rng.randint(1, 28)} Aug 2002, ", ""), (name, "person"), (" wrote:\n> ", "")],
        [("> ", ""), (name, "person"), (" writes:\n", "")],
        [("regards,\n", ""), (short, "person"), ("\n", "")],
        [("hey ", ""), (short, "person"), (rng.choice((" u there?", " can you call me", " thx for the help", " lol")), "")],
        [(rng.choice(("ask ", "met ", "saw ", "tell ", "ping ", "cc ", "thx ")), ""), (short, "person"), (rng.choice((" about it", " yesterday", " if unsure")), "")],
        [("Copyright (c) 2014 ", ""), (name, "person"), (", ", ""), (_person(rng), "person"), ("\nAll rights reserved.", "")],
        [("@author ", ""), (name, "person"), ("\n", "")],
    ))  # fmt: skip
