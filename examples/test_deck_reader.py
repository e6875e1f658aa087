"""Tests the example reader with a complete, a truncated and a hostile file."""

from __future__ import annotations

import io

import pytest
from deck_reader import read_deck

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Item, Member, Source

CARDS = (b"text 5\nHello", b"file 3\n\x7fEL", b"song 2\nla", "text 3\nüh".encode())
DECK = b"deck\n" + b"".join(CARDS)


def read(data: bytes) -> list[Item | bytes]:
    """Return everything that the reader yields, with the bytes of members instead of the members themselves."""
    items = read_deck(Source(io.BytesIO(data), Kind("application/x-deck"), Limits()))
    return [item.file.read() if isinstance(item, Member) else item for item in items]


def test_a_whole_deck() -> None:
    assert read(DECK) == [Block(["Hello"], row=0), b"\x7fEL", Gap("card 2 is of an unknown kind"), Block(["üh"], row=3)]


@pytest.mark.parametrize("missing", range(1, len(CARDS[-1])))
def test_what_is_cut_off_is_told(missing: int) -> None:
    with pytest.raises(ReadError):
        read(DECK[:-missing])


def test_a_card_too_large_to_be_held() -> None:
    size = bounds.HELD + 1
    assert read(b"deck\ntext %d\n" % size + bytes(size)) == [
        Gap(f"the text of card 0 has more than {bounds.HELD} bytes", bound="held_bytes")
    ]
