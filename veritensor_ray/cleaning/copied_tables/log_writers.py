"""What the log of a copied table is made of, for each kind of table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from veritensor_ray.core.table_view import TableView


class DataCopy(NamedTuple):
    """A data file of a copy: its name in the table's folder, its size, how many rows were dropped, whether it was written again, and its view."""

    name: str | bytes
    size: int
    dropped: int
    is_new: bool
    view: TableView


class LogWriter(NamedTuple):
    """How a kind of table has its log: the only file of it, the type of that, and what makes its content.

    The content is made from the artifact of the table's folder, from what views say about the table, and from its data files. That may raise
    ReadError.
    """

    commit: str
    media_type: str
    content: Callable[[str, Mapping[str, Any], Sequence[DataCopy]], bytes]


__all__ = ["DataCopy", "LogWriter"]
