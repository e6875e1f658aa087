"""Example values that standards and providers print in their documentation, which nobody has to revoke.

Only digests are kept, because a scanner of this repository would report the values.
"""

from __future__ import annotations

import hashlib

# The beginnings of SHA-256. Line by line: OAuth 2.0 (RFC 6749, RFC 6750), OpenID Connect Core, JSON Web Tokens (jwt.io, RFC 7519), OAuth 1.0,
# and test keys in the documentation of Stripe.
_LISTED = """
6c96130f130ab0d6 00cf4c781dc37003 ca7459e2b26776de e9974c507d2a8021 53f5da0aaa93d64c a35b81a7d7927b70 b8e148545b13c78b
ad71fb4165536675 9e309cccd311ea64 92212b05a8b8f6bb
7f75367e78812551 da816f9f2c16e6c5 8d4ef6536dc8895f
cb87c87e4a138d9a 649e1f5c769e718b bb9b1163338b2a51 293257ab6495ebb1
2cafc0970149a84f f2d6ca16515033e5
"""
_DIGESTS = frozenset(_LISTED.split())
_LENGTHS = frozenset((10, 15, 16, 22, 28, 32, 43, 149, 155, 179))  # of these values, so that few others are digested


def is_published(value: str) -> bool:
    """Return whether a value is an example in the documentation of a standard or a provider."""
    return len(value) in _LENGTHS and hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:16] in _DIGESTS
