"""What of a corpus has to be scanned again, by what the last complete sweep says of it; it opens no artifact and knows no Ray.

An engine runs again alone where nothing else depends on it: what `pii` and `secrets` find hides parts of the evidence of other
engines, text out of images is read by all, and gaps are sorted out by whoever reads the whole artifact. There, all engines run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.corpus.fetch import IN_MEMORY
from veritensor_ray.corpus.listing import Listed
from veritensor_ray.corpus.stores import OutputStore
from veritensor_ray.findings.neighbours import PERSONAL, SECRET
from veritensor_ray.findings.outcome import MISSING, NOT_APPLICABLE, QUARANTINED
from veritensor_ray.findings.schema import FINDINGS, LEDGER

Trust = Literal["etag", "mtime", "content"]
Engines = tuple[str, ...]
Codes = npt.NDArray[np.int64]
_TRIED_AGAIN = ("unreadable", "quarantined")  # another night may have more luck
_OCR = "ocr"
_MASKED = (SECRET, PERSONAL)
_MOST_ENGINES = 62
_MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class Tonight:
    """The engines of this run, in order. `fingerprints` has None for one that is missing; `transcribers` read images for the others.

    `hiding` are those whose findings hide evidence of others. `same_code` apply to what they applied to in the last sweep. `again` run
    whatever their fingerprints say.
    """

    fingerprints: Mapping[str, str | None]
    transcribers: frozenset[str] = frozenset()
    hiding: frozenset[str] = frozenset()
    same_code: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()

    @property
    def engines(self) -> Engines:
        """All of them."""
        return tuple(self.fingerprints)


@dataclass(frozen=True, slots=True)
class Before:
    """What decides about an unchanged artifact: its coverage (engine to status and fingerprint) and status, whether it has gaps that are
    no bound's and gaps of an engine, and which engines found something, or something that hides evidence of others."""

    coverage: Mapping[str, tuple[str, str | None]]
    status: str
    gaps: bool = False
    engine_gaps: bool = False
    found: frozenset[str] = frozenset()
    hiding: frozenset[str] = frozenset()


def engines_to_run(before: Before, tonight: Tonight) -> Engines:
    """The engines that an unchanged artifact needs; none where everything is taken over."""
    everything = tonight.engines
    if before.status in _TRIED_AGAIN or (before.status == "partial" and before.gaps):
        return everything
    needed = frozenset(name for name in everything if _needed(name, before, tonight))
    lost = frozenset(name for name in before.coverage.keys() - set(everything) if before.coverage[name][0] != NOT_APPLICABLE)
    if not needed and not lost:
        return ()
    if needed == set(everything) or _entangled(before, tonight, needed, lost):
        return everything
    return tuple(name for name in everything if name in needed)


def _needed(name: str, before: Before, tonight: Tonight) -> bool:
    fingerprint = tonight.fingerprints[name]
    status, seen_by = before.coverage.get(name, (MISSING, None))
    if fingerprint is None:
        return name not in before.coverage  # missing tonight: what it found when it was there stands
    if status == NOT_APPLICABLE and name in tonight.same_code:
        return False
    return name in tonight.again or status in (MISSING, QUARANTINED) or seen_by != fingerprint


def _entangled(before: Before, tonight: Tonight, needed: frozenset[str], lost: frozenset[str]) -> bool:
    """Whether some engines alone would leave something else than all of them."""
    if before.engine_gaps or (needed and (before.status == "partial" or None in tonight.fingerprints.values())):
        return True
    changing = needed | lost
    transcribed = changing & (tonight.transcribers | {_OCR})  # in a coverage also where it was not selected and there were pictures
    if any(before.coverage.get(name, (NOT_APPLICABLE, None))[0] != NOT_APPLICABLE for name in transcribed):
        return True
    others = before.found - changing
    return bool(others and (before.hiding or changing & tonight.hiding))


