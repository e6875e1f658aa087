"""How many rows of each table the ledger counts: of every format with rows, of files inside, and of what is damaged or split."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.formats.real_files import RealFiles
from veritensor_ray.core import bounds, media_types
from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.findings.outcome import MOST_ROWS, Outcome
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.pipeline.context import Workbench
from veritensor_ray.pipeline.walk import WHOLE, Share, Tools, Walk

Tables = dict[tuple[str | None, str | None], int | None]
CASES = RealFiles([f"needle{number} in a line" for number in range(30)]).cases()
LINES = "".join(json.dumps({"text": f"line {number}"}) + "\n" for number in range(7)).encode()
CSV = b"name,text\na,b\nc,d\n"


def tables(name: str, data: bytes, share: Share = WHOLE) -> Tables:
    """The rows of tables by member and part."""
    outcome = Outcome(name, 0, 0)
    walk = Walk(Tools(Workbench((), {}), (), (), True, Recorder({}, b"k", 10), Limits(), lambda: None), outcome, len(data))
    for _ in walk.artifact(*walk.recognised(io.BytesIO(data), FileInfo(name, len(data), ""), share)):
        pass
    return outcome.tables


def packed(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        *((kind, None) for kind in (media_types.JSONL, media_types.CSV, media_types.TSV, media_types.PARQUET, media_types.ARROW_FILE)),
        *((kind, None) for kind in (media_types.ARROW_STREAM, media_types.AVRO, media_types.ORC, media_types.WARC, media_types.TFRECORD)),
        (media_types.SQLITE, "t"),
        (media_types.XLSX, "One"),
        ("application/vnd.oasis.opendocument.spreadsheet", "One"),
        (media_types.XLS, "Sheet1"),
    ],
)
def test_every_format_with_rows_counts_them(kind: str, part: str | None) -> None:
    name, build = CASES[kind]
    assert tables(name, build()) == {(None, part): 30}


def test_tables_of_a_database_count_rows_without_text() -> None:
    database = sqlite3.connect(":memory:")
    database.executescript("CREATE TABLE a(x); CREATE TABLE b(y); CREATE TABLE c(z)")
    database.executemany("INSERT INTO a VALUES (?)", [("text",), (None,), (5,)])
    database.executemany("INSERT INTO b VALUES (?)", [(1,), (2,)])
    assert tables("a.db", database.serialize()) == {(None, "a"): 3, (None, "b"): 2}


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.tar", packed(("in/a.jsonl", LINES), ("a.csv", CSV), ("b.txt", b"text")), {("in/a.jsonl", None): 7, ("a.csv", None): 2}),
        ("a.tar", packed(("in.tar", packed(("a.csv", CSV)))), {("in.tar!/a.csv", None): 2}),
        ("a.tar", packed(("a.csv", CSV), ("a.csv", b"name,text\na,b\n")), {("a.csv", None): None}),  # nobody knows which is which
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0), {(None, None): 7}),
        ("a.json", json.dumps([{"text": "a"}, {"text": "b"}]).encode(), {(None, None): 2}),
        ("a.json", json.dumps({"text": "a"}).encode(), {}),
        ("a.jsonl", LINES + b'{"text": "cut o', {(None, None): 8}),
        ("a.csv", b"name,text\n", {}),
        ("a.txt", b"some\nlines\n", {}),
    ],
)
def test_what_has_rows(name: str, data: bytes, expected: Tables) -> None:
    assert tables(name, data) == expected


def test_a_part_of_a_split_table_counts_its_own_rows() -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": [f"text {number}" for number in range(90)]}), out, row_group_size=40)
    counted = [tables("a.parquet", out.getvalue(), Share(row_groups=(at, at + 1), first=not at)) for at in range(3)]
    assert counted == [{(None, None): 40}, {(None, None): 40}, {(None, None): 10}]


def test_numbers_that_nobody_has_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Outcome("a", 0, 0)
    monkeypatch.setattr(bounds, "TABLES", 2)
    for member, rows in (("none", 0), ("negative", -1), ("claimed", MOST_ROWS + 1), ("a", 1), ("b", MOST_ROWS), ("c", 3)):
        outcome.count_rows(member, None, rows)
    assert outcome.tables == {("a", None): 1, ("b", None): MOST_ROWS}
    outcome.count_rows(None, None, 5)
    assert outcome.tables[None, None] == 5, "the artifact itself comes last, after the files in it"
