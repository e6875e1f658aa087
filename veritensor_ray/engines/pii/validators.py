"""Verifies candidates by checksums, ranges and reserved values."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Sequence
from datetime import date

from stdnum import iban as stdnum_iban
from stdnum import luhn, verhoeff
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10
from stdnum.us import ssn as stdnum_ssn

from veritensor_ray.masking.secret_kinds import checksums


def stdnum_valid(module: object, number: str) -> bool:
    """Call `is_valid` of a stdnum module, which raises for some unusual input."""
    try:
        return bool(module.is_valid(number))  # type: ignore[attr-defined]
    except (ValueError, IndexError, KeyError, TypeError, ValidationError):
        return False


def payment_card(digits: str) -> bool:
    """Return whether digits pass the Luhn check and have a length that the issuer with that prefix uses."""
    return _brand_length(digits) and len(set(digits)) > 1 and luhn.is_valid(digits)


def _brand_length(d: str) -> bool:
    n = len(d)
    if d[0] == "4":
        return n in (13, 16, 19)
    two, three, four = int(d[:2]), int(d[:3]), int(d[:4])
    if two in (34, 37):
        return n == 15
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return n == 16
    if four == 6011 or two == 65 or 644 <= three <= 649 or two == 62:
        return 16 <= n <= 19
    if 3528 <= four <= 3589:
        return 16 <= n <= 19
    if four in (2131, 1800):
        return n == 15
    if 300 <= three <= 305 or two in (36, 38, 39):
        return n == 14 or (two == 36 and n == 16)
    return two in (50, 56, 57, 58, 63, 67) and n in (16, 18, 19)  # Maestro


@functools.lru_cache(4096)
def iban(text: str) -> bool:
    """Return whether an IBAN has its country's length and structure and a valid checksum (modulo 97)."""
    try:
        return bool(stdnum_iban.is_valid(text, check_country=False))
    except (ValueError, IndexError, KeyError):
        return False


def us_ssn(digits: str) -> bool:
    """Return whether digits have an area and group that were ever assigned, and are not a number known from advertisements."""
    return len(set(digits)) > 1 and digits != "123456789" and stdnum_valid(stdnum_ssn, digits)


@functools.lru_cache(4096)
def ip_scope(text: str) -> str | None:
    """Return `public` or `private`, or None for any other address (documentation, loopback, multicast, masks) and for invalid text."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address in _DOC_V6 or address.is_loopback or address.is_unspecified or address.is_multicast:
            return None
        if address.ipv4_mapped:
            return ip_scope(str(address.ipv4_mapped))
        return "private" if address.is_link_local or address in _ULA else "public"
    if _among(int(address), _NOBODYS):
        return None
    return "private" if _among(int(address), _PRIVATE) else "public"


def _among(address: int, nets: Sequence[tuple[int, int]]) -> bool:
    return any(address & mask == net for net, mask in nets)


def _nets(*names: str) -> list[tuple[int, int]]:
    """Return the addresses and masks of IPv4 networks: comparing numbers takes half the time of comparing objects."""
    return [(int(net.network_address), int(net.netmask)) for net in map(ipaddress.IPv4Network, names)]


_DOC_V6 = ipaddress.ip_network("2001:db8::/32")
_ULA = ipaddress.ip_network("fc00::/7")
# This network, loopback, documentation, benchmarks, multicast, reserved.
_NOBODYS = _nets("0.0.0.0/8", "127.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "224.0.0.0/3")
# Private use, carriers, links, protocols.
_PRIVATE = _nets("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/29", "192.0.0.170/31")


def mac(text: str) -> bool:
    """Return whether a MAC address belongs to a device and is not an empty, broadcast, multicast or documentation address."""
    digits = re.sub(r"[^0-9A-Fa-f]", "", text).lower()
    return len(digits) == 12 and len(set(digits)) > 1 and not digits.startswith(("00005e0053", "01005e", "3333"))


def base58check(text: str) -> bool:
    """Return whether a text is a valid Bitcoin address in the older Base58Check format."""
    payload = checksums.base58_payload(text)
    return payload is not None and len(payload) == 21 and payload[0] in (0, 5)


def bech32(text: str) -> bool:
    """Return whether a text is a valid Bitcoin address in the newer format (BIP 173 and 350)."""
    prefix, _, body = text.lower().rpartition("1")
    if prefix not in ("bc", "tb") or not 8 <= len(body) <= 87 or text not in (text.lower(), text.upper()):
        return False
    return checksums.bech32_sum(text) == (1 if body[0] == "q" else 0x2BC830A3)


def birth_date(year: int, month: int, day: int) -> bool:
    """Return whether a date is a plausible date of birth of a living person."""
    try:
        return date(1900, 1, 1) <= date(year, month, day) <= date(2030, 12, 31)
    except ValueError:
        return False


CUSTOM: dict[str, Callable[[str], bool]] = {
    "luhn": lambda text: stdnum_valid(luhn, re.sub(r"\D", "", text)),
    "mod97": lambda text: stdnum_valid(mod_97_10, re.sub(r"\W", "", text)),
    "verhoeff": lambda text: stdnum_valid(verhoeff, re.sub(r"\D", "", text)),
    "iban": lambda text: iban(re.sub(r"\W", "", text)),
    "payment-card": lambda text: (digits := re.sub(r"\D", "", text)) != "" and 12 < len(digits) < 20 and payment_card(digits),
}
