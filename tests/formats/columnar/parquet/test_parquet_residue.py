"""Pages whose headers say odd things of themselves end, and are read in proportion to their size."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from veritensor_ray.core.config import Limits
from veritensor_ray.formats.columnar.parquet.parquet_residue import ParquetResidue
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
    ParquetResidue(file, ByteAccount(), Budget(Limits(), len(data))).group(0)
    assert file.asked < 1 << 22
