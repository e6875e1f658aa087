"""Run engines over a batch. A failure is narrowed down to one segment or image, which becomes a gap.

It does not depend on Ray.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.detection import Hit
from veritensor_ray.core.segments import SEGMENTS, Gap
from veritensor_ray.corpus.stage_times import FINDINGS, StageTimes
from veritensor_ray.engines.base import Engine, PreparingEngine, RereadingTranscriber, TextEngine, Transcriber
from veritensor_ray.engines.joined import byte_lengths, cuts
from veritensor_ray.engines.word_forms import Array
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.pipeline.engine_time import EngineTime

PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Handover:
    """What a shard hands to the model stages: segments (all texts or all images), and what engines prepared from the texts."""

    batch: pa.RecordBatch
    prepared: Mapping[str, pa.RecordBatch] = field(default_factory=dict)
    images: bool = False

    @property
    def nbytes(self) -> int:
        """Size in memory, in bytes."""
        return int(self.batch.nbytes + sum(table.nbytes for table in self.prepared.values()))


def prepare(
    engines: Sequence[Engine], batch: pa.RecordBatch, times: StageTimes | None = None, spending: EngineTime | None = None
) -> Handover:
    """Prepare a batch of texts for the model stages, without those that `spending` refuses.

    If preparing fails, the model's process does it and narrows the fault down.
    """
    prepared, times, spending = {}, times or StageTimes(), spending or EngineTime(math.inf)
    for engine in engines:
        if isinstance(engine, PreparingEngine):
            kept = spending.kept(engine.name, batch)
            began = times.now()
            try:
                if kept is None:
                    prepared[engine.name] = engine.prepare(batch)
                else:
                    prepared[engine.name] = _renumbered(engine.prepare(batch.take(pa.array(kept))), kept)
            except Exception:  # noqa: BLE001, S112  # the failure recurs in `scan_batch`, which records it
                continue
            finally:
                spending.charge(engine.name, batch, times.now() - began)
                times.add(engine.name, began)
    return Handover(batch, prepared)


def handovers(
    engines: Sequence[Engine], batch: pa.RecordBatch, times: StageTimes | None = None, spending: EngineTime | None = None
) -> Iterator[Handover]:
    """Split a batch of texts into handovers of about a megabyte.

    Each takes a model a few seconds, so many workers can share them.
    """
    for first, piece in _pieces(batch):
        whole = piece.num_rows == batch.num_rows
        # taken, not sliced: a slice would be sent with the whole batch
        yield prepare(engines, batch if whole else batch.take(pa.array(range(first, first + piece.num_rows))), times, spending)


def transcribe(
    engines: Sequence[Transcriber],
    images: pa.RecordBatch,
    pulse: Callable[[], None],
    times: StageTimes | None = None,
    twice: bool = False,
) -> tuple[pa.RecordBatch, list[tuple[int, Gap]]]:
    """Return the text in images, one image at a time, and the gaps. With `twice`, each engine reads each image in all ways that it has."""
    texts, times = list[pa.RecordBatch](), times or StageTimes()
    gaps: list[tuple[int, Gap]] = []
    for row, artifact in enumerate(images.column("artifact").to_pylist()):
        for engine in engines:
            for read in _readings(engine, twice):
                began = times.now()
                try:
                    texts.append(read(images.slice(row, 1)))
                    gaps += [(artifact, gap) for _, gap in engine.gaps()]
                except Exception as error:  # noqa: BLE001  # the boundary of an image
                    gaps.append((artifact, Gap.failed(engine.name, error, reads=True)))
                times.add(engine.name, began)
                pulse()
    table = pa.Table.from_batches(texts, SEGMENTS).unify_dictionaries().combine_chunks()
    return (table.to_batches() or [pa.RecordBatch.from_pylist([], SEGMENTS)])[0], gaps


def _readings(engine: Transcriber, twice: bool) -> Iterator[Callable[[pa.RecordBatch], pa.RecordBatch]]:
    yield engine.read_images
    if twice and isinstance(engine, RereadingTranscriber):
        yield engine.read_again


def scan_batch(
    engines: Sequence[TextEngine],
    batch: pa.RecordBatch,
    recorder: Recorder,
    pulse: Callable[[], None],
    prepared: Mapping[str, pa.RecordBatch] | None = None,
    times: StageTimes | None = None,
    spending: EngineTime | None = None,
) -> list[tuple[int, Gap]]:
    """Record the hits of every engine and return gaps, each with its artifact. Calls `pulse` about once per megabyte.

    What `spending` refuses is left out. Only texts that nothing was prepared from may be refused.
    """
    gaps, times, spending = list[tuple[int, Gap]](), times or StageTimes(), spending or EngineTime(math.inf)
    for first, whole in _pieces(batch):
        for engine in engines:
            kept = spending.kept(engine.name, whole)
            piece = whole if kept is None else whole.take(pa.array(kept))
            hits, began = [], times.now()
            for found in _scan(engine, piece, 0, _of_rows((prepared or {}).get(engine.name), first, piece.num_rows)):
                if isinstance(found, Hit):
                    hits.append(found)
                else:
                    gaps.append(found)
            scanned = times.now()
            times.add(engine.name, began)
            recorder.text_hits(engine.name, piece, hits)
            times.add(FINDINGS, scanned)
            spending.charge(engine.name, piece, times.now() - began)
            pulse()
    return gaps


def _pieces(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield slices of about a megabyte of text, each with its first row."""
    for start, end in cuts(byte_lengths(batch.column("text")), PIECE):
        yield start, batch.slice(start, end - start)


def _of_rows(prepared: pa.RecordBatch | None, first: int, count: int) -> pa.RecordBatch | None:
    """Return the part of a prepared table that belongs to some rows, counted from the first of them."""
    if prepared is None:
        return None
    rows = prepared.column("row").to_numpy()
    start, end = np.searchsorted(rows, (first, first + count))
    part = prepared.slice(start, end - start)
    return part.set_column(part.schema.get_field_index("row"), part.schema.field("row"), pa.array(rows[start:end] - first, pa.int32()))


def _renumbered(prepared: pa.RecordBatch, rows: Array) -> pa.RecordBatch:
    """Return a table that was prepared from some rows of a batch, with their numbers in the batch."""
    numbers = pa.array(rows[prepared.column("row").to_numpy()], pa.int32())
    return prepared.set_column(prepared.schema.get_field_index("row"), prepared.schema.field("row"), numbers)


def _scan(engine: TextEngine, batch: pa.RecordBatch, first: int, prepared: pa.RecordBatch | None = None) -> Iterator[Hit | tuple[int, Gap]]:
    """Yield hits, with rows counted from the beginning of the batch that `batch` is a slice of."""
    try:
        if prepared is not None and isinstance(engine, PreparingEngine):
            hits = list(engine.scan_prepared(batch, prepared))
        else:
            hits = list(engine.scan_text(batch))
    except Exception as error:  # noqa: BLE001  # the boundary of a segment: one bad text must not cost the others
        if batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from _scan(engine, batch.slice(0, half), first)
            yield from _scan(engine, batch.slice(half), first + half)
            return
        yield batch.column("artifact")[0].as_py(), Gap.failed(engine.name, error)
    else:
        yield from (hit._replace(row=(hit.row or 0) + first) for hit in hits) if first else hits


def with_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows that text engines read."""
    return batch.filter(pc.is_valid(batch.column("text"))) if batch.column("text").null_count else batch


def with_images(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows that transcribers read."""
    return batch.filter(pc.is_valid(batch.column("image")))
