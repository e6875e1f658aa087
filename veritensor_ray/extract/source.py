"""What a reader is given and what it counts; it knows no reader."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from veritensor_ray.config import Limits
from veritensor_ray.extract.budget import Budget
from veritensor_ray.extract.sniff import Kind
from veritensor_ray.extract.zip_format import Directory
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
    its path. `front_read` says that what stands in front of an archive was read as what it is. `directory` is the zip directory at
    the end of `file`, where one was looked for already. `budget` counts what is made out of the artifact that the file belongs to; without one the file is an artifact.
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
    front_read: bool = True
    directory: Directory | None = None
    counts: Counts = field(default_factory=Counts)
    budget: Budget = field(default=None)  # type: ignore[assignment]  # never None once it is made

    def __post_init__(self) -> None:
        if self.budget is None:
            object.__setattr__(self, "budget", Budget(self.limits, _size(self.file, self.limits)))


def _size(file: BinaryIO, limits: Limits) -> int:
    """Bytes of a file that stands at its beginning. Of a stream there may be any number: no ratio is suspicious."""
    if not file.seekable():
        return int(limits.expanded_bytes)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


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
