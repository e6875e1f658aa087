"""Sorts binary values of tables and records into text, files of a known type, numbers and others."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.kind import HEAD_BYTES
from veritensor_ray.formats.common.source import Item, Member
from veritensor_ray.formats.images.structure import described
from veritensor_ray.formats.recognition import by_beginning, by_magic
from veritensor_ray.formats.residue.read import streams_in
from veritensor_ray.formats.residue.strings import strings

_CHARS = 4 << 20
_TEXTS = 4096
_SHORTEST_MAGIC, _SHORTEST_FILE = 8, 24  # shorter values match magics of two bytes by chance
_FEWEST_NUMBERS = 8
_HEAD = 8192
_COLUMNS = 50  # columns that get a gap each
_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})


class BlobValue(NamedTuple):
    """A binary value, its row and column, and its name as a member."""

    data: bytes
    row: int | None
    column: str
    name: str


def as_text(data: bytes) -> str | None:
    """The value as text, or None. Zeros and small numbers are valid UTF-8 too, but are not text."""
    if len(data.translate(None, _CONTROLS)) < 0.9 * len(data):
        return _as_utf16(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _as_utf16(data) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else None


def _as_utf16(data: bytes) -> str | None:
    if len(data) % 2 or len(data) < 8:
        return None
    marked = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    for codec, zeros in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
        if marked or zeros.count(0) > 0.6 * len(zeros):
            try:
                text = data.decode("utf-16" if marked else codec)
            except UnicodeDecodeError:
                return None
            return text if text.isprintable() or sum(c.isprintable() or c.isspace() for c in text) > 0.9 * len(text) else None
    return None


def is_numbers(data: bytes) -> bool:
    """Whether the value is a vector of floats of ordinary magnitude, such as an embedding."""
    return any(len(data) % width == 0 and len(data) >= _FEWEST_NUMBERS * width and _usual(data, width) for width in (4, 8))


def _usual(data: bytes, width: int) -> bool:
    values = np.abs(np.frombuffer(data, f"<f{width}"))
    with np.errstate(invalid="ignore"):
        return bool(np.all((values == 0) | ((values > 1e-12) & (values < 1e6))))


def is_picture(data: bytes) -> bool:
    """Whether the value is an image file."""
    return len(data) >= _SHORTEST_FILE and (by_beginning(data[:_HEAD]) or "").startswith("image/")


class Blobs:
    """Sorts binary values: strings become blocks and files become members. Images do too, unless they are to be read as images.

    All other values are counted by column.
    """

    def __init__(self, budget: Budget, pictures: bool = False) -> None:
        self._budget, self._pictures = budget, pictures
        self._unread: Counter[str] = Counter()

    def read(self, values: Iterable[BlobValue], via: str | None = None, part: str | None = None) -> Iterator[Item]:
        """Yield the blocks and members made from the values."""
        texts: list[tuple[str, BlobValue]] = []
        runs: list[tuple[str, BlobValue]] = []
        images: list[BlobValue] = []
        size = 0
        for value in values:
            if not value.data:
                continue
            data = value.data
            magic = len(data) >= _SHORTEST_MAGIC and by_magic(data[:HEAD_BYTES]) is not None
            if self._pictures and is_picture(data):
                images.append(value)
                yield from described(data, value.row, value.column, value.name, self._budget)
            elif not magic and (text := as_text(data)) is not None:
                texts.append((text, value))
            elif not magic and is_numbers(data):
                continue
            elif magic or (len(data) >= _SHORTEST_FILE and by_beginning(data[:_HEAD])):
                yield Member(value.name, io.BytesIO(data))
            else:
                self._unread[re.sub(r"\[\d+\]", "[]", value.column)] += 1
                runs += [(found.text, value) for found in strings(data)]
                yield from streams_in(data, value.name, self._budget)
            size += len(data)
            if size > _CHARS or len(texts) > _TEXTS:
                yield from _blocks(texts, runs, images, via, part)
                texts, runs, images, size = [], [], [], 0
        yield from _blocks(texts, runs, images, via, part)

    def gaps(self) -> Iterator[Gap]:
        """Yield a gap for each column whose values had no reader. Call it only once."""
        shown = self._unread.most_common(_COLUMNS)
        for column, count in shown:
            yield Gap(
                f"{count} binary values have no reader; only their readable strings were read",
                location=f"column {column}"[:200],
                count=count,
                coverage="no-reader",
            )
        if rest := sum(self._unread.values()) - sum(count for _, count in shown):
            yield Gap(f"{rest} binary values in other columns have no reader", count=rest, coverage="no-reader")
        self._unread.clear()


def _blocks(
    texts: list[tuple[str, BlobValue]], runs: list[tuple[str, BlobValue]], images: list[BlobValue], via: str | None, part: str | None
) -> Iterator[Block]:
    for found, how in ((texts, via), (runs, f"{via}+strings" if via else "strings")):
        if found:
            yield Block([text for text, _ in found], **_places([value for _, value in found]), part=part, decoded_via=how)
    if images:
        yield Block([""] * len(images), **_places(images), part=part, images=[value.data for value in images])


def _places(values: list[BlobValue]) -> dict[str, Any]:
    rows = [value.row for value in values] if values[0].row is not None else None
    return {"row": rows, "column": [value.column for value in values]}
