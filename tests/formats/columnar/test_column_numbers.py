"""Numbers with as many digits as cards have are texts wherever a column has them, and so are bytes of numbers that are letters."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.cases import each
from tests.formats.residue.accounts import both, texts

CARD = 4539578763621486
LETTERS = b"written to jane.doe@vault-mail.org"


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def arrow(table: pa.Table, compression: str | None = None) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return out.getvalue()


COLUMNS: dict[str, Callable[[int], Any]] = {
    "floating-point": lambda number: pa.array([None, 1.5, float("nan"), float(number)]),
    "decimal": lambda number: pa.array([Decimal(number), Decimal("1.25")], pa.decimal128(20, 2)),
    "list": lambda number: pa.array([[1, number], None, []]),
    "list of lists of floating-point numbers": lambda number: pa.array([[[0.5, float(number)]]]),
    "list of fixed size": lambda number: pa.array([[1, number]], pa.list_(pa.int64(), 2)),
    "key of a map": lambda number: pa.array([[(number, 1)]], pa.map_(pa.int64(), pa.int32())),
    "value of a map": lambda number: pa.array([[(1, number)]], pa.map_(pa.int32(), pa.int64())),
    "dictionary": lambda number: pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array([7, number])),
    "struct in a list": lambda number: pa.array([[{"b": number}]]),
    "unsigned": lambda number: pa.array([number, 2**64 - 1], pa.uint64()),
}


@each("write", [parquet, arrow])
@each("column", COLUMNS.values(), ids=COLUMNS)
def test_a_long_number_is_a_text(column: Callable[[int], Any], write: Callable[[pa.Table], bytes]) -> None:
    name = f"a.{write.__name__}"
    assert texts(both(write(pa.table({"a": column(CARD)})), name)[0]) == [str(CARD)]
    assert texts(both(write(pa.table({"a": column(1234)})), name)[0]) == []


@each("compression", [None, "zstd"])
@each("kind", ["u1", "i1", "<i2", "<i4", "<f8"])
def test_numbers_whose_bytes_are_letters_are_a_text(kind: str, compression: str | None) -> None:
    numbers = np.frombuffer(LETTERS[:32], kind)
    for column in (pa.array(numbers), pa.array([numbers.tolist()], pa.list_(pa.from_numpy_dtype(numbers.dtype)))):
        data = arrow(pa.table({"a": column}), compression)
        assert any(LETTERS[:32].decode() in text for items in both(data, "a.arrow") for text in texts(items))
