"""Locations in words."""

from __future__ import annotations

from typing import Any

import pytest

from veritensor_ray.findings.locations import place, within


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (None, "a.md"),
        ({"line": 3}, "a.md:3"),
        ({"row": 2, "column": "text", "line": 3}, "a.md row 2 text"),
        ({"part": "cell 1", "line": 2}, "a.md cell 1 line 2"),
        ({"byte_offset": 10}, "a.md byte 10"),
        ({"column": "title", "byte_offset": 10}, "a.md title"),
        ({"page": 1234}, "a.md page 1234"),
        ({"page": 3, "part": "annotation 2", "line": 7}, "a.md page 3 annotation 2 line 7"),
        ({"part": "Sheet1", "row": 0, "column": "B"}, "a.md Sheet1 row 0 B"),
        ({"line": 5, "column": "script"}, "a.md:5 script"),
    ],
)
def test_place(location: dict[str, Any] | None, expected: str) -> None:
    assert place("a.md", location) == expected
    assert place("a.md", location, "x/b.md") == expected.replace("a.md", "a.md!/x/b.md")


@pytest.mark.parametrize(
    ("artifact", "member", "expected"),
    [
        ("m.eml", "stuff.7z!/note.txt", "m.eml!/stuff.7z!/note.txt:5"),
        ("m.eml", "a" * 50 + "!/" + "b" * 50, "m.eml!/" + "a" * 19 + "…" + "b" * 39 + ":5"),
        ("n" * 90, "a" * 50 + "/b.txt", "n" * 90 + "!/" + "a" * 10 + "…" + "a" * 15 + "/b.txt:5"),
    ],
)
def test_a_long_member_is_shortened_in_the_middle(artifact: str, member: str, expected: str) -> None:
    assert place(artifact, {"line": 5}, member) == expected


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (None, ""),
        ({"byte_offset": 0}, ""),
        ({"byte_offset": 10}, "byte 10"),
        ({"line": 3, "byte_offset": 10}, "line 3"),
        ({"page": 3, "line": 7}, "page 3, line 7"),
        ({"row": 2, "column": "text", "line": 3}, "row 2, text"),
    ],
)
def test_the_location_inside_a_file(location: dict[str, Any] | None, words: str) -> None:
    assert within(location) == words
