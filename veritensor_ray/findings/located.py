"""Every place of the findings of one artifact, in columns of numbers, because there may be a million.

A place names its finding by a number, what it shares with many others by the number of a spot, and the key of its row by a number too. It
holds nothing of the text that was
found. It does not depend on engines.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from veritensor_ray.core import bounds
from veritensor_ray.findings.schema import PLACED
from veritensor_ray.findings.shown_keys import shown

_AT_ONCE = 65_536  # places that are decoded at a time
_NUMBERS = ("row", "line", "page", "byte_offset", "start", "end")
_NONE = -1


class PlaceTexts(NamedTuple):
    """What many places share. The names are as they are in the artifact, so they must be masked before they are stored."""

    rule_id: str
    severity: str
    member: str | None
    column: str | None
    part: str | None
    view: str | None


class Located:
    """The places of one artifact in the order in which they were reported. Those beyond a limit are only counted, in `lost`."""

    __slots__ = ("_facts", "_keys", "_limit", "_numbers", "_of_fact", "_of_key", "_of_spot", "_spots", "lost")

    def __init__(self, limit: int | None = None) -> None:
        self._limit = bounds.LOCATIONS if limit is None else limit
        self.lost = 0
        self._facts: dict[Any, int] = {}
        self._spots: dict[PlaceTexts, int] = {}
        self._keys: dict[str, int] = {}
        self._of_fact, self._of_spot, self._of_key = array("q"), array("q"), array("q")
        self._numbers = {name: array("q") for name in _NUMBERS}

    def __len__(self) -> int:
        return len(self._of_spot)

    def add(self, fact: Any | None, spot: PlaceTexts, location: Mapping[str, Any]) -> None:
        """Add a place of a fact; None stands for a fact that has no row."""
        if len(self) >= self._limit:
            self.lost += 1
            return
        self._of_fact.append(_NONE if fact is None else self._facts.setdefault(fact, len(self._facts)))
        self._of_spot.append(self._spots.setdefault(spot, len(self._spots)))
        key = location.get("key")
        self._of_key.append(_NONE if key is None else self._keys.setdefault(key, len(self._keys)))
        for name, column in self._numbers.items():
            value = location.get(name)
            column.append(_NONE if value is None else value)

    def merge(self, other: Located) -> None:
        """Add the places that another stage reported."""
        room = max(0, self._limit - len(self))
        self.lost += other.lost + max(0, len(other) - room)
        facts = _renumbered(self._facts, other._facts)
        spots, keys = _renumbered(self._spots, other._spots), _renumbered(self._keys, other._keys)
        self._of_fact.extend(_NONE if number == _NONE else facts[number] for number in other._of_fact[:room])
        self._of_spot.extend(spots[number] for number in other._of_spot[:room])
        self._of_key.extend(_NONE if number == _NONE else keys[number] for number in other._of_key[:room])
        for name, column in self._numbers.items():
            column.extend(other._numbers[name][:room])

    @property
    def spots(self) -> list[dict[str, Any]]:
        """The spots by number, as rows of a commit."""
        return [spot._asdict() for spot in self._spots]

    def keys(self, found_in: Collection[str]) -> list[dict[str, str]]:
        """Return the keys by number, as rows of a commit. `found_in` are the columns in which something was found."""
        return [{"key": shown(key, found_in)} for key in self._keys]

    def packed(self, facts: Mapping[Any, Any], samples: Sequence[int | None] = ()) -> bytes | None:
        """Return the places in reading order, as Arrow writes streams. The number of a fact is its position in `facts`, null if it is not there.

        `samples` has, for each spot, the row of places that have none.
        """
        if not len(self):
            return None
        row_of = {fact: number for number, fact in enumerate(facts)}
        kept = np.array([*(row_of.get(fact, _NONE) for fact in self._facts), _NONE], np.int64)  # the last one is for those without a fact
        columns = {"fact": kept[_array(self._of_fact)], "spot": _array(self._of_spot), "key": _array(self._of_key)}
        columns |= {name: _array(column) for name, column in self._numbers.items()}
        if any(sample is not None for sample in samples):
            numbers = np.array([_NONE if sample is None else sample for sample in samples], np.int64)
            columns["row"] = np.where(columns["row"] == _NONE, numbers[columns["spot"]], columns["row"])
        order = self._order(columns)
        return _written(pa.table([_nullable(columns[field.name][order], field) for field in PLACED], schema=PLACED))

    def _order(self, columns: Mapping[str, Any]) -> Any:
        """Return the positions of the places in reading order, which does not depend on the order in which stages reported them."""
        names = [[*map(_sortable, spot)] for spot in self._spots]
        ranks = np.empty(len(names), np.int64)
        ranks[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        return np.lexsort(
            [
                ranks[columns["spot"]],
                *(columns[name] for name in ("end", "start", "byte_offset", "line", "row", "page")),
            ]
        )


def _sortable(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "surrogatepass")


def _renumbered(mine: dict[Any, int], theirs: Mapping[Any, int]) -> list[int]:
    """Return my number of each of theirs, adding those that are new."""
    return [mine.setdefault(one, len(mine)) for one in theirs]


def _array(column: array[int]) -> Any:
    return np.frombuffer(column, np.int64)


def _nullable(values: Any, field: pa.Field) -> pa.Array:
    return pa.array(values, pa.int64(), mask=values == _NONE).cast(field.type)


def _written(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    with pyarrow.ipc.new_stream(buffer, table.schema, options=pyarrow.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table, max_chunksize=_AT_ONCE)
    return buffer.getvalue()


def unpacked(data: bytes) -> Iterator[pa.RecordBatch]:
    """Yield the places that `packed` wrote, some thousands at a time."""
    with pyarrow.ipc.open_stream(pa.BufferReader(data)) as reader:
        yield from reader


def named(
    batch: pa.RecordBatch,
    facts: Sequence[str | None],
    beyond: Sequence[str | None],
    spots: Sequence[Mapping[str, Any]],
    keys: Sequence[Mapping[str, Any]],
) -> pa.Table:
    """Return places with the id of their finding, the texts of their spot, and their key.

    `facts` are ids by the number of the fact, None for one that has no row; `beyond` are ids, by the number of the spot, of the findings
    that count places without a row of their own.
    """
    spot = batch.column("spot").to_numpy()
    fact = batch.column("fact").fill_null(_NONE).to_numpy()
    ids, others = pa.array([*facts, None], pa.string()).take(pa.array(fact % (len(facts) + 1))), pa.array(beyond, pa.string())
    found = {"finding_id": pa.compute.coalesce(ids, others.take(pa.array(spot)))}
    for name in PlaceTexts._fields[1:]:
        found[name] = pa.array([one[name] for one in spots], pa.string()).take(pa.array(spot))
    found["key"] = pa.array([one["key"] for one in keys], pa.string()).take(batch.column("key"))
    return pa.table(found | {name: batch.column(name) for name in _NUMBERS})
