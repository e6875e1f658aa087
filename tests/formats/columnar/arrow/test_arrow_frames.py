"""What the messages of an Arrow file may claim: nothing behind them, and each byte once."""

from __future__ import annotations

import io
import struct

import pyarrow as pa

from tests.formats.columnar.arrow.test_read import FILE, STREAM, written
from veritensor_ray.formats.columnar.arrow.arrow_frames import claim_file, claim_stream
from veritensor_ray.formats.common.account import ByteAccount

TABLE = pa.table({"a": ["some words", "and others"]})
BEHIND = b"what follows the end of the stream"


def test_a_buffer_ends_with_its_message() -> None:
    data = written(TABLE, STREAM)
    last = struct.pack("<qq", 16, 20)  # where the characters begin, and how many there are
    assert data.count(last) == 1
    hostile = data.replace(last, struct.pack("<qq", 16, 1 << 40)) + BEHIND
    account = ByteAccount()
    assert len(claim_stream(io.BytesIO(hostile), account)) == 1
    assert [hostile[start:end] for start, end in account.unclaimed(len(hostile))][-1] == BEHIND


def test_blocks_that_name_one_message_again_and_again() -> None:
    data = written(TABLE, FILE, max_chunksize=1)
    first = 16 + int.from_bytes(data[12:16], "little")  # behind the schema
    for place in (8, first):  # the other block names the schema, or the same batch
        second = data.rindex(b"\xff\xff\xff\xff", 0, len(data) - 200)
        block, other = struct.pack("<q", second), struct.pack("<q", place)
        at = data.rindex(block)
        hostile = data[:at] + other + data[at + 8 :]
        account = ByteAccount()
        assert len(claim_file(io.BytesIO(hostile), account)) == 2  # the schema and the footer
        assert next(account.unclaimed(len(hostile)))[0] <= second
