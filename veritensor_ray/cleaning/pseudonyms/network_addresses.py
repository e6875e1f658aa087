"""Makes up addresses of networks, devices and cryptocurrencies, from ranges that belong to nobody."""

from __future__ import annotations

import ipaddress
import re

from veritensor_ray.cleaning.pseudonyms.draw import Draw, filled, first_good
from veritensor_ray.engines.pii.validators import base58check, bech32

_BENCHMARKS = int(ipaddress.IPv4Address("198.18.0.0"))  # RFC 2544: a /15, since the blocks for documentation have only 768 addresses
_DOCUMENTATION = int(ipaddress.IPv6Address("2001:db8::"))  # RFC 3849: a /32
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_MAC = re.compile(r"[0-9A-Fa-f:.-]+")
_ETHEREUM = re.compile(r"0x[0-9A-Fa-f]{40}")
_FEW = "0de"  # the engine takes a number of so few different digits for a placeholder


def ip_address(key: bytes, text: str) -> str | None:
    """Make up an address in the range for benchmarks (IPv4) or documentation (IPv6)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        made: str | None = first_good(
            key, "ip", str(address), lambda draw: str(ipaddress.IPv4Address(_BENCHMARKS + draw.below(1 << 17))), lambda one: one != text
        )
        return made
    drawn = ipaddress.IPv6Address(_DOCUMENTATION + Draw(key, "ip", str(address)).below(1 << 96))
    full = text.count(":") == 7 and "::" not in text
    made = drawn.exploded if full else f"2001:db8::{':'.join(drawn.exploded.split(':')[4:])}"
    return made.upper() if text.upper() == text and text.lower() != text else made


def mac_address(key: bytes, text: str) -> str | None:
    """Make up an address that is marked as locally administered, which no manufacturer assigns."""
    plain = re.sub(r"[^0-9A-Fa-f]", "", text).lower()
    if len(plain) != 12 or not _MAC.fullmatch(text):
        return None
    upper = text.upper() == text

    def make(draw: Draw) -> str:
        number = draw.below(1 << 48) & ~(1 << 40) | (2 << 40)
        return filled(text.upper(), f"{number:012X}")

    made = first_good(key, "mac", plain, make, lambda one: one.lower() != text.lower())
    return made if made is None or upper else made.lower()


def crypto_address(key: bytes, text: str) -> str | None:
    """Make up an address of the same form whose checksum is wrong, so that nothing can be sent to it."""
    if _ETHEREUM.fullmatch(text):
        draw = Draw(key, "crypto", text.lower())
        return "0x" + "".join(draw.one_of(_FEW) for _ in range(40))
    if text.lower().startswith(("bc1", "tb1")):
        made = first_good(
            key, "crypto", text.lower(), lambda draw: text[:4].lower() + _of(draw, _BECH32, len(text) - 4), lambda one: not bech32(one)
        )
        return made.upper() if made and text.isupper() else made
    if base58check(text):
        return first_good(key, "crypto", text, lambda draw: text[0] + _of(draw, _BASE58, len(text) - 1), lambda one: not base58check(one))
    return None


def _of(draw: Draw, alphabet: str, count: int) -> str:
    return "".join(draw.one_of(alphabet) for _ in range(count))
