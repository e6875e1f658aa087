"""Texts of different views, collected to blocks of bounded size; it knows no format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from veritensor_ray.extract.source import Item
from veritensor_ray.segments import Block, Origin

_ROWS = 4096
_CHARS = 4 << 20
_ORIGINS = 1 << 16


class _Bucket:
    """Texts of one view."""

    __slots__ = ("chars", "columns", "notices", "origins", "owned", "pieces", "texts", "whole")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.origins: list[Sequence[Origin]] = []
        self.columns: list[str | None] = []
        self.notices: list[str | None] = []
        self.owned: list[int] = []
        self.chars = self.pieces = 0
        self.whole = True

    @property
    def full(self) -> bool:
        return self.chars >= _CHARS or self.pieces >= _ORIGINS or len(self.texts) >= _ROWS


class Writer:
    """What a reader of marked-up text has found; `part` names the one that texts belong to now, `ready` is for the reader to give out."""

    def __init__(self, via: str | None = None, part: str | None = None) -> None:
        self._via, self.part = via, part
        self._buckets: dict[tuple[str, str | None], _Bucket] = {}
        self.ready: list[Item] = []

    def add(
        self,
        view: str,
        text: str,
        origins: Sequence[Origin],
        column: str | None = None,
        owned: int | None = None,
        notice: str | None = None,
    ) -> None:
        """A text; what is only white space is none."""
        if not text or text.isspace():
            return
        key = view, self.part
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket()
        bucket.texts.append(text)
        bucket.origins.append(origins)
        bucket.columns.append(column)
        bucket.notices.append(notice)
        bucket.owned.append(len(text) if owned is None else owned)
        bucket.whole &= owned is None or owned == len(text)
        bucket.chars += len(text)
        bucket.pieces += len(origins)
        if bucket.full:
            self._give(key)

    def source(self, view: str, text: str, start: int, line: int, column: str | None = None, notice: str | None = None) -> None:
        """A text that is the file's own characters."""
        self.add(view, text, [Origin(0, start, start + len(text), line)], column, None, notice)

    def _give(self, key: tuple[str, str | None]) -> None:
        bucket = self._buckets.pop(key)
        self.ready.append(
            Block(
                bucket.texts,
                column=bucket.columns if any(bucket.columns) else None,
                part=key[1],
                view=key[0],
                decoded_via=self._via,
                origins=bucket.origins,
                owned=None if bucket.whole else bucket.owned,
                notice=bucket.notices if any(bucket.notices) else None,
            )
        )

    def drain(self) -> Iterator[Item]:
        """What is ready."""
        ready, self.ready = self.ready, []
        yield from ready

    def rest(self) -> Iterator[Item]:
        """All that is left."""
        for key in list(self._buckets):
            self._give(key)
        yield from self.drain()
