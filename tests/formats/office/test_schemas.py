"""A finding in the schema of a table holds the file back: a column cannot get another name."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cleaning.marked import rewritten
from veritensor_ray.cleaning.copy_manifest import Result

MAIL = "jo.doe@corp-x.io"
TEXT = pa.string()


@pytest.mark.parametrize(
    "field",
    [
        pa.field(MAIL, TEXT),
        pa.field("a", TEXT, metadata={"comment": f"ask {MAIL}"}),
        pa.field("a", pa.struct([pa.field(MAIL, pa.int64())])),
        pa.field("a", pa.list_(pa.field("item", TEXT, metadata={MAIL: "1"}))),
    ],
)
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_finding_in_the_schema_holds_the_file(name: str, field: pa.Field) -> None:
    out = io.BytesIO()
    table = pa.table([pa.nulls(1, field.type)], schema=pa.schema([field]))
    if name == "a.parquet":
        pq.write_table(table, out)
    else:
        with pa.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table)
    found = rewritten(out.getvalue(), name)
    assert (found.data, found.cleaned.result) == (None, Result.HELD)
    assert {mark.column for mark in found.marks} == {"schema"}
