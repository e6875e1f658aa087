"""Makes up numbers of phones, cards, accounts and persons that have the form of the original and are nobody's."""

from __future__ import annotations

import re
from collections.abc import Callable

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from stdnum import luhn

from veritensor_ray.cleaning.pseudonyms.draw import Draw, filled, first_good
from veritensor_ray.engines.pii import validators
from veritensor_ray.engines.pii.national import ALPHANUMERIC, NUMERIC, Identifier, holds
from veritensor_ray.engines.pii.reserved import TEST_ISSUERS, account_of_no_bank, bank_part, phone_of_no_plan, published_card

_CODES = re.compile("|".join(map(str, COUNTRY_CODE_TO_REGION_CODE)))
_LEAST_PHONE = 6  # digits after the country code, of which three become zeros
_PREFIXES = (  # first digits and lengths of card numbers, as validators.payment_card accepts them
    ("visa", r"4"),
    ("amex", r"3[47]"),
    ("mastercard", r"5[1-5]|2[2-7]"),
    ("jcb", r"35"),
    ("diners", r"30|36|38|39"),
    ("discover", r"6011|65|64[4-9]"),
    ("unionpay", r"62"),
)
_PHONE = re.compile(r"[+(]{0,2}\d[\d \u00a0()./+-]*(?:[ ,]{0,2}(?:x|ext\.?|extension|durchwahl|poste) ?\d{1,6})?", re.IGNORECASE | re.ASCII)
_CARD = re.compile(r"\d[\d .-]+", re.ASCII)
_SSN = re.compile(r"\d{3}[-. ]?\d{2}[-. ]?\d{4}", re.ASCII)
_IBAN = re.compile(r"[A-Za-z]{2}\d{2}[A-Za-z0-9 -]+", re.ASCII)
_RUN = re.compile(r"\d(?:[ ./()-]{0,3}\d){5,}")
_KINDS = (*NUMERIC, *ALPHANUMERIC)


def phone(key: bytes, text: str) -> str | None:
    """Make up a number that begins, after the country code, with three zeros, as in no numbering plan."""
    if not _PHONE.fullmatch(text):
        return None
    number = re.split(r"[A-Za-z]", text, maxsplit=1)[0]  # an extension follows
    digits = re.sub(r"\D", "", number)
    plus = number.lstrip(" (").startswith("+")
    begin = 0 if plus else 2
    if plus or digits.startswith("00"):
        code = _CODES.match(digits, begin)
        if code is None:
            return None
        kept = code.end() + ("(0)" in number)
        value = f"+{digits[begin : code.end()]}{digits[kept:]}"
    else:
        kept, value = int(digits.startswith("0")), digits
    if len(digits) - kept < _LEAST_PHONE:
        return None

    def make(draw: Draw) -> str:
        behind = sum(map(str.isdigit, text)) - len(digits)
        new = digits[:kept] + "000" + draw.digits(len(digits) - kept - 3) + draw.digits(behind)
        return filled(text, new, str.isdigit)

    return first_good(
        key, "phone", value, make, lambda one: one != text and phone_of_no_plan(one) and not _identified(_plain(one), alone=True)
    )


def payment_card(key: bytes, text: str) -> str | None:
    """Make up a card of the same brand and length, with valid check digit, under an issuer number that is published for tests."""
    digits = re.sub(r"\D", "", text)
    if _CARD.fullmatch(text) and published_card(digits):
        return text  # it belongs to nobody already, and cleaning a copy again must not change it
    brand = next((brand for brand, first in _PREFIXES if re.match(first, digits)), None)
    if brand is None or not _CARD.fullmatch(text) or not validators.payment_card(digits):
        return None

    def make(draw: Draw) -> str:
        body = TEST_ISSUERS[brand] + draw.digits(len(digits) - 7)
        return filled(text, body + luhn.calc_check_digit(body), str.isdigit)

    return first_good(key, "card", digits, make, lambda one: one != text and validators.payment_card(re.sub(r"\D", "", one)))


def iban(key: bytes, text: str) -> str | None:
    """Make up an account of the same country, with valid check digits, at a bank that does not exist."""
    plain = _plain(text).upper()
    if not _IBAN.fullmatch(text) or not validators.iban(plain) or (bank := bank_part(plain[:2])) is None:
        return None
    if account_of_no_bank(plain):
        return text
    start, end, zero = bank

    def make(draw: Draw) -> str:
        body = "".join(zero if start <= i < end else draw.like(c) for i, c in enumerate(plain[4:], 4))
        check = 98 - int("".join(str(int(c, 36)) for c in body + plain[:2] + "00")) % 97
        return filled(text, f"{plain[:2]}{check:02d}{body}")

    return first_good(key, "iban", plain, make, lambda one: one != text and validators.iban(_plain(one).upper()))


def us_ssn(key: bytes, text: str) -> str | None:
    """Make up a number with the area 000, which is never assigned."""
    if not _SSN.fullmatch(text):
        return None
    digits = re.sub(r"\D", "", text)

    def make(draw: Draw) -> str:
        return filled(text, f"000{draw.below(99) + 1:02d}{draw.below(9999) + 1:04d}", str.isdigit)

    return first_good(key, "ssn", digits, make, lambda one: one != text and not _identified(_plain(one)))


def identifier(key: bytes, text: str) -> str | None:
    """Make up a number of the same form whose check digits are wrong for every kind that it could be, so that it is nobody's.

    Returns None for a number that only a word nearby makes an identifier, such as a driver's license: any such number would be one.
    """
    kinds = [kind for kind in _KINDS if not kind.weak and kind.shape.fullmatch(text) and holds(kind, text)]
    if not kinds:
        return None
    value = _plain(text).upper()
    allowed = _allowed(kinds[0], text)
    drawn: tuple[Callable[[Draw], str], ...] = (
        lambda draw: _no_phone("".join(draw.one_of(some) for some in allowed)),
        lambda draw: _no_phone("".join(map(draw.like, text))),
    )
    for make in drawn:
        if made := first_good(
            key, "identifier", value, make, lambda one: one != text and not (_identified(_plain(one)) or _identified(one))
        ):
            return made
    return None


def _no_phone(text: str) -> str:
    """Let every run of digits that might be taken for a phone number begin with three zeros."""
    return _RUN.sub(lambda run: filled(run[0], "000" + re.sub(r"\D", "", run[0])[3:], str.isdigit), text)


def _plain(text: str) -> str:
    """Return a number without separators, so that the same pseudonym is good for all spellings of a value."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


def _allowed(kind: Identifier, text: str) -> list[str]:
    """Return the characters that each position of an identifier may have, as far as its shape says and in the original's case."""
    found = []
    for i, old in enumerate(text):
        alike = "0123456789" if old in "0123456789" else "abcdefghijklmnopqrstuvwxyz" if old.isascii() and old.isalpha() else old
        alike = alike.upper() if old.isupper() else alike
        found.append("".join(c for c in alike if kind.shape.fullmatch(text[:i] + c + text[i + 1 :])) or old)
    return found


def _identified(text: str, alone: bool = False) -> bool:
    """Return whether a number is valid as some identifier or card, whatever the words nearby; with `alone`, if there are none."""
    digits = re.sub(r"\D", "", text)
    if text[:1].isdigit() and 12 <= len(digits) <= 19 and len(set(digits)) > 1 and luhn.is_valid(digits):
        return True
    if len(digits) == 9 and validators.us_ssn(digits):
        return True
    kinds = (kind for kind in _KINDS if (kind.alone or not alone) and not kind.weak)
    return any((match := kind.shape.match(text)) is not None and holds(kind, match.group()) for kind in kinds)
