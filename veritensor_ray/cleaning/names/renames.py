"""The names that parts of paths get in the copy, as a table for all workers: files and folders of the corpus, by their old names.

The table travels as columns, which Ray shares between the processes of a machine. Each process builds its search once; its time grows with
the text and the names that stand in it, whatever the names are.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote

import pyarrow as pa
from ahocorasick_rs import BytesAhoCorasick, Implementation

from veritensor_ray.core import bounds

TABLE = pa.schema([("old", pa.binary()), ("new", pa.string()), ("bare", pa.bool_())])
_SHORTEST = 4  # bytes of a name that is looked for; shorter ones stand everywhere by chance
_AT_ONCE = 1 << 16  # bytes that are searched together, because all their matches are held in memory
_KEPT_PLAIN = "@:!$&'()*+,;=[]"  # characters that a URL may have as they are, if its author wrote them so


class RenamedPart(NamedTuple):
    """A part of a path, its name in the copy, and whether it is recognized without a slash beside it, as `cv_ada@kaldor-mail.com.pdf` is.

    A folder or a file that has the name of an address, and nothing else, is not: without a slash, this is the address.
    """

    old: str
    new: str
    bare: bool


class FoundName(NamedTuple):
    """Bytes of a text that are the name of an entry of the table."""

    start: int
    end: int
    bare: bool


@dataclass(frozen=True)
class Renames:
    """New names by old ones, in the order of the old ones. It is `complete` unless there were more than `bounds.RENAMES`."""

    table: pa.Table = field(compare=False, repr=False)  # by `TABLE`, each column in one piece
    digest: str  # of the old names, by which a process knows the search that it has built
    complete: bool = True

    @classmethod
    def of(cls, parts: Iterable[RenamedPart]) -> Renames | None:
        """Return the table; None if nothing is renamed. Of a part with several new names, which a policy for paths can cause, one is chosen."""
        chosen: dict[bytes, RenamedPart] = {}
        complete = True
        for part in parts:
            key = name_bytes(part.old)
            other = chosen.get(key)
            if other is None and len(chosen) >= bounds.RENAMES:
                complete = False
                continue
            chosen[key] = part if other is None else RenamedPart(part.old, min(part.new, other.new), part.bare or other.bare)
        if not chosen:
            return None
        digest = hashlib.sha256()
        for old in sorted(chosen):
            digest.update(len(old).to_bytes(8, "big") + old)
        return cls(as_table(chosen[old] for old in sorted(chosen)), digest.hexdigest(), complete)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __contains__(self, part: str) -> bool:
        return self._row(name_bytes(part)) is not None

    def new(self, text: str) -> str | None:
        """Return the new name for one that stands in a text: with the escapes of a URL if it has some. None if it is not in the table."""
        if (row := self._row(name_bytes(text))) is not None:
            return str(self.table["new"][row].as_py())
        if (row := self._row(name_bytes(unquote(text)))) is None:
            return None
        kept = "".join(one for one in _KEPT_PLAIN if one in text)
        return quote(self.table["new"][row].as_py(), safe=kept)

    def found(self, data: bytes) -> Iterator[FoundName]:
        """Yield where names stand, also within longer words: in order, and of those that begin together, the longest first."""
        search, rows, longest = _search(self)
        if search is None:
            return
        bare = self.table["bare"]
        for start in range(0, len(data), _AT_ONCE):
            piece = data[start : start + _AT_ONCE + longest - 1]
            for name, first, last in sorted(search.find_matches_as_indexes(piece, overlapping=True), key=_in_order):
                if first < _AT_ONCE:
                    yield FoundName(start + first, start + last, bare[rows[name]].as_py())

    def _row(self, old: bytes) -> int | None:
        row = bisect_left(range(len(self)), old, key=self._old)
        return row if row < len(self) and self._old(row) == old else None

    def _old(self, row: int) -> bytes:
        return bytes(self.table["old"][row].as_py())


def _in_order(match: tuple[int, int, int]) -> tuple[int, int]:
    _, first, last = match
    return first, -last


@lru_cache(2)
def _search(renames: Renames) -> tuple[BytesAhoCorasick | None, list[int], int]:
    """Return what finds the names of a table, the row of each, and the length of the longest."""
    olds = renames.table["old"].to_pylist()
    rows = [row for row, old in enumerate(olds) if len(old) >= _SHORTEST]
    sought = [olds[row] for row in rows]
    search = BytesAhoCorasick(sought, implementation=Implementation.ContiguousNFA) if sought else None
    return search, rows, max(map(len, sought), default=0)


def name_bytes(name: str) -> bytes:
    """Return the bytes of a name, as texts have them."""
    return name.encode("utf-8", "surrogatepass")


def as_table(parts: Iterable[RenamedPart]) -> pa.Table:
    """Return parts as a table, in which they travel."""
    rows = [(name_bytes(one.old), one.new.encode("utf-8", "replace").decode(), one.bare) for one in parts]
    return pa.table([[row[column] for row in rows] for column in range(len(TABLE))], TABLE)


def of_tables(tables: Iterable[pa.Table]) -> Renames | None:
    """Return the renames of some tables; see `Renames.of`."""
    return Renames.of(
        RenamedPart(old.decode("utf-8", "surrogatepass"), new, bare)
        for table in tables
        for batch in table.to_batches()
        for old, new, bare in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )


__all__ = ["FoundName", "RenamedPart", "Renames", "as_table", "name_bytes", "of_tables"]
