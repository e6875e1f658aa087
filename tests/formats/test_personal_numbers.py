"""Whole numbers of 9 to 19 digits are read like text wherever formats have numbers, since they may be cards or accounts; others only by name."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cases import each
from tests.formats.reading import read
from tests.formats.records.test_read import example, file_of
from tests.formats.residue.accounts import both, texts
from tests.formats.sqlite.test_read import SQLITE, database
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.personal_numbers import number_text
from veritensor_ray.formats.json import read as json_reader

CARD, TEXT = 4929421234567897, "4929421234567897"
PARQUET, ARROW = Kind("application/vnd.apache.parquet"), Kind("application/vnd.apache.arrow.file")
JSON, LINES = Kind("application/json", "utf-8"), Kind("application/jsonl", "utf-8")


@each(
    ("value", "text"),
    [
        (CARD, TEXT), (float(CARD), TEXT), (100_000_000, "100000000"), (99_999_999, None), (10**19 - 1, "9" * 19), (10**19, None),
        (-CARD, None), (1.5e9 + 0.5, None), (float("nan"), None), (float("inf"), None), (True, None), (None, None), (TEXT, None),
    ],
)  # fmt: skip
def test_which_numbers_are_text(value: Any, text: str | None) -> None:
    assert number_text(value) == text


NAMED, SHORT = ["account_number", "accountNo", "customer.acct", "phone", "Mobile No", "ssn", "MRN", "Kontonummer"], 1_234_567
UNNAMED = ["account_id", "account_numbers[]", "phone[0]", "price", "phone.id", "", "bankrupt", "impressions"]


@each(("column", "named"), [*((name, True) for name in NAMED), *((name, False) for name in UNNAMED)])
def test_shorter_numbers_are_text_where_a_name_says_what_they_are(column: str, named: bool) -> None:
    assert number_text(SHORT, column) == number_text(float(SHORT), column) == (str(SHORT) if named else None)
    assert number_text(999_999, column) is None


@pytest.mark.parametrize("streamed", [False, True])
def test_shorter_numbers_in_json(streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "SMALL", -1 if streamed else 1 << 16)
    assert flat(f'{{"n": {SHORT}, "a": {{"acct": {SHORT}.0, "phone": [{SHORT}]}}}}'.encode(), JSON) == [(None, "a.acct", str(SHORT))]


def test_shorter_numbers_in_tables() -> None:
    columns = {"n": pa.array([SHORT, 5]), "account_number": pa.array([5, SHORT]), "acct": pa.array([None, float(SHORT)])}
    parquet, arrow, table = io.BytesIO(), io.BytesIO(), pa.table(columns)
    pq.write_table(table, parquet)
    with pa.ipc.new_file(arrow, table.schema) as writer:
        writer.write_table(table)
    expected = [(1, "account_number", str(SHORT)), (1, "acct", str(SHORT))]
    assert flat(parquet.getvalue(), PARQUET) == flat(arrow.getvalue(), ARROW) == expected
    data = database("CREATE TABLE t (n INTEGER, acct NUMERIC)", ("INSERT INTO t VALUES (?, ?)", [[SHORT, 5], [5, SHORT]]))
    assert [one for one in flat(data, SQLITE) if one[1] and one[1].startswith("t.")] == [(1, "t.acct", str(SHORT))]


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


EXPECTED = [(1, "card", TEXT), (0, "unsigned", TEXT), (1, "price", TEXT), (2, "inner.n", TEXT), (0, "tokens[0]", TEXT), (0, "float", TEXT)]


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


def array(number: int, kind: str) -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([1, number], kind))
    return out.getvalue()


def avro(number: int, name: str = "n") -> bytes:
    fastavro, out = pytest.importorskip("fastavro"), io.BytesIO()
    schema = {"type": "record", "name": "r", "fields": [{"name": name, "type": "long"}]}
    fastavro.writer(out, fastavro.parse_schema(schema), [{name: 1}, {name: number}, {name: -number}], sync_marker=bytes(16))
    return out.getvalue()


OTHERS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "array": ("a.npy", lambda number: array(number, "<i8")),
    "array in the other byte order": ("a.npy", lambda number: array(number, ">u8")),
    "array of floating-point numbers": ("a.npy", lambda number: array(number, "<f8")),
    "long in Avro": ("a.avro", avro),
    "feature": ("a.tfrecord", lambda number: file_of(example(n=[1, number]))),
    "floating-point number in a pickle": ("a.pkl", lambda number: pickle.dumps([0.5, float(number)])),
    "the same in letters": ("a.pkl", lambda number: pickle.dumps([0.5, float(number)], 0)),
}


@pytest.mark.parametrize(("name", "build"), OTHERS.values(), ids=OTHERS)
def test_other_formats(name: str, build: Callable[[int], bytes]) -> None:
    assert TEXT in texts(both(build(CARD), name)[0])
    assert "1234" not in texts(both(build(1234), name)[0])


def test_shorter_numbers_in_avro() -> None:
    assert str(SHORT) in texts(both(avro(SHORT, "acct"), "a.avro")[0])
    assert str(SHORT) not in texts(both(avro(SHORT), "a.avro")[0])
    assert "1000000" in texts(both(avro(1_000_000, "acct"), "a.avro")[0])
