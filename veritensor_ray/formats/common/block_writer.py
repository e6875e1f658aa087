"""Collects texts of different views into blocks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from veritensor_ray.core.origins import Origin
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.source import Item

_CHARS = 4 << 20  # per block; each text and each origin adds a fixed number
_TEXT, _ORIGIN = 1024, 64


class _View:
    """The collected texts of one view."""

    __slots__ = ("columns", "notices", "origins", "owned", "room", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.origins: list[Sequence[Origin]] = []
        self.columns: list[str | None] = []
        self.notices: list[str | None] = []
        self.owned: list[int] = []
        self.room = _CHARS


class Writer:
    """The output of a reader of marked-up text. `part` is that of the texts added next; the reader yields the blocks in `ready`."""

    def __init__(self, via: str | None = None, part: str | None = None) -> None:
        self._via, self.part = via, part
        self._buckets: dict[tuple[str, str | None], _View] = {}
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
        """Add a text, unless it is only white space."""
        if not text or text.isspace():
            return
        key = view, self.part
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _View()
        bucket.texts.append(text)
        bucket.origins.append(origins)
        bucket.columns.append(column)
        bucket.notices.append(notice)
        bucket.owned.append(len(text) if owned is None else owned)
        bucket.room -= len(text) + _TEXT + _ORIGIN * len(origins)
        if bucket.room <= 0:
            self._give(key)

    def source(self, view: str, text: str, start: int, line: int, column: str | None = None, notice: str | None = None) -> None:
        """Add a text that consists of the file's own characters."""
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
                owned=None if bucket.owned == [*map(len, bucket.texts)] else bucket.owned,
                notice=bucket.notices if any(bucket.notices) else None,
            )
        )

    def drain(self) -> Iterator[Item]:
        """Yield the blocks that are ready."""
        ready, self.ready = self.ready, []
        yield from ready

    def rest(self) -> Iterator[Item]:
        """Yield everything that is left."""
        for key in list(self._buckets):
            self._give(key)
        yield from self.drain()
