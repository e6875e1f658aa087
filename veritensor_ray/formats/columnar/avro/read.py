"""Reads Avro object container files as a stream of blocks: the strings and bytes of each record."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import zstandard

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, Malformed, ReadError, as_read_error
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.columnar import snappy
from veritensor_ray.formats.columnar.avro.structure import Compiler, RecordTexts, Step, number, stretch
from veritensor_ray.formats.columnar.blobs import Blobs, BlobValue
from veritensor_ray.formats.common.decoders import Zstd
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.json.value_tree import is_text
from veritensor_ray.formats.residue.hidden import hidden

_LARGEST = bounds.BLOCK
_HEADER = bounds.AVRO_HEADER
_PIECE = 1 << 16
_LAST_ROW = 1 << 62  # the record counts of blocks are not trusted
_BATCH_TEXTS, _BATCH_CHARS = 4096, 4 << 20
BROKEN = (ValueError, IndexError, RecursionError, OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, pa.ArrowException)


def read_avro(source: Source) -> Iterator[Item]:
    """Read the file. `row` is the number of the record, `column` the path of the field.

    A block that does not decode loses only its own records.
    """
    file = AvroFile(source.file)
    source.account.claim(0, 4, "structure")
    header, sync = read_header(file)
    source.account.claim(0, file.position, "text")
    yield from _metadata(file.metadata, source.via)
    codec = header.get("avro.codec", b"null").decode("ascii", "replace")
    if codec not in UNPACK:
        yield Gap("no reader for the codec of its blocks", coverage="no-reader")
        return
    try:
        walk = Compiler().compile(json.loads(header.get("avro.schema", b"")))
    except (ValueError, RecursionError) as error:
        raise as_read_error(error, "not a complete Avro file: no schema") from None
    records = _AvroRecords(walk, codec, source)
    try:
        for count, packed, start in file.blocks(sync):
            if (yield from records.read(count, packed)):
                source.account.claim(start, file.position, "text")
    except ReadError:
        yield from records.rest()
        raise
    yield from records.rest()
    source.counts.rows += records.row
    yield from records.gaps()
    if file.lost:
        yield Gap(f"damaged places between blocks, where reading continued at the next one: {file.lost}", count=file.lost)
    if file.ends_early:
        raise ReadError(f"the Avro file ends inside a block after record {records.row - 1}")


class AvroFile:
    """The file with lookahead."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.data, self.at = file, b"", 0
        self._base = 0  # where the data begins in the file
        self.metadata: list[tuple[str, bytes]] = []  # with every key, however often it is there
        self.lost = 0
        self.ends_early = False

    def fill(self, size: int) -> int:
        """Buffer at least `size` bytes if the file has as many. Returns the number of buffered bytes."""
        pieces, have = [self.data[self.at :]], len(self.data) - self.at
        while have < size and (more := self._file.read(max(_PIECE, min(size - have, 1 << 20)))):
            pieces.append(more)
            have += len(more)
        if len(pieces) > 1:
            self._base += self.at
            self.data, self.at = b"".join(pieces), 0
        return have

    @property
    def position(self) -> int:
        """Where the next byte stands in the file."""
        return self._base + self.at

    def blocks(self, sync: bytes) -> Iterator[tuple[int, bytes, int]]:
        """Yield the number of records and the packed bytes of each block, and where it begins. The position is then behind its marker."""
        while self.fill(20):
            first = self.position
            try:
                count, at = number(self.data, self.at)
                size, at = number(self.data, at)
            except ValueError:
                count = size = -1
            if size > _LARGEST and count > 0:
                raise LimitExceeded("block_bytes", f"an Avro block is larger than {_LARGEST} bytes")
            head = at - self.at
            if count < 0 or size < 0:
                if not self._find(sync):
                    return
                continue
            if self.fill(head + size + 16) < head + size + 16:
                self.ends_early = True
            begin = self.at + head
            packed, mark = self.data[begin : begin + size], self.data[begin + size : begin + size + 16]
            if mark == sync:
                self.at = begin + size + 16
            yield count, packed, first
            if mark == sync:
                continue
            if self.ends_early or not self._find(sync):
                return

    def _find(self, sync: bytes) -> bool:
        """Move past the next sync marker. Returns False if there is none."""
        self.lost += 1
        while True:
            found = self.data.find(sync, self.at)
            if found >= 0:
                self.at = found + 16
                return True
            self.at = max(self.at, len(self.data) - 15)
            have = len(self.data) - self.at
            if self.fill(have + _PIECE) == have:
                self.ends_early = True
                return False


def read_header(file: AvroFile) -> tuple[dict[str, bytes], bytes]:
    """Read the metadata and the sync marker that separates blocks."""
    file.fill(_PIECE)
    size = _PIECE
    while True:
        try:
            return _parsed_header(file)
        except ValueError as error:
            size *= 4
            if size > _HEADER or file.fill(size) < size // 4:
                raise as_read_error(error, "not a complete Avro file") from None


