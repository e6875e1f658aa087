"""CSV and TSV: cells with row, line and column."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import each
from tests.formats.reading import flat, read, reader_source, split, until_error
from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.csv import read as table

CSV, TSV = Kind("text/csv", "utf-8"), Kind("text/tab-separated-values", "utf-8")
HEADER = [("name", None, 1, "name"), ("age", None, 1, "age")]


@each(
    ("data", "rows"),
    [
        ("name,age\nada,36\n", [*HEADER, ("ada", 0, 2, "name"), ("36", 0, 2, "age")]),
        ("name;age\nada;36,5\n", [*HEADER, ("ada", 0, 2, "name"), ("36,5", 0, 2, "age")]),
        ("name|age\nada|36", [*HEADER, ("ada", 0, 2, "name"), ("36", 0, 2, "age")]),
        ("name,age\r\nada,36\r\n", [*HEADER, ("ada", 0, 2, "name"), ("36", 0, 2, "age")]),
        ("name,age\rada,36\r", [*HEADER, ("ada", 0, 2, "name"), ("36", 0, 2, "age")]),
        ("name,age\n,\nada,\n", [*HEADER, ("ada", 1, 3, "name")]),
        ("name,age\n\nada,36", [*HEADER, ("ada", 1, 3, "name"), ("36", 1, 3, "age")]),
        ('name,age\n"two\nlines",1\n"a ""b"" c",2', [*HEADER, ("two\nlines", 0, 2, "name"), ("1", 0, 3, "age"), ('a "b" c', 1, 4, "name"), ("2", 1, 4, "age")]),
        ("name,age\na,1,x,y\nb", [*HEADER, ("a", 0, 2, "name"), ("1", 0, 2, "age"), ("x", 0, 2, "2"), ("y", 0, 2, "3"), ("b", 1, 3, "name")]),
        ("1,2\n3,4", [("1", 0, 1, "0"), ("2", 0, 1, "1"), ("3", 1, 2, "0"), ("4", 1, 2, "1")]),
        ("a,a\nx,y", [("a", 0, 1, "0"), ("a", 0, 1, "1"), ("x", 1, 2, "0"), ("y", 1, 2, "1")]),
        ('name,age\n"never closed,1\nb,2\n', [*HEADER, ("never closed,1\nb,2\n", 0, 2, "name")]),
        ("name,age\nnul\x00,1", [*HEADER, ("nul\x00", 0, 2, "name"), ("1", 0, 2, "age")]),
        ('"=cmd|x",age\nv,w', [("=cmd|x", None, 1, "=cmd|x"), ("age", None, 1, "age"), ("v", 0, 2, "=cmd|x"), ("w", 0, 2, "age")]),
        ("\n\nx,y", [("x", 1, 3, "0"), ("y", 1, 3, "1")]),
        ("", []),
    ],
)  # fmt: skip
def test_cells(data: str, rows: list[tuple[str, int | None, int, str]]) -> None:
    blocks, gaps = read(data.encode(), CSV)
    assert (flat(blocks, "row", "line", "column"), gaps) == (rows, [])


DDE = "=cmd|'/C calc'!A0"


@pytest.mark.parametrize(
    ("data", "cell"),
    [
        (f"{DDE}\n", DDE),
        (DDE, DDE),
        (f'"{DDE}"\r\n', DDE),
        (f"{DDE}\nfoo\nbar\n", DDE),
        (f"a\n{DDE}\n", DDE),
        (f"x;{DDE.replace('calc', 'a | b')}\n1;2\n", DDE.replace("calc", "a | b")),
        (r"=cmd|'/k \..\..\..\Windows\System32\calc.exe'!A0" + "\n", r"=cmd|'/k \..\..\..\Windows\System32\calc.exe'!A0"),
        ("=a|b|c\n1|2|3\n", None),
    ],
)
def test_formulas_with_a_bar_are_one_cell(data: str, cell: str | None) -> None:
    found = [text for text, notice in flat(read(data.encode(), CSV)[0], "notice") if notice == "dde"]
    assert found == ([] if cell is None else [cell])


def test_tabs_and_a_header_part() -> None:
    blocks, _ = read(b"name\tage\nada, x\t36", TSV)
    assert flat(blocks, "column", "part") == [
        ("name", "name", "header"),
        ("age", "age", "header"),
        ("ada, x", "name", None),
        ("36", "age", None),
    ]


@pytest.mark.parametrize(("codec", "bom"), [("utf-8", 3), ("utf-16-le", 2), ("utf-16-be", 2), ("cp1252", 0)])
def test_encodings(codec: str, bom: int) -> None:
    text = ("\ufeff" if bom else "") + "name;age\ngrün;36\n"
    blocks, _ = read(text.encode(codec), Kind("text/csv", codec, bom))
    assert flat(blocks, "row", "column")[2:] == [("grün", 0, "name"), ("36", 0, "age")]


def test_bytes_that_do_not_decode_are_replaced() -> None:
    assert flat(read(b"name,age\n\xff,1", CSV)[0])[2:] == ["\ufffd", "1"]


def test_the_file_stays_open_and_rows_are_counted() -> None:
    source = reader_source(b"name,age\na,1\nb,2\n", CSV)
    split(source)
    assert (source.counts.rows, source.counts.lines, source.file.closed) == (2, 3, False)


def test_a_giant_cell_and_a_row_of_many_cells() -> None:
    big = "x" * 8_000_000
    rows = flat(read(f"name,age\n{big},1\n".encode(), CSV)[0], "column")
    assert rows[2:] == [(big, "name"), ("1", "age")]
    rows = flat(read(b"name,age\n" + b"x," * 300_000, CSV)[0], "column")
    assert (len(rows), rows[-1]) == (300_002, ("x", "299999"))


def test_blocks_are_bounded() -> None:
    blocks, _ = read(b"name,age\n" + b"a,b\n" * 20_000, CSV)
    assert max(len(block.texts) for block in blocks) <= 4097
    assert sum(len(block.texts) for block in blocks) == 40_002


def test_a_cell_beyond_the_bound_makes_the_rest_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_FIELD", 100)
    before = csv.field_size_limit()
    data = b"name,age\na,1\n" + b"x" * 200 + b",2\nevil,3\n"
    blocks, gaps = read(data, CSV)
    csv.field_size_limit(before)
    assert flat(blocks)[-1] == data.decode()
    assert flat(blocks).count("a") == 0
    assert "field larger than field limit" in gaps[0].reason


def test_what_came_before_a_damaged_place_of_the_stream_is_read() -> None:
    data = gzip.compress(b"name,age\nada,36\nbob,40\n", mtime=0)[:-8]
    (blocks, _), _ = until_error(reader_source(data, CSV, packed="application/gzip"), ReadError)
    assert flat(blocks, "decoded_via")[2:] == [(text, "gzip") for text in ("ada", "36", "bob", "40")]


def test_bytes_that_do_not_decode_are_said() -> None:
    blocks, gaps = read(b"name,age\nbefore \xff behind,1\n", CSV)
    assert "before \ufffd behind" in flat(blocks)
    assert [gap.reason for gap in gaps] == ["characters that could not be decoded as utf-8, replaced: 1"]


def test_no_block_carries_more_names_than_it_has_cells() -> None:
    """Batches are cut from blocks, and each has all the names of its block."""
    wide = ",".join(f"name{i}" for i in range(50_000))
    blocks, _ = read(f"{wide}\n{wide}\n1,2\n".encode(), CSV)
    assert max(len(block.texts) for block in blocks) <= 8192
    assert all(len(block.column or ()) == len(block.texts) for block in blocks)
    assert flat(blocks, "row", "line", "column")[-2:] == [("1", 1, 3, "name0"), ("2", 1, 3, "name1")]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["a", "bb", ",", ",", '"', "\n", "\r\n", "\r", '""', ";", "x y"]), max_size=60))
def test_lines_are_those_that_the_parser_counts(pieces: list[str]) -> None:
    source = "one,two\n" + "".join(pieces)
    expected, before = [], 1
    parser = csv.reader(io.StringIO(source, newline=""))
    next(parser)
    for number, row in enumerate(parser):
        here = before + 1
        for cell in row:
            expected += [(cell, number, here)] * bool(cell)
            here += cell.count("\n")
        before = parser.line_num
    assert flat(read(source.encode(), CSV)[0], "row", "line")[2:] == expected
