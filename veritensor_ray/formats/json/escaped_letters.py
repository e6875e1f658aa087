"""Shows the letters that stand as escapes in a JSON text, such as \\u00fc, and where each of them stands. The text stays JSON."""

from __future__ import annotations

import re

from veritensor_ray.core.origins import Mapped

_ESCAPE = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|.)", re.DOTALL)
_LEAST = 0xA0  # before it are letters that need no escape, quotation marks and control characters
_SURROGATES = range(0xD800, 0xE000)  # halves of a letter
_LONGEST = 1 << 20


def with_letters(text: str) -> Mapped | None:
    """Return a JSON text with its letters, or None if it has no escapes, is not JSON, or is too long for a map of its characters."""
    if "\\u" not in text or len(text) > _LONGEST or not text.lstrip().startswith(("{", "[", '"')):
        return None
    found = Mapped(text)
    found.sub(_ESCAPE, _letter)
    return found if found.text != text else None


def _letter(found: re.Match[str]) -> str | None:
    high, low, one = found.groups()
    if high:
        return bytes.fromhex(high + low).decode("utf-16-be")
    number = int(one, 16) if one else 0
    return chr(number) if number >= _LEAST and number not in _SURROGATES else None


__all__ = ["with_letters"]
