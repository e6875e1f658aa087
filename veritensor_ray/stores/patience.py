"""Waits while a store asks to slow down, longer each time, and then gives up. The libraries of stores do so for fewer answers and not as long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from veritensor_ray.core.retry import Again, persistent
from veritensor_ray.stores.store_errors import slowed

_RETRIES, _BACKOFF = 5, 1.0
_SECONDS = 60.0  # much less than a worker may spend without progress
T = TypeVar("T")


def patient(work: Callable[[], T], pulse: Callable[[], None] = lambda: None) -> T:
    """Return the result of `work`, or raise its error. While the store asks to slow down, call it again, and `pulse` before each pause."""

    def once() -> T:
        try:
            return work()
        except Exception as error:
            again = slowed(error)
            if again is None:
                raise
            pulse()
            raise again from error

    try:
        return persistent(once, _RETRIES, _BACKOFF, time.monotonic() + _SECONDS)
    except Again as given_up:
        said = given_up.__cause__ or given_up
    raise said  # not above, where it would become its own context
