"""Tries again what may pass, waiting longer each time or as long as the other side asks. It knows of HTTP only what Retry-After means."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

LONGEST_WAIT = 20.0  # seconds that another side's wish is obeyed
T = TypeVar("T")


class Again(Exception):
    """A fault that may pass; `wait` is how many seconds the other side asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def persistent(work: Callable[[], T], retries: int, backoff: float, until: float) -> T:
    """What `work` gives, called again after `backoff` seconds, doubled each time, while it raises Again.

    Raises its last Again when the retries are used up, or the next try would begin after `until`, a moment of time.monotonic.
    """
    for attempt in range(retries):
        try:
            return work()
        except Again as error:
            pause = error.wait if error.wait is not None else backoff * 2**attempt * (0.5 + random.random())  # noqa: S311  # spreads load
            pause = min(pause, LONGEST_WAIT)
            if time.monotonic() + pause > until:
                raise
        time.sleep(pause)
    return work()


def retry_after(value: str | None) -> float | None:
    """Seconds, given as such or as a date; None where nothing usable is given."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(seconds, 0.0)
