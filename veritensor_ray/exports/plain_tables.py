"""Rows for scripts and spreadsheets: CSV, JSON, JSON lines and Parquet, with every column, a few thousand rows in memory at a time."""

from __future__ import annotations

import csv
import io
import json
import math
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa

from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.schema import FINDINGS
from veritensor_ray.masking.redaction import visible

_FORMULA = ("=", "+", "-", "@", "|")
KINDS = ("csv", "json", "jsonl")  # the formats of text that hold rows of any table, not only findings
PARQUET = "parquet"  # the one that is not text


def write_csv(selection: Selection, file: BinaryIO) -> None:
    """Write findings as CSV. The fields of `location` become columns; `places` is written as JSON."""
    write_rows("csv", selection.batches(), FINDINGS, file)


def write_json(selection: Selection, file: BinaryIO) -> None:
    """Write findings as one JSON list."""
    write_rows("json", selection.batches(), FINDINGS, file)


def write_jsonl(selection: Selection, file: BinaryIO) -> None:
    """Write findings as JSON, one object on each line."""
    write_rows("jsonl", selection.batches(), FINDINGS, file)


def write_parquet(selection: Selection, file: BinaryIO) -> None:
    """Write findings as Parquet, with the types of the table."""
    write_rows(PARQUET, selection.batches(), FINDINGS, file)


def write_rows(kind: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: BinaryIO, first: Sequence[str] = ()) -> None:
    """Write rows of any table in one of KINDS or as PARQUET, with the columns `first` before the others."""
    if kind == PARQUET:
        _parquet(batches, schema, file, first)
        return
    if kind == "csv":
        _csv(batches, schema, file, first)
        return
    rows = (_ordered(row, first) for batch in batches for row in batch.to_pylist())
    if kind == "json":
        write_list(rows, file)
    else:
        for row in rows:
            file.write(f"{as_json(row)}\n".encode())


def as_json(value: object, indent: int | None = None) -> str:
    """Return one value as JSON in ASCII; times, numbers and bytes that JSON does not have become text."""
    try:
        return json.dumps(value, default=_plain, indent=indent, allow_nan=False)
    except ValueError:  # a query may compute an infinite number
        return json.dumps(_finite(value), default=_plain, indent=indent)


def write_list(rows: Iterable[Any], file: BinaryIO) -> None:
    """Write an indented JSON list."""
    begin = "["
    for row in rows:
        file.write((f"{begin}\n  " + as_json(row, indent=2).replace("\n", "\n  ")).encode())
        begin = ","
    file.write(b"[]\n" if begin == "[" else b"\n]\n")


def spreadsheet_safe(value: object) -> object:
    """Return a cell that a spreadsheet treats as text: a possible formula is prefixed with an apostrophe.

    Some ignore leading spaces, and accept the full-width forms of the signs.
    """
    if isinstance(value, list):
        value = " ".join(str(one) for one in value)
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if unicodedata.normalize("NFKC", text.lstrip()[:1]) in _FORMULA else text


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.hex() if isinstance(value, bytes) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _ordered(row: dict[str, Any], first: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in first} | row if first else row


def _csv(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: BinaryIO, first: Sequence[str]) -> None:
    structs = [field for field in schema if pa.types.is_struct(field.type)]
    plain = [*first, *(field.name for field in schema if field not in structs and field.name not in first)]
    inner = [(field.name, one.name) for field in structs for one in field.type]
    as_lists = {field.name for field in schema if pa.types.is_list(field.type) and pa.types.is_nested(field.type.value_type)}
    text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
    try:
        writer = csv.writer(text)
        writer.writerow([spreadsheet_safe(name) for name in (*plain, *("_".join(names) for names in inner))])
        for batch in batches:
            for row in batch.to_pylist():
                cells = [as_json([_present(one) for one in row[name] or ()]) if name in as_lists else row[name] for name in plain]
                cells += [(row[outer] or {}).get(name) for outer, name in inner]
                writer.writerow([spreadsheet_safe(as_json(_present(cell)) if isinstance(cell, dict) else cell) for cell in cells])
    finally:
        text.detach()  # the file stays open, because it belongs to the caller


def _parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: BinaryIO, first: Sequence[str]) -> None:
    import pyarrow.parquet as pq

    names = [*first, *(name for name in schema.names if name not in first)]
    columns = pa.schema([schema.field(name) for name in names], schema.metadata)
    with pq.ParquetWriter(file, columns, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch.select(names).cast(columns))


def _present(value: object) -> object:
    return {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value
