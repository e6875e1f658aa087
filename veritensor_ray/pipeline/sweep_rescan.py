"""Decide which parts of a corpus must be scanned again, based on the last complete sweep.

One engine can run again alone if nothing else depends on it. All engines run again where they interact: findings of `pii` and `secrets`
mask parts of other engines' evidence, every engine reads the text found in images, and gaps can be replaced only when the whole artifact is
read. It opens no artifact and does not depend on Ray.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.corpus.fetch import IN_MEMORY
from veritensor_ray.corpus.listing import Listed
from veritensor_ray.corpus.tables.snapshot_listing import VIEW, view_of
from veritensor_ray.engines.base import Engine, Transcriber, Volatile
from veritensor_ray.findings.outcome import MAX_GAPS, MISSING, NO_READER, NOT_APPLICABLE, QUARANTINED
from veritensor_ray.findings.schema import FINDINGS, LEDGER
from veritensor_ray.masking.redaction import PERSONAL, SECRET
from veritensor_ray.stores.outputs import OutputStore

Trust = Literal["etag", "mtime", "content"]
Engines = tuple[str, ...]
Coverage = Mapping[str, tuple[str, str | None]]
Numbers = npt.NDArray[np.int64]
_COLUMNS = ["artifact", "size", "etag", "mtime", "status", "content_id", "content_id_kind", "coverage", "gaps", "max_severity"]
_TRIED_AGAIN = ("unreadable", "quarantined")  # the next sweep may succeed
_OCR = "ocr"
_MASKED = (SECRET, PERSONAL)
_MOST_ENGINES = 62
_MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class ThisSweep:
    """The engines of this run, in order.

    `fingerprints` has None for a missing engine. `transcribers` read images for the others. Findings of `hiding` engines mask evidence of
    others. Engines in `same_code` apply to the same files as in the last sweep. Engines in `again` run whatever their fingerprints say.
    """

    fingerprints: Mapping[str, str | None]
    transcribers: frozenset[str] = frozenset()
    hiding: frozenset[str] = frozenset()
    same_code: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()

    @classmethod
    def of(cls, engines: Sequence[Engine], fingerprints: Mapping[str, str | None], before: Mapping[str, Mapping[str, Any]]) -> ThisSweep:
        """Return this sweep with these engines. `before` is what the last sweep says about its engines in its run.json."""
        return cls(
            fingerprints,
            frozenset(engine.name for engine in engines if isinstance(engine, Transcriber)),
            frozenset(engine.name for engine in engines if any(rule.category in _MASKED for rule in engine.rules())),
            frozenset(engine.name for engine in engines if before.get(engine.name, {}).get("version") == engine.version),
            frozenset(engine.name for engine in engines if isinstance(engine, Volatile) and engine.volatile),
        )

    @property
    def engines(self) -> Engines:
        """The names of all engines."""
        return tuple(self.fingerprints)


@dataclass(frozen=True, slots=True)
class Before:
    """What decides whether an unchanged artifact is scanned again.

    `coverage` maps engines to status and fingerprint. `gaps` says whether there are gaps not caused by a limit, `attributed_gaps` whether
    there are gaps caused by a limit or by an engine. `found` names the engines with findings, `hiding` those with findings that mask
    evidence of others.
    """

    coverage: Coverage
    status: str
    gaps: bool = False
    attributed_gaps: bool = False
    found: frozenset[str] = frozenset()
    hiding: frozenset[str] = frozenset()


def engines_to_run(before: Before, this_sweep: ThisSweep) -> Engines:
    """Return the engines that an unchanged artifact needs; empty if everything can be carried over."""
    everything = this_sweep.engines
    if before.status in _TRIED_AGAIN or (before.status == "partial" and before.gaps):
        return everything
    needed = frozenset(name for name in everything if _needed(name, before, this_sweep))
    lost = frozenset(name for name in before.coverage.keys() - set(everything) if _took_part(*before.coverage[name]))
    if not needed and not lost:
        return ()
    if needed == set(everything) or _entangled(before, this_sweep, needed, lost):
        return everything
    return tuple(name for name in everything if name in needed)


def _took_part(status: str, fingerprint: str | None) -> bool:
    """Return whether an entry of a coverage belongs to an engine of that run. `ocr` also has one when it was not selected."""
    return status != NOT_APPLICABLE and not (status == NO_READER and fingerprint is None)


def _needed(name: str, before: Before, this_sweep: ThisSweep) -> bool:
    fingerprint = this_sweep.fingerprints[name]
    status, seen_by = before.coverage.get(name, (MISSING, None))
    if fingerprint is None:
        return name not in before.coverage  # missing in this run: its earlier findings stand
    if status == NOT_APPLICABLE and name in this_sweep.same_code:
        return False
    return name in this_sweep.again or status in (MISSING, QUARANTINED) or seen_by != fingerprint


def _entangled(before: Before, this_sweep: ThisSweep, needed: frozenset[str], lost: frozenset[str]) -> bool:
    """Return whether running only some engines would give a different result than running all of them."""
    if before.attributed_gaps or (needed and None in this_sweep.fingerprints.values()):
        return True
    if any(before.coverage[name][0] == MISSING for name in lost):
        return True  # the artifact is partial because of that engine
    changing = needed | lost
    readers = this_sweep.transcribers | {_OCR}
    pictures = {before.coverage.get(name, (NOT_APPLICABLE, None))[0] for name in readers} - {NOT_APPLICABLE}
    if pictures and (changing & readers or (needed and pictures != {NO_READER})):
        return True  # without a transcriber, an engine does not see the text of images
    others = before.found - changing
    return bool(others and (before.hiding or changing & this_sweep.hiding))


@dataclass(frozen=True)
class Known:
    """Artifacts of the last complete sweep by the SHA-256 of their content.

    `table` has the columns `digest` (hexadecimal, sorted) and `artifact`. `heads` holds the first eight bytes of each digest, `big` the
    sizes of files that are not read into memory. Ray shares the arrays between the workers of a machine.
    """

    heads: npt.NDArray[np.uint64]
    table: pa.Table
    big: frozenset[int]

    def worth_hashing(self, size: int) -> bool:
        """Return whether to compute the digest of a file of this size before scanning it. For a big file that costs a read."""
        return size <= IN_MEMORY or size in self.big

    def artifacts(self, digest: str) -> Iterator[str]:
        """Yield the artifacts with this content; a few dozen at most, because a corpus may have a million empty files."""
        first = int(np.searchsorted(self.heads, np.uint64(_head(digest))))
        for row in range(first, min(first + _MOST_NAMES, self.table.num_rows)):
            found = self.table.column("digest")[row].as_py()
            if found > digest:
                return
            if found == digest:
                yield self.table.column("artifact")[row].as_py()


def _head(digest: str) -> int:
    return int(digest[:16], 16)


class Previous:
    """The last complete sweep, as far as a plan needs it: about 500 bytes per artifact. `night` is its folder.

    If `reusable` is false, nothing is carried over, because the readers or their limits have changed.
    """

    def __init__(self, night: OutputStore, this_sweep: ThisSweep, trust: Trust = "etag", reusable: bool = True) -> None:
        self.this_sweep, self.trust, self.reusable = this_sweep, trust, reusable
        self._by_name: dict[str, int] = {}
        self._rows = 0
        self._coverages: dict[int, Coverage] = {}  # keyed by a number for each distinct coverage
        self._statuses: dict[str, int] = {}
        self._engines: dict[str, int] = {}
        self._codes = _Codes()
        parts = [self._read(batch) for batch in night.dataset("ledger", LEDGER).to_batches(columns=_COLUMNS)]
        kinds, size, mtime, etag, digest, worst = zip(*parts, strict=True) if parts else ((), (), (), (), (), ())
        self._size = np.concatenate([np.zeros(0, np.int64), *size])
        self._mtime = np.concatenate([np.zeros(0), *mtime])
        self._etag: pa.Array = pa.concat_arrays([pa.array([], pa.string()), *etag])
        self._digest: pa.Array = pa.concat_arrays([pa.array([], pa.string()), *digest])
        self._worst = np.concatenate([np.zeros(0, np.int64), *worst])
        found, hiding = self._finders(night)
        table = np.concatenate([np.zeros((0, 4), np.int64), *kinds])
        self._kinds, self._run = self._decided(np.column_stack([table, found, hiding]))

    def _read(self, batch: pa.RecordBatch) -> tuple[Numbers, Numbers, npt.NDArray[np.float64], pa.Array, pa.Array, Numbers]:
        """Return six arrays for some rows of the ledger.

        The first holds what decides (coverage, status, gaps, attributed gaps). The others are size, mtime, etag, the SHA-256 where the
        content ID is one, and the number of the worst severity, or -1.
        """
        for name, size in zip(batch.column("artifact").to_pylist(), batch.column("size").to_pylist(), strict=True):
            if size is not None or name not in self._by_name:  # a prefix that could not be listed may have the name of an object
                self._by_name[name] = self._rows
            self._rows += 1
        coverage, sums = batch.column("coverage"), self._codes.of(batch.column("coverage"))
        values, first = np.unique(sums, return_index=True)
        for value, row in zip(values.tolist(), first.tolist(), strict=True):
            if value not in self._coverages:
                self._coverages[value] = {one["engine"]: (one["status"], one["fingerprint"]) for one in coverage[row].as_py() or ()}
        statuses = [self._statuses.setdefault(status, len(self._statuses)) for status in batch.column("status").to_pylist()]
        viewed = pc.match_substring(batch.column("etag"), VIEW).fill_null(False)  # what was seen there is not all that the content holds
        is_digest = pc.and_(pc.equal(batch.column("content_id_kind"), "sha256"), pc.invert(viewed))
        return (
            np.column_stack([sums, np.array(statuses, np.int64), *_gaps(batch.column("gaps"))]),
            batch.column("size").fill_null(-1).to_numpy(zero_copy_only=False),
            batch.column("mtime").to_numpy(zero_copy_only=False),
            batch.column("etag"),
            pc.if_else(is_digest, batch.column("content_id"), pa.scalar(None, pa.string())),
            pc.index_in(batch.column("max_severity"), pa.array(SEVERITIES)).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64),
        )

    def decide(self, entry: Listed) -> tuple[Engines, str | None]:
        """Return the engines to run and the artifact whose rows are carried over for the others: itself, if it is unchanged."""
        row = self._by_name.get(entry.artifact)
        if row is None or not self.reusable or not self._unchanged(row, entry):
            return self.this_sweep.engines, None
        engines = self._run[self._kinds[row]]
        return engines, None if len(engines) == len(self.this_sweep.fingerprints) else entry.artifact

    def _unchanged(self, row: int, entry: Listed) -> bool:
        if self.trust == "content" or entry.size is None or entry.size != self._size[row]:
            return False
        etag, mtime = self._etag[row].as_py(), self._mtime[row]
        if view_of(etag) != view_of(entry.etag):
            return False
        dated = entry.mtime is not None and mtime == mtime  # NaN if there was none
        if self.trust == "mtime":
            return bool(dated and mtime == entry.mtime)
        if etag != entry.etag or (dated and mtime != entry.mtime):
            return False
        return etag is not None or bool(dated)

    def known(self, below: str | None = None) -> Known:
        """Return the contents that need no engine in this run, whatever their names are now; if given, without findings of that severity or
        a worse one.
        """
        complete = np.array([not engines for engines in self._run] or [False])[self._kinds] & self.reusable
        if below is not None:
            complete &= self._worst < SEVERITIES.index(below)
        usable = complete & self._digest.is_valid().to_numpy(zero_copy_only=False)
        named: list[str | None] = [None] * self._rows
        for name, row in self._by_name.items():
            named[row] = name
        names = pa.array(named, pa.string()).filter(pa.array(usable))
        table = pa.table({"digest": self._digest.filter(pa.array(usable)), "artifact": names}).sort_by("digest").combine_chunks()
        heads = np.array([_head(digest) for digest in table.column("digest").to_pylist()], np.uint64)
        return Known(heads, table, frozenset(self._size[usable & (self._size > IN_MEMORY)].tolist()))

    def _decided(self, table: Numbers) -> tuple[Numbers, list[Engines]]:
        """Return the kind of each artifact, and the engines to run for each kind. A corpus has few kinds of artifacts."""
        kinds, of_row = np.unique(table, axis=0, return_inverse=True)
        statuses = list(self._statuses)
        return of_row.reshape(-1), [
            engines_to_run(
                Before(
                    self._coverages[coverage], statuses[status] or "", bool(gaps), bool(attributed), self._named(found), self._named(hiding)
                ),
                self.this_sweep,
            )
            for coverage, status, gaps, attributed, found, hiding in kinds.tolist()
        ]

    def _finders(self, night: OutputStore) -> tuple[Numbers, Numbers]:
        """Return two bit masks per artifact: the engines with findings, and those with findings that mask evidence of others."""
        found, hiding = np.zeros(self._rows, np.int64), np.zeros(self._rows, np.int64)
        for batch in night.dataset("findings", FINDINGS).to_batches(columns=["artifact", "engine", "category"]):
            artifacts, engines = (batch.column(name).dictionary_encode() for name in ("artifact", "engine"))
            rows = np.array([self._by_name[name] for name in artifacts.dictionary.to_pylist()], np.int64)[artifacts.indices.to_numpy()]
            bits = np.array([self._bit(name) for name in engines.dictionary.to_pylist()], np.int64)[engines.indices.to_numpy()]
            np.bitwise_or.at(found, rows, bits)
            masks = pc.is_in(batch.column("category"), value_set=pa.array(_MASKED)).to_numpy(zero_copy_only=False)
            np.bitwise_or.at(hiding, rows[masks], bits[masks])
        return found, hiding

    def _bit(self, engine: str) -> int:
        return 1 << min(self._engines.setdefault(engine, len(self._engines)), _MOST_ENGINES)

    def _named(self, bits: int) -> frozenset[str]:
        return frozenset(name for name, number in self._engines.items() if bits >> min(number, _MOST_ENGINES) & 1)


class _Codes:
    """Assigns a number to each coverage, regardless of the order of its entries: the sum of one random number per entry."""

    def __init__(self) -> None:
        self._chance = np.random.default_rng(0)
        self._entries: dict[tuple[str | None, ...], int] = {}

    def of(self, coverage: pa.ListArray) -> Numbers:
        entries = coverage.flatten()
        fields = [entries.field(name).dictionary_encode() for name in ("engine", "status", "fingerprint")]
        codes = np.zeros(len(entries), np.int64)
        for one in fields:
            size = len(one.dictionary) + 1
            codes = codes * size + one.indices.fill_null(size - 1).to_numpy(zero_copy_only=False)
        values, first, of_entry = np.unique(codes, return_index=True, return_inverse=True)
        numbers = np.array([self._number(tuple(one[row].as_py() for one in fields)) for row in first.tolist()] or [0], np.int64)
        sums = np.zeros(len(coverage), np.int64)
        if len(values):
            np.add.at(sums, pc.list_parent_indices(coverage).to_numpy(), numbers[of_entry.reshape(-1)])
        return sums

    def _number(self, entry: tuple[str | None, ...]) -> int:
        if entry not in self._entries:
            self._entries[entry] = int(self._chance.integers(1, 2**62))
        return self._entries[entry]


def _gaps(column: pa.ListArray) -> tuple[Numbers, Numbers]:
    """Flag the artifacts that have gaps not caused by a limit, and those that have gaps caused by a limit or an engine.

    A temporary failure of a store looks like any other damage.
    """
    entries, parents = column.flatten(), pc.list_parent_indices(column).to_numpy()
    unbound, attributed = np.zeros(len(column), np.int64), np.zeros(len(column), np.int64)
    bound, engine = (entries.field(name).is_valid().to_numpy(zero_copy_only=False) for name in ("bound", "engine"))
    unbound[parents[~bound]] = 1
    attributed[parents[bound | engine]] = 1
    cut = np.bincount(parents, minlength=len(column)) >= MAX_GAPS  # the gaps that the ledger leaves out may be of any kind
    unbound[cut] = attributed[cut] = 1
    return unbound, attributed


__all__ = ["Before", "Known", "Previous", "ThisSweep", "engines_to_run"]
