"""Reads the strings of pickles from the opcodes. Bytes that are files become members. Nothing is unpickled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.model_files.collecting import Gathered
from veritensor_ray.formats.model_files.numpy.numpy_texts import array_texts
from veritensor_ray.formats.model_files.pickle.events import PIECE, PickleText, Raw
from veritensor_ray.formats.model_files.pickle.pickle_values import Blob, text_dtype
from veritensor_ray.formats.model_files.pickle.structure import Ended, Pickles, Rest
from veritensor_ray.formats.recognition import by_magic

COLUMN = "pickle"
_ALONE = 65_536  # a string of at least this length gets a separate block with its byte offset


def read_pickle(source: Source) -> Iterator[Item]:
    """Yield every string in order; `row` counts them. Data after the last pickle becomes a member."""
    yield from read_pickles(source.file)


def read_pickles(file: BinaryIO, base: int = 0) -> Iterator[Item]:
    """Read pickles from the current position of a file; `base` is that position."""
    pickles = Pickles(file, texts=True)
    gathered = Gathered()
    row, number, problem = -1, 0, ""
    for event in pickles.events():
        if isinstance(event, PickleText):
            row += not event.start
            yield from _string_items(event, row, base, gathered)
        elif isinstance(event, Blob):
            row += 1
            yield from _bytes(event, row, base, pickles, gathered)
        elif isinstance(event, Raw):
            yield from _array(event.size, text_dtype(event.wrapper), pickles, gathered)
        elif isinstance(event, Ended):
            problem = event.reason if event.sure or not number else ""
            number += 1
        elif isinstance(event, Rest) and not event.tensors:
            yield from gathered.take()
            yield from _rest(pickles, base)
    yield from gathered.take()
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


def _bytes(blob: Blob, row: int, base: int, pickles: Pickles, gathered: Gathered) -> Iterator[Item]:
    """Yield bytes as a string, the raw memory of an array of strings, or a file; anything else is numbers."""
    name = f"bytes@{base + blob.offset}"
    if blob.dtype:
        yield from _array(blob.size, blob.dtype, pickles, gathered)
    elif by_magic(blob.head):
        yield from gathered.take()
        yield from _member(pickles, blob.size, name)
    elif blob.size <= PIECE:
        yield from gathered.add(_decoded(_held(pickles, blob.size)), COLUMN, row)
    elif _decoded(blob.head[:60]) or _is_wide(blob.head):
        yield from gathered.take()
        yield from _member(pickles, blob.size, name)


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


def _rest(pickles: Pickles, base: int) -> Iterator[Item]:
    window = pickles.window
    name = f"rest@{base + window.position}"
    if window.size is None:
        yield Gap("the data after the last pickle inside a compressed stream was not read", location=name)
        return
    file = window.slice(window.size - window.position)
    if file:
        yield Member(name, file, opaque=True)
