"""The input of a reader and the positions that it counts."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.core.table_view import TableView
from veritensor_ray.formats.archives.zip.structure import Directory
from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.kind import Kind


@dataclass(slots=True)
class Counts:
    """The positions from which the next part of a split artifact continues.

    `rows` is also the number of rows of a file that is a table. A file that consists of several has theirs in `tables`, by their `part`.
    The rows of an archive are its `samples`, by what the names of their files have in common.
    """

    lines: int = 0
    rows: int = 0
    chars: int = 0
    tables: dict[str, int] = field(default_factory=dict)
    samples: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """An open file for a reader.

    `file` is at its beginning, and seekable unless `via` names a compression that it is decoded from.
    `row_groups` limits a Parquet file to some of its row groups; a byte range is already cut to whole lines.
    `name_says` is the media type that the name promises: a text reader complains about malformed content only if the name promised it.
    `name` is the last component of the path.
    `front_read` says that any data before an archive has already been read.
    `directory` is the zip directory at the end of `file`, if it was already searched for.
    `budget` counts everything that is expanded from the artifact that the file belongs to; without one, the file is an artifact itself.
    `account` says which bytes of a seekable file its reader has interpreted. A reader that claims some has to claim all that it reads,
    since the rest is then searched for strings and files.
    `view` says what the snapshot of a table shows of a Parquet file that is one of its data files.
    `key` names the columns whose values are shown beside the row of a finding. A table need not have them.
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
    view: TableView | None = None
    key: tuple[str, ...] = ()
    account: ByteAccount = field(default_factory=ByteAccount)
    budget: Budget = field(default=None)  # type: ignore[assignment]  # never None after construction

    def __post_init__(self) -> None:
        if self.budget is None:
            object.__setattr__(self, "budget", Budget(self.limits, _size(self.file, self.limits)))


def _size(file: BinaryIO, limits: Limits) -> int:
    """The size in bytes of a file that is at its beginning. A stream may be of any length, so no ratio is suspicious for it."""
    if not file.seekable():
        return int(limits.expanded_bytes)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a file.

    `file` is read to its end, or not at all, before the reader continues; its reads may raise ReadError. `name` is as the container gives
    it. `opaque` says that no text is expected in it (a font): byte engines still read it, but a missing reader is not reported. `values` says
    that it consists of numbers, in which only long strings are searched. `guessed` says that it was found by its first bytes alone, so that
    damage in it proves nothing. `stray` says that it stands where no file belongs, such as behind the end, so that bytes in it which nobody
    knows are a gap.
    """

    name: str
    file: BinaryIO
    opaque: bool = False
    values: bool = False
    guessed: bool = False
    stray: bool = False


Item = Block | Gap | Member
Reader = Callable[[Source], Iterator[Item]]