def _parsed_header(file: AvroFile) -> tuple[dict[str, bytes], bytes]:
    data, at = file.data, file.at + 4
    found: list[tuple[str, bytes]] = []
    while True:
        count, at = number(data, at)
        if count == 0:
            break
        if count < 0:
            _, at = number(data, at)
        for _ in range(abs(count)):
            begin, at = stretch(data, at)
            key = data[begin:at].decode("utf-8", "replace")
            begin, at = stretch(data, at)
            found.append((key, data[begin:at]))
    if len(data) - at < 16:
        raise Malformed("its header ends early")
    file.at, file.metadata = at + 16, found
    return dict(found), data[at : at + 16]


def _metadata(header: list[tuple[str, bytes]], via: str | None) -> Iterator[Block]:
    """Yield the metadata, including the schema with its names, descriptions and defaults, and keys that may be more than that."""
    texts = [(key, value.decode("utf-8", "replace")) for key, value in header if value not in _CODECS]
    texts += [("keys", key) for key, _ in header if is_text(key)]
    if texts:
        yield Block([text for _, text in texts], column=[key[:256] for key, _ in texts], view="metadata", decoded_via=via)


class _AvroRecords:
    def __init__(self, walk: Step, codec: str, source: Source) -> None:
        self._walk, self._codec, self._source = walk, codec, source
        self._blobs = Blobs(source.budget)
        self._found, self._rows, self._binary = RecordTexts(), list[int](), list[BlobValue]()
        self._damaged = self._bad = self._waiting = 0
        self.row = 0

    def read(self, count: int, packed: bytes) -> Generator[Item, None, bool]:
        """Read the records of a block; their strings are yielded together with those of others. Return whether all of it was read."""
        behind, before = min(self.row + count, _LAST_ROW), self._damaged
        try:
            data, unused = UNPACK[self._codec](packed)
            yield from hidden(unused, part="behind a block")
            self._source.budget.add(len(data) if self._codec != "null" else 0)
            yield from self._walked(data, range(self.row, behind))
        except BROKEN:
            self._damaged += 1
        self.row = behind
        return self._damaged == before

    def _walked(self, data: bytes, rows: range) -> Iterator[Item]:
        self._waiting += len(data)
        at = 0
        for row in rows:
            self.row, before = row, at
            try:
                at = self._walk(data, at, self._found)
            finally:
                self._rows += [row] * (len(self._found.texts) - len(self._rows))
                self._binary += [BlobValue(value, row, path, f"{row}/{path}") for path, value in self._found.binary]
                self._found.binary.clear()
            if len(self._rows) + len(self._binary) >= _BATCH_TEXTS or self._waiting > _BATCH_CHARS:
                yield from self.rest()
            if at == before:  # records of size zero: their number may be anything
                break
        if at < len(data):
            yield from hidden(data[at:], part="behind the records")

    def rest(self) -> Iterator[Item]:
        """Yield everything that is still held back."""
        found, rows, binary = self._found, self._rows, self._binary
        self._found, self._rows, self._binary, self._waiting = RecordTexts(), [], [], 0
        self._bad += found.bad
        if found.texts:
            yield Block(found.texts, row=rows, column=found.columns, decoded_via=self._source.via)
        yield from self._blobs.read(binary, self._source.via)

    def gaps(self) -> Iterator[Gap]:
        """Yield gaps for damaged blocks and values."""
        if self._damaged:
            yield Gap(f"{self._damaged} blocks cannot be decoded; the rest of their records was not read", count=self._damaged)
        if self._bad:
            yield Gap(f"{self._bad} strings are not valid UTF-8; undecodable bytes were replaced", count=self._bad)
        yield from self._blobs.gaps()


_Unpack = Callable[[bytes], tuple[bytes, bytes]]  # returns what is packed, and what stands behind it
_CODECS = frozenset(name.encode() for name in ("null", "deflate", "bzip2", "xz", "snappy", "zstandard"))


def _limited(made: Callable[[], Any]) -> _Unpack:
    def unpack(packed: bytes) -> tuple[bytes, bytes]:
        packer = made()
        data = packer.decompress(packed, _LARGEST)
        if not packer.eof and len(data) >= _LARGEST:
            raise LimitExceeded("block_bytes", f"an Avro block expands to more than {_LARGEST} bytes")
        return bytes(data), bytes(packer.unused_data)

    return unpack


def _zstandard(packed: bytes) -> tuple[bytes, bytes]:
    file, pieces, size = io.BytesIO(packed), [], 0
    frame = Zstd(file.read, single=True)
    for piece in frame:
        pieces.append(piece)
        size += len(piece)
        if size > _LARGEST:
            raise LimitExceeded("block_bytes", f"an Avro block expands to more than {_LARGEST} bytes")
    return b"".join(pieces), frame.unused_data + file.read()


UNPACK: dict[str, _Unpack] = {
    "null": lambda packed: (packed, b""),
    "deflate": _limited(lambda: zlib.decompressobj(-15)),
    "bzip2": _limited(bz2.BZ2Decompressor),
    "xz": _limited(lzma.LZMADecompressor),
    "snappy": lambda packed: (snappy.unpacked(packed[:-4], _LARGEST, "block_bytes"), b""),  # four bytes of checksum
    "zstandard": _zstandard,
}
