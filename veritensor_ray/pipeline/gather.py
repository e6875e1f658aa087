"""Blocks of many files as batches of about a megabyte, and what may be hidden in their texts; it knows no engine and no Ray.

A file is often one small text: to make its columns, and to look for suspects in it, costs more than to read it. So that is done for
the texts of many files at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from veritensor_ray.config import Limits
from veritensor_ray.detection import FileInfo
from veritensor_ray.extract.layers import suspects
from veritensor_ray.segments import Block, Identity, cut, one_batch

if TYPE_CHECKING:
    from veritensor_ray.pipeline.walk import Walk

_ENOUGH = 1 << 20  # bytes of text, about: what stays in a processor's cache while it is looked at

Suspects = Mapping[int, Collection[str]]


@dataclass(frozen=True, slots=True)
class Placed:
    """A block and the file that it comes from, at `depth` in the artifact of `walk`; long texts are cut in `pieces`.

    `plain` says that it may hide something: what came out of an encoding has been looked into already.
    """

    block: Block
    identity: Identity
    walk: Walk
    about: FileInfo
    depth: int = 0
    plain: bool = True


class Gathered:
    """Blocks that wait for their batch."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._blocks: list[Placed] = []
        self._pieces: list[Block] = []
        self._rows = self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._blocks)

    @property
    def full(self) -> bool:
        """Whether it is time for `take`."""
        return self._bytes >= _ENOUGH or self._rows >= self._limits.batch_rows

    def add(self, placed: Placed) -> int:
        """Take a block; returns how many segments it is."""
        piece = cut(placed.block, self._limits)
        self._blocks.append(placed)
        self._pieces.append(piece)
        self._rows += len(piece.texts)
        self._bytes += _size(piece)
        return len(piece.texts)

    def take(self) -> tuple[pa.RecordBatch, list[tuple[Placed, Suspects | None]]]:
        """One batch of all blocks, and those that may hide something, with the suspects among their texts (None: whoever looks finds them)."""
        blocks, pieces = self._blocks, self._pieces
        self.__init__(self._limits)  # type: ignore[misc]
        batch = one_batch([(piece, placed.identity) for piece, placed in zip(pieces, blocks, strict=True)])
        return batch, list(_hiding(blocks, pieces, batch.column("text")))


def _size(block: Block) -> int:
    if block.images is not None:
        return sum(map(len, block.images))
    return int(block.texts.nbytes) if isinstance(block.texts, pa.Array) else sum(map(len, block.texts))


def _hiding(blocks: list[Placed], pieces: list[Block], texts: pa.Array) -> Iterator[tuple[Placed, Suspects | None]]:
    """Suspects by block; a text that was cut is looked at as a whole."""
    starts = np.cumsum([0, *(len(piece.texts) for piece in pieces)])
    found: dict[int, dict[int, Collection[str]]] = {}
    for row, among in suspects(texts).items():
        number = int(np.searchsorted(starts, row, side="right")) - 1
        found.setdefault(number, {})[row - int(starts[number])] = among
    for number, rows in found.items():
        if blocks[number].plain:
            yield blocks[number], rows if pieces[number] is blocks[number].block else None
