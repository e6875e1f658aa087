"""Rewriting CSV: only the cells with orders change, and the table around them stays as it is, byte for byte."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import each
from tests.cleaning.marked import rewritten
from tests.formats.editing.ordering import Text, cleaned, order, over_bytes
from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.csv.read import read_csv
from veritensor_ray.formats.csv.rewrite import rewrite_csv
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.edits import Order, Orders, Unit
from veritensor_ray.formats.opened_files import opened

MASK, STRIP, DROP_CELL, DROP_ROW = Action.MASK, Action.STRIP, Action.DROP_CELL, Action.DROP_ROW


def clean(data: bytes, orders: list[Order], new: str = "[X]", name: str = "t.csv") -> tuple[bytes, Orders]:
    return cleaned(rewrite_csv, data, opened(io.BytesIO(data), name, Limits()).kind, orders, new)


def masked(data: bytes, one: Order, new: str = "[X]", name: str = "t.csv") -> bytes:
    made, orders = clean(data, [one], new, name)
    assert not orders.undone
    return made


def at(column: str, row: int | None, start: int, text: str, action: Action = MASK, part: str | None = None) -> Order:
    return order(Unit(part=part, row=row, column=column), start, start + len(text), text, action)


@each(
    ("before", "after", "column", "row", "start", "text", "new", "action"),
    [
        (b"a,b\r\n1,x@y z\n", b"a,b\r\n1,[X] z\n", "b", 0, 0, "x@y", "[X]", MASK),
        (b'a,b\n1,"x@y, z"\n2,k\n', b'a,b\n1,"[X], z"\n2,k\n', "b", 0, 0, "x@y", "[X]", MASK),
        (b'a,b\n1,"say ""x@y"" z"\n', b'a,b\n1,"say ""[X]"" z"\n', "b", 0, 5, "x@y", "[X]", MASK),
        (b'a,b\n1,"x@y"\n', b'a,b\n1,"the ""X"""\n', "b", 0, 0, "x@y", 'the "X"', MASK),
        (b"a,b\n1,x@y\n", b'a,b\n1,"1 Road, Town"\n', "b", 0, 0, "x@y", "1 Road, Town", MASK),
        (b"a;b\n1;x@y\n", b"a;b\n1;1 Road, Town\n", "b", 0, 0, "x@y", "1 Road, Town", MASK),
        (b"a,b\n1,x@y\n", b'a,b\n1,"two\nlines"\n', "b", 0, 0, "x@y", "two\nlines", MASK),
        (b'a,b\n1,u"v x@y\n', b'a,b\n1,u"v [X]\n', "b", 0, 4, "x@y", "[X]", MASK),
        (b'a,b\n1,x"v\n', b'a,b\n1,"""v"\n', "b", 0, 0, "x", "", MASK),
        (b'a,b\n1,"u"x@y\n', b'a,b\n1,"u"[X]\n', "b", 0, 1, "x@y", "[X]", MASK),
        (b'a,b\n1,"u"x@y\n', b'a,b\n1,"[X]@y"\n', "b", 0, 0, "ux", "[X]", MASK),
        (b'a,b\n1,"x@y\nmore"\n2,q\n', b'a,b\n1,"[X]\nmore"\n2,q\n', "b", 0, 0, "x@y", "[X]", MASK),
        (b'a,b\n"q\nr",1\n2,x@y\n', b'a,b\n"q\nr",1\n2,[X]\n', "b", 1, 0, "x@y", "[X]", MASK),
        (b"a,b\n1,2,x@y\n", b"a,b\n1,2,[X]\n", "2", 0, 0, "x@y", "[X]", MASK),
        (b"1,2\n3,x@y", b"1,2\n3,[X]", "1", 1, 0, "x@y", "[X]", MASK),
        (b"a,b\n\n1,x@y\n", b"a,b\n\n1,[X]\n", "b", 1, 0, "x@y", "[X]", MASK),
        (b"a,b\r1,x@y\r2,c\r", b"a,b\r1,[X]\r2,c\r", "b", 0, 0, "x@y", "[X]", MASK),
        (b"\xef\xbb\xbfa,b\n1,x@y\n", b"\xef\xbb\xbfa,b\n1,[X]\n", "b", 0, 0, "x@y", "[X]", MASK),
        (b"a,b\n1,\xff x@y \xfe\n", b"a,b\n1,\xff [X] \xfe\n", "b", 0, 2, "x@y", "[X]", MASK),
        (b"a,b\n1,x@y=cmd|z\n", b'a,b\n1,"\'=cmd|z"\n', "b", 0, 0, "x@y", "", MASK),
        (b"a,b\n1,x@y+49 30 1\n", b"a,b\n1,+49 30 1\n", "b", 0, 0, "x@y", "", MASK),
        (b"a,b\n1,=x@y\n", b"a,b\n1,=[X]\n", "b", 0, 1, "x@y", "[X]", MASK),
        (b"a,b\n1,x@y\n2,z\n", b"a,b\n1,\n2,z\n", "b", 0, 0, "x@y", "", DROP_CELL),
        (b'a,b\n1,"x@y"\n2,z\n', b'a,b\n1,""\n2,z\n', "b", 0, 0, "x@y", "", DROP_CELL),
        (b"a\nx@y\nz\n", b'a\n""\nz\n', "a", 0, 0, "x@y", "", DROP_CELL),
        (b"a\nx@y\nz\n", b'a\n""\nz\n', "a", 0, 0, "x@y", "", MASK),
        (b"a,b\n1,x@y\r\n2,z\n", b"a,b\n2,z\n", "b", 0, 0, "x@y", "", DROP_ROW),
        (b'a,b\n1,"x@y\n\n"\n2,z', b"a,b\n2,z", "b", 0, 0, "x@y", "", DROP_ROW),
        (b"a,b\n1,z\n2,x@y", b"a,b\n1,z\n", "b", 1, 0, "x@y", "", DROP_ROW),
    ],
)
def test_cells(before: bytes, after: bytes, column: str, row: int, start: int, text: str, new: str, action: Action) -> None:
    assert masked(before, at(column, row, start, text, action), new) == after


