"""Reads the strings of pickles from the opcodes. Bytes that are files become members. Nothing is unpickled."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import BinaryIO, cast

import numpy as np

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.columnar.blobs import as_text
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.model_files.collecting import Gathered, Names
from veritensor_ray.formats.model_files.numpy.numpy_texts import array_texts
from veritensor_ray.formats.model_files.pickle.events import PIECE, PickleText, Raw
from veritensor_ray.formats.model_files.pickle.pickle_values import Blob, Name, text_dtype
from veritensor_ray.formats.model_files.pickle.structure import Ended, Pickles, Rest
from veritensor_ray.formats.recognition import by_magic

COLUMN = "pickle"
_ALONE = 65_536  # a string of at least this length gets a separate block with its byte offset


def read_pickle(source: Source) -> Iterator[Item]:
    """Yield every string in order; `row` counts them. Data after the last pickle becomes a member."""
    yield from read_pickles(source)


def read_pickles(source: Source, base: int = 0) -> Iterator[Item]:
    """Read pickles from the current position of a file; `base` is that position."""
    pickles = Pickles(source.file, texts=True)
    gathered, names, account = Gathered(), Names("names"), source.account
    row, number, problem = -1, 0, ""
    begin: int | None = None
    for event in pickles.events():
        if isinstance(event, PickleText):
            row += not event.start
            yield from _string_items(event, row, base, gathered)
        elif isinstance(event, Blob):
            row += 1
            if not (yield from _bytes(event, row, base, pickles, gathered)):
                pickles.aside.unread(event.offset, event.offset + event.size)
        elif isinstance(event, Name) and event.end > event.offset + 1:  # the others stand there as strings
            yield from names.add(str(event))
        elif isinstance(event, Raw):
            account.claim(base + event.offset, base + event.offset + event.size, "values" if not text_dtype(event.wrapper) else "text")
            yield from _array(event.size, text_dtype(event.wrapper), pickles, gathered)
        elif isinstance(event, Ended):
            counts = event.sure or not number  # the others only look like opcodes
            problem = event.reason if counts else ""
            number += 1
            if event.reason and not counts:
                begin = event.start
                continue
            unread = ((base + start, base + end) for start, end in pickles.aside.ranges)
            account.claim_around(base + event.start, base + event.end, "text", unread)
            pickles.aside.ranges.clear()
        elif isinstance(event, Rest) and not event.tensors:
            yield from gathered.take()
            yield from _rest(source, pickles, base + (event.start if begin is None else begin))
        elif isinstance(event, Rest):
            _claim_tensors(source, pickles, base + event.start)
    yield from (*gathered.take(), *names.take())
    if problem:
        raise ReadError(f"the pickle breaks off: {problem}")


def _string_items(event: PickleText, row: int, base: int, gathered: Gathered) -> Iterator[Item]:
    if len(event.text) < _ALONE and not event.start:
        yield from gathered.add(_narrow(event.text), COLUMN, row)
        return
    yield from gathered.take()
    offset = None if event.offset is None else base + event.offset
    yield Block([event.text], row=row, column=COLUMN, byte_offset=offset, start=event.start)


def _narrow(text: str) -> str:
    """Restore bytes that protocol 2 writes as Latin-1 text and that hold four-byte characters."""
    if len(text) < 8 or text[1:4] != "\0\0\0":
        return text
    try:
        return _decoded(text.encode("latin-1")) or text
    except UnicodeEncodeError:
        return text


def _claim_tensors(source: Source, pickles: Pickles, start: int) -> None:
    """Claim the storages after the pickles of an old file of torch. Each begins with the number of its values."""
    size, storages = pickles.window.size, pickles.aside.storages
    if size is not None:
        end = start + sum(8 + bytes_ for bytes_ in storages.values()) if storages is not None else size
        source.account.claim(start, end, "values")


def _bytes(blob: Blob, row: int, base: int, pickles: Pickles, gathered: Gathered) -> Generator[Item, None, bool]:
    """Yield bytes as a string, the raw memory of an array of strings, or a file. Return whether they are that, or known to be numbers."""
    name = f"bytes@{base + blob.offset}"
    if blob.dtype:
        yield from _array(blob.size, blob.dtype, pickles, gathered)
    elif by_magic(blob.head):
        yield from gathered.take()
        yield from _member(pickles, blob.size, name)
    elif blob.size <= PIECE:
        text = _decoded(_held(pickles, blob.size))
        yield from gathered.add(text, COLUMN, row)
        return bool(text) or blob.numbers
    elif _decoded(blob.head[:60]) or _is_wide(blob.head):
        yield from gathered.take()
        yield from _member(pickles, blob.size, name)
    else:
        return blob.numbers
    return True


def _member(pickles: Pickles, size: int, name: str) -> Iterator[Item]:
    file = pickles.window.slice(size)
    yield Member(name, file) if file else Gap(f"{size} bytes inside a compressed stream were not read", location=name, bound="pickle_bytes")


def _held(pickles: Pickles, size: int) -> bytes:
    file = pickles.window.slice(size)
    return file.read(size) if file else b""


def _decoded(data: bytes) -> str:
    """The text in the bytes, or an empty string."""
    if _is_wide(data) and len(data) % 4 == 0:
        try:
            return "\n".join(text for text in data.decode("utf-32-le").split("\0") if text)
        except UnicodeDecodeError:
            return ""
    if 3 * data.count(0) > len(data):
        return as_text(data) or ""
    try:
        text = data.decode("utf-8").replace("\0", "\n")
    except UnicodeDecodeError:
        return ""
    odd = sum(not (c.isprintable() or c.isspace()) for c in text[:4096])
    return text if text.strip() and odd <= 0.02 * min(len(text), 4096) else ""


def _is_wide(data: bytes) -> bool:
    """Whether bytes are four-byte characters, as NumPy stores strings."""
    return len(data) >= 8 and data[0] > 8 and data[1:4] == b"\0\0\0" and data[5:8] == b"\0\0\0"


def _array(size: int, described: str, pickles: Pickles, gathered: Gathered) -> Iterator[Item]:
    """Yield the strings in the memory of an array; without a text type, it is numbers."""
    dtype = np.dtype(described or "u1")
    if not described or not dtype.itemsize:
        return
    file = pickles.window.slice(size)
    if file is None:
        yield Gap(f"an array of {size} bytes inside a compressed stream was not read", bound="pickle_bytes")
        return
    for index, text in array_texts(file, dtype, size // dtype.itemsize):
        yield from gathered.add(text, "array", index)


def _rest(source: Source, pickles: Pickles, start: int) -> Iterator[Item]:
    name = f"rest@{start}"
    if pickles.window.size is None:
        yield Gap("the data after the last pickle inside a compressed stream was not read", location=name)
        return
    end = length(source.file)
    source.account.claim(start, end, "members")
    yield Member(name, cast("BinaryIO", Pieces(Window(source.file, start, end - start).pieces())), opaque=True, stray=True)
