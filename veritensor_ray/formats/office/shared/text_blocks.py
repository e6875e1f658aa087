"""Collects texts into blocks of bounded size, grouped by view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from veritensor_ray.core.origins import Origin
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.office.shared.traced import Tracer

_TEXTS = 4096
_CHARS = 4 << 20
EVIDENCE = 4000  # maximum characters of a text with a notice


@dataclass(slots=True)
class _Bucket:
    """Texts with the same fields set."""

    texts: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    paragraphs: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    origins: list[Sequence[Origin]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class Texts:
    """The texts that have been read but not yet emitted.

    `part` is that of the texts added next; `chars` counts the characters of all texts ever added. With a `tracer`, it gets the texts
    instead, and none are kept.
    """

    def __init__(self, part: str | None) -> None:
        self.part = part
        self.chars = 0
        self.tracer: Tracer | None = None
        self._count, self._size = 0, 0
        self._buckets: dict[tuple[str | None, str, bool, bool, bool, bool, bool], _Bucket] = {}

    def add(
        self,
        text: str,
        view: str = "visible",
        *,
        column: str | None = None,
        row: int | None = None,
        paragraph: int | None = None,
        start: int = 0,
        origins: Sequence[Origin] | None = None,
        notice: str | None = None,
    ) -> None:
        """Add a text and its location. A text with a notice is cut, because it is shown as evidence."""
        if notice:
            text, start = text[:EVIDENCE], 0
        if self.tracer is not None:
            self.tracer.added(self.part, text, view, column, row, start, origins)
            return
        key = (self.part, view, row is None, column is None, paragraph is None, origins is None, notice is None)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket()
        bucket.texts.append(text)
        bucket.starts.append(start)
        if row is not None:
            bucket.rows.append(row)
        if column is not None:
            bucket.columns.append(column)
        if paragraph is not None:
            bucket.paragraphs.append(paragraph)
        if origins is not None:
            bucket.origins.append(origins)
        if notice is not None:
            bucket.notices.append(notice)
        self._count += 1
        self._size += len(text)
        self.chars += len(text)

    def repeat(self, text: str) -> None:
        """Note a text that repeats what has been added, and need not be read again."""
        if self.tracer is not None:
            self.tracer.repeated(self.part, text)

    def cell(self, row: int) -> None:
        """Note the row of the cell whose start tag came last."""
        if self.tracer is not None:
            self.tracer.placed(self.part, row)

    @property
    def full(self) -> bool:
        """Whether it is time to take the texts."""
        return self._count >= _TEXTS or self._size >= _CHARS

    def take(self) -> Iterator[Block]:
        """Yield what was collected since the last call."""
        buckets, self._buckets, self._count, self._size = self._buckets, {}, 0, 0
        for (part, view, no_row, no_column, no_paragraph, no_origins, no_notice), found in buckets.items():
            yield Block(
                found.texts,
                row=None if no_row else found.rows,
                column=None if no_column else found.columns,
                paragraph=None if no_paragraph else found.paragraphs,
                part=part,
                start=found.starts,
                view=view,
                origins=None if no_origins else found.origins,
                notice=None if no_notice else found.notices,
            )


@lru_cache(maxsize=20_000)
def column_name(index: int) -> str:
    """The letters of a sheet's column, counted from 0."""
    letters = ""
    index += 1
    while index > 0:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
