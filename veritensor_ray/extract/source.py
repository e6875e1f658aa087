"""What a reader is given and what it counts; it knows no reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from veritensor_ray.config import Limits
from veritensor_ray.extract.sniff import Kind
from veritensor_ray.segments import Block, Gap


@dataclass(slots=True)
class Counts:
    """Positions that the next part of a split artifact continues from."""

    lines: int = 0
    rows: int = 0
    chars: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """An open file for a reader.

    `file` is seekable unless `via` names a compression that it comes out of; it stands at the beginning. `row_groups` limits a
    Parquet file to some of its row groups; a byte range is already cut to whole lines. `name_says` is the media type that the name
    promises: a reader of text complains about malformed content only where the name promised it. `name` is the last component of
    its path.
    """

    file: BinaryIO
    kind: Kind
    limits: Limits
    extension: str = ""
    via: str | None = None
    row_groups: tuple[int, int] | None = None
    first_part: bool = True
    byte_base: int | None = 0
    name_says: str | None = None
    name: str = ""
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a file. `file` is read to its end, or not at all, before the reader goes on; its reads may raise ReadError.

    `name` is as the container gives it. `opaque` says that nobody expects a text in it (a tensor, a font): engines over bytes
    read it, and the lack of a reader is no news.
    """

    name: str
    file: BinaryIO
    opaque: bool = False


Item = Block | Gap | Member
Reader = Callable[[Source], Iterator[Item]]
