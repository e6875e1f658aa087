"""Rewrites RTF: the characters of a finding in the text as programs show it, wherever and however the file spells them.

The reader says from which bytes each character comes. Only these change; groups, formats and line ends stay.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from veritensor_ray.core.origins import Origin
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Edit, Order, OrderedRange, Orders, applied
from veritensor_ray.formats.editing.spans import UNSEEN_VIEWS
from veritensor_ray.formats.rtf.read import LARGEST, read_with_alternatives

# Bytes that one character, or several in one code page, may be written with; anything else among them says more than characters.
_SPELLED = re.compile(r"(?:\\'[0-9a-fA-F]{2}|\\u-?\d{1,9} ?|[^\\{}]|\\[^a-zA-Z{}])+|\\[{}]|\\[a-zA-Z]{1,32}(?:-?\d{1,9})? ?")
_OPEN_WORD = re.compile(r"\\[a-zA-Z]{1,32}(?:-?\d{1,9})?\Z")
_REACH = 64  # characters before a place in which a control word would begin
_WORDS = {"\t": "\\tab ", "\n": "\\line "}
_ABOUT = frozenset(
    ("title", "subject", "author", "manager", "company", "operator", "category", "keywords", "comment", "doccomm", "hlinkbase", "template")
)
_BY_WHOM = frozenset({"revtbl", "atnauthor", "atnid"})


class _RtfText(NamedTuple):
    """A text as the reader gave it, and which of its characters come from which bytes."""

    text: str
    view: str
    column: str | None
    origins: Sequence[Origin]
    starts: Sequence[int]  # of the origins, which ascend


class _RtfBytes(NamedTuple):
    """Bytes of the file, as characters, and what takes their place."""

    start: int
    end: int
    new: str


def rewrite_rtf(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the document with the ordered changes. Raises CannotRewriteError."""
    data = source.file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise CannotRewriteError(f"it has more than {LARGEST} bytes (rtf_bytes)", ReasonCode.LIMIT)
    out.write(_RtfChanges(data.decode("latin-1"), orders).changed().encode("latin-1"))


class _RtfChanges:
    """One document on its way into the copy. `alternatives` are what follows a character for programs that do not know it, by its end."""

    def __init__(self, raw: str, orders: Orders) -> None:
        self._raw, self._orders = raw, orders
        self._alternatives: dict[int, list[tuple[int, int]]] = {}
        self._ordered = {(unit.part, unit.column): _OrdersByByte(some) for unit, some in orders.units.items()}
        self._made: set[_RtfBytes] = set()

    def changed(self) -> str:
        """Return the document with its changes."""
        for part, text in self._texts():
            self._orders.pulse()
            known = self._ordered.get((part, text.column))
            found = [one for order in known.within(text) for one in self._ranges(order, text)] if known else []
            edits = self._orders.merged(found, text.text)
            if (kind := self._strips(text)) is not None:
                self._orders.stripped(kind)
                edits = [Edit(0, len(text.text), "")]
            if edits:
                self._replace(text, edits)
        return self._joined()

    def _joined(self) -> str:
        """Put the document together again, with a blank where a control word would otherwise go on in the text that now follows it."""
        pieces, tail, at = [], "", 0
        for start, end, new in _apart([*self._made, _RtfBytes(len(self._raw), len(self._raw), "")]):
            for piece in (self._raw[at:start], new):
                if piece and at and _goes_on(tail, piece[0]):
                    piece = f" {piece}"
                pieces.append(piece)
                tail = (tail + piece[-_REACH:])[-_REACH:]
            at = end
        return "".join(pieces)

    def _texts(self) -> Iterator[tuple[str | None, _RtfText]]:
        for block in read_with_alternatives(self._raw, self._alternatives):
            if isinstance(block, Block) and block.origins is not None:
                for number, (text, origins) in enumerate(zip(block.texts, block.origins, strict=True)):
                    column = block.column if block.column is None or isinstance(block.column, str) else block.column[number]
                    yield block.part, _RtfText(str(text), block.view, column, origins, [origin.start for origin in origins])

    def _strips(self, text: _RtfText) -> Strippable | None:
        """Return because of which kind of content a text goes, whether or not anything was found in it."""
        strip = self._orders.strip
        if text.view == "hidden" and Strippable.HIDDEN_TEXT in strip:
            return Strippable.HIDDEN_TEXT
        if text.view == "comment" and Strippable.COMMENTS in strip:
            return Strippable.COMMENTS
        if text.view == "metadata" and Strippable.METADATA in strip and text.column in _ABOUT | _BY_WHOM:
            return Strippable.METADATA
        return None

    def _ranges(self, order: Order, text: _RtfText) -> Iterator[OrderedRange]:
        """Yield the characters of a text that an order changes; none if they are not what its engine saw."""
        if order.action is Action.DROP_CELL:
            yield OrderedRange(0, len(text.text), order)
            return
        column = order.mark.column or ("" if order.mark.view in UNSEEN_VIEWS else None)  # such a text is stripped as a whole
        for start, end in _places(order, text) if order.action is not Action.DROP_ROW else ():
            mark = order.mark._replace(start=start, end=end, column=column)
            yield from (one._replace(order=order) for one in order._replace(mark=mark).spans(text.text))

    # Bytes

    def _replace(self, text: _RtfText, edits: Iterable[Edit]) -> None:
        """Note which bytes an edit replaces: those of its first character take the new text."""
        ats = [origin.at for origin in text.origins]
        coded: dict[int, list[Edit]] = {}  # changes of characters that share their bytes, by the number of their origin
        for start, end, new in edits:
            for number in range(max(0, bisect_right(ats, start) - 1), len(ats)):
                origin, until = text.origins[number], (ats[number + 1] if number + 1 < len(ats) else len(text.text))
                if origin.at >= end:
                    break
                if origin.start == origin.end:  # a blank that keeps apart what does not stand together
                    continue
                first, last = max(start, origin.at), min(end, until)
                if origin.straight(until):
                    begin = origin.start + first - origin.at
                    self._made.add(_RtfBytes(begin, begin + last - first, _spelled(new)))
                else:
                    coded.setdefault(number, []).append(Edit(first - origin.at, last - origin.at, new))
                new = ""
        for number, some in coded.items():
            origin, until = text.origins[number], (ats[number + 1] if number + 1 < len(ats) else len(text.text))
            self._write_anew(origin, applied(text.text[origin.at : until], some))

    def _write_anew(self, origin: Origin, text: str) -> None:
        """Replace all characters that share their bytes, and what stands for them in older programs."""
        if not _SPELLED.fullmatch(self._raw, origin.start, origin.end):
            raise CannotRewriteError(f"characters at byte {origin.start:,} are spread over several groups")
        self._made.add(_RtfBytes(origin.start, origin.end, _spelled(text)))
        for start, end in self._alternatives.get(origin.end, ()):
            self._made.add(_RtfBytes(start, end, ""))


