"""Runs text engines over a batch; what raises is narrowed down to the segment, which becomes a gap; it knows no Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.engines.base import TextEngine
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.hits import Hit
from veritensor_ray.segments import Gap

PIECE = 1 << 20


def scan_batch(
    engines: Sequence[TextEngine], batch: pa.RecordBatch, recorder: Recorder, pulse: Callable[[], None]
) -> list[tuple[int, Gap]]:
    """Record every engine's hits; returns gaps with the artifact they belong to. Calls `pulse` about once a megabyte."""
    gaps: list[tuple[int, Gap]] = []
    for piece in _pieces(batch):
        for engine in engines:
            hits = []
            for found in _scan(engine, piece, 0):
                if isinstance(found, Hit):
                    hits.append(found)
                else:
                    gaps.append(found)
            recorder.text_hits(engine.name, piece, hits)
            pulse()
    return gaps


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Slices of about a megabyte of text."""
    sizes = np.cumsum(pc.fill_null(pc.binary_length(batch.column("text")), 0).to_numpy()) // PIECE
    cuts = [0, *(np.flatnonzero(np.diff(sizes)) + 1).tolist(), batch.num_rows]
    for start, end in pairwise(cuts):
        if end > start:
            yield batch.slice(start, end - start)


def _scan(engine: TextEngine, batch: pa.RecordBatch, first: int) -> Iterator[Hit | tuple[int, Gap]]:
    """Hits with rows counted from the beginning of the batch that `batch` is a slice of."""
    try:
        hits = list(engine.scan_text(batch))
    except Exception as error:  # noqa: BLE001  # the boundary of a segment: one bad text must not cost the others
        if batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from _scan(engine, batch.slice(0, half), first)
            yield from _scan(engine, batch.slice(half), first + half)
            return
        yield batch.column("artifact")[0].as_py(), Gap(f"{engine.name} failed: {type(error).__name__}: {error}"[:300], engine=engine.name)
    else:
        yield from (replace(hit, row=(hit.row or 0) + first) for hit in hits) if first else hits


def with_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows that text engines read."""
    return batch.filter(pc.is_valid(batch.column("text"))) if batch.column("text").null_count else batch
