"""SIGTERM ends a command in the same orderly way as Ctrl-C; only the exit code differs."""

from __future__ import annotations

import contextlib
import signal
import warnings
from collections.abc import Iterator
from types import FrameType

INTERRUPTED, TERMINATED, UNREAD = 128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGPIPE
_received: set[int] = set()


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Inside this block SIGTERM acts like SIGINT: asyncio cancels running work, then KeyboardInterrupt is raised."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _received.clear()


def _interrupt(number: int, frame: FrameType | None) -> None:
    if number in _received:
        return  # a second signal does not interrupt the orderly end
    _received.add(number)
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # shells make their background jobs ignore SIGINT
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)  # called directly: a waiting event loop would not notice a raised signal


def ending() -> tuple[str, int]:
    """Returns the word and the exit code for a KeyboardInterrupt.

    From here on, Python does not warn of a coroutine that the interrupt kept from its first step: nobody can do anything about it.
    """
    warnings.filterwarnings("ignore", r"coroutine .* was never awaited", RuntimeWarning)
    return ("terminated", TERMINATED) if signal.SIGTERM in _received else ("interrupted", INTERRUPTED)
