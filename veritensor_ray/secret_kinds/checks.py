"""Whether a token is one: checksums, encodings, entropy; it knows no provider's name and no text around."""

from __future__ import annotations

import base64
import binascii
import math
import zlib

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def entropy(text: str) -> float:
    """Shannon's, in bits a character, of the characters' frequencies."""
    total = len(text)
    shares = [text.count(character) / total for character in dict.fromkeys(text)]
    return -sum([share * math.log2(share) for share in shares]) if total else 0.0


def crc_of_token(token: str) -> bool:
    """Tokens of GitHub and npm end in six digits of base 62: the CRC-32 of what stands behind the prefix."""
    body = token.partition("_")[2]
    payload, check = body[:-6], body[-6:]
    number = zlib.crc32(payload.encode("latin-1", "replace"))
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0") == check


def decoded(text: str, limit: int = 4096) -> bytes | None:
    """Base64, plain or for URLs, padding or not; None where it is none."""
    text = text[:limit].rstrip("=").replace("-", "+").replace("_", "/")
    if len(text) % 4 == 1:
        text = text[:-1]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def is_jwt(token: str) -> bool:
    """Header and payload decode to JSON objects, the header names an algorithm or type, and something signs or encrypts it."""
    header, _, rest = token.partition(".")
    payload, _, signature = rest.partition(".")
    first, second = decoded(header), decoded(payload)
    if first is None or second is None or len(header) % 4 == 1 or (not signature and b'"none"' in first.lower()):
        return False
    return first[:1] == b"{" and first.rstrip()[-1:] == b"}" and (b'"alg"' in first or b'"typ"' in first) and second[:1] == b"{"


def is_basic(token: str) -> bool:
    """Decodes to `user:password`, printable."""
    data = decoded(token)
    if data is None or not data.isascii():
        return False
    user, colon, password = data.decode("ascii").partition(":")
    return bool(colon) and len(password) > 3 and (user + password).isprintable()


def is_discord(token: str) -> bool:
    """Its first part is the number of an account in base64."""
    data = decoded(token.partition(".")[0])
    return data is not None and data.isdigit()


def is_pem_in_base64(text: str) -> bool:
    """A whole PEM file, encoded once more."""
    data = decoded(text[:120])
    return data is not None and data.startswith(b"-----BEGIN ") and b"PRIVATE KEY" in data


def is_nkey_seed(token: str) -> bool:
    """The last two bytes of its base 32 are the CRC-16 of the others."""
    try:
        data = base64.b32decode(token + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError):
        return False
    return binascii.crc_hqx(data[:-2], 0) == int.from_bytes(data[-2:], "little")
