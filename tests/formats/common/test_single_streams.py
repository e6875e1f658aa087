"""Streams that are found by their first bytes cost no more than they make."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import struct
from collections.abc import Callable
from typing import BinaryIO

import pytest

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.media_types import UNKNOWN
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.archives.zip.structure import LOCAL
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.single_streams import PROBE, single_stream
from veritensor_ray.formats.common.source import Member, Source
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.compressed.found_streams import found_streams
from veritensor_ray.formats.residue.read import read_residue

SIZE, VAIN = 1 << 17, 1 << 18


class Counted(io.BytesIO):
    """Counts the bytes that are read, and how often."""

    taken = times = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        self.times += 1
        return data


HEADS = {
    "gzip whose content is damaged": b"\x1f\x8b\x08\x00\0\0\0\0\0\3",
    "xz whose header is damaged": b"\xfd7zXZ\0\0\4",
    "zlib without content": b"x\x9c",
    "gzip with a name that does not end": b"\x1f\x8b\x08\x08name",
    "gzip without content": gzip.compress(b""),
    "yEnc with a first line that does not end": b"=ybegin ",
    "zip whose entry is damaged": LOCAL + struct.pack("<HHHHHLLLHH", 20, 0, 8, 0, 0, 0, 0, 0, 1, 0) + b"a\xff",
}


def for_audit(file: BinaryIO, budget: Budget) -> bytes:
    source = Source(file, Kind(UNKNOWN), Limits(), budget=budget)
    return b"".join(item.file.read() for item in read_residue(source, length(file)) if isinstance(item, Member))


def for_clean(file: BinaryIO, budget: Budget) -> bytes:
    return b"".join(piece for one in found_streams(file, budget, lambda: None) for piece in one.content)


@pytest.mark.parametrize("read", [for_audit, for_clean])
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_many_streams_that_make_nothing_cost_a_multiple_of_the_file(
    head: bytes, read: Callable[[BinaryIO, Budget], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "VAIN_STREAMS", VAIN)
    file = Counted(head * (SIZE // len(head)))
    with contextlib.suppress(LimitExceeded):
        read(file, Budget(Limits(expanded_ratio=1), SIZE))
    assert file.taken < 4 * (VAIN + 4 * SIZE)
    assert file.times < 5000


def test_what_is_not_tried_is_told() -> None:
    data = b"\x1f\x8b\x08\x00\0\0\0\0\0\3" * (SIZE // 10)
    source = Source(io.BytesIO(data), Kind(UNKNOWN), Limits(), budget=Budget(Limits(), 0))
    source.budget.in_vain(bounds.VAIN_STREAMS - 1)
    assert [item.bound for item in read_residue(source, len(data)) if isinstance(item, Gap)] == ["vain_streams"]


@pytest.mark.parametrize("size", [10, 1000, 1 << 18])
def test_yenc_without_an_end_has_all_its_bytes(size: int) -> None:
    text = random.Random(size).randbytes(size).hex().encode()
    data = b"=ybegin line=128 name=a\n" + bytes((byte + 42) % 256 for byte in text)
    stream = single_stream(data[:PROBE], Window(io.BytesIO(data), 0, len(data)), Budget(Limits(), len(data)))
    assert stream is not None
    assert b"".join(stream.pieces(Budget(Limits(), len(data)))) == text


def test_a_stream_that_makes_nothing_is_left_early() -> None:
    data = b"\x1f\x8b\x08\x08" + b"name" * bounds.SILENT_STREAM
    window = Window(io.BytesIO(data), 0, len(data))
    stream = single_stream(data[:PROBE], window, Budget(Limits(), len(data)))
    assert stream is not None
    assert (list(stream.pieces(Budget(Limits(), len(data)))), window.at) == ([], bounds.SILENT_STREAM)
