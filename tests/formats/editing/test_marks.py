"""Marks in columns come back as they went in."""

from __future__ import annotations

import pickle

from veritensor_ray.formats.editing.marks import Mark, Marks

SOME = [
    Mark("a.one", "high", None, None, None, None, None, "visible", None, 0, 5, "héllo", straight=True),
    Mark("a.one", "high", None, None, None, 0, "c", "visible", None, 3, 3, "", straight=True),
    Mark("a.two", "low", "x.zip!/y", "cell 1", 2, 1 << 40, "c[].d", "decoded", "base64", 7, 9, None, straight=False),
    Mark("a.two", "low", None, None, None, None, None, "visible", None, 7, 9, "\ud800 alone", straight=False),
    Mark("y.three", "low", None, None, None, None, None, "visible", None, 7, 1 << 41, None, straight=False, over_bytes=True),
]


def test_marks_come_back_as_they_went_in() -> None:
    marks = Marks()
    assert not marks
    for mark in SOME:
        marks.append(mark)
    assert list(pickle.loads(pickle.dumps(marks))) == list(marks) == SOME  # noqa: S301  # our own
    other = Marks()
    other.append(SOME[2])
    other.extend(marks)
    assert list(other) == [SOME[2], *SOME]
    assert len(other) == 6


def test_marks_of_one_kind_differ_only_in_row_place_and_text() -> None:
    marks = Marks()
    for mark in (*SOME, SOME[1]._replace(row=5, start=8, end=9, text="x"), SOME[2]._replace(page=3)):
        marks.append(mark)
    assert ([*marks.kinds], marks.which.tolist()) == ([*SOME, SOME[2]._replace(page=3)], [0, 1, 2, 3, 4, 1, 5])
    assert (marks.rows.tolist(), marks[5].text, marks[2]) == ([0, 0, 1 << 40, 0, 0, 5, 1 << 40], "x", SOME[2])


def test_beyond_the_limit_they_are_only_counted() -> None:
    marks = Marks(limit=3)
    for mark in SOME:
        marks.append(mark)
    assert (list(marks), marks.lost) == (SOME[:3], 2)
    more = Marks(limit=4)
    more.extend(marks)
    more.extend(marks)
    assert (len(more), more.lost) == (4, 6)
