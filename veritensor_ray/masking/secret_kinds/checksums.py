"""Verifies tokens by checksums, encodings and entropy."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import zlib

_BASE58 = {c: i for i, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_BECH32 = {c: i for i, c in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def entropy(text: str) -> float:
    """Return the Shannon entropy of the character frequencies, in bits per character."""
    total = len(text)
    shares = [text.count(character) / total for character in dict.fromkeys(text)]
    return -sum([share * math.log2(share) for share in shares]) if total else 0.0


def crc_of_token(token: str) -> bool:
    """Check the CRC-32 of the text after the prefix, which GitHub and npm tokens end with as six base-62 digits."""
    body = token.partition("_")[2]
    payload, check = body[:-6], body[-6:]
    number = zlib.crc32(payload.encode("latin-1", "replace"))
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0") == check


def decoded(text: str, limit: int = 4096) -> bytes | None:
    """Decode base64, plain or URL-safe, with or without padding. Returns None for invalid text."""
    text = text[:limit].rstrip("=").replace("-", "+").replace("_", "/")
    if len(text) % 4 == 1:
        text = text[:-1]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def is_bech32(text: str) -> bool:
    """Check the last six characters of Bech32 (BIP 173), which the keys of age and Nostr end with."""
    return bech32_sum(text) == 1


def bech32_sum(text: str) -> int | None:
    """Return the checksum over all of a text in Bech32 or Bech32m, or None if it has other characters."""
    prefix, _, data = text.lower().rpartition("1")
    if any(character not in _BECH32 for character in data):
        return None
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [_BECH32[c] for c in data]
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATORS):
            check ^= generator if top >> bit & 1 else 0
    return check


def is_base58_checked(text: str) -> bool:
    """Check the last four bytes of Base58Check, which are the beginning of a double SHA-256 of the others."""
    return base58_payload(text) is not None


def base58_payload(text: str) -> bytes | None:
    """Return what Base58Check holds before its last four bytes, or None if these are wrong."""
    if any(character not in _BASE58 for character in text):
        return None
    number = 0
    for character in text:
        number = number * 58 + _BASE58[character]
    data = bytes(len(text) - len(text.lstrip("1"))) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    payload, check = data[:-4], data[-4:]
    return payload if payload and hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4] == check else None


def is_jwt(token: str) -> bool:
    """Check that header and payload decode to JSON objects, the header names an algorithm or type, and the token is signed or encrypted."""
    header, _, rest = token.partition(".")
    payload, _, signature = rest.partition(".")
    first, second = decoded(header), decoded(payload)
    if first is None or second is None or len(header) % 4 == 1 or (not signature and b'"none"' in first.lower()):
        return False
    return first[:1] == b"{" and first.rstrip()[-1:] == b"}" and (b'"alg"' in first or b'"typ"' in first) and second[:1] == b"{"


def is_sealed(token: str) -> bool:
    """Check that a token in the form of a JSON Web Token cannot be read, because it was changed or has a form of its own, and is random.

    An encrypted token has a header that can be read. It is a message rather than a key.
    """
    header, _, rest = token.partition(".")
    if (decoded(header) or b"").strip()[-1:] == b"}":
        return False
    kinds = any(map(str.islower, rest)) + any(map(str.isupper, rest)) + any(map(str.isdigit, rest))
    return kinds == 3 and len(token) >= 60 and entropy(token) > 4.5


def has_digits(token: str) -> bool:
    """Check that a token without any other proof is at least not made of words."""
    return sum(map(str.isdigit, token)) >= 2


def basic_pair(token: str) -> tuple[str, str] | None:
    """Return the user and password that a token of HTTP's basic authentication stands for, or None.

    The password may be in UTF-8 or in Latin-1 (RFC 7617 does not say which); the user has to be printable ASCII.
    """
    user, colon, password = (decoded(token) or b"").partition(b":")
    if not colon or not password or not user.isascii() or not user.decode("ascii").isprintable():
        return None
    try:
        said = password.decode("utf-8")
    except UnicodeDecodeError:
        said = password.decode("latin-1")
    return (user.decode("ascii"), said) if said.isprintable() else None


def is_discord(token: str) -> bool:
    """Check that the first part is an account number in base64."""
    data = decoded(token.partition(".")[0])
    return data is not None and data.isdigit()


def is_pem_in_base64(text: str) -> bool:
    """Check that a text is a whole PEM file encoded in base64."""
    data = decoded(text[:120])
    return data is not None and data.startswith(b"-----BEGIN ") and b"PRIVATE KEY" in data


def is_nkey_seed(token: str) -> bool:
    """Check that the last two bytes of the base32 data are the CRC-16 of the others."""
    try:
        data = base64.b32decode(token + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError):
        return False
    return binascii.crc_hqx(data[:-2], 0) == int.from_bytes(data[-2:], "little")
