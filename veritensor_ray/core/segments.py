"""Segments, the rows that engines read: their Arrow schema, and how readers' blocks become batches of limited size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError, failure
from veritensor_ray.core.origins import Origin, Origins
from veritensor_ray.core.reasons import ReasonCode

_NOTHING, _NO_NAMES = {type(None)}, pa.array([], pa.string())
_NAME = pa.dictionary(pa.int32(), pa.string())

# In pixels of the original image. A box holds the characters from the end of the previous box up to its own `end`.
BOX = pa.struct([(name, pa.int32()) for name in ("end", "left", "top", "right", "bottom", "frame")])

ORIGIN = pa.struct([("at", pa.int32()), ("start", pa.int64()), ("end", pa.int64()), ("line", pa.int64())])
_BOXES, _ORIGINS = pa.list_(BOX), pa.list_(ORIGIN)

SEGMENTS = pa.schema(
    [
        ("artifact", pa.int32()),  # index of the plan row within the shard
        ("path", _NAME),  # the artifact's path, then !/member
        ("media_type", _NAME),
        ("member", _NAME),
        ("row", pa.int64()),
        ("column", _NAME),
        ("page", pa.int32()),
        ("paragraph", pa.int32()),  # counted from 1 in its part
        ("part", _NAME),
        ("line", pa.int64()),  # of the first character; null if the text has no lines
        ("byte_offset", pa.int64()),  # of the first character in the file; null if the text was decoded
        ("start", pa.int64()),  # of the first character in its file, cell, page or part
        ("owned", pa.int32()),  # a hit that starts after these characters belongs to the next, overlapping segment
        ("view", _NAME),
        ("decoded_via", _NAME),
        ("text", pa.string()),
        ("image", pa.binary()),
        ("boxes", _BOXES),  # for text read from an image: where its characters are in which of its frames or pages, from 0
        (
            "origins",
            pa.list_(ORIGIN),
        ),  # for decoded or assembled text: where its characters come from; `start` and `line` are null then
        ("notice", _NAME),  # what the text is evidence of, see Block
        ("speaker", _NAME),  # user, system, assistant or tool; null unless a reader knows it, see Block
        (
            "key",
            _NAME,
        ),  # the values of the row's key columns, as `formats.columnar.keyed_rows` writes them; null unless the user names such columns
    ]
)


@dataclass(frozen=True, slots=True)
class Block:
    """Texts (or images) that a reader yields, with their locations.

    Every location field is either one value for all of them or a sequence as long as `texts`. Texts may have any length: long ones are
    cut later. `origins` maps a text that was assembled or decoded back to the characters of the file (cell, page, part); `start`, `line`
    and `byte_offset` have no meaning then. `notice` names something that the mere presence of the text proves, such as `macro`; the engine
    `structure` has a rule of that name. Such a text is read like any other; yield it once. `speaker` says whose turn of a conversation the
    text is, if the author of a dataset says so in a record (`formats/json/speakers.py`). `key` has the values of the key columns of each
    row (`formats/columnar/keyed_rows.py`).
    """

    texts: Sequence[str] | pa.Array
    row: int | Sequence[int] | pa.Array | None = None
    column: str | Sequence[str] | pa.Array | None = None
    page: int | None = None
    paragraph: Sequence[int] | None = None
    part: str | None = None
    line: int | Sequence[int] | None = None
    byte_offset: int | Sequence[int] | None = None
    start: int | Sequence[int] = 0
    owned: Sequence[int] | None = None
    view: str = "visible"
    decoded_via: str | None = None
    images: Sequence[bytes] | None = None
    origins: Sequence[Sequence[Origin]] | None = None
    notice: str | Sequence[str | None] | None = None
    speaker: str | Sequence[str | None] | pa.Array | None = None
    key: str | Sequence[str | None] | pa.Array | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not read, or not checked by `engine`. A reader yields it and continues.

    `coverage` is for content that is left out by design (no reader for audio, no advisory database): the ledger then records this status
    instead of `partial`, and the artifact still counts as complete. `body` means that the document's own text was not read, rather than
    something beside it: text engines then have no reader for the artifact, and it is not `scanned`. `code` is the reason code; give it if
    neither `bound` nor `coverage` implies it and the cause is not damage.
    """

    reason: str
    location: str | None = None
    member: str | None = None
    engine: str | None = None
    bound: str | None = None
    count: int = 1
    coverage: str | None = None
    body: bool = False
    code: ReasonCode | None = None

    def __post_init__(self) -> None:
        if self.code is None:
            by_design = ReasonCode.NO_READER if self.coverage == ReasonCode.NO_READER else ReasonCode.DAMAGED
            object.__setattr__(self, "code", by_design if self.bound is None else ReasonCode.LIMIT)

    @classmethod
    def of(cls, error: ReadError, location: str | None = None, member: str | None = None) -> Gap:
        """Returns the gap for an error, with the limit if one was exceeded."""
        return cls(str(error), location, member, bound=error.bound if isinstance(error, LimitExceeded) else None, code=error.reason_code)

    @classmethod
    def failed(cls, engine: str, error: Exception, reads: bool = False) -> Gap:
        """Returns the gap for an engine that raised an error. One that `reads`, such as a transcriber, may say what is wrong with a file."""
        bound = error.bound if reads and isinstance(error, LimitExceeded) else None
        code = error.reason_code if reads and isinstance(error, ReadError) else ReasonCode.ENGINE_FAILED
        return cls(f"{engine} failed: {failure(error)}", engine=engine, bound=bound, code=code)


