"""Marks in columns come back as they went in."""

from __future__ import annotations

import pickle

import pytest

from veritensor_ray.core import bounds
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.text_positions import Place
from veritensor_ray.formats.editing.marks import Mark, Marks, TextBox, text_mark

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


def words(*lines: str, high: int = 10, slope: int = 0) -> Place:
    """Lines of words, each word as wide as its letters times ten; with a slope, each word lies deeper than the one before it."""
    boxes: list[dict[str, int]] = []
    end = 0
    for row, line in enumerate(lines):
        left = 0
        for number, word in enumerate(line.split()):
            end += len(word) + (1 if boxes else 0)
            top = row * 20 + number * slope
            boxes.append({"end": end, "left": left, "top": top, "right": left + 10 * len(word), "bottom": top + high, "frame": row})
            left += 10 * len(word) + 5
    values = dict.fromkeys(("member", "part", "page", "row", "column", "decoded_via"))
    return Place(0, {**values, "view": "ocr", "owned": None, "start": 0, "boxes": boxes}, "\n".join(lines), None)


@pytest.mark.parametrize(
    ("place", "span", "boxes"),
    [
        (words("pay 1234 5678 now"), (4, 13), [TextBox(0, 35, 0, 120, 10)]),  # side by side: one box for both
        (words("pay 1234 5678 now"), (6, 7), [TextBox(0, 35, 0, 75, 10)]),  # all of the word
        (words("pay 1234", "5678 now"), (4, 13), [TextBox(0, 35, 0, 75, 10), TextBox(1, 0, 20, 40, 30)]),
        (words("pay 1234 5678 now", slope=5), (4, 13), [TextBox(0, 35, 5, 75, 15), TextBox(0, 80, 10, 120, 20)]),
        (words(), (0, 0), []),
    ],
)
def test_a_mark_in_an_image_has_the_boxes_of_its_words(place: Place, span: tuple[int, int], boxes: list[TextBox]) -> None:
    assert list(text_mark(place, Hit("r.one", *span), "high", *span).boxes) == boxes


def test_marks_keep_their_boxes_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MARKED_BOXES", 3)
    marks = Marks()
    box = TextBox(0, 1, 2, 3, 4)
    for count in (2, 2, 1):
        marks.append(SOME[0]._replace(boxes=(box,) * count))
    assert [len(mark.boxes) for mark in pickle.loads(pickle.dumps(marks))] == [2, 0, 1]  # noqa: S301  # our own
