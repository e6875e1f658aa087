"""When a run stops beginning shards: HH:MM, a moment, or a span from now; it knows nothing of what runs."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from veritensor_ray.errors import UsageError

_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def deadline_at(text: str, now: datetime) -> datetime:
    """The moment that `text` means, with a time zone; `06:00` is the next one in the zone of `now`. Raises UsageError."""
    if span := _SPAN.fullmatch(text):
        return now + timedelta(**{_UNITS[span[2]]: float(span[1])})
    try:
        if re.fullmatch(r"\d\d?:\d\d", text):
            hour, minute = map(int, text.split(":"))
            at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
            return at if at > now else at + timedelta(days=1)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"deadline {text!r}: give HH:MM, an ISO time like 2026-11-25T06:00, or a span like 90m") from None
    return at if at.tzinfo else at.replace(tzinfo=now.tzinfo)
