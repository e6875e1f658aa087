"""Numbers that may be about a person: whole ones with as many digits as cards, accounts and identities have. It depends on no format."""

from __future__ import annotations

LEAST, BELOW = 10**8, 10**19  # from 9 to 19 digits


def number_text(value: object) -> str | None:
    """Return a number as the text that a reader yields for it, or None for one that can be about nobody."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if type(value) is int and LEAST <= value < BELOW else None
