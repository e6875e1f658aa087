"""Reads TFRecord files as a stream: the values of each example. Records of other kinds are read as they are."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.columnar.blobs import Blobs, BlobValue
from veritensor_ray.formats.common.column_paths import shorten
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.json.value_tree import is_text
from veritensor_ray.formats.records.protobuf import example_values
from veritensor_ray.formats.records.recognise import is_record_head, masked_sum

_LARGEST = bounds.RECORD
_BATCH_VALUES, _BATCH_BYTES = 4096, 4 << 20
_NAMES = 10_000


def read_tfrecord(source: Source) -> Iterator[Item]:
    """Read the file. `row` is the number of the record, `column` the feature."""
    records = _Records(source)
    blobs, names = Blobs(source.budget), dict[str, None]()
    waiting: list[BlobValue] = []
    size = 0
    damage: ReadError | None = None
    try:
        for data in records.read():
            for name, value in _values(data):
                waiting.append(BlobValue(value, records.number, shorten(name), f"{records.number}/{shorten(name)}"))
                if is_text(name):
                    names[name] = None
            size += len(data)
            if len(waiting) >= _BATCH_VALUES or size > _BATCH_BYTES:
                yield from blobs.read(waiting, source.via)
                waiting, size = [], 0
            if len(names) >= _NAMES:
                yield Block(list(names), column="feature names", view="metadata", decoded_via=source.via)
                names.clear()
    except ReadError as error:
        damage = error
    yield from blobs.read(waiting, source.via)
    if names:
        yield Block(list(names), column="feature names", view="metadata", decoded_via=source.via)
    yield from blobs.gaps()
    yield from records.gaps()
    source.counts.rows += records.number + 1
    if damage:
        raise damage


def _values(data: bytes) -> list[tuple[str, bytes]]:
    try:
        return example_values(data)
    except ValueError:
        return [("record", data)]


class _Records:
    """Reads the records with their lengths and checksums."""

    def __init__(self, source: Source) -> None:
        self._file, self._account = source.file, source.account
        self._at = 0
        self._wrong = self._large = 0
        self.number = -1

    def read(self) -> Iterator[bytes]:
        while head := self._file.read(12):
            if len(head) < 12 or not is_record_head(head):
                raise ReadError(f"no record length after record {self.number}")
            self.number += 1
            self._account.claim(self._at, self._at + 12, "structure")
            length = int.from_bytes(head[:8], "little")
            if length > _LARGEST:
                self._skip(length + 4)
                self._at += 12 + length + 4
                continue
            data, check = self._file.read(length), self._file.read(4)
            self._account.claim(self._at + 12, self._at + 16 + length, "text")
            self._at += 12 + length + 4
            self._wrong += len(check) == 4 and masked_sum(data) != int.from_bytes(check, "little")
            yield data
            if len(check) < 4:
                raise ReadError(f"the TFRecord file ends inside record {self.number}")

    def _skip(self, size: int) -> None:
        self._large += 1
        while size and (data := self._file.read(min(size, 1 << 20))):
            size -= len(data)
        if size:
            raise ReadError(f"the TFRecord file ends inside record {self.number}")

    def gaps(self) -> Iterator[Gap]:
        """Yield gaps for damaged and oversized records."""
        if self._wrong:
            yield Gap(f"{self._wrong} records have a wrong checksum; they were read anyway", count=self._wrong)
        if self._large:
            yield Gap(f"{self._large} records are larger than {_LARGEST} bytes", bound="record_bytes", count=self._large)
