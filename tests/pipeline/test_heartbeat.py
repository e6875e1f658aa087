"""Items that are made in a separate thread: their order, the beats in between, and what happens when the consumer leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from veritensor_ray.pipeline import heartbeat
from veritensor_ray.pipeline.heartbeat import Stopped, with_beats


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_SLICE", 0.01)


def test_the_items_come_in_order_and_each_is_made_only_when_it_is_asked_for() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            yield number

    for got in with_beats(items(), 1e9, threading.Event()):
        assert made[-1] == got, "nothing is made ahead"
    assert made == [0, 1, 2, 3]


def test_one_thread_makes_everything_since_some_libraries_tie_their_objects_to_it() -> None:
    def here() -> Iterator[threading.Thread]:
        yield threading.current_thread()

    assert len({*with_beats(here(), 1e9, threading.Event()), *with_beats(here(), 1e9, threading.Event())}) == 1


def test_while_an_item_takes_long_there_are_beats() -> None:
    enough, heard = threading.Event(), 0

    def items() -> Iterator[str]:
        yield "first"
        enough.wait()
        yield "second"

    got = []
    for item in with_beats(items(), 0.02, threading.Event()):
        heard += item is None
        if heard == 3:
            enough.set()
        got += [item] if item else []
    assert got == ["first", "second"]
    assert heard >= 3


def test_an_error_reaches_the_consumer() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(with_beats(items(), 1e9, threading.Event()))


def test_a_consumer_that_leaves_ends_the_maker_before_anything_else_is_made() -> None:
    stop, ended = threading.Event(), []

    def items() -> Iterator[int]:
        try:
            yield 1
            while not stop.wait(0.001):
                pass
            raise Stopped
        finally:
            ended.append(True)

    consumer = with_beats(items(), 0.01, stop)
    assert [next(consumer), next(consumer)] == [1, None]
    consumer.close()
    assert ended == [True]
    assert list(with_beats(iter([7]), 1e9, threading.Event())) == [7]
