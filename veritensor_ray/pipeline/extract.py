"""The extract step: open the artifacts of a shard and run the engines that need bytes.

Texts that a model must read are streamed out. It does not depend on Ray.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.errors import ChangedDuringRun, LimitExceeded, ReadError, as_read_error
from veritensor_ray.core.format_table import COMPRESSED
from veritensor_ray.core.media_types import LANCE, OLE, OLE_LOCKED, PARQUET
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Batcher, Gap, cut, one_batch
from veritensor_ray.core.table_view import TableView
from veritensor_ray.corpus.fetch import OpenArtifact, Throttle
from veritensor_ray.corpus.planning import BYTE_RANGES, PlanRow
from veritensor_ray.corpus.stage_times import READING, StageTimes
from veritensor_ray.engines.base import NameReader
from veritensor_ray.findings.outcome import MISSING, Outcome, Standing
from veritensor_ray.formats.columnar.lance.recognise import is_lance
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.spool import edges
from veritensor_ray.formats.opened_files import kind_of_part
from veritensor_ray.pipeline.cleaning_scans.reference_search import references
from veritensor_ray.pipeline.context import Context, Workbench, models_by_input, without_weights
from veritensor_ray.pipeline.engine_time import EngineTime
from veritensor_ray.pipeline.gather import BlockPile, Gatherer, Part, Placed
from veritensor_ray.pipeline.reading_progress import Position, ReadingProgress
from veritensor_ray.pipeline.scan import Handover, handovers, scan_batch, with_images, with_text
from veritensor_ray.pipeline.sweep_rescan import Known
from veritensor_ray.pipeline.walk import Share, Tools, Walk

Pulse = Callable[[], None]


class Extraction:
    """One pass over a shard. `outcomes` is complete once `batches` is exhausted."""

    def __init__(
        self,
        context: Context,
        rows: Sequence[PlanRow],
        bench: Workbench,
        model_engines: Sequence[str],
        pulse: Pulse = lambda: None,
        known: Known | None = None,
    ) -> None:
        self._context, self._rows, self._bench = context, rows, bench
        self._models = without_weights(context, tuple(model_engines))
        _, reading_images = models_by_input(context, tuple(model_engines))
        transcribed = bool(models_by_input(context, context.engines)[1])
        self._pulse = pulse
        self._known = known
        self._throttle = Throttle(context.read_rate, pulse)
        self._recorder = context.recorder(bench)
        self._limits = context.settings.limits
        key, self.times = tuple(context.settings.key), StageTimes()
        self._tools = Tools(bench, self._models, reading_images, transcribed, self._recorder, self._limits, pulse, key, self.times)
        self._references, self._spending = references(context), EngineTime(self._limits.engine_seconds)
        self._gathered, self._parts, self._batcher = Gatherer(self._limits), BlockPile(self._limits), Batcher(self._limits)
        self._walks: list[Walk] = []
        self._now: tuple[int, ReadingProgress] = 0, ReadingProgress()  # the artifact that is being read
        self.share = 1.0  # of a batch, the part that has been handed over
        self.outcomes = [Outcome(row.artifact, row.part, index) for index, row in enumerate(rows)]

    def batches(self) -> Iterator[Handover]:
        """Yield batches for the model engines, if there are any. The other engines have already seen these texts."""
        for outcome, row in zip(self.outcomes, self._rows, strict=True):
            self._pulse()
            yield from self._all(outcome, self._artifact(outcome, row))
            self._now = outcome.index + 1, ReadingProgress()
        while self._gathered:
            yield from self._looked_through()
        yield from self._batched()
        for batch in self._batcher.flush():
            yield from self._scanned(batch)
        for walk in self._walks:
            walk.ended()
        for outcome in self.outcomes:
            if outcome.index in self._recorder.by_artifact:
                outcome.recorded = self._recorder.by_artifact[outcome.index]

    def position(self) -> Position:
        """Return how far the reading has come. Any thread may ask."""
        row, reached = self._now
        return reached.position(row)

    def _all(self, outcome: Outcome, blocks: Iterator[Placed]) -> Iterator[Handover]:
        """Collect the blocks of an artifact, and charge the time to it."""
        while (placed := _timed(outcome, blocks)) is not None:
            if placed.plain:
                outcome.segments += self._gathered.place(placed)
                if self._gathered.full:
                    yield from self._looked_through()
            else:
                piece = cut(placed.block, self._limits)
                outcome.segments += len(piece.texts)
                yield from self._add((piece, placed.identity))

    def _looked_through(self) -> Iterator[Handover]:
        """Yield each collected block followed by the texts hidden in it. Files hidden in a block are collected in turn."""
        for placed, part, rows in self._gathered.take():
            yield from self._add(part)
            if rows is None or rows:
                yield from self._all(self.outcomes[placed.identity.artifact], placed.walk.hidden(placed, rows))
                self._pulse()

    def _add(self, part: Part) -> Iterator[Handover]:
        self._parts.add(part)
        if self._parts.full:
            yield from self._batched()

    def _batched(self) -> Iterator[Handover]:
        parts, self._parts = self._parts.parts, BlockPile(self._limits)
        for batch in self._batcher.add(one_batch(parts)):
            yield from self._scanned(batch)
            self._pulse()

    def _scanned(self, batch: pa.RecordBatch) -> Iterator[Handover]:
        began = time.perf_counter()
        texts = with_text(batch)
        engines = (*self._bench.text, *self._references)
        for artifact, gap in scan_batch(engines, texts, self._recorder, self._pulse, times=self.times, spending=self._spending):
            self.outcomes[artifact].add_gap(gap)
        self._shared_out(time.perf_counter() - began, texts)
        read_by_models = len(self._models) > len(self._tools.transcribers) and texts.num_rows > 0
        if self._tools.transcribers and (images := with_images(batch)).num_rows:
            self.share = 0.0 if read_by_models else 1.0
            yield Handover(images, images=True)
        rows = 0
        for handover in handovers(self._models, texts, self.times, self._spending) if read_by_models else ():
            rows += handover.batch.num_rows
            self.share = rows / texts.num_rows
            yield handover
        for artifact, gap in self._spending.take():
            self.outcomes[artifact].add_gap(gap)

    def _shared_out(self, seconds: float, texts: pa.RecordBatch) -> None:
        """Divide the time that engines spent on a batch among its artifacts, by amount of text."""
        sizes = np.bincount(texts.column("artifact").to_numpy(), pc.binary_length(texts.column("text")).to_numpy())
        for index in np.flatnonzero(sizes).tolist():
            self.outcomes[index].seconds += seconds * float(sizes[index] / sizes.sum())

    def _artifact(self, outcome: Outcome, row: PlanRow) -> Iterator[Placed]:
        """Yield the blocks of one artifact. Any failure is confined to its outcome."""
        for name, reason in self._context.missing:
            outcome.coverage[name] = Standing(MISSING, reason, ReasonCode.ENGINE_MISSING)
        opened: OpenArtifact | None = None
        try:
            weight = self.times.weight(row.bytes)
            began = self.times.now() if weight else 0.0
            opened = OpenArtifact(row, self._context.roots[row.root], self._context.settings.stores, self._throttle, self.times)
            if weight:
                self.times.add(READING, began, weight)
            yield from self._read(outcome, row, opened)
            opened.check_unchanged()
        except LimitExceeded as error:
            if opened is None:
                self._unreadable(outcome, error)
            else:
                outcome.add_gap(Gap.of(error))
        except ReadError as error:
            self._unreadable(outcome, error)
        except Exception as error:  # noqa: BLE001  # the boundary of an artifact: hostile input may raise anything in any library
            self._unreadable(outcome, as_read_error(error, "the file cannot be read"))
        finally:
            if opened is not None:
                opened.close()

    def _unreadable(self, outcome: Outcome, error: ReadError) -> None:
        """Record the artifact as unreadable if nothing was read, otherwise record a gap."""
        outcome.same_as = None
        if error.reason_code == ReasonCode.ARCHIVED:
            outcome.status, outcome.reason, outcome.reason_code = "skipped", str(error), error.reason_code
            return
        if (outcome.segments == 0 and outcome.members == 0) or isinstance(error, ChangedDuringRun):
            outcome.status, outcome.reason, outcome.reason_code = "unreadable", str(error), error.reason_code
        outcome.add_gap(Gap.of(error))

    def _read(self, outcome: Outcome, row: PlanRow, opened: OpenArtifact) -> Iterator[Placed]:
        walk = Walk(self._tools, outcome, opened.size)
        self._now = outcome.index, walk.reached
        about = FileInfo(row.artifact, opened.size, "", sha256=opened.content_id)
        if row.reason is not None and row.part == 0:
            outcome.add_gap(Gap(row.reason, code=ReasonCode(row.reason_code or ReasonCode.DAMAGED)))
        source, about = walk.recognised(opened.file(), about, _share(row, about.extension, opened))
        outcome.media_type = about.media_type
        if source.view is not None and about.media_type != (LANCE if source.view.lance else PARQUET):
            kind = "Lance" if source.view.lance else "Parquet"
            raise ReadError(f"the table's snapshot names it as one of its data files, but it is not a {kind} file")
        outcome.same_as = self._same_as(row, opened, source.kind)
        if outcome.same_as is None:
            self._walks.append(walk)
            yield from walk.artifact(source, about)
        else:
            outcome.content_id, outcome.content_id_kind = opened.content_id(), "sha256"

    def _same_as(self, row: PlanRow, opened: OpenArtifact, kind: Kind) -> str | None:
        """Return an artifact of the last complete sweep with the same content and an equivalent name."""
        # when only some engines run, the other rows come from the artifact's own last sweep; two sources cannot be combined
        if (
            self._known is None
            or row.view is not None
            or row.reason is not None
            or row.parts > 1
            or row.carried_from is not None
            or not self._known.worth_hashing(opened.size)
        ):
            return None
        readers = [engine for engine in (*self._bench.engines, *self._models) if isinstance(engine, NameReader)]
        inside = kind.media_type in (*COMPRESSED, OLE, OLE_LOCKED)  # members are named after the file, or judged by its name
        for name in self._known.artifacts(opened.content_id()):
            if name == row.artifact or (_alike(row.artifact, name, inside) and all(e.role(row.artifact) == e.role(name) for e in readers)):
                return name
        return None


def _timed(outcome: Outcome, blocks: Iterator[Placed]) -> Placed | None:
    """Return the next block, if any, and charge the time to the artifact."""
    began = time.perf_counter()
    placed = next(blocks, None)
    outcome.seconds += time.perf_counter() - began
    return placed


def _alike(one: str, other: str, by_name: bool) -> bool:
    a, b = FileInfo(one, None, ""), FileInfo(other, None, "")
    return a.name == b.name if by_name else a.extension == b.extension


def _share(row: PlanRow, extension: str, opened: OpenArtifact) -> Share:
    """Return which part of the artifact a row of the plan covers."""
    first = row.part == 0
    view = None if row.view is None else TableView.from_bytes(row.view)
    if row.kind == "rowgroups":
        return Share(row_groups=(row.start or 0, row.end or 0), first=first, view=view)
    if row.kind not in BYTE_RANGES:
        # the first bytes of a Lance file are values, and may be those of any format
        is_known = view is not None and view.lance and is_lance(edges(opened.file(), 0)[1])
        return Share(Kind(LANCE) if is_known else None, first=first, view=view)
    return Share(kind_of_part(opened.file(), extension, row.kind == "jsonl", first), row.start or 0, first=first)
