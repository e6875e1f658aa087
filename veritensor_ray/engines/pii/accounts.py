"""Finds IBANs by how they begin: two letters and two digits, a form rare enough to examine each one, whatever follows it in print."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from veritensor_ray.engines.pii.clusters import Positions
from veritensor_ray.engines.pii.joining import JoinedBatch, PiiSpan
from veritensor_ray.engines.pii.reserved import account_of_no_bank
from veritensor_ray.engines.pii.validators import iban, iban_length

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}", re.IGNORECASE | re.ASCII)
_SCORE = 0.99
_INSIDE = frozenset("_/+=.$@&-")  # after one of these, the letters continue a path, a slug, an address or base64


def find(joined: JoinedBatch) -> Iterator[PiiSpan]:
    """Yield the IBANs, in any grouping."""
    text = joined.text
    for start in _beginnings(joined).tolist():
        if start and (text[start - 1] in _INSIDE or text[start - 1].isalnum()):
            continue
        size = _size(text, start)
        if size:
            nobodys = account_of_no_bank(_plain(text[start : start + size]))
            yield PiiSpan("iban", start, start + size, _SCORE, "IBAN of no bank" if nobodys else "IBAN", "info" if nobodys else None)


def _beginnings(joined: JoinedBatch) -> Positions:
    """Return the positions of two letters that are followed by two digits."""
    codes, digits = joined.codes, joined.digits
    firsts = digits[:-1][np.diff(digits) == 1]
    firsts = firsts[firsts >= 2]
    for back in (1, 2):
        firsts = firsts[((codes[firsts - back] | 32) - 97) < 26]  # unsigned: codes below 97 wrap to large values
    starts: Positions = firsts - 2
    return starts


def _size(text: str, start: int) -> int:
    """Return how many characters of the text the IBAN at a position takes, or 0 if there is none."""
    length = iban_length(text[start : start + 2])
    written = _IBAN.match(text, start) if length else None
    if written is None:
        return 0
    ends = [at for at, c in enumerate(written.group(), 1) if c.isalnum()]
    if len(ends) < length:
        return 0
    size = ends[length - 1]
    whole = written.group()[:size]
    alone = not text[start + size : start + size + 1].isalnum()
    return size if alone and (whole.isupper() or whole.islower()) and iban(_plain(whole)) else 0


def _plain(written: str) -> str:
    return re.sub("[ -]", "", written).upper()
