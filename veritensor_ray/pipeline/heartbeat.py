"""Makes items in a separate thread, so that a consumer hears something even while the next item takes long. It does not depend on Ray."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from typing import Any, TypeVar

T = TypeVar("T")
_END: Any = object()
_SLICE = 0.5  # seconds after which an interrupt of the consumer is noticed


class Stopped(BaseException):
    """Ends the making of items that nobody wants any more. It is not an Exception, so that no boundary of an artifact holds it up."""


class _Maker(threading.Thread):
    """A thread that does one thing after the other. It does not keep the process alive."""

    def __init__(self) -> None:
        super().__init__(name="maker", daemon=True)
        self._wanted: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()

    def ask(self, work: Callable[[], T]) -> Future[T]:
        """Return the future result of some work."""
        result: Future[T] = Future()
        self._wanted.put((result, work))
        return result

    def run(self) -> None:
        while True:
            result, work = self._wanted.get()
            try:
                result.set_result(work())
            except BaseException as error:  # noqa: BLE001  # the consumer raises it
                result.set_exception(error)
            del result, work  # an idle thread keeps no batch


@functools.cache
def _maker() -> _Maker:
    """Return the thread of this process: always the same one, because some libraries tie their objects to a thread."""
    maker = _Maker()
    maker.start()
    return maker


def with_beats(items: Iterator[T], every: float, stop: threading.Event) -> Generator[T | None]:
    """Yield the items, and None whenever the next one has taken another `every` seconds.

    An item is made only when it is asked for. If the consumer ends early, `stop` is set, and this waits until the maker has raised Stopped
    or finished its item.
    """
    maker = _maker()
    try:
        while True:
            made = maker.ask(lambda: next(items, _END))
            waited = 0.0
            while not wait([made], _SLICE).done:
                waited += _SLICE
                if waited >= every:
                    waited = 0.0
                    yield None
            if (item := made.result()) is _END:
                return
            yield item
            del item, made
    finally:
        stop.set()
        maker.ask(items.close if hasattr(items, "close") else lambda: None).result()