class _OrdersByByte:
    """Orders by the place that they are about."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._orders = sorted(orders, key=lambda order: order.mark.start)
        self._starts = [order.mark.start for order in self._orders]

    def within(self, text: _RtfText) -> Iterator[Order]:
        """Yield the orders that may be about a text: over its bytes, and of its view unless something was decoded."""
        first, last = text.starts[0], text.origins[-1].end
        for order in self._orders[bisect_left(self._starts, first) : bisect_right(self._starts, last)]:
            if order.mark.end <= last and order.mark.view in (text.view, "decoded"):
                yield order


def _places(order: Order, text: _RtfText) -> Iterator[tuple[int, int]]:
    """Yield the characters of a text that a mark means; none if these are others than its engine saw.

    There are several if the value stands more than once among characters that share their bytes: then all marks are about the same bytes.
    """
    mark, first, last = order.mark, -1, 0
    for number in range(max(0, bisect_right(text.starts, mark.start) - 1), len(text.origins)):
        origin = text.origins[number]
        until = text.origins[number + 1].at if number + 1 < len(text.origins) else len(text.text)
        if origin.start >= mark.end:
            break
        if origin.end <= mark.start:
            continue
        single = origin.straight(until)
        if first < 0:
            first = origin.at + (max(0, mark.start - origin.start) if single else 0)
        last = until - (max(0, origin.end - mark.end) if single else 0)
    if first < 0:
        return
    if mark.text is None or mark.view == "decoded":
        yield first, last
        return
    at = text.text.find(mark.text, first, last)
    while at >= 0:
        yield at, at + len(mark.text)
        at = text.text.find(mark.text, at + max(1, len(mark.text)), last)


def _apart(made: Iterable[_RtfBytes]) -> Iterator[_RtfBytes]:
    """Yield replacements in order. Raises CannotRewriteError if two are about the same bytes."""
    at = 0
    for one in sorted(made):
        if one.start < at:
            raise CannotRewriteError(f"two texts are written with the same bytes at {one.start:,}")
        at = one.end
        yield one


def _spelled(text: str) -> str:
    """Return characters as any program reads them, in any code page."""
    found: list[str] = []
    for character in text:
        if character in "\\{}":
            found.append(f"\\{character}")
        elif " " <= character <= "~":
            found.append(character)
        else:
            found.append(_WORDS.get(character) or _numbered(character))
    return "".join(found)


def _numbered(character: str) -> str:
    """Return a character by its number, in a group in which no alternative follows it."""
    units = character.encode("utf-16-le", "surrogatepass")
    numbers = (int.from_bytes(units[at : at + 2], "little", signed=True) for at in range(0, len(units), 2))
    return "{\\uc0" + "".join(f"\\u{number} " for number in numbers) + "}"


def _goes_on(tail: str, following: str) -> bool:
    """Return whether a control word at the end of a text would go on in the character that follows, or take it as its end."""
    found = _OPEN_WORD.search(tail)
    if found is None or not (following.isalnum() or following in "- "):
        return False
    before = tail[: found.start() + 1]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1  # and it is not an escaped backslash


__all__ = ["rewrite_rtf"]
