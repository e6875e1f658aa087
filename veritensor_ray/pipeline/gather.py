"""Blocks of many files gathered to about a megabyte, and which of their texts may hide something; it knows no engine and no Ray.

A file is often one small text: to make its columns, and to look for suspects in it, costs more than to read it. So that is done for
the texts of many files at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from veritensor_ray.config import Limits
from veritensor_ray.detection import FileInfo
from veritensor_ray.extract.layers import suspects
from veritensor_ray.segments import Block, Identity, cut, texts_of

if TYPE_CHECKING:
    from veritensor_ray.pipeline.walk import Walk

ENOUGH = 1 << 20  # bytes of text, about: what stays in a processor's cache while it is looked at

Suspects = Mapping[int, Collection[str]]  # numbers of texts of a block, each with the encodings that it may be in
Part = tuple[Block, Identity]  # a block whose texts are not too long, and its file


@dataclass(frozen=True, slots=True)
class Placed:
    """A block and the file that it comes from, at `depth` in the artifact of `walk`.

    `plain` says that it may hide something: what came out of an encoding has been looked into already.
    """

    block: Block
    identity: Identity
    walk: Walk
    about: FileInfo
    depth: int = 0
    plain: bool = True


class BlockPile:
    """Blocks that become one batch."""

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
        """One more."""
        self.parts.append(part)
        self._rows += len(part[0].texts)
        self._bytes += _size(part[0])


class Gatherer(BlockPile):
    """Blocks of which nobody knows yet what they hide."""

    def _begin(self) -> None:
        super()._begin()
        self._blocks: list[Placed] = []

    def place(self, placed: Placed) -> int:
        """Take a block; returns how many segments it is."""
        piece = cut(placed.block, self._limits)
        self._blocks.append(placed)
        self.add((piece, placed.identity))
        return len(piece.texts)

    def take(self) -> list[tuple[Placed, Part, Suspects | None]]:
        """All of them, with the suspects among their texts (None: it was cut, and has to be looked at as a whole)."""
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
    """Of each block."""
    starts = np.cumsum([0, *(len(block.texts) for block in blocks)])
    found: list[dict[int, Collection[str]]] = [{} for _ in blocks]
    for row, among in suspects(texts_of(blocks)).items():
        number = int(np.searchsorted(starts, row, side="right")) - 1
        found[number][row - int(starts[number])] = among
    return found
