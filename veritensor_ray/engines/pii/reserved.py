"""Recognizes values that are well formed but cannot be anyone's: test cards, phone numbers of no plan, accounts of no bank.

Documentation and tests use such values, and so do the pseudonyms of `clean`.
"""

from __future__ import annotations

import functools
import re

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from stdnum import numdb

from veritensor_ray.engines.pii.joining import listed

# Numbers that card networks and payment companies publish for tests: well formed, but rarely anyone's.
_TEST_CARDS = listed(
    "4111111111111111 4012888888881881 4242424242424242 4000056655665556 5555555555554444 5105105105105100 378282246310005 371449635398431"
    " 6011111111111117 6011000990139424 3530111333300000 3566002020360505 30569309025904 38520000023237 4222222222222 5200828282828210"
)
# The issuer numbers of some of them, under which no cards are issued, by brand.
TEST_ISSUERS = {
    "visa": "424242",
    "mastercard": "555555",
    "amex": "378282",
    "discover": "601111",
    "jcb": "353011",
    "diners": "305693",
    "unionpay": "620000",
}
_ISSUERS = frozenset(TEST_ISSUERS.values())

# After a country code, or at the beginning of a national number, no numbering plan in use has three zeros. "(0)" may be between.
_NOWHERE = re.compile(rf"(?:\+|00)(?:{'|'.join(map(str, COUNTRY_CODE_TO_REGION_CODE))})0?000|000(?!0{{0,2}}$)")
_LEAST_ZEROS = 6
_COMPONENT = re.compile(r"(\d+)!([nac])")


def published_card(digits: str) -> bool:
    """Return whether a card number is published for tests, or has an issuer number of one that is."""
    return digits in _TEST_CARDS or digits[:6] in _ISSUERS


def phone_of_no_plan(text: str) -> bool:
    """Return whether a phone number, as written, begins with digits that no numbering plan has."""
    plus = "+" if text.lstrip(" (").startswith("+") else ""
    return _NOWHERE.match(plus + re.sub(r"\D", "", text)) is not None


@functools.lru_cache(256)
def bank_part(country: str) -> tuple[int, int, str] | None:
    """Return where the bank code is in the IBANs of a country, and a character that makes one which no bank has if it fills that part.

    Returns None for a country without IBANs, and for Belgium, where banks use every code.
    """
    found = numdb.get("iban").info(country.upper())[0][1]
    if not found or country.upper() == "BE":
        return None
    start = 4
    for length, kind in _COMPONENT.findall(found["bban"]):
        if int(length) > 1:
            return (start, start + int(length), "X") if kind != "n" else (start, start + max(int(length), _LEAST_ZEROS), "0")
        start += int(length)
    return None


def account_of_no_bank(iban: str) -> bool:
    """Return whether a valid IBAN, without separators, has a bank code that no bank has."""
    found = bank_part(iban[:2])
    return found is not None and set(iban[found[0] : found[1]].upper()) == {found[2]}
