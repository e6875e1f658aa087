"""When a run stops beginning shards: HH:MM, a moment, or a span from now."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.timespans import moment


def deadline_at(text: str, now: datetime) -> datetime:
    """Returns the moment that `text` means, with a time zone; `06:00` is the next one in the zone of `now`. Raises UsageError."""
    try:
        if not re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", text):
            return moment(text, now, 1)
        hour, minute = map(int, text.split(":"))
        at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    except ValueError as error:
        raise UsageError(f"deadline: {error}, or a time of day such as 06:00") from None
    return at if at > now else at + timedelta(days=1)
