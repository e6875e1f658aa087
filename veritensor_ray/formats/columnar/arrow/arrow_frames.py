"""Accounts for the bytes of Arrow files and streams: the buffers of their batches, and the schema. It decodes no values.

What is left are the space between buffers, batches that the footer does not name, metadata of messages, and what follows the end.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.flatbuffer import FlatFile, FlatTable

_MAGIC = b"ARROW1"
_CONTINUES = b"\xff\xff\xff\xff"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3  # kinds of messages
_HEADER_TYPE, _HEADER, _BODY = 1, 2, 3  # fields of a message
_DATA = 1  # of a dictionary batch: the batch that holds its values
_BUFFERS = 2  # of a batch
_DICTIONARIES, _BATCHES = 2, 3  # of the footer
_BROKEN = (struct.error, ValueError, IndexError, OverflowError)


def _natural(value: int) -> int:
    if value < 0:
        raise ValueError("a place before the beginning")
    return value


def _needed(table: FlatTable | None) -> FlatTable:
    if table is None:
        raise ValueError("a field is missing")
    return table


def claim_stream(file: BinaryIO, account: ByteAccount) -> list[bytes]:
    """Claim the messages of a stream, and return those with a schema, which hold names and metadata."""
    account.claim(0, len(_CONTINUES), "structure")
    schemas: list[bytes] = []
    at, end = 0, length(file)
    try:
        while at < end and (following := _claim_message(file, account, at, schemas)) > at:
            at = following
    except _BROKEN:
        pass
    return schemas


def claim_file(file: BinaryIO, account: ByteAccount) -> list[bytes]:
    """Claim the batches that the footer names, and return the schema and the footer, which hold names and metadata."""
    end = length(file)
    account.claim(0, 8, "structure")
    schemas: list[bytes] = []
    try:
        at = _claim_message(file, account, 8, schemas, only=_SCHEMA)
        size = int.from_bytes(_read(file, end - 10, 4), "little")
        start = _natural(end - 10 - size)
        data = _read(file, start, size)
        footer = FlatTable.root(FlatFile(data))
        for offset in sorted({offset for number in (_DICTIONARIES, _BATCHES) for offset, _, _ in footer.structs(number, "<qi4xq")}):
            if offset >= at:  # a byte belongs to one message
                at = _claim_message(file, account, offset, schemas)
        account.claim(start, end, "structure")
        schemas.append(data)
    except _BROKEN:
        pass
    return schemas


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    if size > bounds.HELD:
        raise ValueError("the metadata of a message is too long")
    file.seek(_natural(at))
    return file.read(size)


def _claim_message(file: BinaryIO, account: ByteAccount, at: int, schemas: list[bytes], only: int | None = None) -> int:
    """Claim a message, and return where the next one begins; the same place if this one ends the stream. Raises one of _BROKEN."""
    head = _read(file, at, 8)
    start, size = (at + 8, head[4:]) if head.startswith(_CONTINUES) else (at + 4, head[:4])
    count = int.from_bytes(size, "little", signed=True)
    if count <= 0:
        account.claim(at, start, "structure")
        return at
    data = _read(file, start, count)
    message = FlatTable.root(FlatFile(data))
    kind, body = message.number(_HEADER_TYPE, 1, signed=False), start + count
    end = body + _natural(message.number(_BODY, 8))
    if kind == _SCHEMA and not schemas:
        account.claim(at, body, "structure")
        schemas.append(data)
    elif only is None and kind in (_DICTIONARY, _BATCH):
        account.claim(at, start, "structure")
        header = _needed(message.table(_HEADER))
        for offset, much in (_needed(header.table(_DATA)) if kind == _DICTIONARY else header).structs(_BUFFERS, "<qq"):
            account.claim(body + _natural(offset), min(end, body + offset + _natural(much)), "text")
    return end
