"""Gives texts of tables the key of their row: the names and values of its key columns. `findings/shown_keys.py` says how keys are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.source import Item

TOO_LONG = "…"
_MOST = 64  # characters of a value that is shown


def written(names: Sequence[str], columns: Sequence[Sequence[str | None]]) -> list[str]:
    """Return the key of each row. `columns` holds the values of each name."""
    return [json.dumps([*zip(names, values, strict=True)]) for values in zip(*columns, strict=True)]


def bounded(value: str) -> str:
    """Return a value, or a sign that it is too long to be shown. It is not cut, since what is left might no longer be recognized as a secret."""
    return value if len(value) <= _MOST else TOO_LONG


def keyed(items: Iterator[Item], rows: Any, names: Sequence[str], columns: Sequence[Sequence[str | None]]) -> Iterator[Item]:
    """Yield items with keys for the texts of rows. `rows` has the numbers of these rows in order, `columns` the values of each name in them."""
    if not names or not len(rows):
        yield from items
        return
    keys = pa.array(written(names, [[value if value is None else bounded(value) for value in column] for column in columns]), pa.string())
    numbers = np.asarray(rows)
    for item in items:
        if isinstance(item, Block) and item.row is not None:
            wanted = np.atleast_1d(np.asarray(item.row))
            at = np.searchsorted(numbers, wanted).clip(max=len(numbers) - 1)
            found = keys.take(pa.array(at, mask=numbers[at] != wanted))
            yield replace(item, key=found[0].as_py() if isinstance(item.row, int) else found)
        else:
            yield item


__all__ = ["TOO_LONG", "bounded", "keyed", "written"]
