"""A reader in a single file, for an invented format called a deck.

A deck begins with the line `deck`. Each card that follows is a line with its kind and its length in bytes, and then its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window

_HEAD = len(b"deck\n")
_LONGEST = 100  # bytes in the line before a card


def read_deck(source: Source) -> Iterator[Item]:
    """Yield texts, with the number of their card as `row`, and files as members. Raises ReadError if the deck is cut off."""
    size, at, number = source.file.seek(0, 2), _HEAD, 0
    while at < size:
        source.file.seek(at)
        line = source.file.readline(_LONGEST)
        kind, _, length = line.strip().partition(b" ")
        if not length.isdigit():
            raise ReadError(f"no card begins at byte {at}")
        card = Window(source.file, at + len(line), int(length))
        at += len(line) + int(length)
        if kind == b"file":  # the caller reads it piece by piece, recognizes its type, applies limits and scans it
            yield Member(f"card {number}", cast("BinaryIO", Pieces(card.pieces())))
        elif kind != b"text":
            yield Gap(f"card {number} is of an unknown kind")
        elif int(length) > bounds.HELD:
            yield Gap(f"the text of card {number} has more than {bounds.HELD} bytes", bound="held_bytes")
        else:
            yield Block([card.read(int(length)).decode("utf-8", "replace")], row=number)
        if at > size:
            raise ReadError(f"the deck ends in the middle of card {number}")
        number += 1
