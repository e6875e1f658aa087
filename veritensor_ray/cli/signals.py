"""SIGTERM ends a command in the same way as Ctrl-C: what is under way is let go of in order, and only the exit code differs."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
_received: set[int] = set()


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """A block in which SIGTERM raises KeyboardInterrupt, by way of SIGINT: asyncio and Ray know how to end at that one."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _received.clear()


def _interrupt(number: int, _frame: object) -> None:
    if number not in _received:  # whoever asks twice gets one orderly end
        _received.add(number)
        signal.raise_signal(signal.SIGINT)


def ending() -> tuple[str, int]:
    """The word and the exit code for a KeyboardInterrupt."""
    return ("terminated", TERMINATED) if signal.SIGTERM in _received else ("interrupted", INTERRUPTED)