def test_header_tab_and_wide_text() -> None:
    assert masked(b"a\tx@y\n1\t2\n", at("x@y", None, 0, "x@y", part="header"), name="t.tsv") == b"a\t[X]\n1\t2\n"
    wide = "a,b\r\n1,x@y\r\n2,c\r\n".encode("utf-16")
    assert masked(wide, at("b", 0, 0, "x@y")) == "a,b\r\n1,[X]\r\n2,c\r\n".encode("utf-16")


@pytest.mark.parametrize(
    ("action", "after"),
    [
        (MASK, b'a,b\n1,"say ""[X]"""\n2,z\n'),
        (DROP_CELL, b'a,b\n1,""\n2,z\n'),
        (DROP_ROW, b"a,b\n2,z\n"),
    ],
)
def test_bytes_become_cells_and_rows(action: Action, after: bytes) -> None:
    data = b'a,b\n1,"say ""x@y"""\n2,z\n'
    start = data.index(b"x@y")
    assert masked(data, over_bytes(start, start + 3, action)) == after


@pytest.mark.parametrize(
    "one",
    [
        at("b", 0, 0, "other"),  # the text is not what was seen
        at("c", 0, 0, "x@y"),
        at("b", 7, 0, "x@y"),
        over_bytes(4, 7),  # more than one cell
    ],
)
def test_an_order_that_does_not_fit_stays_undone(one: Order) -> None:
    made, orders = clean(b"a,b\n1,x@y\n", [one])
    assert made == b"a,b\n1,x@y\n"
    assert len(orders.undone) == 1


def test_a_dropped_row_is_accounted_for_with_everything_in_it() -> None:
    made, orders = clean(b"a,b\n1,x\n2,y\n", [at("b", 0, 0, "x", DROP_ROW), at("a", 0, 0, "1")])
    assert made == b"a,b\n2,y\n"
    assert not orders.undone
    assert [row.row for row in orders.account.rows] == [0]


TABLES = st.text(st.sampled_from('ab,;"\r\n x\0'), max_size=40)


def test_what_follows_a_closing_quote_never_escapes_it() -> None:
    assert masked(b'";;;;"a";', order(Unit(row=0, column="0"), 4, 5, "a"), "") == b'";;;;""";'


@pytest.mark.slow
@given(TABLES, st.data())
@settings(max_examples=300, deadline=None)
def test_each_cell_of_the_reader_can_be_changed_alone(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    found: list[Text] = []
    for block in read_csv(opened(io.BytesIO(raw), "t.csv", Limits())):
        assert isinstance(block, Block)
        rows = [None] * len(block.texts) if block.part else block.row.to_pylist()  # type: ignore[union-attr]
        found += [(value, Unit(block.part, None, *place)) for value, *place in zip(block.texts, rows, block.column, strict=True)]  # type: ignore[arg-type]
    if not found:
        return
    value, unit = data.draw(st.sampled_from(found))
    start = data.draw(st.integers(0, len(value) - 1))
    end = data.draw(st.integers(start + 1, len(value)))
    new = data.draw(st.sampled_from(["", "[X]", 'q"', "a,b", "c\nd"]))
    one = order(unit, start, end, value[start:end])
    made = masked(raw, one, new).decode()
    delimiter = max(",;\t|", key=text.partition("\n")[0].count)
    before, after = (list(csv.reader(io.StringIO(one, newline=""), delimiter=delimiter)) for one in (text, made))
    changed = [(i, j) for i, row in enumerate(before) for j, _ in enumerate(row) if before[i][j] != after[i][j]]
    assert [len(row) for row in before] == [len(row) for row in after]
    assert len(changed) <= 1
    for i, j in changed:
        assert after[i][j].removeprefix("'") in (expected := value[:start] + new + value[end:], expected.removeprefix("'"))


def test_real_engines() -> None:
    made = rewritten(b'name;mail\nann;"ann.smith@gmail.com; home"\nbob;none\n', "people.csv")
    assert made.data == b'name;mail\nann;"[EMAIL]; home"\nbob;none\n'
