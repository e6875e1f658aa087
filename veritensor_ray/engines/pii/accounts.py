"""Finds IBANs by how they begin: two letters and two digits, a form rare enough to examine each one, whatever follows it in print."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from veritensor_ray.engines.pii.clusters import Positions
from veritensor_ray.engines.pii.joining import JoinedBatch, PiiSpan
from veritensor_ray.engines.pii.reserved import account_of_no_bank
from veritensor_ray.engines.pii.validators import iban
from veritensor_ray.masking.iban_form import iban_form_at, plain_iban

_SCORE = 0.99
_INSIDE = frozenset("_/+=.$@&-")  # after one of these, the letters continue a path, a slug, an address or base64


def find(joined: JoinedBatch) -> Iterator[PiiSpan]:
    """Yield the IBANs, in any grouping."""
    text = joined.text
    for start in _beginnings(joined).tolist():
        if start and (text[start - 1] in _INSIDE or text[start - 1].isalnum()):
            continue
        written = iban_form_at(text, start)
        end = start + len(written)
        if written and not text[end : end + 1].isalnum() and iban(plain := plain_iban(written)):
            nobodys = account_of_no_bank(plain)
            yield PiiSpan("iban", start, end, _SCORE, "IBAN of no bank" if nobodys else "IBAN", "info" if nobodys else None)


def _beginnings(joined: JoinedBatch) -> Positions:
    """Return the positions of two letters that are followed by two digits."""
    codes, digits = joined.codes, joined.digits
    firsts = digits[:-1][np.diff(digits) == 1]
    firsts = firsts[firsts >= 2]
    for back in (1, 2):
        firsts = firsts[((codes[firsts - back] | 32) - 97) < 26]  # unsigned: codes below 97 wrap to large values
    starts: Positions = firsts - 2
    return starts
