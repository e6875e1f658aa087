"""Reads WARC files (web archives) as a stream: payloads as members, headers as metadata, and the text of conversion records."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import PLAIN
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.web_archives import http_body

_HEAD_BYTES = 64 << 10
_TEXT_BYTES = bounds.HELD
_BATCH_TEXTS, _BATCH_CHARS = 1024, 4 << 20
_PIECE = 1 << 16
_BEGIN = re.compile(rb"WARC/[01]\.\d+\r?\n")
_HTTP = ("response", "request", "revisit")
_NAME = 200
_VIEWS = {"warcinfo": "metadata", "metadata": "metadata", "conversion": "visible"}


class _Record(io.RawIOBase):
    """The block of one record: the next `left` bytes of the file."""

    def __init__(self, file: _HeaderLines, length: int) -> None:
        self._file, self.left = file, length
        self.cut_short = False

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Do nothing: wrappers close the record when they are done, but its rest still has to be skipped."""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class uses Buffer, which Python 3.11 lacks
        data = self.piece(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def piece(self, size: int = 1 << 20) -> bytes:
        """Some bytes; empty at the end."""
        data = self._file.read(min(size, self.left, 1 << 20)) if self.left and size else b""
        self.cut_short |= self.left > 0 and size > 0 and not data
        self.left = 0 if self.cut_short else self.left - len(data)
        return data

    def skip(self) -> None:
        while self.piece():
            pass


@dataclass(slots=True)
class _Texts:
    """Collects strings of one view so that they can be yielded together."""

    view: str
    texts: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, text: str, row: int, column: str) -> None:
        if text.strip():
            self.texts.append(text)
            self.rows.append(row)
            self.columns.append(column[:256])
            self.size += len(text)

    def take(self, everything: bool) -> Iterator[Block]:
        if self.texts and (everything or len(self.texts) >= _BATCH_TEXTS or self.size >= _BATCH_CHARS):
            yield Block(self.texts, row=self.rows, column=self.columns, view=self.view)
            self.texts, self.rows, self.columns, self.size = [], [], [], 0


class _HeaderLines:
    """The file with lookahead for lines of bounded length."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._data, self._at = file, b"", 0

    def read(self, size: int) -> bytes:
        if self._at >= len(self._data):
            return self._file.read(size)
        data = self._data[self._at : self._at + size]
        self._at += len(data)
        return data

    def line(self) -> bytes:
        """A line, or as much of it as a head may have."""
        while (end := self._data.find(b"\n", self._at, self._at + _HEAD_BYTES) + 1) == 0 and len(self._data) - self._at < _HEAD_BYTES:
            more = self._file.read(_PIECE)
            if not more:
                break
            self._data, self._at = self._data[self._at :] + more, 0
        return self.read((end or min(len(self._data), self._at + _HEAD_BYTES)) - self._at) if self._at < len(self._data) else b""


def read_warc(source: Source) -> Iterator[Item]:
    """Read the records in order. After a record with a wrong length, reading continues at the next line that begins one."""
    reader = _RecordReader(source)
    try:
        yield from reader.records()
    except ReadError:
        yield from reader.rest()
        raise
    yield from reader.rest()
    if source.file.seekable():  # what belongs to no record is a gap
        source.account.claim(0, source.file.tell(), "members")
    source.counts.rows += reader.number + 1


class _RecordReader:
    def __init__(self, source: Source) -> None:
        self._file, self._budget = _HeaderLines(source.file), source.budget
        self._texts = {view: _Texts(view) for view in ("visible", "metadata")}
        self._lost = 0
        self._unread: dict[str, int] = {}
        self.number = -1

    def records(self) -> Iterator[Item]:
        while self._find():
            self.number += 1
            head = self._head()
            length = head.get("content-length", "")
            if not re.fullmatch(r"\s*\d{1,18}\s*", length):
                yield Gap("the record has no valid length; its content was not read as a record", location=f"record {self.number}")
                continue
            record = _Record(self._file, int(length))
            yield from self._record(head, record)
            record.skip()
            for texts in self._texts.values():
                yield from texts.take(everything=False)
            if record.cut_short:
                raise ReadError(f"the WARC file ends inside record {self.number}")

    def rest(self) -> Iterator[Item]:
        """Yield everything that is still held back."""
        for texts in self._texts.values():
            yield from texts.take(everything=True)
        for coding, count in self._unread.items():
            yield Gap(f"{count} payloads in content encoding {coding} have no reader", count=count, coverage="no-reader")
        if self._lost:
            yield Gap(f"{self._lost} bytes between records do not belong to any record", count=1)

    def _find(self) -> bool:
        """Move to the next line that begins a record."""
        while line := self._file.line():
            if _BEGIN.fullmatch(line):
                return True
            self._lost += len(line) if line.strip() else 0
        return False

    def _head(self) -> dict[str, str]:
        """The fields of the record. The last of equal names wins, but all of them are read as text."""
        lines: list[bytes] = []
        size = 0
        while (line := self._file.line()).strip() and size < _HEAD_BYTES:
            lines.append(line)
            size += len(line)
        text = b"".join(lines).decode("utf-8", "replace")
        self._texts["metadata"].add(text, self.number, "WARC headers")
        return http_body.fields(text)

    def _record(self, head: dict[str, str], record: _Record) -> Iterator[Item]:
        kind, address = head.get("warc-type", "").lower(), head.get("warc-target-uri", "").strip("<>")
        media = head.get("content-type", "").lower()
        if kind in _HTTP and ("http" in media or not media):
            yield from self._http(kind, address, record)
        elif kind in _VIEWS and (kind != "conversion" or media.startswith(PLAIN)) and record.left <= _TEXT_BYTES:
            text = b"".join(iter(record.piece, b"")).decode("utf-8", "replace")
            self._texts[_VIEWS[kind]].add(text, self.number, address or kind)
        elif record.left:
            yield Member(self._name(address), io.BufferedReader(record))

    def _http(self, kind: str, address: str, record: _Record) -> Iterator[Item]:
        stream: io.BufferedReader = io.BufferedReader(record, _HEAD_BYTES)
        head, is_head = http_body.head(stream)
        if not is_head:
            if stream.peek(1):
                yield Member(self._name(address), stream)
            return
        self._texts["metadata"].add(head, self.number, f"HTTP {kind}")
        about = http_body.fields(head)
        if not stream.peek(1):
            return
        body, unread = http_body.decoded(stream, about, self._budget)
        if unread:
            self._unread[unread] = self._unread.get(unread, 0) + 1
        yield Member(self._name(address), body, opaque=unread is not None)

    def _name(self, address: str) -> str:
        """The record number and the address without its query. A long address loses its middle, since the end shows the file type."""
        address = re.sub(r"[?#].*", "", address, flags=re.DOTALL)
        if len(address) > _NAME:
            address = f"{address[: _NAME // 2]}…{address[1 - _NAME // 2 :]}"
        return f"record {self.number} {address}".strip()
