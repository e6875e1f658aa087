"""Finds the rows of a batch whose column, or a name beside them, suggests a secret or a cookie, and the file of each row."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from veritensor_ray.engines.secrets.assigned_names import NameKind, kind_of

_BESIDE = 3  # rows between a value and its name in an object such as `{"key": "token", "type": "string", "value": …}`
_LONGEST = 100
_COOKIE_HEADER = re.compile(r"(?:^|[.\]])(?:set-)?cookie(?:\[\])?$", re.IGNORECASE)
_COOKIE_LIST = re.compile(r"cookies?\[\]\.$", re.IGNORECASE)
# A folder of tests or of their data, or a file named as the test runners of Python, Go, JavaScript, Ruby, Java and .NET expect.
_TEST = re.compile(
    r"(?:^|/)(?:tests?|__tests__|specs?|testdata|test[_-]?(?:data|fixtures?|resources)|fixtures?|mocks?|unittests?|[\w.-]{1,60}[._-][Tt]ests?)/"
    r"|(?:^|/)(?:test_[^/]*|conftest)\.py$|[_.-](?:test|tests|spec|mock)\.\w{1,5}$|[a-z](?:Tests?|Spec|IT)\.(?:java|kt|kts|scala|groovy|cs|vb|swift|php)$"
)


class Where:
    """The surroundings of a batch's rows. `telling` maps rows whose name suggests a secret to that name.

    `cookies` maps rows that hold a cookie to its name, which is empty for a whole header.
    """

    def __init__(self, texts: pa.RecordBatch) -> None:
        self._paths = texts.column("path")
        self._row, self._last = -1, ""
        self.telling: dict[int, str] = {}
        self.cookies: dict[int, str] = {}
        column, names = texts.column("column"), texts.column("column").dictionary.to_pylist()
        for row, name in _told(names, column.indices, texts.column("text")):
            if kind_of(name) is not NameKind.NONE:
                self.telling[row] = name
            elif _COOKIE_HEADER.search(name):
                self.cookies[row] = ""
        self.cookies |= dict(_pairs(names, column.indices, texts.column("text"), _COOKIE_LIST))

    def same_file(self, row: int, other: int) -> bool:
        """Return whether two rows come from the same file."""
        return bool(self._paths.indices[row] == self._paths.indices[other])

    def is_test(self, row: int) -> bool:
        """Return whether a row comes from a test or from what belongs to one."""
        return _is_test(self._path(row))

    def extension(self, row: int) -> str:
        return _extension(self._path(row))

    def _path(self, row: int) -> str:
        if row != self._row:  # hits in one text follow each other
            self._row, self._last = row, self._paths[row].as_py() or ""
        return self._last


def _told(columns: Sequence[str | None], indices: pa.Array, texts: pa.Array) -> Iterator[tuple[int, str]]:
    """Yield row and name of cells in a column such as `password`, and of values beside a name: `{"name": "DB_PASSWORD", "value": …}`."""
    named = {i: name for i, name in enumerate(columns) if name and (kind_of(name) is not NameKind.NONE or _COOKIE_HEADER.search(name))}
    if named:
        yield from ((row, named[i]) for row, i in enumerate(indices.to_pylist()) if i in named)
    yield from _pairs(columns, indices, texts)


def _pairs(
    columns: Sequence[str | None], indices: pa.Array, texts: pa.Array, within: re.Pattern[str] = re.compile("")
) -> Iterator[tuple[int, str]]:
    """Yield the rows of values in objects of a name and a value, with the name. The path of the object matches `within`."""
    paired = {i: name[:-5] for i, name in enumerate(columns) if name and name.endswith("value") and within.search(name[:-5])}
    if not paired:
        return
    rows = indices.to_pylist()
    for row, i in enumerate(rows):
        if i in paired:
            names = (paired[i] + "name", paired[i] + "key")
            at = next((other for other in _beside(rows, row) if rows[other] is not None and columns[rows[other]] in names), None)
            if at is not None:
                yield row, str(texts[at].as_py() or "")[:_LONGEST]


def _beside(rows: Sequence[int | None], row: int) -> Iterator[int]:
    """Yield the rows near a value that may be in the same object, up to the next value on either side; those before it come first."""
    for step, last in ((-1, max(-1, row - _BESIDE - 1)), (1, min(len(rows), row + _BESIDE + 1))):
        for other in range(row + step, last, step):
            if rows[other] == rows[row]:
                break
            yield other


@functools.lru_cache(maxsize=4096)
def _is_test(path: str) -> bool:
    return _TEST.search(path) is not None


@functools.lru_cache(maxsize=4096)
def _extension(path: str) -> str:
    name = re.split(r"/|!/", path)[-1].lower()
    return "env" if name.startswith(".env") or name.endswith(".env") else name.rpartition(".")[2] if "." in name[1:] else name
