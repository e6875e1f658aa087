"""Tests the example of a format: with the contracts, and with what is special about decks."""

from __future__ import annotations

import io

from deck_format import DECK, read_deck

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.testing import ReaderContract, RewriterContract, SampleDocument

HEAD = b"\x89deck\n"
CARDS = (b"text 5\nHello", b"file 3\n\x7fEL", "text 14\nüber all text".encode(), b"end 0\n")


class TestReadingDecks(ReaderContract):
    row = DECK
    documents = (SampleDocument(HEAD + b"".join(CARDS), texts=("Hello", "über all text"), members=(b"\x7fEL",)),)


class TestRewritingDecks(RewriterContract):
    row = DECK
    documents = TestReadingDecks.documents


def gaps(data: bytes) -> list[Gap]:
    items = read_deck(Source(io.BytesIO(data), Kind(DECK.media_type), Limits()))
    return [item for item in items if isinstance(item, Gap)]


def test_a_card_of_an_unknown_kind() -> None:
    assert gaps(HEAD + b"song 2\nlaend 0\n") == [Gap("card 0 is of an unknown kind")]


def test_a_card_too_large_to_be_held() -> None:
    size = bounds.HELD + 1
    assert gaps(HEAD + b"text %d\n" % size + bytes(size) + b"end 0\n") == [
        Gap(f"the text of card 0 has more than {bounds.HELD} bytes", bound="held_bytes")
    ]
