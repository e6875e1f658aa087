"""A format in a single file: an invented one called a deck is recognized, read and rewritten.

A deck begins with the byte 0x89 and the line `deck`. Each card that follows is a line with its kind and its length in bytes, and then its
content. The last card is of the kind `end`, so that a deck that is cut off between two cards shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO, NamedTuple, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import Format
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.archives.members import member
from veritensor_ray.formats.common.file_ranges import copy_range, length
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders, Unit

_MAGIC = b"\x89deck\n"
_LONGEST = 100  # bytes in the line before a card

DECK = Format(
    media_type="application/x-deck",
    title="deck of cards",
    family="archive",
    extensions=(".deck",),
    magics=((0, _MAGIC),),
    read="deck_format:read_deck",
    rewrite="deck_format:rewrite_deck",
    version="1",
)


class Card(NamedTuple):
    """A card, counted from 0. Its line begins at byte `at`, and its content of `size` bytes at `start`."""

    number: int
    kind: bytes
    at: int
    start: int
    size: int

    @property
    def name(self) -> str:
        """The name of the card as a file inside the deck."""
        return f"card {self.number}"

    def content(self, file: BinaryIO) -> Window:
        """Return the content, which is not read yet."""
        return Window(file, self.start, self.size)


def read_deck(source: Source) -> Iterator[Item]:
    """Yield texts, with the number of their card as `row`, and files as members. Raises ReadError if the deck is cut off."""
    for card in _cards(source.file):
        if card.kind == b"file":  # the caller reads it piece by piece, recognizes its type, applies limits and scans it
            yield Member(card.name, cast("BinaryIO", Pieces(card.content(source.file).pieces())))
        elif card.kind not in (b"text", b"end"):
            yield Gap(f"{card.name} is of an unknown kind")
        elif card.size > bounds.HELD:
            yield Gap(f"the text of {card.name} has more than {bounds.HELD} bytes", bound="held_bytes")
        elif card.kind == b"text":
            yield Block([card.content(source.file).read(card.size).decode("utf-8", "replace")], row=card.number)


def rewrite_deck(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the deck with the ordered changes to its texts and to the files in it. Raises CannotRewriteError, ReadError."""
    out.write(_MAGIC)
    for card in _cards(source.file):
        orders.pulse()
        if card.number in orders.rows:  # the policy drops a row, rather than a part of its text
            orders.drop_row(card.number)
        elif card.kind == b"text" and card.size <= bounds.HELD and orders.concern(card.number):
            out.write(_text(source, card, orders))
        elif card.kind == b"file" and (new := _file(source, card, orders)):
            with closing(new):
                size = length(new)
                out.write(b"file %d\n" % size)
                copy_range(new, out, 0, size, orders.pulse)
        else:
            copy_range(source.file, out, card.at, card.start + card.size, orders.pulse)


def _text(source: Source, card: Card, orders: Orders) -> bytes:
    """Return a card with its new text. What cannot be decoded could not be written again, so nobody may change a text with such bytes."""
    try:
        old = card.content(source.file).read(card.size).decode()
    except UnicodeDecodeError:
        raise CannotRewriteError(f"the text of {card.name} is not in UTF-8") from None
    new = orders.cell(Unit(row=card.number), old).encode()
    return b"text %d\n%s" % (len(new), new)


def _file(source: Source, card: Card, orders: Orders) -> BinaryIO | None:
    """Return the new content of a file, rewritten by the rewriter of its own format, or None if it stays as it is."""
    inner = orders.member_orders(card.name)
    return member(card.name, cast("BinaryIO", Pieces(card.content(source.file).pieces())), source, inner) if inner else None


def _cards(file: BinaryIO) -> Iterator[Card]:
    """Yield the cards one by one, the last one included. Raises ReadError where the deck is cut off."""
    size, at, number, kind = length(file), len(_MAGIC), 0, b""
    while kind != b"end":
        file.seek(at)
        line = file.readline(_LONGEST)
        kind, _, count = line.strip().partition(b" ")
        if not count.isdigit():
            raise ReadError(f"no card begins at byte {at}" if at < size else "the deck has no last card")
        card = Card(number, kind, at, at + len(line), int(count))
        yield card
        at, number = card.start + card.size, number + 1
        if at > size:
            raise ReadError(f"the deck ends in the middle of {card.name}")
