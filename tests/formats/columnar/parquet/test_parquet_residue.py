"""Hostile pages end and are read in proportion to their size, and any number of bounds is compared with any number of values at once."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from veritensor_ray.core.config import Limits
from veritensor_ray.formats.columnar.parquet.parquet_file import TopField
from veritensor_ray.formats.columnar.parquet.parquet_residue import GroupResidue, ParquetResidue
from veritensor_ray.formats.columnar.parquet.thrift import BINARY, I32, Struct, encoded
from veritensor_ray.formats.common.account import ByteAccount
from veritensor_ray.formats.common.budget import Budget


class _Counted(io.BytesIO):
    """A file that counts the bytes asked of it, and gives up after many of them."""

    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked += len(self.getbuffer()) if size is None or size < 0 else size
        assert self.asked < 1 << 26
        return super().read(size)


def _page(packed: int, least: bytes = b"") -> bytes:
    """The header of a page, with a value in its statistics."""
    header, data, statistics = Struct(), Struct(), Struct()
    for number, value in ((1, 0), (2, 10), (3, packed)):
        header.put(number, I32, value)
    statistics.put(1, BINARY, least)
    data.put(5, 12, statistics)
    header.put(5, 12, data)
    return encoded(header)


PAGES = {
    "of a negative size": _page(-len(_page(-20))),
    "of a long value": _page(1, least=b"x" * 5000),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_pages_with_odd_headers_end(page: bytes) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": ["0123456789" * 2000]}), out, compression="none", use_dictionary=False, write_statistics=False)
    data = bytearray(out.getvalue())
    data[4 : 4 + len(page)] = page
    file = _Counted(data)
    ParquetResidue(file, ByteAccount(), Budget(Limits(), len(data))).group(0, lambda name: True)
    assert file.asked < 1 << 22


def test_many_bounds_that_are_beginnings_of_values() -> None:
    values = [f"{number:058} and the rest of the value" for number in range(100_000)]
    bounds = {value[:size].encode() for value in values[:20_000] for size in range(60, 65)}
    odd = {b"x" * 64, b"y" * 59}
    group = GroupResidue({"a": TopField("a", [], [], 0)}, {0: (set(), bounds | odd)})
    group.see(pa.record_batch({"a": values}))
    assert group.left() == {0: odd}
