"""Scan texts that are values in memory, such as the cells of a data frame: no file, no reader, no other process.

Engines see each text as an artifact of its own, so that the result for a text does not depend on its neighbors. It does not depend on Ray.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo, Hit
from veritensor_ray.core.errors import ReadError, as_read_error
from veritensor_ray.core.media_types import PLAIN
from veritensor_ray.core.segments import SEGMENTS, Block, Gap, Identity, clean_array, cut, one_batch
from veritensor_ray.engines.base import FileEngine, until_failure
from veritensor_ray.findings.recorded import Recorded
from veritensor_ray.findings.recorder import HitRecorder
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item, Member
from veritensor_ray.formats.encoded_text import layers, suspects
from veritensor_ray.pipeline.context import Workbench
from veritensor_ray.pipeline.gather import BlockPile
from veritensor_ray.pipeline.scan import scan_batch

NAME = "text"  # stands for the name of a file; rules that are restricted to certain names do not apply


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """A file that was encoded in a text, at the character `at`. It is still to be scanned."""

    text: int
    via: str
    at: int
    content: bytes


@dataclass(slots=True)
class TextResults:
    """What was found in a batch of texts, by their numbers. Texts without findings are not in `recorded`."""

    recorded: dict[int, Recorded] = field(default_factory=dict)
    gaps: list[tuple[int, Gap]] = field(default_factory=list)
    files: list[EncodedFile] = field(default_factory=list)


def scan_texts(bench: Workbench, limits: Limits, texts: Sequence[str], column: str | None = None, showing: bool = True) -> TextResults:
    """Run all engines of a workbench over texts and over what is encoded in them.

    `column` is the name of the column that they stand in, which engines may read as a hint. Texts contain no surrogates. Without `showing`
    only marks are recorded, and no rows.
    """
    return _Pass(bench, limits, texts, column, showing).done()


class _Pass:
    def __init__(self, bench: Workbench, limits: Limits, texts: Sequence[str], column: str | None, showing: bool) -> None:
        self._bench, self._limits, self._texts, self._column = bench, limits, texts, column
        self._recorder = HitRecorder(bench.rules, b"", showing)  # evidence keys are not shown
        self._results = TextResults(self._recorder.by_artifact)

    def done(self) -> TextResults:
        array = clean_array(self._texts)
        self._scan(self._plain(array))
        self._over_bytes(array)
        pile = BlockPile(self._limits)
        for part in self._hidden(array):
            pile.add(part)
            if pile.full:
                self._scan(one_batch(pile.parts))
                pile = BlockPile(self._limits)
        if pile:
            self._scan(one_batch(pile.parts))
        return self._results

    def _plain(self, array: pa.Array) -> pa.RecordBatch:
        """Return the texts as segments. They are built as rows of one block, because a block for each would take most of the time."""
        numbered = cut(Block(array, row=pa.array(range(len(array)), pa.int64()), line=self._line), self._limits)
        batch = one_batch([(numbered, _identity(0))])
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns["artifact"] = columns["row"].cast(pa.int32())
        columns["row"] = (
            pa.nulls(batch.num_rows, pa.int64()) if self._column is None else pa.repeat(pa.scalar(0, pa.int64()), batch.num_rows)
        )
        if self._column is not None:
            columns["column"] = pa.DictionaryArray.from_arrays(
                pa.repeat(pa.scalar(0, pa.int32()), batch.num_rows), clean_array([self._column])
            )
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=SEGMENTS)

    @property
    def _line(self) -> int | None:
        """A text that stands in a column has no lines, like the cell of a table."""
        return 1 if self._column is None else None

    def _over_bytes(self, array: pa.Array) -> None:
        """Run the engines that read bytes. Their hits become hits in the text, since its characters are known."""
        known = FileInfo(NAME, None, PLAIN)
        for engine in self._bench.files:
            if engine.applies(known):
                for number, text in enumerate(array.to_pylist()):
                    self._bytes_of(engine, number, text)

    def _bytes_of(self, engine: FileEngine, number: int, text: str) -> None:
        data = text.encode()
        about = FileInfo(NAME, len(data), PLAIN, sha256=lambda: hashlib.sha256(data).hexdigest())
        found = list(until_failure(engine.name, partial(engine.scan_file, io.BytesIO(data), about)))
        self._results.gaps += [(number, one) for one in found if isinstance(one, Gap)]
        if hits := [one for one in found if isinstance(one, Hit)]:
            moved = (hit._replace(row=0, start=_characters(data, hit.start), end=_characters(data, hit.end)) for hit in hits)
            self._recorder.text_hits(engine.name, one_batch([(self._block(text), _identity(number))]), moved)

    def _block(self, text: str) -> Block:
        return Block([text], row=None if self._column is None else 0, column=self._column, line=self._line)

    def _hidden(self, array: pa.Array) -> Iterator[tuple[Block, Identity]]:
        """Yield the texts that are encoded in these texts."""
        for number, among in suspects(array).items():
            text = self._texts[number]
            try:
                for item in layers(self._block(text), Budget(self._limits, len(text.encode())), {0: among}):
                    yield from self._item(number, item)
            except ReadError as error:
                self._results.gaps.append((number, Gap.of(error)))
            except Exception as error:  # noqa: BLE001  # the boundary of a text: hostile input may raise anything in any decoder
                self._results.gaps.append((number, Gap.of(as_read_error(error, "the text cannot be decoded"))))

    def _item(self, number: int, item: Item) -> Iterator[tuple[Block, Identity]]:
        if isinstance(item, Gap):
            self._results.gaps.append((number, item))
        elif isinstance(item, Member):
            via, _, at = item.name.rpartition("@")
            self._results.files.append(EncodedFile(number, via.rpartition("/")[2], int(at), item.file.read()))
        else:
            yield cut(item, self._limits), _identity(number)

    def _scan(self, batch: pa.RecordBatch) -> None:
        self._results.gaps += scan_batch(self._bench.text, batch, self._recorder, lambda: None)


def _identity(number: int) -> Identity:
    return Identity(number, NAME, PLAIN)


def _characters(data: bytes, offset: int) -> int:
    """Return how many characters end at or before a byte of UTF-8 text."""
    return len(data[:offset].decode("utf-8", "ignore"))
