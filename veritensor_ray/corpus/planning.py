"""The plan: which artifacts are scanned, in which shards, with which engines.

It is written once and trusted from then on. Planning opens only big files.
"""

from __future__ import annotations

import builtins
import fnmatch
import hashlib
import heapq
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.core.config import Limits, Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.timespans import moment
from veritensor_ray.corpus.datasets.dataset_folders import DatasetPart, Describer
from veritensor_ray.corpus.datasets.dataset_listing import Datasets
from veritensor_ray.corpus.datasets.descriptions import described
from veritensor_ray.corpus.effort import effort
from veritensor_ray.corpus.listing import Listed, Root, Taken, roots, walk
from veritensor_ray.corpus.tables.snapshot_listing import Tables
from veritensor_ray.corpus.tables.table_kinds import Opener, opened

PLAN = pa.schema(
    [
        ("shard", pa.int32()),
        ("artifact", pa.string()),
        ("path", pa.binary()),
        ("root", pa.int32()),
        ("size", pa.int64()),
        ("etag", pa.string()),
        ("mtime", pa.float64()),
        ("part", pa.int32()),
        ("parts", pa.int32()),
        ("kind", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("engines", pa.list_(pa.string())),
        ("carried_from", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("reason_code", pa.string()),
        ("view", pa.binary()),
        ("table", pa.string()),
        ("dataset", pa.struct([(name, pa.string()) for name in DatasetPart._fields])),
    ]
)
_ROWS = 20_000
_VIEWS = 32 << 20  # bytes of views after which rows are written
_SMALL_SHARDS, _SMALL_BYTES, _SMALL_ROWS = 64, 200_000, 10  # the first shards of a plan, and what each of them holds
_GROWTH, _GROWING = 1.1, 1000  # of each shard after these, and how often: beyond any limit, and within what a float holds
BYTE_RANGES = ("lines", "jsonl")


@dataclass(slots=True)
class PlanRow:
    """One artifact, or one part of a big one.

    `shard` is -1 if the plan itself decided: excluded, sampled out, not a file, unchanged. `kind` is whole, lines or jsonl (`start` and
    `end` are byte offsets of whole lines), or rowgroups (`start` and `end` are group numbers). `engines` are those to run; results of the
    others are carried over from the artifact `carried_from` of the last complete sweep. A reason without a status is what is known to be
    missing of the artifact. `view`, `table` and `dataset` are as in the listing.
    """

    shard: int
    artifact: str
    path: bytes
    root: int
    size: int | None
    etag: str | None
    mtime: float | None
    part: int = 0
    parts: int = 1
    kind: str = "whole"
    start: int | None = None
    end: int | None = None
    engines: tuple[str, ...] = ()
    carried_from: str | None = None
    status: str | None = None
    reason: str | None = None
    reason_code: str | None = None
    view: builtins.bytes | None = None
    table: str | None = None
    dataset: DatasetPart | None = None

    @property
    def bytes(self) -> int:
        """The approximate number of bytes to read. Parts that are row groups count as equally large."""
        if self.kind in BYTE_RANGES and self.end is not None and self.start is not None:
            return self.end - self.start
        return (self.size or 0) // self.parts

    @property
    def effort(self) -> float:
        """The expected CPU seconds."""
        return effort(self.artifact, self.bytes)


@dataclass(frozen=True, slots=True)
class Shard:
    """A unit of commit: rows in plan order that need the same engines."""

    id: int
    rows: list[PlanRow]

    @property
    def bytes(self) -> int:
        """The approximate number of bytes to read."""
        return sum(row.bytes for row in self.rows)


Splitter = Callable[[Listed, Root], list[tuple[str, int, int]]]
# What to do about an artifact: the engines to run, and the artifact whose earlier findings are carried over.
Decider = Callable[[Listed], tuple[tuple[str, ...], str | None]]
Chooser = Callable[[Listed], tuple[ReasonCode, str] | None]


def plan_rows(
    settings: Settings,
    engines: Iterable[str],
    split: Splitter,
    progress: Callable[[int], None] = lambda _: None,
    own_output: str = "",
    decide: Decider | None = None,
    starts: Sequence[Root] | None = None,
    opener: Opener = opened,
    leave_out: Chooser = lambda entry: None,
    describe: Describer = described,
) -> Iterator[PlanRow]:
    """Yield rows in plan order, with the rows of each shard together.

    `split` returns where to cut a big artifact (empty: nowhere). A folder `own_output` inside the corpus is one skipped row, because a run
    does not scan its own results. Without `decide`, every engine runs on everything. `starts` takes the place of the settings' sources.
    `opener` reads the snapshots of tables. `leave_out` is asked for entries that the settings do not leave out. `describe` reads what
    datasets say of their files.
    """
    packer = _Packer(settings.limits)
    everything = tuple(engines)
    starts = starts or roots(settings.sources, settings.stores, settings.inventory, settings.as_of)
    for number, entry, left_out in listed_entries(settings, starts, own_output, progress, opener, describe):
        row = PlanRow(-1, entry.artifact, entry.path, number, entry.size, entry.etag, entry.mtime, dataset=entry.dataset)
        if entry.status:
            row.status, row.reason, row.reason_code = entry.status, entry.reason, entry.reason_code
            yield row
            continue
        left_out = left_out or leave_out(entry)
        if left_out is not None:
            row.status, (row.reason_code, row.reason) = "skipped", left_out
            yield row
            continue
        row.view, row.table, row.reason, row.reason_code = entry.view, entry.table, entry.reason, entry.reason_code
        row.engines, row.carried_from = decide(entry) if decide else (everything, None)
        if row.engines:
            cuts = split(entry, starts[number]) if (entry.size or 0) > settings.limits.split_bytes else []
            yield from packer.add(row, cuts)
        else:
            yield row
    yield from packer.flush()


def listed_entries(
    settings: Settings,
    starts: Sequence[Root],
    own_output: str,
    progress: Callable[[int], None],
    opener: Opener = opened,
    describe: Describer = described,
) -> Iterator[tuple[int, Listed, tuple[ReasonCode, str] | None]]:
    """Yield every entry of the corpus with the number of its root, and why the settings leave it out, as a code and a sentence, if they do."""
    heads = {root.uri: root.head for root in starts if root.head}
    tables = Tables(settings.stores, opener, settings.as_of, settings.follow_links, heads)
    taken = Taken(globs(settings.include), globs(settings.exclude))
    choose, datasets = _selection(settings, starts, own_output, tables, taken), Datasets(describe)
    count = 0
    for number, root in enumerate(starts):
        for entry in walk(root, settings.stores, settings.follow_links, own_output, tables, datasets, taken):
            count += 1
            if count % 1000 == 0:
                progress(count)
            yield number, entry, None if entry.status else choose(entry)
    progress(count)


class _Packer:
    """Fills shards with whole small artifacts in listing order, separately for each set of engines.

    A big artifact, or each part of it, gets its own shard. The first shards are small, so that even a small corpus keeps all CPUs busy and
    shows findings early; later ones grow to the limits. How much a shard holds depends on its number alone, so that a plan is the same on
    every machine.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._next = 0
        self._open: dict[tuple[str, ...], list[PlanRow]] = {}
        self._bytes: Counter[tuple[str, ...]] = Counter()

    def add(self, row: PlanRow, cuts: list[tuple[str, int, int]]) -> Iterator[PlanRow]:
        if cuts:
            for part, (kind, start, end) in enumerate(cuts):
                yield replace(row, shard=self._take(), part=part, parts=len(cuts), kind=kind, start=start, end=end)
            return
        size, rows = row.size or 0, self._open.setdefault(row.engines, [])
        most_bytes, most_rows = self._most()
        if rows and (self._bytes[row.engines] + size > most_bytes or len(rows) >= most_rows):
            yield from self._close(row.engines)
            rows = self._open.setdefault(row.engines, [])
        rows.append(row)
        self._bytes[row.engines] += size

    def _most(self) -> tuple[float, float]:
        """Return the bytes and artifacts that the next shard may hold."""
        times = _GROWTH ** min(max(0, self._next - _SMALL_SHARDS), _GROWING)
        return min(_SMALL_BYTES * times, self._limits.shard_bytes), min(_SMALL_ROWS * times, self._limits.shard_artifacts)

    def _take(self) -> int:
        self._next += 1
        return self._next - 1

    def _close(self, engines: tuple[str, ...]) -> list[PlanRow]:
        rows, shard = self._open.pop(engines), self._take()
        del self._bytes[engines]
        for row in rows:
            row.shard = shard
        return rows

    def flush(self) -> Iterator[PlanRow]:
        for engines in list(self._open):
            yield from self._close(engines)


def _selection(settings: Settings, starts: Sequence[Root], own_output: str, tables: Tables, taken: Taken) -> Chooser:
    """Return a function that decides what the plan leaves out. It gives the first reason that applies, as a code and a sentence."""
    oldest = _since(settings.since)

    def choose(entry: Listed) -> tuple[ReasonCode, str] | None:
        if not taken.includes(entry.artifact):
            return ReasonCode.NOT_INCLUDED, "not included (include)"
        if taken.excludes(entry.artifact):
            return ReasonCode.EXCLUDED, "excluded (exclude)"
        if settings.max_size is not None and (entry.size or 0) > settings.max_size:
            return ReasonCode.ABOVE_MAX_SIZE, f"larger than max_size ({settings.max_size.human_readable(decimal=True)})"
        if oldest is not None and entry.mtime is not None and entry.mtime < oldest:
            return ReasonCode.NOT_CHANGED_SINCE, f"unchanged since {settings.since}"
        return None

    if settings.sample is None:
        return choose
    limit = _sample_limit(
        settings.sample, (e for e in _listed(settings, starts, own_output, tables, taken) if not e.status and choose(e) is None)
    )

    def choose_sample(entry: Listed) -> tuple[ReasonCode, str] | None:
        sampled_out = (ReasonCode.SAMPLED_OUT, f"not in the sample (sample {settings.sample})")
        return choose(entry) or (sampled_out if _rank(entry.artifact) > limit else None)

    return choose_sample


def _listed(settings: Settings, starts: Sequence[Root], own_output: str, tables: Tables, taken: Taken) -> Iterator[Listed]:
    for root in starts:
        yield from walk(root, settings.stores, settings.follow_links, own_output, tables, taken=taken)


def globs(patterns: Sequence[str]) -> re.Pattern[str] | None:
    """Compile globs. `*.md` matches in any folder, `docs/*.md` from the top; `*` matches across folders, as in fnmatch."""
    if not patterns:
        return None
    each = [fnmatch.translate(p) + ("|" + fnmatch.translate(f"*/{p}") if "/" not in p else "") for p in patterns]
    return re.compile("|".join(each))


def _since(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return moment(value, datetime.now(UTC), -1).timestamp()
    except ValueError as error:
        raise UsageError(f"since: {error}") from None


def _rank(artifact: str) -> int:
    """Return an artifact's rank in the order in which samples are drawn. It is the same in every run."""
    return int.from_bytes(hashlib.blake2b(artifact.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _sample_limit(sample: str, candidates: Iterable[Listed]) -> int:
    """Return the highest rank in the sample, given as a share of all artifacts or as a number of candidates."""
    if sample.endswith("%"):
        return math.floor(float(sample[:-1]) / 100 * 2**64)
    lowest = heapq.nsmallest(int(sample), (_rank(entry.artifact) for entry in candidates))
    return lowest[-1] if lowest else 0


def plan_key(run: str) -> str:
    """Return the key of a run's plan, relative to the output."""
    return f"_work/{run}/plan.parquet"


def write_plan(rows: Iterable[PlanRow], file: BinaryIO) -> dict[str, int]:
    """Write plan.parquet and return counts.

    They are artifacts, shards, bytes to scan, artifacts carried over, artifacts that need only some engines again, and the expected effort
    in CPU milliseconds.
    """
    names = [f.name for f in fields(PlanRow)]
    totals = {"artifacts": 0, "shards": 0, "bytes": 0, "carried": 0, "again": 0, "effort": 0}
    seconds, views = 0.0, 0
    buffer: list[PlanRow] = []
    with pq.ParquetWriter(file, PLAN, compression="zstd") as writer:

        def flush() -> None:
            columns = {name: [getattr(row, name) for row in buffer] for name in names}
            columns["dataset"] = [part and part._asdict() for part in columns["dataset"]]
            writer.write_table(pa.table(columns, schema=PLAN))
            buffer.clear()

        for row in rows:
            buffer.append(row)
            totals["artifacts"] += row.part == 0 and row.status != "unlisted"
            if row.carried_from is not None and row.part == 0:
                totals["carried" if row.shard < 0 else "again"] += 1
            totals["shards"] = max(totals["shards"], row.shard + 1)
            totals["bytes"] += (row.size or 0) if row.part == 0 and row.shard >= 0 else 0
            seconds += row.effort if row.shard >= 0 else 0.0
            views += len(row.view or b"")
            if len(buffer) >= _ROWS or views > _VIEWS:
                flush()
                views = 0
        flush()
    return totals | {"effort": round(seconds * 1000)}


def read_plan(file: BinaryIO) -> Iterator[PlanRow]:
    """Yield the rows of a plan in order, with a few thousand in memory at a time."""
    names = [f.name for f in fields(PlanRow)]
    for batch in pq.ParquetFile(file).iter_batches(_ROWS // 4):
        for values in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
            row = PlanRow(*values)
            row.engines = tuple(row.engines)
            row.dataset = row.dataset and DatasetPart(**row.dataset)  # type: ignore[arg-type]  # Arrow has no named tuples
            yield row


def planned_names(file: BinaryIO) -> Iterator[list[tuple[str, int]]]:
    """Yield the artifacts of a plan that it does not leave out, and the roots that they belong to, a few thousand at a time."""
    for batch in pq.ParquetFile(file).iter_batches(_ROWS // 4, columns=["artifact", "root", "part", "status"]):
        artifacts, roots, parts, status = (batch.column(name).to_pylist() for name in ("artifact", "root", "part", "status"))
        yield [one[:2] for one in zip(artifacts, roots, parts, status, strict=True) if one[2] == 0 and one[3] is None]


def planned_work(file: BinaryIO, shards: Collection[int]) -> tuple[int, float]:
    """Return the approximate number of bytes in some shards of a plan, and their effort in CPU seconds."""
    rows = [(row.bytes, row.effort) for row in read_plan(file) if row.shard in shards]
    return sum(size for size, _ in rows), sum(seconds for _, seconds in rows)


def shards_of(rows: Iterable[PlanRow]) -> Iterator[Shard | PlanRow]:
    """Yield shards, and the rows that the plan itself decided, in plan order."""
    current: list[PlanRow] = []
    for row in rows:
        if current and row.shard != current[0].shard:
            yield Shard(current[0].shard, current)
            current = []
        if row.shard < 0:
            yield row
        else:
            current.append(row)
    if current:
        yield Shard(current[0].shard, current)
