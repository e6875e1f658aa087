"""Verifies tokens by checksums, encodings and entropy."""

from __future__ import annotations

import base64
import binascii
import math
import zlib

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


def is_jwt(token: str) -> bool:
    """Check that header and payload decode to JSON objects, the header names an algorithm or type, and the token is signed or encrypted."""
    header, _, rest = token.partition(".")
    payload, _, signature = rest.partition(".")
    first, second = decoded(header), decoded(payload)
    if first is None or second is None or len(header) % 4 == 1 or (not signature and b'"none"' in first.lower()):
        return False
    return first[:1] == b"{" and first.rstrip()[-1:] == b"}" and (b'"alg"' in first or b'"typ"' in first) and second[:1] == b"{"


def is_basic(token: str) -> bool:
    """Check that a token decodes to a printable `user:password`."""
    data = decoded(token)
    if data is None or not data.isascii():
        return False
    user, colon, password = data.decode("ascii").partition(":")
    return bool(colon) and len(password) > 3 and (user + password).isprintable()


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