@dataclass(frozen=True, slots=True)
class Identity:
    """The file that a block comes from."""

    artifact: int
    path: str
    media_type: str
    member: str | None = None


def cut_point(text: str, limit: int) -> int:
    """Returns where to cut `text`, at `limit` characters at most: after a paragraph, a line or a word, if one ends nearby."""
    for mark in ("\n\n", "\n", " "):
        at = text.rfind(mark, limit // 2, limit)
        if at > 0:
            return at + len(mark)
    return limit


def _cut_long(block: Block, limits: Limits) -> Block:
    """Cuts texts longer than `segment_chars` into overlapping pieces, so that no segment outgrows a batch."""
    size, overlap = limits.segment_chars, limits.overlap_chars
    source = block.texts.to_pylist() if isinstance(block.texts, pa.Array) else block.texts
    texts, index, starts, owned, lines = [], [], [], [], []
    origins: list[Sequence[Origin]] | None = None if block.origins is None else []
    for i, text in enumerate(source):
        at, base, line = 0, _item(block.start, i), _item(block.line, i)
        own = Origins.of(block.origins[i] if block.origins is not None else ())
        while True:
            rest = len(text) - at
            take = rest if rest <= size + overlap else cut_point(text[at : at + size], size)
            texts.append(text[at : at + take + (overlap if take < rest else 0)])
            index.append(i)
            starts.append(base + at)
            owned.append(take if take < rest or block.owned is None else block.owned[i] - at)
            lines.append(line)
            if origins is not None:
                origins.append(own.cut(text, at, at + len(texts[-1])))
            if take == rest:
                break
            line = None if line is None else line + text.count("\n", at, at + take)
            at += take
    return replace(
        block,
        texts=texts,
        row=_take(block.row, index),
        column=_take(block.column, index),
        paragraph=_take(block.paragraph, index),
        start=starts,
        owned=owned,
        line=lines if block.line is not None else None,
        byte_offset=None,
        origins=origins,
        notice=_take(block.notice, index),
        speaker=_take(block.speaker, index),
        key=_take(block.key, index),
    )


def _item(value: Any, i: int) -> Any:
    return value[i] if isinstance(value, Sequence) else value


def _take(value: Any, index: list[int]) -> Any:
    if isinstance(value, pa.Array):
        return value.take(pa.array(index))
    return [value[i] for i in index] if isinstance(value, Sequence) and not isinstance(value, str) else value


def clean_array(texts: Sequence[str | None]) -> pa.Array:
    """Returns an Arrow string array; lone surrogates, which UTF-8 cannot hold, become U+FFFD."""
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([t and t.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for t in texts], pa.string())


def cut(block: Block, limits: Limits) -> Block:
    """Returns the block with its long texts cut, or the block itself if none is long."""
    most = limits.segment_chars + limits.overlap_chars
    if isinstance(block.texts, pa.Array):
        long = block.texts.nbytes > most and max(_byte_lengths(block.texts), default=0) > most
    else:
        long = max(map(len, block.texts), default=0) > most
    return _cut_long(block, limits) if long else block


def to_batch(block: Block, identity: Identity, limits: Limits) -> pa.RecordBatch:
    """Returns a block as one record batch, with long texts cut. Its size is not yet limited."""
    return one_batch([(cut(block, limits), identity)])


def one_batch(parts: Sequence[tuple[Block, Identity]]) -> pa.RecordBatch:
    """Returns all these blocks as one record batch, in their order; each column is built once, however many blocks there are."""
    blocks, files = [block for block, _ in parts], [identity for _, identity in parts]
    columns = _Columns([len(block.texts) for block in blocks])
    return pa.RecordBatch.from_arrays(
        [
            columns.numbers([file.artifact for file in files], pa.int32()),
            columns.names([file.path for file in files]),
            columns.names([file.media_type for file in files]),
            columns.names([file.member for file in files]),
            columns.numbers([block.row for block in blocks], pa.int64()),
            columns.names([block.column for block in blocks]),
            columns.numbers([block.page for block in blocks], pa.int32()),
            columns.numbers([block.paragraph for block in blocks], pa.int32()),
            columns.names([block.part for block in blocks]),
            columns.numbers([block.line for block in blocks], pa.int64()),
            columns.numbers([block.byte_offset for block in blocks], pa.int64()),
            columns.numbers([block.start for block in blocks], pa.int64()),
            columns.numbers([block.owned for block in blocks], pa.int32()),
            columns.names([block.view for block in blocks]),
            columns.names([block.decoded_via for block in blocks]),
            texts_of(blocks),
            columns.flat([block.images for block in blocks], pa.binary()),
            pa.nulls(columns.rows, _BOXES),
            columns.origins([block.origins for block in blocks]),
            columns.names([block.notice for block in blocks]),
            columns.names([block.speaker for block in blocks]),
            columns.names([block.key for block in blocks]),
        ],
        schema=SEGMENTS,
    )


def texts_of(blocks: Sequence[Block]) -> pa.Array:
    """Returns the column with the texts of all blocks; images have none."""
    columns = _Columns([len(block.texts) for block in blocks])
    return columns.flat([block.texts if block.images is None else None for block in blocks], pa.string())


class _Columns:
    """Builds columns for blocks with `counts` rows each; a block gives either one value for all of its rows or one value per row."""

    def __init__(self, counts: list[int]) -> None:
        self._counts, self.rows = counts, sum(counts)
        self._block = None if self.rows == len(counts) and 0 not in counts else pa.array(np.repeat(np.arange(len(counts)), counts))

    def numbers(self, values: list[Any], kind: pa.DataType) -> pa.Array:
        types = {*map(type, values)}
        if types <= _NOTHING:
            return pa.nulls(self.rows, kind)
        if types <= {int, type(None)}:
            return self._repeated(pa.array(values, kind))
        return self.flat(values, kind)

    def names(self, values: list[Any]) -> pa.Array:
        types = {*map(type, values)}
        if types <= _NOTHING:
            return pa.DictionaryArray.from_arrays(pa.nulls(self.rows, pa.int32()), _NO_NAMES)
        if types <= {str, type(None)}:
            known: dict[str, int] = {}
            codes = [None if value is None else known.setdefault(value, len(known)) for value in values]
            return pa.DictionaryArray.from_arrays(self._repeated(pa.array(codes, pa.int32())), clean_array(list(known)))
        return self.flat(values, pa.string()).dictionary_encode()

    def _repeated(self, values: pa.Array) -> pa.Array:
        return values if self._block is None else values.take(self._block)

    def flat(self, values: list[Any], kind: pa.DataType) -> pa.Array:
        """Builds a column from values of which some are sequences or arrays."""
        pieces: list[pa.Array] = []
        run: list[Any] = []
        for value, count in zip(values, self._counts, strict=True):
            if isinstance(value, pa.Array):
                pieces += [_array(run, kind), value.cast(kind)]
                run = []
            elif value is None or isinstance(value, int | str):
                run += [value] * count
            else:
                run += value
        pieces += [_array(run, kind)] if run or not pieces else []
        return pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)

    def origins(self, values: list[Sequence[Sequence[Origin]] | None]) -> pa.Array:
        if all(value is None for value in values):
            return pa.nulls(self.rows, _ORIGINS)
        of_rows: list[Sequence[Origin] | None] = []
        for value, count in zip(values, self._counts, strict=True):
            of_rows += [None] * count if value is None else value
        found = Origins.joined([() if some is None else some for some in of_rows])
        columns = (pa.array(column, field.type) for column, field in zip((found.ats, found.starts, found.ends), ORIGIN, strict=False))
        lines = pa.array(found.lines, ORIGIN.field("line").type, mask=found.lines < 0)
        ends = np.cumsum([0, *(0 if some is None else len(some) for some in of_rows)])
        unknown = pa.array([some is None for some in of_rows], pa.bool_())
        origins = pa.StructArray.from_arrays([*columns, lines], fields=list(ORIGIN))
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), origins, mask=unknown)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    return clean_array(values) if kind == pa.string() else pa.array(values, kind)


