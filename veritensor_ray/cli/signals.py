"""SIGTERM ends a command in the same way as Ctrl-C: what is under way is let go of in order, and only the exit code differs."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
_received: set[int] = set()


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """A block in which SIGTERM does what SIGINT does: asyncio cancels what is under way, and KeyboardInterrupt follows."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _received.clear()


def _interrupt(number: int, frame: FrameType | None) -> None:
    if number in _received:
        return  # whoever asks twice gets one orderly end
    _received.add(number)
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # a shell has its background jobs ignore SIGINT
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)  # called, not raised as a signal: an event loop that waits would not notice that


def ending() -> tuple[str, int]:
    """The word and the exit code for a KeyboardInterrupt."""
    return ("terminated", TERMINATED) if signal.SIGTERM in _received else ("interrupted", INTERRUPTED)
