"""Structured text with and without personal data: JSON, CSV, YAML, forms, single cells; it knows no model."""

from __future__ import annotations

import random
from collections.abc import Sequence

from training.pii_pieces import Piece, joined
from training.pii_slots import slot

_FIELDS = {
    "person": ("name", "full_name", "Name", "customer", "patient", "employee", "contact", "Kunde", "nom", "nombre", "user", "owner", "assignee", "beneficiary", "Insured", "applicant", "signed_by", "CustomerName"),
    "first": ("first_name", "firstName", "given_name", "vorname", "prenom", "first", "nickname"), "last": ("last_name", "surname", "lastName", "nachname", "family_name", "apellido"),
    "org": ("company", "employer", "organization", "org", "vendor", "supplier", "Firma", "client", "account_name", "school", "hospital", "merchant", "bank", "empresa"),
    "street": ("street", "address1", "addr", "line1", "strasse", "rue", "address_line_1", "street_address"), "address": ("address", "shipping_address", "billing_address", "Anschrift", "adresse", "direccion", "ship_to", "home_address"),
    "city": ("city", "town", "ort", "ville", "ciudad", "location", "birthplace", "branch"), "country": ("country", "land", "pays", "nationality"),
    "condition": ("diagnosis", "condition", "dx", "Diagnose", "reason", "medical_history"), "drug": ("medication", "drug", "rx", "prescription", "Medikament", "treatment"),
    "email": ("email", "mail", "e_mail"), "phone": ("phone", "tel", "mobile"), "date": ("date", "created_at", "dob", "updated"), "id": ("id", "ref", "order_id", "sku", "ticket"),
    "number": ("qty", "count", "age", "zip", "score", "year"), "money": ("total", "amount", "price"), "product": ("product", "item", "description", "plan"), "job": ("job", "title", "role"), "version": ("version", "build"),
}  # fmt: skip
_WORDS = {
    "status": ["active", "pending", "open", "closed", "done", "failed", "true", "false", "null", "N/A", "ok", "new", "archived", "cancelled", "shipped", "in_progress"], "color": ["red", "blue", "Green", "dark-grey", "Black", "white"],
    "type": ["Standard", "Express", "Gold", "Basic", "retail", "wholesale", "internal", "Other", "Invoice", "Refund"], "level": ["INFO", "WARNING", "ERROR", "debug"], "category": ["Home & Garden", "Books", "Electronics", "Sports", "Toys", "Office Supplies"],
    "department": ["Sales", "Human Resources", "Marketing", "IT", "Finance", "Legal", "Support", "Customer Success"], "month": ["January", "Feb", "March", "Mai", "juin", "agosto"], "language": ["English", "German", "fr", "Spanish"],
    "method": ["GET", "POST", "credit card", "PayPal", "bank transfer", "cash"], "feature": ["Dark Mode", "Single Sign-On", "Export to PDF", "Two-Factor Authentication", "Night Shift"], "gender": ["M", "F", "male", "female"],
    "team": ["Red Team", "Platform", "Growth Squad", "Night Crew"], "size": ["S", "M", "XL", "42"], "breed": ["Labrador", "Persian Cat", "Holstein"], "dish": ["Caesar Salad", "Pad Thai", "Chicken Tikka Masala", "Apple Pie"],
}  # fmt: skip
_LIKELY = (
    "person",
    "person",
    "person",
    "first",
    "last",
    "org",
    "org",
    "street",
    "address",
    "address",
    "city",
    "country",
    "condition",
    "drug",
)
_PLAIN = ("email", "phone", "date", "id", "number", "money", "product", "job", "version")
_CLOSED = [
    ("Blue Ridge", ""),
    ("Version History", ""),
    ("Terms of Service", ""),
    ("Quick Start", ""),
    ("New Folder", ""),
    ("Read More", ""),
    ("Sign In", ""),
    ("Black Friday", ""),
    ("Happy Birthday", ""),
    ("Total Amount", ""),
]


def _language(rng: random.Random) -> str:
    return rng.choice(("en", "en", "en", "de", "fr", "es"))


def _field(rng: random.Random, names: Sequence[str], language: str) -> tuple[str, list[Piece]]:
    name = rng.choice(names)
    if name in _WORDS:
        return name, [(rng.choice(_WORDS[name]), "")]
    value = [p for p in slot(rng, name, language) if p[0]]
    key = rng.choice(_FIELDS[name])
    return (rng.choice((key.upper(), key.title(), key.replace("_", " "))) if rng.random() < 0.25 else key), value


def record(rng: random.Random) -> list[Piece]:
    """Two to seven fields in one of the usual notations; a sixth of them without personal data."""
    language = _language(rng)
    kinds = [*_PLAIN, *_WORDS] if rng.random() < 0.17 else [*_LIKELY, *_PLAIN, rng.choice(list(_WORDS))]
    fields = [_field(rng, kinds, language) for _ in range(rng.randint(2, 7))]
    form = rng.choice(("json", "yaml", "csv", "form", "pairs", "xml", "table", "semicolon", "tabs", "lines"))
    pieces: list[Piece] = []
    if form in ("csv", "semicolon", "tabs", "table"):
        gap = {"csv": ",", "semicolon": ";", "tabs": "\t", "table": " | "}[form]
        if rng.random() < 0.6:
            pieces.append((gap.join(key for key, _ in fields) + "\n", ""))
        for i, (_, value) in enumerate(fields):
            quoted = form == "csv" and ("," in "".join(t for t, _ in value) or rng.random() < 0.1)
            pieces += [(gap if i else "", ""), ('"' if quoted else "", ""), *value, ('"' if quoted else "", "")]
        return [(t if form == "csv" and not label and "\n" in t else t.replace("\n", " ") if label else t, label) for t, label in pieces]
    begin, middle, end, after = {
        "json": ('"', '": "', '", ', ""), "yaml": ("", ": ", "\n", ""), "form": ("", ": ", "\n", ""), "pairs": ("", "=", rng.choice((" ", "; ", "&")), ""), "xml": ("<", ">", "", "</"), "lines": ("", "", "\n", ""),
    }[form]  # fmt: skip
    for key, value in fields:
        flat = [(t.replace("\n", "\\n" if form == "json" else ", "), label) for t, label in value]
        pieces += [(("" if form == "lines" else f"{begin}{key}{middle}"), ""), *flat, (f"</{key}>" if after else end, "")]
    pieces = [("{", ""), *pieces, ("}", "")] if form == "json" else pieces
    return joined(pieces) if form == "lines" else pieces


def cell(rng: random.Random) -> list[Piece]:
    """A value alone, as a cell of a table holds it."""
    luck = rng.random()
    if luck < 0.12:
        return [rng.choice(_CLOSED)]
    if luck < 0.3:
        return _field(rng, list(_WORDS), "en")[1]
    return _field(rng, _LIKELY if luck < 0.8 else _PLAIN, _language(rng))[1]


def cells(rng: random.Random) -> list[Piece]:
    """A column: several values of one kind below each other."""
    kind, language = rng.choice((*_LIKELY, *_WORDS)), _language(rng)
    pieces: list[Piece] = []
    for _ in range(rng.randint(2, 6)):
        pieces += [*_field(rng, [kind], language)[1], (rng.choice(("\n", "\n", ", ", " | ")) if rng.random() < 0.1 else "\n", "")]
    return pieces