@dataclass(frozen=True)
class Known:
    """Artifacts of the last complete sweep by the SHA-256 of their content.

    `table` has `digest` (hexadecimal, sorted) and `artifact`, `heads` the first eight bytes of each digest, `big` the sizes of those that
    are not read into memory. Ray shares the arrays between the workers of a machine.
    """

    heads: npt.NDArray[np.uint64]
    table: pa.Table
    big: frozenset[int]

    def worth_hashing(self, size: int) -> bool:
        """Whether the digest of so many bytes is wanted before they are scanned: of a big file it costs a read."""
        return size <= IN_MEMORY or size in self.big

    def artifacts(self, digest: str) -> Iterator[str]:
        """Those with this content; at most a few dozen, for a corpus may have a million empty files."""
        first = int(np.searchsorted(self.heads, np.uint64(_head(digest))))
        for row in range(first, min(first + _MOST_NAMES, self.table.num_rows)):
            if self.table.column("digest")[row].as_py() != digest:
                return
            yield self.table.column("artifact")[row].as_py()


def _head(digest: str) -> int:
    return int(digest[:16], 16)


@dataclass
class Previous:
    """The last complete sweep, as far as a plan needs it: some 300 bytes an artifact. `night` is its folder."""

    night: OutputStore
    tonight: Tonight
    trust: Trust = "etag"
    reusable: bool = True  # false: other readers or limits, so that nothing is taken over
    _columns: pa.Table = field(init=False)

    def __post_init__(self) -> None:
        names = ["artifact", "size", "etag", "mtime", "status", "content_id", "content_id_kind", "coverage", "gaps"]
        self._columns = self.night.dataset("ledger", LEDGER).to_table(columns=names).combine_chunks()
        self._by_name = {name: row for row, name in enumerate(self._column("artifact").to_pylist())}
        self._size = self._column("size").fill_null(-1).to_numpy()
        self._mtime = self._column("mtime").to_numpy(zero_copy_only=False)
        etags = self._column("etag")
        self._etag: Sequence[str | None] | None = None if etags.null_count == len(etags) else etags.to_pylist()
        self._kinds, self._run = self._decided()
        self._columns = self._columns.select(["artifact", "content_id", "content_id_kind"])

    def _column(self, name: str) -> Any:
        column = self._columns.column(name)
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

    def decide(self, entry: Listed) -> tuple[Engines, str | None]:
        """Engines to run, and the artifact whose rows are taken over for the others: itself, where it is unchanged."""
        row = self._by_name.get(entry.artifact)
        if row is None or not self.reusable or not self._unchanged(row, entry):
            return self.tonight.engines, None
        engines = self._run[self._kinds[row]]
        return engines, None if len(engines) == len(self.tonight.fingerprints) else entry.artifact

    def _unchanged(self, row: int, entry: Listed) -> bool:
        if self.trust == "content" or entry.size is None or entry.size != self._size[row]:
            return False
        mtime = self._mtime[row]
        dated = entry.mtime is not None and mtime == mtime  # no number where there was none
        if self.trust == "mtime":
            return bool(dated and mtime == entry.mtime)
        etag = self._etag[row] if self._etag is not None else None
        if (entry.etag is None) != (etag is None) or etag != entry.etag or (dated and mtime != entry.mtime):
            return False
        return etag is not None or bool(dated)

    def known(self) -> Known:
        """Contents that need no engine tonight, whatever name they have now."""
        if not self.reusable:
            return Known(np.zeros(0, np.uint64), pa.table({"digest": pa.array([], pa.string())}), frozenset())
        complete = np.array([not engines for engines in self._run] or [False])[self._kinds] if len(self._kinds) else np.zeros(0, bool)
        whole = pc.equal(self._column("content_id_kind"), "sha256").fill_null(False).to_numpy(zero_copy_only=False)
        usable = complete & whole
        table = self._columns.select(["content_id", "artifact"]).rename_columns(["digest", "artifact"]).filter(pa.array(usable))
        table = table.sort_by("digest").combine_chunks()
        heads = np.array([_head(digest) for digest in table.column("digest").to_pylist()], np.uint64)
        return Known(heads, table, frozenset(self._size[usable & (self._size > IN_MEMORY)].tolist()))

    def _decided(self) -> tuple[Codes, list[Engines]]:
        """For each artifact the number of its kind, and for each kind the engines to run: a corpus has few kinds of artifacts."""
        found, hiding = self._finders()
        coverage = self._coverage_codes()
        status = self._column("status").dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
        gaps, engine_gaps = self._with_gaps()
        table = np.stack([coverage, status, gaps, engine_gaps, found, hiding], axis=1).astype(np.int64)
        _, first, kinds = np.unique(table, axis=0, return_index=True, return_inverse=True)
        return kinds.reshape(-1), [engines_to_run(self._before(int(row), found, hiding, gaps, engine_gaps), self.tonight) for row in first]

    def _before(self, row: int, found: Codes, hiding: Codes, gaps: Codes, engine_gaps: Codes) -> Before:
        coverage = self._column("coverage")[row].as_py() or []
        return Before(
            {one["engine"]: (one["status"], one["fingerprint"]) for one in coverage},
            self._column("status")[row].as_py() or "",
            bool(gaps[row]),
            bool(engine_gaps[row]),
            self._named(int(found[row])),
            self._named(int(hiding[row])),
        )

    def _coverage_codes(self) -> Codes:
        """A number for each artifact's coverage: equal for equal coverage."""
        column = self._column("coverage")
        entries = column.flatten()
        codes = np.zeros(len(entries), np.int64)
        for name in ("engine", "status", "fingerprint"):
            field_ = entries.field(name).dictionary_encode()
            codes = codes * (len(field_.dictionary) + 1) + field_.indices.fill_null(len(field_.dictionary)).to_numpy(zero_copy_only=False)
        kinds = np.unique(codes, return_inverse=True)[1].reshape(-1)
        chance = np.random.default_rng(0).integers(1, 2**62, size=int(kinds.max(initial=0)) + 1)  # a sum tells sets of entries apart
        sums = np.zeros(len(column), np.int64)
        np.add.at(sums, pc.list_parent_indices(column).to_numpy(), chance[kinds])
        return sums

    def _with_gaps(self) -> tuple[Codes, Codes]:
        """Which artifacts have gaps that are no bound's (a store that hiccuped looks like any damage), and gaps of an engine."""
        column = self._column("gaps")
        entries, parents = column.flatten(), pc.list_parent_indices(column).to_numpy()
        gaps, engine_gaps = np.zeros(len(column), np.int64), np.zeros(len(column), np.int64)
        gaps[parents[entries.field("bound").is_null().to_numpy(zero_copy_only=False)]] = 1
        engine_gaps[parents[entries.field("engine").is_valid().to_numpy(zero_copy_only=False)]] = 1
        return gaps, engine_gaps

    @cached_property
    def _bits(self) -> dict[str, int]:
        return {}

    def _finders(self) -> tuple[Codes, Codes]:
        """For each artifact a bit for each engine that found something there, and for each that found something which hides evidence."""
        found, hiding = np.zeros(len(self._by_name), np.int64), np.zeros(len(self._by_name), np.int64)
        names = self._column("artifact")
        for batch in self.night.dataset("findings", FINDINGS).to_batches(columns=["artifact", "engine", "category"]):
            if not batch.num_rows:
                continue
            rows = pc.index_in(batch.column("artifact").unique(), value_set=names)
            of_artifact = batch.column("artifact").dictionary_encode()
            rows = rows.to_numpy(zero_copy_only=False)[of_artifact.indices.to_numpy()]
            engines = batch.column("engine").dictionary_encode()
            bits = np.array([self._bit(name) for name in engines.dictionary.to_pylist()], np.int64)[engines.indices.to_numpy()]
            np.bitwise_or.at(found, rows, bits)
            masks = pc.is_in(batch.column("category"), value_set=pa.array(_MASKED)).to_numpy(zero_copy_only=False)
            np.bitwise_or.at(hiding, rows[masks], bits[masks])
        return found, hiding

    def _bit(self, engine: str) -> int:
        return 1 << self._bits.setdefault(engine, min(len(self._bits), _MOST_ENGINES))

    def _named(self, bits: int) -> frozenset[str]:
        return frozenset(name for name, number in self._bits.items() if bits >> number & 1)


def hiding_engines(rules: Mapping[str, Iterable[Any]]) -> frozenset[str]:
    """Engines with a rule whose findings hide evidence of others; `rules` maps engines to their rules."""
    return frozenset(name for name, each in rules.items() if any(rule.category in _MASKED for rule in each))


__all__ = ["Before", "Known", "Previous", "Tonight", "engines_to_run", "hiding_engines"]
