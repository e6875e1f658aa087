"""Parses spans of time and moments as people write them (`90m`, `2w`, `2026-11-25`), in one grammar for all flags and keys."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

SPANS = "a span of time such as 90s, 30m, 12h, 7d or 2w"
MOMENTS = f"an ISO date or time such as 2026-11-25 or 2026-11-25T06:00, or {SPANS}"
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span(text: str) -> timedelta:
    """Returns the span that `text` means. Raises ValueError, whose message lists the accepted forms."""
    found = _SPAN.fullmatch(text)
    try:
        if found is not None:
            return timedelta(**{_UNITS[found[2]]: float(found[1])})
    except OverflowError:
        pass
    raise ValueError(f"{text!r} is not understood; give {SPANS}")


def moment(text: str, now: datetime, direction: int) -> datetime:
    """Returns the moment that `text` means: a date in the zone of `now` unless it names one, or a span after (1) or before (-1) `now`.

    Raises ValueError, whose message lists the accepted forms.
    """
    try:
        at = now + direction * span(text) if _SPAN.fullmatch(text) else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not understood; give {MOMENTS}") from None
    return at if at.tzinfo else at.replace(tzinfo=now.tzinfo)
