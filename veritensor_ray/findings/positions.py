"""Where hits stand: offsets in a segment led back to the lines, characters and bytes of the original; it knows no engine."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from zlib import crc32

import pyarrow as pa

from veritensor_ray.detection import Hit
from veritensor_ray.findings.concealment import CONTEXT, EVIDENCE
from veritensor_ray.origins import Origin, behind


class Columns:
    """Location columns of a batch, fetched when a hit first asks for them: most batches have none."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._cache: dict[str, Any] = {}
        self._lines: dict[int, list[int]] = {}
        self._texts: dict[int, str] = {}

    def _column(self, name: str) -> Any:
        if name not in self._cache:
            self._cache[name] = self._batch.column(name)
        return self._cache[name]

    @property
    def artifact(self) -> Any:
        if "artifacts" not in self._cache:
            self._cache["artifacts"] = self._batch.column("artifact").to_pylist()
        return self._cache["artifacts"]

    def text(self, row: int) -> str:
        if row not in self._texts:
            self._texts = {row: self._column("text")[row].as_py() or ""}  # hits come sorted: one at a time is enough
        return self._texts[row]

    def _origins(self, row: int) -> list[Origin]:
        return [Origin(**origin) for origin in self._column("origins")[row].as_py() or ()]

    def value(self, name: str, row: int) -> str | None:
        value: str | None = self._column(name)[row].as_py()
        return value

    def owned(self, row: int) -> int:
        value = self._column("owned")[row].as_py()
        return 1 << 62 if value is None else int(value)

    @property
    def repeats(self) -> bool:
        """Whether some texts of the batch are decoded or notices: what is in them may be in others, too."""
        if "repeats" not in self._cache:
            views, notices = self._batch.column("view").dictionary, self._batch.column("notice")
            self._cache["repeats"] = "decoded" in views.to_pylist() or notices.null_count < len(notices)
        return bool(self._cache["repeats"])

    def of_file(self, row: int) -> bool:
        """Whether characters are counted from the beginning of a file of lines."""
        origins = self._origins(row)
        line = origins[0].line if origins else self._column("line")[row].as_py()
        return line is not None and self._column("row")[row].as_py() is None

    def span(self, row: int, hit: Hit) -> tuple[int, int]:
        """The characters of the original that a hit stands for."""
        if origins := self._origins(row):
            return _extent(origins, len(self.text(row)), hit.start, max(hit.start + 1, hit.end))
        start = self._column("start")[row].as_py() or 0
        return start + hit.start, start + hit.end

    def derived(self, row: int, hit: Hit, text: str) -> dict[str, Any]:
        """Of a text that is not the original's: its number, the hit in it, the original's characters behind each of the three fields."""
        origins = self._origins(row)
        if not origins:
            return {}
        shown = min(hit.end, hit.start + EVIDENCE)
        edges = (max(0, hit.start - CONTEXT), hit.start, shown, min(len(text), shown + CONTEXT))
        fields = tuple(_extent(origins, len(text), first, last) for first, last in pairwise(edges))
        return {"text": crc32(text.encode("utf-8", "replace")), "start": hit.start, "end": hit.end, "fields": fields}

    def location(self, row: int, hit: Hit, text: str) -> dict[str, Any]:
        """Where a hit stands in the original: lines, characters and bytes counted from the beginning of its unit."""
        names = ("row", "column", "page", "part", "view", "decoded_via", "line", "byte_offset")
        found = {name: self._column(name)[row].as_py() for name in names}
        found["start"], found["end"] = self.span(row, hit)
        if origins := self._origins(row):
            origin, until = behind(origins, len(text), hit.start)
            below = text.count("\n", origin.at, hit.start) if origin.straight(until) else 0
            return found | {"line": None if origin.line is None else origin.line + below, "byte_offset": None}
        if found["line"] is not None:
            if row not in self._lines:
                self._lines = {row: [i for i, c in enumerate(text) if c == "\n"]}
            found["line"] += bisect_right(self._lines[row], hit.start - 1)
        if found["byte_offset"] is not None:
            found["byte_offset"] += len(text[: hit.start].encode("utf-8", "replace"))
        boxes = self._column("boxes")[row].as_py()
        if boxes:
            found["box"] = _union(boxes, hit)
        return found


def _back(origins: Sequence[Origin], length: int, at: int) -> tuple[int, int]:
    """Start and end in the original of one character of a text of that length."""
    origin, until = behind(origins, length, at)
    return origin.back(until, at)


def _extent(origins: Sequence[Origin], length: int, first: int, last: int) -> tuple[int, int]:
    """The characters of the original that those of a text come from."""
    if first >= last:
        return 0, 0
    return _back(origins, length, first)[0], _back(origins, length, last - 1)[1]


def _union(boxes: Sequence[Mapping[str, int]], hit: Hit) -> list[int]:
    """Left, top, right and bottom of the picture's part that holds a hit."""
    begins = [0, *(box["end"] for box in boxes)]
    inside = [
        box for box, begin in zip(boxes, begins, strict=False) if begin < max(hit.end, hit.start + 1) and hit.start < box["end"]
    ] or boxes
    edges = ((min, "left"), (min, "top"), (max, "right"), (max, "bottom"))
    return [int(pick(box[edge] for box in inside)) for pick, edge in edges]
