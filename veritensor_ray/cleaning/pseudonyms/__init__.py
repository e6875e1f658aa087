"""Makes up values of the same kind and form in place of personal data, always the same one for the same value and key.

A pseudonym never belongs to anyone, and the engines do not report it at severity medium or higher. Without the key, nobody can compute it
from a value or find the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from veritensor_ray.cleaning.pseudonyms.digits import iban, identifier, payment_card, phone, us_ssn
from veritensor_ray.cleaning.pseudonyms.network_addresses import crypto_address, ip_address, mac_address
from veritensor_ray.cleaning.pseudonyms.person_names import email, organization, person
from veritensor_ray.cleaning.pseudonyms.shifted_dates import date_of_birth

_Kind = Callable[[bytes, str], str | None]


def _mail_header(key: bytes, text: str) -> str | None:
    return email(key, text) or ip_address(key, text) or person(key, text)


PSEUDONYMS: Mapping[str, _Kind] = {
    "pii.person": person,
    "pii.organization": organization,
    "pii.email": email,
    "pii.mail-header": _mail_header,
    "pii.phone": phone,
    "pii.payment-card": payment_card,
    "pii.iban": iban,
    "pii.us-ssn": us_ssn,
    "pii.national-id": identifier,
    "pii.medical": identifier,
    "pii.ip-address": ip_address,
    "pii.mac-address": mac_address,
    "pii.crypto-address": crypto_address,
    "pii.date-of-birth": date_of_birth,
}
_MOST = 400  # characters: what is longer is a passage, and not a value


def pseudonym(key: bytes, rule: str, text: str) -> str | None:
    """Return what takes the place of a value that a rule reported, or None if there is nothing safe of its form. Then it has to be masked."""
    make = PSEUDONYMS.get(rule)
    return make(key, text) if make and text.strip() and len(text) <= _MOST else None
