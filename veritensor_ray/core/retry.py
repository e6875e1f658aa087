"""Repeats operations that may succeed later, waiting longer each time, or as long as the server asks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

LONGEST_WAIT = 20.0  # seconds; the longest wait that a server may ask for
T = TypeVar("T")


class Again(Exception):
    """A failure that may pass; `wait` is the number of seconds that the server asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def persistent(work: Callable[[], T], retries: int, backoff: float, until: float) -> T:
    """Returns the result of `work`, calling it again after `backoff` seconds, doubled each time, while it raises Again.

    Raises the last Again if the retries are used up, or if the next try would begin after `until`, a moment of time.monotonic.
    """
    for attempt in range(retries):
        try:
            return work()
        except Again as error:
            pause = error.wait if error.wait is not None else backoff * 2**attempt * (0.5 + random.random())  # noqa: S311  # spreads the load
            pause = min(pause, LONGEST_WAIT)
            if time.monotonic() + pause > until:
                raise
        time.sleep(pause)
    return work()


def retry_after(value: str | None) -> float | None:
    """Returns the seconds of a Retry-After header, given as a number or a date; None if it is not usable."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(seconds, 0.0)
