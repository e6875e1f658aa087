"""Finds secrets: provider tokens with checksums, keys, connection strings, and values whose names suggest a secret."""

from __future__ import annotations

import bisect
import functools
import hashlib
import importlib.metadata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from veritensor_ray.core.config import Settings, Severity
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule
from veritensor_ray.engines.joined import JoinedBytes
from veritensor_ray.engines.secrets import word_likeness
from veritensor_ray.engines.secrets.secret_rules import all_rules
from veritensor_ray.engines.secrets.secret_search import SecretScanner
from veritensor_ray.engines.secrets.shaped import ShapedSecret
from veritensor_ray.engines.secrets.told_cells import Where
from veritensor_ray.models.model_store import ModelStore

__all__ = ["Secrets"]


class Secrets:
    """Searches joined segments once for words that hint at a secret, and then confirms each match by its surroundings."""

    name = "secrets"
    version = "5"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._scanner: SecretScanner | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_scanner": None}  # compiled rules cannot be pickled

    def applies(self, about: FileInfo) -> bool:
        """Return True: text of any file may contain a secret."""
        return True

    def load(self, models: ModelStore) -> None:
        """Compile the words. No model is needed."""
        self._scanner = self._scanner or SecretScanner()

    def rules(self) -> Sequence[Rule]:
        """Return all rules."""
        return all_rules()

    def fingerprint(self) -> str:
        """Return a digest of the version, the letter statistics and the matcher."""
        parts = (self.version, importlib.metadata.version("yara-python"), _statistics())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return the hits, ordered by buffer and offset."""
        self._scanner = scanner = self._scanner or SecretScanner()
        where = Where(texts)
        hits: list[Hit] = []
        for joined in JoinedBytes.pieces(texts.column("text")):
            hits += _hits(joined, scanner.scan(joined, where), where)
        return hits


@functools.cache
def _statistics() -> str:
    """Return the letter statistics as text."""
    return repr(sorted(word_likeness.surprises().items()))


_GENERIC = {"generic-key": 1, "password": 1, "http-authorization": 1, "url-credentials": 1, "uuid": 2}  # the higher, the less specific


def _hits(joined: JoinedBytes, found: Iterable[ShapedSecret], where: Where) -> Iterator[Hit]:
    """Yield hits, keeping of any that overlap the more specific, then the better proven, then the longer one."""
    starts: list[int] = []
    kept: dict[int, ShapedSecret] = {}
    for one in sorted(found, key=lambda f: (_GENERIC.get(f.rule, 0), -f.score, f.start - f.end, f.start, f.rule)):
        # Those that are kept do not overlap, so only the last one that begins before this end can reach into it.
        at = bisect.bisect_left(starts, one.end)
        if at == 0 or kept[starts[at - 1]].end <= one.start:
            starts.insert(at, one.start)
            kept[one.start] = one
    spans = joined.spans([(start, kept[start].end) for start in starts])
    for start, (row, first, last) in zip(starts, spans, strict=True):
        one = _lowered(kept[start]) if where.is_test(row) else kept[start]
        if last > first:
            yield Hit(f"secrets.{one.rule}", first, last, row, round(one.score, 3), one.severity, one.message)


_UNPROVEN = frozenset({*_GENERIC, "connection-string", "private-key", "jwt"})  # which tests have made up; others were issued by a provider
_LOWER: dict[str, Severity] = {"critical": "high", "high": "medium", "medium": "low"}


@functools.cache
def _rules() -> dict[str, Rule]:
    return {rule.id.removeprefix("secrets."): rule for rule in all_rules()}


def _lowered(one: ShapedSecret) -> ShapedSecret:
    """Return a finding in a test one level lower, and with a message that says so. The lowest level is low."""
    lower = _LOWER.get(one.severity or _rules()[one.rule].severity)
    if one.rule not in _UNPROVEN or lower is None:
        return one
    return one._replace(severity=lower, message=f"{one.message or _rules()[one.rule].title}, one level lower because it is in a test")
