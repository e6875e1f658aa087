"""Finds text that is hidden in other text by look-alike characters and encodings, and decodes it to a bounded depth.

Each decoded text keeps a map back to the original. This package does not depend on any file format.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from veritensor_ray.core import bounds
from veritensor_ray.core.origins import Array, Mapped, Origins, from_origins
from veritensor_ray.core.segments import Block, Gap, clean_array
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item, Member
from veritensor_ray.formats.encoded_text import encodings, hidden_characters
from veritensor_ray.formats.encoded_text.layer import Layer
from veritensor_ray.formats.encoded_text.text_rows import JoinedRows

DEPTH = bounds.LAYERS
_EVERYTHING = (hidden_characters.VIA, *encodings.ALL)
_LINE_END = re.compile("\n")
_MOST = bounds.LAYER_TEXTS  # so that a file that consists only of encoded words is read in bounded time


def suspects(texts: pa.Array) -> dict[int, set[str]]:
    """The row numbers of the texts that may hide something, in order, each with the encodings to try.

    This is a cheap test of all the texts at once.
    """
    rows: dict[int, set[str]] = {}
    joined = JoinedRows(texts)
    for row, what in (*hidden_characters.suspects(texts, joined), *encodings.suspects(joined)):
        rows.setdefault(row, set()).add(what)
    return dict(sorted(rows.items()))


def layers(block: Block, budget: Budget, rows: Mapping[int, Collection[str]] | None = None) -> Iterator[Item]:
    """Yield blocks with the view `decoded`, whose origins point at the original characters, and files that were encoded as text.

    `rows` are the suspects among the block's texts, if the caller already knows them. Raises the LimitExceeded of `budget`.
    """
    if block.images is not None or not len(block.texts):
        return
    array = block.texts if isinstance(block.texts, pa.Array) else None
    if rows is None:
        rows = suspects(array if array is not None else clean_array(block.texts))
    left = _MOST
    for row, among in rows.items():
        text = clean_array([block.texts[row]])[0].as_py() if array is None else array[row].as_py()
        parent = _Parent(block, row, text)
        seen: set[tuple[str, str, int]] = set()
        for found in _deep(Mapped(text), parent.via, among, 1):
            same = (found.via.rpartition("+")[2], found.mapped.text, int(found.mapped.starts[0]))
            if same in seen:  # a change around a token leaves the token unchanged
                continue
            seen.add(same)
            if found.deeper:
                yield Gap("encoded in more layers than the limit allows", location=parent.name + found.via, bound="layers")
            left -= 1
            budget.add(len(found.mapped.text if found.content is None else found.content))
            if isinstance(found.content, bytes):
                at = parent.place(found.mapped).starts[0]
                yield Member(f"{parent.name}{found.via}@{at}", io.BytesIO(found.content))
            else:
                yield parent.block(found)
            if left <= 0:
                yield Gap(
                    f"only the first {_MOST} encoded texts in a block were decoded", location=parent.name or None, bound="layer_texts"
                )
                return


def _deep(mapped: Mapped, via: str | None, among: Collection[str], depth: int) -> Iterator[Layer]:
    """Yield the layers in a text and the layers in those, with maps that lead to the first text."""
    seen = hidden_characters.look(mapped.text) if hidden_characters.VIA in among else ()
    for found in chain(seen, encodings.look(mapped.text, among)):  # lazily, so that a caller that has enough can stop
        name = f"{via}+{found.via}" if via else found.via
        last = depth == DEPTH and found.content is None
        placed = Layer(found.mapped.on(mapped), name, found.content, last and _holds_more(found.mapped.text))
        yield placed
        if not last and found.content is None:
            yield from _deep(placed.mapped, name, _EVERYTHING, depth + 1)


def _holds_more(text: str) -> bool:
    """Whether the text hides another layer."""
    return next(chain(hidden_characters.look(text), encodings.look(text, _EVERYTHING)), None) is not None


class _Parent:
    """The text of a block in which a layer was found: its location, and the map to the characters of the file."""

    def __init__(self, block: Block, row: int, text: str) -> None:
        self._block, self._row, self._text = block, row, text
        self._origins = None if block.origins is None else Origins.of(block.origins[row])
        self._own = Mapped(text) if self._origins is None else from_origins(text, self._origins)
        if self._origins is None and (start := _item(block.start, row)):
            self._own.starts, self._own.ends = self._own.starts + start, self._own.ends + start
        line = _item(block.line, row)
        self._first = None if line is None else int(line)
        self.via: str | None = block.decoded_via

    @property
    def name(self) -> str:
        """The location of the text, as the beginning of a member's name."""
        parts = [_item(getattr(self._block, name), self._row) for name in ("part", "row", "column")]
        return "".join(f"{part}/" for part in parts if part is not None)

    def place(self, mapped: Mapped) -> Mapped:
        """Convert a map to this text into a map to the file."""
        return mapped.on(self._own)

    @functools.cached_property
    def _line_ends(self) -> Array:
        return np.fromiter((found.start() for found in _LINE_END.finditer(self._text)), np.int64)

    def _lines(self, at: Array) -> Array:
        """The line of each of the given characters of this text; negative if the text has no line numbers."""
        if self._origins is not None and len(self._origins):
            return self._origins.lines_at(at, len(self._text), self._line_ends)
        if self._first is None:
            return np.full(len(at), -1, np.int64)
        return self._first + np.searchsorted(self._line_ends, at)

    def block(self, found: Layer) -> Block:
        """A decoded text as a separate block."""
        block, row = self._block, self._row
        number = _item(block.row, row)
        return Block(
            [found.mapped.text],
            row=None if number is None else int(number),
            column=_item(block.column, row),
            page=block.page,
            part=block.part,
            view="decoded",
            decoded_via=found.via,
            key=None if block.key is None else _item(block.key, row),
            origins=[self.place(found.mapped).origins(lambda firsts: self._lines(found.mapped.starts[firsts]))],
        )


def _item(value: Any, row: int) -> Any:
    if isinstance(value, pa.Array):
        return value[row].as_py()
    return value[row] if isinstance(value, Sequence) and not isinstance(value, str) else value
