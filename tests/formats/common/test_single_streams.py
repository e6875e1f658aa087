"""Streams that are found by their first bytes cost no more than they make."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
from collections.abc import Callable
from typing import BinaryIO

import pytest

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.media_types import UNKNOWN
from veritensor_ray.formats.archives.zip.structure import LOCAL
from veritensor_ray.formats.common.budget import SMALL, Budget
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.single_streams import PROBE, single_stream
from veritensor_ray.formats.common.source import Member, Source
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.compressed.found_streams import found_streams
from veritensor_ray.formats.residue.read import read_residue

SIZE = 1 << 17


class Counted(io.BytesIO):
    """Counts the bytes that are read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


HEADS = {
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
def test_many_streams_that_make_nothing_cost_a_multiple_of_the_file(head: bytes, read: Callable[[BinaryIO, Budget], bytes]) -> None:
    file = Counted(head * (SIZE // len(head)))
    with contextlib.suppress(LimitExceeded):
        read(file, Budget(Limits(expanded_ratio=1), SIZE))
    assert file.taken < SMALL + 16 * SIZE


def test_a_stream_that_makes_nothing_is_left_early() -> None:
    data = b"\x1f\x8b\x08\x08" + b"name" * bounds.SILENT_STREAM
    window = Window(io.BytesIO(data), 0, len(data))
    stream = single_stream(data[:PROBE], window)
    assert stream is not None
    assert (list(stream.pieces(Budget(Limits(), len(data)))), window.at) == ([], bounds.SILENT_STREAM)
