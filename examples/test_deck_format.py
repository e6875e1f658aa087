"""Tests the example of a format: with the contracts, and with what is special about decks."""

from __future__ import annotations

import io

from deck_format import DECK, read_deck

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.testing import ReaderContract, RewriterContract, SampleDocument

HEAD = b"\x89deck\n"
CARDS = (b"text 5\nHello", b"file 3\n\x7fEL", "text 14\nüber all text".encode(), b"end 0\n")


class TestReadingDecks(ReaderContract):
    row = DECK
    documents = (SampleDocument(HEAD + b"".join(CARDS), texts=("Hello", "über all text"), members=(b"\x7fEL",)),)


class TestRewritingDecks(RewriterContract):
    row = DECK
    documents = TestReadingDecks.documents


def items(data: bytes) -> list[Item]:
    return [*read_deck(Source(io.BytesIO(data), Kind(DECK.media_type), Limits()))]


def test_a_card_of_an_unknown_kind_is_a_gap_and_the_next_one_is_read() -> None:
    deck = HEAD + b"song 2\nla" + b"text 3\n" + "üh".encode() + b"end 0\n"
    assert items(deck) == [Gap("card 0 is of an unknown kind"), Block(["üh"], row=1)]


def test_a_card_too_large_to_be_held() -> None:
    size = bounds.HELD + 1
    assert items(HEAD + b"text %d\n" % size + bytes(size) + b"end 0\n") == [
        Gap(f"the text of card 0 has more than {bounds.HELD} bytes", bound="held_bytes")
    ]
