"""Locations in words."""

from __future__ import annotations

from typing import Any

import pytest

from veritensor_ray.results.place_names import place, within


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (None, "a.md"),
        ({"line": 3}, "a.md:3"),
        ({"row": 2, "column": "text", "line": 3}, "a.md:3 text"),
        ({"row": 2, "column": "text"}, "a.md row 2 text"),
        ({"row": 2, "column": "text", "key": "id=17"}, "a.md row 2 text (id=17)"),
        ({"row": 2, "column": "text", "line": 3, "key": "id=17"}, "a.md:3 text (id=17)"),
        ({"part": "cell 1", "line": 2}, "a.md cell 1 line 2"),
        ({"byte_offset": 10}, "a.md byte 10"),
        ({"column": "title", "byte_offset": 10}, "a.md title"),
        ({"page": 1234}, "a.md page 1234"),
        ({"page": 3, "part": "annotation 2", "line": 7}, "a.md page 3 annotation 2 line 7"),
        ({"part": "Sheet1", "row": 0, "column": "B"}, "a.md Sheet1 row 0 B"),
        ({"part": "header", "line": 1, "column": "email"}, "a.md header line 1 email"),
        ({"line": 5, "column": "script"}, "a.md:5 script"),
        ({"part": "body", "paragraph": 12}, "a.md body paragraph 12"),
        ({"view": "residue", "start": 0, "byte_offset": 0}, "a.md byte 0 residue"),
        ({"view": "residue", "part": "word/settings.xml", "start": 7}, "a.md word/settings.xml residue"),
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
        ({"row": 2, "column": "text", "line": 3}, "line 3, text"),
        ({"row": 2, "column": "text"}, "row 2, text"),
    ],
)
def test_the_location_inside_a_file(location: dict[str, Any] | None, words: str) -> None:
    assert within({"location": location}) == words


@pytest.mark.parametrize(
    ("name", "location", "expected"),
    [
        ("book.xlsx", {"part": "Sheet1", "row": 11, "column": "B"}, "Sheet1!B12"),
        ("BOOK.XLSM", {"part": "Sheet1", "row": 0, "column": "AA"}, "Sheet1!AA1"),
        ("old.xls", {"part": "Q3 2025", "row": 0, "column": "A"}, "'Q3 2025'!A1"),
        ("calc.ods", {"part": "it's", "row": 4, "column": "C"}, "'it''s'!C5"),
        ("book.xlsx", {"part": "2025", "row": 4, "column": "C"}, "'2025'!C5"),
        ("book.xlsx", {"part": "strings", "row": 4}, "strings row 4"),
        ("book.xlsx", {"part": "Sheet1", "row": 4, "column": "phonetic"}, "Sheet1 row 4 phonetic"),
        ("data.sqlite", {"part": "users", "row": 4, "column": "ID"}, "users row 4 ID"),
    ],
)
def test_a_cell_of_a_spreadsheet_has_the_name_that_spreadsheets_give_it(name: str, location: dict[str, Any], expected: str) -> None:
    assert place(name, location) == f"{name} {expected}"
    assert place("a.zip", location, name) == f"a.zip!/{name} {expected}"
    assert within({"artifact": "a.zip", "member": name, "location": location}).replace(", ", " ") == expected
