"""Secrets: provider tokens with checksums, keys, connection strings, values under telling names; it knows neither Ray nor where texts come from."""

from __future__ import annotations

import bisect
import hashlib
import importlib.metadata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from veritensor_ray.config import Settings
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule
from veritensor_ray.engines.joined import JoinedBytes
from veritensor_ray.engines.secrets import words
from veritensor_ray.engines.secrets.scanning import Scanner, Where
from veritensor_ray.engines.secrets.secret_rules import all_rules
from veritensor_ray.engines.secrets.shaped import ShapedSecret
from veritensor_ray.models.model_store import ModelStore

__all__ = ["Secrets"]


class Secrets:
    """Words are looked for once in joined segments; what stands around each is then confirmed."""

    name = "secrets"
    version = "1"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._scanner: Scanner | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_scanner": None}  # compiled rules do not pickle

    def applies(self, about: FileInfo) -> bool:
        """To everything that text comes out of."""
        return True

    def load(self, models: ModelStore) -> None:
        """Compile the words; nothing is read from elsewhere."""
        self._scanner = self._scanner or Scanner()

    def rules(self) -> Sequence[Rule]:
        """All of them."""
        return all_rules()

    def fingerprint(self) -> str:
        """Of version, statistics and matcher."""
        parts = (self.version, importlib.metadata.version("yara-python"), repr(sorted(words.surprises().items())))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Hits by segment and place."""
        self._scanner = scanner = self._scanner or Scanner()
        where = Where(texts)
        hits: list[Hit] = []
        for joined in JoinedBytes.pieces(texts.column("text")):
            hits += _hits(joined, scanner.scan(joined, where))
        return hits


_GENERIC = {"generic-key": 1, "password": 1, "http-authorization": 1, "url-credentials": 1, "uuid": 2}  # the higher, the less it says


def _hits(joined: JoinedBytes, found: Iterable[ShapedSecret]) -> Iterator[Hit]:
    """Of what overlaps the more specific, then the better proven, then the longer one."""
    starts: list[int] = []
    kept: dict[int, ShapedSecret] = {}
    for one in sorted(found, key=lambda f: (_GENERIC.get(f.rule, 0), -f.score, f.start - f.end, f.start, f.rule)):
        at = bisect.bisect_left(starts, one.end)  # what is kept does not overlap: only the last that begins before the end can reach in
        if at == 0 or kept[starts[at - 1]].end <= one.start:
            starts.insert(at, one.start)
            kept[one.start] = one
    spans = joined.spans([(start, kept[start].end) for start in starts])
    for start, (row, first, last) in zip(starts, spans, strict=True):
        one = kept[start]
        if last > first:
            yield Hit(f"secrets.{one.rule}", first, last, row, round(one.score, 3), one.severity, one.message)
