"""Thrift's compact protocol: what is read and written again is the same, byte for byte."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from veritensor_ray.formats.columnar.parquet.thrift import BINARY, I32, I64, List, Struct, Thrift, encoded


def test_a_footer_of_parquet_stays_the_same() -> None:
    table = pa.table({f"column {i}": pa.array([{"a": ["x", None]}, None]) for i in range(40)}).replace_schema_metadata({"k": "v" * 300})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=1, write_page_index=True, sorting_columns=[pq.SortingColumn(0)])
    data = out.getvalue()
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length : -8]
    assert encoded(Thrift(footer).struct()) == footer


def test_fields_of_every_type() -> None:
    made = Struct()
    made.put(1, 1, True)
    made.put(2, 2, False)
    made.put(3, 3, 200)
    made.put(4, 4, -7)
    made.put(30, I32, -(2**31))
    made.put(31, I64, 2**63 - 1)
    made.put(40, 7, b"8 bytes.")
    made.put(41, BINARY, b"bytes")
    made.put(1000, 9, List.of([*range(20)], I32))
    inner = Struct()
    inner.put(1, BINARY, b"")
    made.put(1001, 10, List.of([inner]))
    made.put(1002, 12, inner)
    read = Thrift(encoded(made)).struct()
    assert read == made
    assert encoded(read) == encoded(made)


@pytest.mark.parametrize("data", [b"", b"\x18", b"\x18\x05abc", b"\x19\xfc\xff\xff\x03", b"\x1d\x00", b"\x15" + b"\xff" * 12, b"\x1c" * 40])
def test_damaged_data_is_an_error(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        Thrift(data).struct()
