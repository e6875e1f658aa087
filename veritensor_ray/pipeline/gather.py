"""Collect blocks of many files into batches of about a megabyte and find the texts that may hide something.

A file is often one small text, and building its columns and searching it costs more than reading it. So both are done for the texts of many
files at once. It does not depend on engines or Ray.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.segments import Block, Identity, cut, texts_of
from veritensor_ray.formats.encoded_text import suspects

if TYPE_CHECKING:
    from veritensor_ray.pipeline.walk import Walk

ENOUGH = 1 << 20  # bytes of text, roughly what stays in a processor's cache while it is searched

Suspects = Mapping[int, Collection[str]]  # row numbers of texts in a block, each with the encodings it may be in
Part = tuple[Block, Identity]  # a block whose texts have been cut to the maximum length, and its file


@dataclass(frozen=True, slots=True)
class Placed:
    """A block and the file it comes from, at `depth` in the artifact of `walk`.

    `plain` is true if the block may still hide something; decoded text has already been searched.
    """

    block: Block
    identity: Identity
    walk: Walk
    about: FileInfo
    depth: int = 0
    plain: bool = True


class BlockPile:
    """A pile of blocks that become one batch."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._begin()

    def _begin(self) -> None:
        self.parts: list[Part] = []
        self._rows = self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self.parts)

    @property
    def full(self) -> bool:
        """Whether it is time to make the batch."""
        return self._bytes >= ENOUGH or self._rows >= self._limits.batch_rows

    def add(self, part: Part) -> None:
        """Add a block."""
        self.parts.append(part)
        self._rows += len(part[0].texts)
        self._bytes += _size(part[0])


class Gatherer(BlockPile):
    """A pile of blocks that have not been searched for hidden text yet."""

    def _begin(self) -> None:
        super()._begin()
        self._blocks: list[Placed] = []

    def place(self, placed: Placed) -> int:
        """Take a block and return the number of its segments."""
        piece = cut(placed.block, self._limits)
        self._blocks.append(placed)
        self.add((piece, placed.identity))
        return len(piece.texts)

    def take(self) -> list[tuple[Placed, Part, Suspects | None]]:
        """Return all blocks with the suspects among their texts.

        The suspects are None if the block was cut; it must then be searched as a whole.
        """
        blocks, parts = self._blocks, self.parts
        self._begin()
        found = _suspects([block for block, _ in parts])
        return [
            (placed, part, (rows if part[0] is placed.block else None) if rows and placed.plain else {})
            for placed, part, rows in zip(blocks, parts, found, strict=True)
        ]


def _size(block: Block) -> int:
    if block.images is not None:
        return sum(map(len, block.images))
    return int(block.texts.nbytes) if isinstance(block.texts, pa.Array) else sum(map(len, block.texts))


def _suspects(blocks: list[Block]) -> list[dict[int, Collection[str]]]:
    """Return the suspects of each block."""
    starts = np.cumsum([0, *(len(block.texts) for block in blocks)])
    found: list[dict[int, Collection[str]]] = [{} for _ in blocks]
    for row, among in suspects(texts_of(blocks)).items():
        number = int(np.searchsorted(starts, row, side="right")) - 1
        found[number][row - int(starts[number])] = among
    return found
