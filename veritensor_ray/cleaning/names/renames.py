"""The names that parts of paths get in the copy, as a table for all workers: files and folders of the corpus, by their old names.

A corpus of a million files may have as many of them. So the table is a few arrays, which Ray shares between the processes of a machine, and
the time that a search takes does not depend on their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa

from veritensor_ray.core import bounds

TABLE = pa.schema([("old", pa.binary()), ("new", pa.string()), ("bare", pa.bool_())])
_WIDTHS = (8, 4)  # first bytes of a name that are looked up at once; shorter names stand everywhere by chance
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_KEPT_PLAIN = "@:!$&'()*+,;=[]"  # characters that a URL may have as they are, if its author wrote them so
Numbers = np.ndarray[Any, np.dtype[Any]]


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


@dataclass(frozen=True, eq=False)
class Renames:
    """New names by old ones, in the order of the hashes of the old ones. It is `complete` unless there were more than `bounds.RENAMES`."""

    names: Numbers  # all bytes of the old and the new names in turn
    limits: Numbers  # of these names
    hashes: Numbers
    bare: Numbers
    anchors: tuple[_Anchors, ...]
    complete: bool = True

    @classmethod
    def of(cls, parts: Iterable[RenamedPart]) -> Renames | None:
        """Return the table; None if nothing is renamed. Of a part with several new names, which a policy for paths can cause, one is chosen."""
        chosen: dict[bytes, tuple[str, bool]] = {}
        complete = True
        for old, new, bare in parts:
            key = name_bytes(old)
            other = chosen.get(key)
            if other is None and len(chosen) >= bounds.RENAMES:
                complete = False
                continue
            chosen[key] = (new, bare) if other is None else (min(new, other[0]), bare or other[1])
        return cls._made(chosen, complete) if chosen else None

    @classmethod
    def _made(cls, chosen: Mapping[bytes, tuple[str, bool]], complete: bool) -> Renames:
        given = list(chosen)
        hashes = _Hashes(b"".join(given)).between(*_limits(given))
        ascending = np.argsort(hashes, kind="stable")
        olds = [given[number] for number in ascending.tolist()]
        pieces = [piece for old in olds for piece in (old, name_bytes(chosen[old][0]))]
        return cls(
            np.frombuffer(b"".join(pieces), np.uint8),
            np.fromiter(accumulate(map(len, pieces), initial=0), np.int64, len(pieces) + 1),
            hashes[ascending],
            np.fromiter((chosen[old][1] for old in olds), np.bool_, len(olds)),
            tuple(made for width in _WIDTHS if (made := _Anchors.of(olds, width)) is not None),
            complete,
        )

    def __len__(self) -> int:
        return len(self.hashes)

    def __contains__(self, part: str) -> bool:
        return self._number(name_bytes(part)) is not None

    def new(self, text: str) -> str | None:
        """Return the new name for one that stands in a text: with the escapes of a URL if it has some. None if it is not in the table."""
        if (number := self._number(name_bytes(text))) is not None:
            return self._name(2 * number + 1).decode("utf-8", "surrogatepass")
        if (number := self._number(name_bytes(unquote(text)))) is None:
            return None
        kept = "".join(one for one in _KEPT_PLAIN if one in text)
        return quote(self._name(2 * number + 1), safe=kept)

    def found(self, data: bytes) -> Iterator[FoundName]:
        """Yield where names stand, also within longer words: in order, and of those that begin together, the longest first."""
        near = [(anchors, at) for anchors in self.anchors if len(at := anchors.places(data))]
        if not near:
            return
        hashes, spots = _Hashes(data), list[tuple[int, int, int]]()
        for anchors, at in near:
            for size in anchors.sizes.tolist():
                starts = at[at + size <= len(data)]
                some = hashes.between(starts, starts + size)
                nearest = np.minimum(np.searchsorted(self.hashes, some), len(self.hashes) - 1)
                same = self.hashes[nearest] == some
                spots += [(start, -size, number) for start, number in zip(starts[same].tolist(), nearest[same].tolist(), strict=True)]
        for start, size, first in sorted(spots):
            if (number := self._among(first, data[start : start - size])) is not None:
                yield FoundName(start, start - size, bool(self.bare[number]))

    def _number(self, old: bytes) -> int | None:
        wanted = _Hashes(old).between(*_limits([old]))[0]
        first = int(np.searchsorted(self.hashes, wanted))
        return self._among(first, old) if first < len(self.hashes) and self.hashes[first] == wanted else None

    def _among(self, first: int, old: bytes) -> int | None:
        """Return the number of a name, which is that of the first one with its hash, or one after it."""
        for number in range(first, len(self.hashes)):
            if self.hashes[number] != self.hashes[first]:
                break
            if self._name(2 * number) == old:
                return number
        return None

    def _name(self, piece: int) -> bytes:
        return self.names[self.limits[piece] : self.limits[piece + 1]].tobytes()


@dataclass(frozen=True, eq=False)
class _Anchors:
    """The first bytes of names as numbers, in order, and the lengths that these names have."""

    width: int
    numbers: Numbers
    sizes: Numbers
    likely: Numbers  # whether a number may be among these, by its first bits after it was spread

    @classmethod
    def of(cls, names: Sequence[bytes], width: int) -> _Anchors | None:
        """Return the anchors of names that have at least this many bytes, and not enough for longer anchors."""
        most = min((other for other in _WIDTHS if other > width), default=1 << 30)
        some = [name for name in names if width <= len(name) < most]
        if not some:
            return None
        numbers = np.unique(np.fromiter((int.from_bytes(name[:width], "little") for name in some), np.uint64, len(some)))
        likely = np.zeros(1 << max(10, min(24, len(numbers).bit_length() + 4)), np.bool_)
        likely[_spread(numbers, len(likely))] = True
        return cls(width, numbers, np.unique(np.fromiter(map(len, some), np.int64, len(some))), likely)

    def places(self, data: bytes) -> Numbers:
        """Return where names may begin."""
        found = [np.zeros(0, np.int64)]
        for offset in range(self.width):
            count = (len(data) - offset) // self.width
            if count <= 0:
                break
            here = np.frombuffer(data, f"<u{self.width}", count, offset).astype(np.uint64, copy=False)
            at = np.flatnonzero(self.likely[_spread(here, len(self.likely))])
            nearest = np.minimum(np.searchsorted(self.numbers, here[at]), len(self.numbers) - 1)
            found.append(at[self.numbers[nearest] == here[at]] * self.width + offset)
        return np.concatenate(found)


class _Hashes:
    """The hashes of all parts of some bytes: equal ones of parts that are equal, wherever they are. Each takes the same time."""

    def __init__(self, data: bytes) -> None:
        powers = np.full(len(data) + 1, _FACTOR, np.uint64)
        powers[0] = 1
        self._sums = np.zeros(len(data) + 1, np.uint64)
        np.cumsum(np.frombuffer(data, np.uint8) * np.cumprod(powers)[:-1], out=self._sums[1:])
        powers[1:] = _INVERSE
        self._inverse = np.cumprod(powers)

    def between(self, starts: Numbers, ends: Numbers) -> Numbers:
        """Return the hashes of parts of the bytes."""
        made: Numbers = (self._sums[ends] - self._sums[starts]) * self._inverse[starts]
        return made


def _limits(names: Sequence[bytes]) -> tuple[Numbers, Numbers]:
    """Return where names begin and end that follow each other."""
    limits = np.fromiter(accumulate(map(len, names), initial=0), np.int64, len(names) + 1)
    return limits[:-1], limits[1:]


def _spread(numbers: Numbers, size: int) -> Numbers:
    """Return a place in a table of that size for each number."""
    return ((numbers * _FACTOR) >> np.uint64(65 - size.bit_length())).astype(np.int64)


def name_bytes(name: str) -> bytes:
    """Return the bytes of a name, as texts have them."""
    return name.encode("utf-8", "surrogatepass")


def as_table(parts: Iterable[RenamedPart]) -> pa.Table:
    """Return parts as a table, in which they travel."""
    rows = list(parts)
    columns = [
        [name_bytes(one.old) for one in rows],
        [one.new.encode("utf-8", "replace").decode() for one in rows],
        [one.bare for one in rows],
    ]
    return pa.table(columns, TABLE)


def of_tables(tables: Iterable[pa.Table]) -> Renames | None:
    """Return the renames of some tables; see `Renames.of`."""
    return Renames.of(
        RenamedPart(old.decode("utf-8", "surrogatepass"), new, bare)
        for table in tables
        for batch in table.to_batches()
        for old, new, bare in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )


__all__ = ["FoundName", "RenamedPart", "Renames", "as_table", "name_bytes", "of_tables"]
