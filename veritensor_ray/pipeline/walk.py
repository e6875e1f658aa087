"""The single entry point for files: an artifact, the files inside it, and the parts of documents, to any depth.

Each file is recognized by content, shown to the engines that read bytes, and read for its text. Failures are recorded in the outcome. It
does not depend on Ray.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO, cast

from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo, Hit, Judged
from veritensor_ray.core.errors import LimitExceeded, ReadError, as_read_error
from veritensor_ray.core.format_table import COMPRESSED, declared_type, format_of, mismatch
from veritensor_ray.core.media_types import FAISS, GGUF, HDF5, MAILBOX, MESSAGE, NPY, ONNX, PDF, PICKLE, SAFETENSORS, UNKNOWN
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap, Identity
from veritensor_ray.core.table_view import TableView
from veritensor_ray.corpus.stage_times import HASHING, StageTimes
from veritensor_ray.engines.base import Engine, FileEngine, TextEngine, until_failure
from veritensor_ray.findings.outcome import COMPLETE, NO_READER, NOT_APPLICABLE, Outcome, Standing
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.formats.archives.zip.read import read_zip
from veritensor_ray.formats.archives.zip.structure import find_directory
from veritensor_ray.formats.common.budget import SHARED, Budget
from veritensor_ray.formats.common.decoders import HELD, Beside
from veritensor_ray.formats.common.kind import HEAD_BYTES, Kind
from veritensor_ray.formats.common.source import Counts, Item, Member, Reader, Source
from veritensor_ray.formats.common.spool import sha256, spooled
from veritensor_ray.formats.common.streams import decompressed
from veritensor_ray.formats.compressed.content import BESIDE, content_kind, content_name
from veritensor_ray.formats.encoded_text import layers
from veritensor_ray.formats.format_registry import reader_for
from veritensor_ray.formats.recognition import Recognised, recognise
from veritensor_ray.formats.residue.read import read_residue, read_streams
from veritensor_ray.formats.residue.strings import VIEW as RESIDUE
from veritensor_ray.formats.residue.unknown_bytes import UnknownBytes
from veritensor_ray.pipeline.bounded.process_limits import Advancing
from veritensor_ray.pipeline.context import Workbench
from veritensor_ray.pipeline.gather import Placed, Suspects
from veritensor_ray.pipeline.reading_progress import DIGEST, ReadingProgress

_MAY_CARRY = frozenset({PDF, PICKLE})
_NUMBERS = frozenset({SAFETENSORS, GGUF, ONNX, NPY, FAISS, HDF5})  # their readers skip most of the bytes
_BOMB = Block(["expands to far more than its size"], view="metadata", notice="archive-bomb")


@dataclass(frozen=True)
class Tools:
    """What every walk of a shard works with.

    `models` are the engines that will read the texts elsewhere; `transcribers` names those of them that read images. `transcribed` says
    whether the run has any transcriber: an unchanged artifact may need only some of the engines. `key` names the key columns of tables.
    """

    bench: Workbench
    models: Sequence[Engine]
    transcribers: tuple[str, ...]
    transcribed: bool
    recorder: Recorder
    limits: Limits
    pulse: Callable[[], None]
    key: tuple[str, ...] = ()
    times: StageTimes = field(default_factory=StageTimes)


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of an artifact a file is. Without arguments it is the whole artifact.

    `kind` is what the plan saw at the artifact's beginning, `offset` the byte where the part begins, `row_groups` those of a Parquet file
    (which is open as a whole), and `view` what the snapshot of a table shows of one.
    """

    kind: Kind | None = None
    offset: int = 0
    row_groups: tuple[int, int] | None = None
    first: bool = True
    view: TableView | None = None


WHOLE = Share()
_WHOLE, _ASIDE = Standing(COMPLETE), Standing(NOT_APPLICABLE)