def _byte_lengths(array: pa.Array) -> np.ndarray[Any, np.dtype[np.int32]]:
    offsets = np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)
    return np.diff(offsets)


class Batcher:
    """Collects small batches into batches of at most `batch_rows` rows and about `batch_bytes` bytes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0

    def add(self, part: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Takes `part` and yields the batches that are now full."""
        while part.num_rows:
            room = self._limits.batch_rows - self._rows
            head = part.slice(0, min(room, self._fitting(part)))
            if not head.num_rows:
                yield from self.flush()
                continue
            self._parts.append(head)
            self._rows += head.num_rows
            self._bytes += head.get_total_buffer_size() if head.num_rows == part.num_rows else _text_bytes(head)
            part = part.slice(head.num_rows)
            if part.num_rows or self._rows >= self._limits.batch_rows or self._bytes >= self._limits.batch_bytes:
                yield from self.flush()

    def _fitting(self, part: pa.RecordBatch) -> int:
        """Returns how many rows of `part` fit into the remaining bytes; at least one if nothing has been collected yet."""
        room = self._limits.batch_bytes - self._bytes
        if _text_bytes(part) <= room:
            return int(part.num_rows)
        sizes = _byte_lengths(part.column("text")) + _byte_lengths(part.column("image"))
        return max(0 if self._rows else 1, int(np.searchsorted(np.cumsum(sizes), room, side="right")))

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Yields the remaining rows, if there are any."""
        if self._parts:
            parts, self._parts, self._rows, self._bytes = self._parts, [], 0, 0
            if len(parts) == 1:
                yield parts[0]
            else:
                yield from pa.Table.from_batches(parts).unify_dictionaries().combine_chunks().to_batches()


def _text_bytes(batch: pa.RecordBatch) -> int:
    return int(_byte_lengths(batch.column("text")).sum() + _byte_lengths(batch.column("image")).sum())
