"""Whole numbers of 9 to 19 digits are read like text in JSON, Parquet, Arrow and SQLite, since they may be cards or accounts; no others are."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.formats.reading import read
from tests.formats.sqlite.test_read import SQLITE, database
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.personal_numbers import number_text
from veritensor_ray.formats.json import read as json_reader

CARD, TEXT = 4929421234567897, "4929421234567897"
PARQUET, ARROW = Kind("application/vnd.apache.parquet"), Kind("application/vnd.apache.arrow.file")
JSON, LINES = Kind("application/json", "utf-8"), Kind("application/jsonl", "utf-8")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (CARD, TEXT), (float(CARD), TEXT), (100_000_000, "100000000"), (99_999_999, None), (10**19 - 1, "9" * 19), (10**19, None),
        (-CARD, None), (1.5e9 + 0.5, None), (float("nan"), None), (float("inf"), None), (True, None), (None, None), (TEXT, None),
    ],
)  # fmt: skip
def test_which_numbers_are_text(value: Any, text: str | None) -> None:
    assert number_text(value) == text


def flat(data: bytes, kind: Kind) -> list[tuple[Any, Any, str]]:
    """Return row, column and text of everything that is read."""
    found = []
    for block in read(data, kind)[0]:
        for at, text in enumerate(block.texts.to_pylist() if isinstance(block.texts, pa.Array) else block.texts):
            each = [
                values.to_pylist()[at] if isinstance(values, pa.Array) else values[at] if isinstance(values, list) else values
                for values in (block.row, block.column)
            ]
            found.append((*each, text))
    return found


@pytest.mark.parametrize("streamed", [False, True])
def test_json(streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "SMALL", -1 if streamed else 1 << 16)
    document = f'{{"card": {CARD}, "n": 7, "deep": [{{"x": {CARD}.0}}, {CARD}], "s": "a"}}'.encode()
    assert flat(document, JSON) == [(None, "card", TEXT), (None, "deep[].x", TEXT), (None, "deep[]", TEXT), (None, "s", "a")]
    assert flat(f"[{CARD}, 5, {{}}]".encode(), JSON) == [(0, "", TEXT)]


def test_json_lines() -> None:
    assert flat(f'{{"n": 5}}\n{{"card": {CARD}, "a": [{CARD}]}}\n{CARD}\n'.encode(), LINES) == [
        (1, "card", TEXT),
        (1, "a[0]", TEXT),
        (2, "", TEXT),
    ]


def table() -> pa.Table:
    return pa.table(
        {
            "card": pa.array([5, CARD, None], pa.int64()),
            "unsigned": pa.array([CARD, 2**64 - 1, 1], pa.uint64()),
            "price": pa.array([Decimal("1.50"), Decimal(f"{CARD}.00"), Decimal("492942123456789.50")], pa.decimal128(20, 2)),
            "inner": pa.array([{"n": None}, None, {"n": CARD}], pa.struct([("n", pa.int64())])),
            "tokens": pa.array([[CARD], [], None], pa.list_(pa.int64())),
            "float": pa.array([float(CARD), 0.5, None], pa.float64()),
            "flag": pa.array([True, False, None]),
        }
    )


EXPECTED = [(1, "card", TEXT), (0, "unsigned", TEXT), (1, "price", TEXT), (2, "inner.n", TEXT)]


def test_parquet() -> None:
    out = io.BytesIO()
    pq.write_table(table(), out, row_group_size=2)
    assert sorted(flat(out.getvalue(), PARQUET), key=str) == sorted(EXPECTED, key=str)


def test_arrow() -> None:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table().schema) as writer:
        writer.write_table(table())
    assert flat(out.getvalue(), ARROW) == EXPECTED


def test_sqlite() -> None:
    data = database(
        "CREATE TABLE t (id INTEGER, card NUMERIC, note TEXT)",
        ("INSERT INTO t VALUES (?, ?, ?)", [[1, CARD, "a"], [2, 3.5, None], [3, "x", CARD]]),
    )
    assert [one for one in flat(data, SQLITE) if one[1] and one[1].startswith("t.")] == [
        (0, "t.card", TEXT), (0, "t.note", "a"), (2, "t.card", "x"), (2, "t.note", TEXT)
    ]  # fmt: skip