class Walk:
    """A pass over one artifact."""

    def __init__(self, tools: Tools, outcome: Outcome, size: int) -> None:
        self._tools, self._outcome = tools, outcome
        self._budget = Budget(tools.limits, size)
        self._ended = self._noticed = False
        self._guessed = set[str]()
        self._images = self._in_rows = 0
        self.reached = ReadingProgress()

    def recognised(self, file: BinaryIO, about: FileInfo, share: Share = WHOLE) -> tuple[Source, FileInfo]:
        """Recognize a seekable file and describe it for readers and engines."""
        extension = about.extension
        found = recognise(file, extension) if share.kind is None else Recognised(share.kind, about.size or 0)
        media_type, promised = found.kind.media_type, declared_type(extension)
        about = FileInfo(
            about.path,
            found.size,
            media_type,
            promised,
            about.member,
            share.offset,
            mismatched=share.first and found.size > 0 and mismatch(extension, media_type),
            sha256=about.sha256 or partial(sha256, file),
        )
        source = Source(
            file,
            found.kind,
            self._tools.limits,
            extension,
            row_groups=share.row_groups,
            first_part=share.first,
            byte_base=share.offset,
            name_says=promised,
            name=about.name,
            view=share.view,
            key=self._tools.key,
            directory=found.directory,
            budget=self._budget,
        )
        source.account.size = found.size
        return source, about

    def artifact(self, source: Source, about: FileInfo) -> Iterator[Placed]:
        """Yield the segments of the artifact and of everything inside it.

        A limit on all its files together ends up in the outcome, whoever reached it.
        """
        try:
            yield from self._file(source, about)
        except LimitExceeded as error:
            yield from self._broken(error, about, None)
        except ReadError:
            if self._budget.error is None:
                raise
        yield from self._spent(about)
        self._account_for(source, about.size or 0)
        counts = source.counts
        self._outcome.lines, self._outcome.rows, self._outcome.chars = counts.lines, counts.rows, counts.chars

    def _account_for(self, source: Source, size: int) -> None:
        """Note what the bytes of the artifact are, if its reader keeps account of them. Only the first part of a Parquet file has any."""
        outcome = self._outcome
        is_later = source.row_groups is not None and not source.first_part
        if source.kind.encoding is not None or is_later:
            outcome.bytes_text, outcome.bytes_structure, outcome.bytes_members = 0 if is_later else size, 0, 0
            outcome.bytes_residue_text = outcome.bytes_opaque = 0
            return
        if not source.account.kept and reader_for(source.kind) is not None:
            return
        known = source.account.bytes
        outcome.bytes_text, outcome.bytes_structure, outcome.bytes_members = known["text"], known["structure"], known["members"]
        left = size - outcome.bytes_text - outcome.bytes_structure - outcome.bytes_members
        outcome.bytes_residue_text = min(left, known["residue"])
        outcome.bytes_opaque = left - outcome.bytes_residue_text

    def _spent(self, about: FileInfo) -> Iterator[Placed]:
        """Record the limit on all files together if a reader mistook it for damage."""
        if not self._ended and (spent := self._budget.error):
            yield from self._broken(spent, about, None)

    def _file(self, source: Source, about: FileInfo, depth: int = 0, member: Member | None = None) -> Iterator[Placed]:
        """Run the engines over the bytes of a file at any depth, then yield its text and the files in it."""
        times = self._tools.times
        weight = times.weight(about.size or 0)
        with self.reached.opened(source.file, about.size or 0, _has_text(source.kind)):
            if source.first_part or source.row_groups is None:  # the first part of a Parquet file covers its bytes
                if source.view is not None and source.view.hidden:
                    self._without_bytes(about)
                else:
                    self._engines_over_bytes(source.file, about, weight)
                if about.member is None and about.sha256 is not None:
                    self.reached.scanning(DIGEST)
                    began = times.now() if weight else 0.0
                    self._outcome.content_id, self._outcome.content_id_kind = about.sha256(), "sha256"
                    self._outcome.bytes_scanned = about.size or 0
                    if weight:
                        times.add(HASHING, began, weight)
                source.file.seek(0)
            self.reached.reading()
            try:
                yield from self._texts(source, about, depth, member)
            finally:  # of a file that breaks off, the rows before that count
                if source.counts.rows or source.counts.tables:
                    self._count_rows(about.member, source.counts)

    def _count_rows(self, member: str | None, counts: Counts) -> None:
        """Record the rows of a file that is a table, or has several."""
        for part, rows in counts.tables.items() if counts.tables else ((None, counts.rows),):
            self._outcome.count_rows(member, part, rows)
        if counts.samples:
            self._outcome.samples[member] = counts.samples

    def ended(self) -> None:
        """Finish the artifact. Images need a transcriber; if none was selected, the coverage says so."""
        outcome = self._outcome
        if not self._images:
            return
        for name in self._tools.transcribers:
            if outcome.coverage.get(name, Standing(NOT_APPLICABLE)).status == NOT_APPLICABLE:
                outcome.coverage[name] = Standing(COMPLETE)
        if self._tools.transcribed:
            return
        count = f"{self._images} images" if self._images > 1 else "1 image"
        reason = f"ocr was not selected: text in {count} was not read"
        if (outcome.media_type or "").startswith("image/") and not outcome.incomplete:
            outcome.status, outcome.reason, outcome.reason_code = "skipped", reason, ReasonCode.ENGINE_NOT_SELECTED
        if self._in_rows:  # what the rows of a table are about, unlike the pictures of a document
            outcome.unread_inside = outcome.unread_inside or Standing("", reason, ReasonCode.ENGINE_NOT_SELECTED)
        outcome.coverage["ocr"] = Standing(NO_READER, reason, ReasonCode.ENGINE_NOT_SELECTED)

    def _engines_over_bytes(self, file: BinaryIO, about: FileInfo, weight: int) -> None:
        """Run the engines over one file. A failure of one does not affect the others."""
        times = self._tools.times
        applying = {engine.name for engine in self._tools.bench.engines if self._cover(engine, engine.applies(about))}
        for engine in self._tools.bench.files:
            if engine.name not in applying:
                continue
            self.reached.scanning(engine.name)
            file.seek(0)
            shown = cast("BinaryIO", Advancing(file, self._tools.pulse)) if (about.size or 0) > HELD else file
            began = times.now() if weight else 0.0
            found = list(until_failure(engine.name, partial(engine.scan_file, shown, about)))
            if weight:
                times.add(engine.name, began, weight)
            if hits := [one for one in found if isinstance(one, Hit)]:
                found += until_failure(engine.name, partial(self._hits, engine, file, about, hits))
            for one in found:
                if isinstance(one, Gap):
                    self._gap(replace(one, engine=engine.name, member=one.member or about.member))
                elif isinstance(one, Judged):
                    self._outcome.judge(engine.name, about.member, one)
            self._tools.pulse()

    def _without_bytes(self, about: FileInfo) -> None:
        """Cover a file whose bytes hold deleted rows. An engine over bytes could not tell these from the others, so it reads only cells."""
        for engine in self._tools.bench.engines:
            self._cover(engine, engine.applies(about))
        for engine in self._tools.bench.files:
            if not isinstance(engine, TextEngine) and self._outcome.coverage[engine.name].status == COMPLETE:
                reason = "the bytes of a file with deleted rows are not searched"
                self._outcome.add_gap(Gap(reason, engine=engine.name, coverage=NO_READER, code=ReasonCode.HIDDEN_BY_SNAPSHOT))

    def _hits(self, engine: FileEngine, file: BinaryIO, about: FileInfo, hits: Sequence[Hit]) -> Sequence[Gap]:
        """Record hits, for which their places in the file are read again."""
        self._tools.recorder.file_hits(engine.name, self._outcome.index, file, about, hits)
        return ()

    def _cover(self, engine: Engine, applies: bool) -> bool:
        """Mark an engine complete if it applies to the artifact or to anything in it, unless something else was recorded."""
        coverage, name = self._outcome.coverage, engine.name
        if applies and coverage.get(name, _ASIDE).status == NOT_APPLICABLE:
            coverage[name] = _WHOLE
        else:
            coverage.setdefault(name, _ASIDE)
        return applies

    def _texts(self, source: Source, about: FileInfo, depth: int, member: Member | None = None) -> Iterator[Placed]:
        """Yield the segments of an open file and of everything inside it.

        `about` describes the source, even when a compression was removed.
        """
        if source.kind.media_type in COMPRESSED:
            yield from self._unpacked(source, about, depth)
            source.account.claim(0, about.size or 0, "members")
        elif source.kind.encoding is not None:  # text, all of which is read
            yield from self._as_its_kind(source, about, depth, member)
            if source.via is None and not self._ended and _hides_streams(source.kind):
                yield from self._read(partial(read_streams, size=about.size or 0), source, about, depth)
        else:
            yield from self._with_residue(source, about, depth, member)

    def _with_residue(self, source: Source, about: FileInfo, depth: int, member: Member | None) -> Iterator[Placed]:
        """Yield what the reader finds, and then what stands in the file outside of what it claims. Without a reader, that is all of it."""
        broken = None
        try:
            yield from self._as_its_kind(source, about, depth, member)
        except ReadError as error:
            broken = error
        whole = source.via is None and (source.row_groups is None or source.first_part) and source.file.seekable()
        has_reader = reader_for(source.kind) is not None
        if whole and not self._ended and (source.account.kept or not has_reader):
            is_stray = member is not None and member.stray and source.kind.media_type == UNKNOWN
            unknown = UnknownBytes() if (has_reader or is_stray) and not self._is_guessed(about.member) else None
            yield from self._read(partial(read_residue, size=about.size or 0, unknown=unknown), source, about, depth)
        if broken:
            raise broken

    def _as_its_kind(self, source: Source, about: FileInfo, depth: int, member: Member | None) -> Iterator[Placed]:
        """Yield what the reader of the file's kind finds, and what a zip at its end holds."""
        reader = reader_for(source.kind)
        appended = self._appended_zip(source)
        if reader is not None:
            yield from self._read(reader, source, about, depth)
            if appended is not None and not self._ended:
                source.file.seek(0)
                yield from self._read(read_zip, appended, about, depth)
        elif appended is not None:  # data in front of the zip becomes a member, since nobody else reads it
            yield from self._read(read_zip, replace(appended, front_read=False), about, depth)
            if not about.member and source.kind.media_type != UNKNOWN:
                self._without_body(f"no reader for {source.kind.media_type}")
        elif member is None or not member.opaque:
            self._no_reader(source, about)

    def _appended_zip(self, source: Source) -> Source | None:
        """Return the zip at the end of a file of another type. Programs and documents may carry one."""
        if source.via is not None or not (source.kind.is_text or source.kind.media_type in _MAY_CARRY or reader_for(source.kind) is None):
            return None
        directory = find_directory(source.file)
        source.file.seek(0)
        return None if directory is None else replace(source, directory=directory)

    def _read(self, reader: Reader, source: Source, about: FileInfo, depth: int) -> Iterator[Placed]:
        known = about if about.media_type == source.kind.media_type else replace(about, media_type=source.kind.media_type)
        for engine in self._tools.models:
            self._cover(engine, engine.name not in self._tools.transcribers and engine.applies(known))
        path = f"{about.path}!/{about.member}" if about.member else about.path
        identity = Identity(self._outcome.index, path, source.kind.media_type, about.member)
        with contextlib.closing(reader(source)) as items:  # type: ignore[type-var]  # readers are generators
            for item in items:
                self._tools.pulse()
                if isinstance(item, Block) and item.part is not None:
                    _count_in_part(item.part, item, source.counts)
                yield from self._item(item, identity, about, depth)
                if self._ended:
                    return

    def _item(self, item: Item, identity: Identity, about: FileInfo, depth: int) -> Iterator[Placed]:
        if isinstance(item, Gap):
            gap = replace(item, member=_inside(about, item.member) if item.member else about.member)
            self._gap(gap)
            if self._budget.error:  # the reader itself reported why it stopped
                yield from self._end(gap.bound, about, gap.member)
            if gap.body and gap.member is None:
                self._without_body(gap.reason)
        elif isinstance(item, Member):
            yield from self._member(item, about, depth + 1)
        else:
            self._images += len(item.images or ())
            self._in_rows += len(item.images or ()) if item.row is not None else 0
            if self._guessed and item.view == "visible" and self._is_guessed(identity.member):
                item = replace(item, view=RESIDUE)
            yield Placed(item, identity, self, about, depth)

    def hidden(self, placed: Placed, rows: Suspects | None) -> Iterator[Placed]:
        """Yield what is hidden in a block of this walk. Failures become gaps of the file that contains the block."""
        if not self._ended:
            yield from self._guarded(self._layers(placed, rows), placed.about, placed.about.member)
            yield from self._spent(placed.about)

    def _layers(self, placed: Placed, rows: Suspects | None) -> Iterator[Placed]:
        for layer in layers(placed.block, self._budget, rows):
            if isinstance(layer, Block):
                yield replace(placed, block=layer, plain=False)
            else:
                yield from self._item(layer, placed.identity, placed.about, placed.depth)
            if self._ended:
                return

    def _member(self, member: Member, about: FileInfo, depth: int) -> Iterator[Placed]:
        """Yield the contents of a file inside the file. A failure does not end the walk over the others."""
        name = _inside(about, member.name)
        if member.guessed:
            self._guessed.add(name)
        else:
            self._outcome.members += 1
        inner = replace(about, member=name, offset=0, sha256=None)
        yield from self._guarded(self._unspooled(member, inner, depth), about, name)

    def _unspooled(self, member: Member, about: FileInfo, depth: int) -> Iterator[Placed]:
        """Read what can be unpacked of a member, then raise the error that ended the unpacking."""
        self._budget.member(depth)
        with self.reached.unpacking():
            file, broken = spooled(member.file, self._tools.pulse)
        with contextlib.closing(file):
            if broken is None or file.seek(0, io.SEEK_END):
                file.seek(0)
                source, about = self.recognised(file, about)
                if member.values:
                    source.account.claim(0, about.size or 0, "values")
                yield from self._guarded(self._file(source, about, depth, member), about, about.member)
        if broken is not None:
            raise broken

    def _gap(self, gap: Gap) -> None:
        """Record a gap, unless it is damage in what only looks like a file."""
        if gap.code != ReasonCode.DAMAGED or not self._is_guessed(gap.member):
            self._outcome.add_gap(gap)

    def _is_guessed(self, member: str | None) -> bool:
        """Return whether a member only looks like a file, or stands in one that does."""
        parts = (member or "").split("!/")
        return any("!/".join(parts[:count]) in self._guessed for count in range(1, len(parts) + 1))

    def _guarded(self, batches: Iterator[Placed], about: FileInfo, name: str | None) -> Iterator[Placed]:
        """Yield the same blocks. An error raised while making them becomes a gap of the member `name`."""
        try:
            yield from batches
        except ReadError as error:
            yield from self._broken(error, about, name)
        except Exception as error:  # noqa: BLE001  # the boundary of a member: hostile input may raise anything in any library
            self._gap(Gap.of(as_read_error(error, "the file cannot be read"), member=name))

    def _broken(self, error: ReadError, about: FileInfo, name: str | None) -> Iterator[Placed]:
        """Record a gap for what could not be unpacked."""
        bound = error.bound if isinstance(error, LimitExceeded) else None
        self._gap(Gap.of(error, member=name))
        yield from self._end(bound, about, name)

    def _end(self, bound: str | None, about: FileInfo, name: str | None) -> Iterator[Placed]:
        """End the walk if a limit on all files together was reached, and report a decompression bomb once."""
        self._ended |= bound in SHARED
        if bound == "expanded_ratio" and not self._noticed:
            self._noticed = True
            yield Placed(_BOMB, Identity(self._outcome.index, about.path, about.media_type, name), self, about, plain=False)

    def _unpacked(self, source: Source, about: FileInfo, depth: int) -> Iterator[Placed]:
        """Yield what a compressed file holds, then what lies next to the stream: comments, and frames that programs skip."""
        name = content_name(about.name)
        beside, broken = Beside(name), None
        try:
            yield from self._stream(source, about, name, beside, depth)
        except ReadError as error:
            broken = error
        if beside.data and not self._ended:
            yield from self._member(Member(BESIDE, io.BytesIO(beside.data), opaque=True, stray=True), about, depth + 1)
        if beside.cut:
            reason = f"comments and skipped frames next to the stream take more than {HELD} bytes; the rest was not read"
            self._gap(Gap(reason, member=about.member, bound="held_bytes"))
        if broken:
            raise broken

    def _stream(self, source: Source, about: FileInfo, name: str, beside: Beside, depth: int) -> Iterator[Placed]:
        """Yield the content of a compressed stream: text is read as a stream, anything else as a file inside the file."""
        stream, via = decompressed(source.file, source.kind.media_type, self._budget, beside)
        extension = FileInfo(name, None, "").extension
        kind = content_kind(stream.peek(HEAD_BYTES), name)
        if kind.is_text:
            via = f"{source.via}+{via}" if source.via else via
            inner = replace(source, file=stream, kind=kind, extension=extension, via=via, name_says=declared_type(extension), name=name)
            try:
                yield from self._texts(inner, about, depth)
            except LimitExceeded as error:
                yield from self._broken(error, about, about.member)
        else:
            yield from self._member(Member(name, stream), about, depth + 1)

    def _without_body(self, reason: str) -> None:
        """Record that only what lies next to the artifact's own text was read: properties, images, files in it."""
        self._outcome.bodiless = reason
        for engine in (*self._tools.bench.text, *self._tools.models):
            if engine.name not in self._tools.transcribers and self._outcome.coverage.get(engine.name, Standing("")).status == COMPLETE:
                self._outcome.coverage[engine.name] = Standing(NO_READER, reason, ReasonCode.NO_READER)

    def _no_reader(self, source: Source, about: FileInfo) -> None:
        """Record bytes that no reader understands: the engines over bytes have seen them, the engines over text have not."""
        known = format_of(source.kind.media_type)
        reason = f"no reader for {source.kind.media_type}" + (f"; {known.remedy}" if known and known.remedy else "")
        if about.member:
            self._gap(Gap(reason, member=about.member, coverage=NO_READER))
            return
        self._outcome.status, self._outcome.reason = self._outcome.status or "skipped", reason
        self._outcome.reason_code = ReasonCode.NO_READER
        for engine in self._tools.models:
            self._outcome.coverage[engine.name] = Standing(NO_READER, reason, ReasonCode.NO_READER)


def _has_text(kind: Kind) -> bool:
    """Return whether all of a file is read for its text, and not only scanned as bytes."""
    return kind.media_type in COMPRESSED or (kind.media_type not in _NUMBERS and reader_for(kind) is not None)


def _count_in_part(part: str, block: Block, counts: Counts) -> None:
    """Count the rows of a part, such as a sheet, up to the last one with a text. A reader that knows all of them sets their number later."""
    if block.column is not None and isinstance(block.row, list):
        last = max((row for row in block.row if row is not None), default=-1)
        counts.tables[part] = max(counts.tables.get(part, 0), last + 1)


def _hides_streams(kind: Kind) -> bool:
    """Return whether any bytes are letters in a text's encoding, so that no gap reports compressed ones. Mails are searched by their reader."""
    return kind.media_type not in (MESSAGE, MAILBOX) and not (kind.encoding or "").startswith("utf")


def _inside(about: FileInfo, name: str) -> str:
    """Return the member path of a file inside `about`."""
    return f"{about.member}!/{name}" if about.member else name
