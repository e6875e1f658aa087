"""Numbers that may be about a person: whole ones with as many digits as cards, accounts and identities have. It depends on no format."""

from __future__ import annotations

import re
from functools import lru_cache

LEAST, BELOW = 10**8, 10**19  # from 9 to 19 digits
LEAST_NAMED = 10**6  # from 7 digits, where a name says what they are
_SIGNS = re.compile(r"[\W_]+")
_NAMES = re.compile(
    r"(?:acc(?:oun)?tn(?:o|r|um|umber)|acct|kon(?:to)?(?:nr|nummer)|bank(?:account|konto)|cuenta|(?:tele)?phone|mobile|telefon|handy|passport|licen[cs]e|mrn|ssn"
    r"|medicalrecord|patientid|taxid|nationalid|routing)(?:n(?:o|r|um|umber|ummer))?\Z"
)


@lru_cache(1 << 12)
def named_least(column: str) -> int | None:
    """Return the least number that may be personal in a column whose name asks for one, or None. Items of lists have no name."""
    name = _SIGNS.sub("", column.rpartition(".")[2]).lower()
    return LEAST_NAMED if _NAMES.search(name) and not column.endswith("]") else None


def number_text(value: object, column: str = "") -> str | None:
    """Return a number as the text that a reader yields for it, or None for one that can be about nobody."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not LEAST_NAMED <= value < BELOW:
        return None
    return str(value) if value >= (named_least(column) or LEAST) else None
