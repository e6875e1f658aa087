"""Names of files in texts: where one is a part of a path, and where it is only the end of another name."""

from __future__ import annotations

import pytest

from veritensor_ray.cleaning.names.renames import RenamedPart, Renames
from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block, Identity, cut, one_batch
from veritensor_ray.pipeline.cleaning_scans.reference_search import References

FILES = ("ann.csv", "ann.csv.gz", "cv ann@kaldor.com.md", "é@kaldor.com.md", "100%25.csv")
FOLDERS = ("ann@kaldor.com",)


@pytest.fixture(scope="module")
def search() -> References:
    parts = [*(RenamedPart(one, "new", True) for one in FILES), *(RenamedPart(one, "new", False) for one in FOLDERS)]
    made = Renames.of(parts)
    assert made is not None
    return References(made)


def found(search: References, *texts: str) -> list[tuple[int, str]]:
    batch = one_batch([(cut(Block([*texts]), Limits()), Identity(0, "x", "text/plain"))])
    return [(hit.row or 0, texts[hit.row or 0][hit.start : hit.end]) for hit in search.scan_text(batch)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann.csv", ["ann.csv"]),
        ("see ann.csv, 'ann.csv' and (../x/ann.csv#top).", ["ann.csv"] * 3),
        ("read ann.csv.", ["ann.csv"]),
        (r"C:\data\ann.csv", ["ann.csv"]),
        (r"'one\nann.csv'", ["ann.csv"]),
        ("joann.csv éann.csv jo-ann.csv _ann.csv x.ann.csv ~ann.csv", []),
        ("ann.csvs ann.csv_ ann.csv-old ann.csv.bak ann.csv~ ann.csvé", []),
        ("ann.csv.gz ann.csv.g", ["ann.csv.gz"]),
        ("Ann.csv", []),
        ("a/cv%20ann%40kaldor.com.md?x=1", ["cv%20ann%40kaldor.com.md"]),
        ("a%2Fcv%20ann@kaldor.com.md", ["cv%20ann@kaldor.com.md"]),
        ("cv ann@kaldor.com.md", ["cv ann@kaldor.com.md"]),
        ("%C3%A9@kaldor.com.md %c3%a9%40kaldor.com.md %é@kaldor.com.md", ["%C3%A9@kaldor.com.md", "%c3%a9%40kaldor.com.md", "é@kaldor.com.md"]),
        ("100%25.csv 100%2525.csv", ["100%25.csv", "100%2525.csv"]),
        ("write to ann@kaldor.com.", []),
        ("ann@kaldor.com", []),
        ("ann@kaldor.com/1.txt, mail/ann@kaldor.com and ann%40kaldor.com%2F2.txt", ["ann@kaldor.com", "ann@kaldor.com", "ann%40kaldor.com"]),
        ("ssh://ann@kaldor.com/1", []),
        ("\U0001f600\U0001f600 é ann.csv é ann.csv", ["ann.csv"] * 2),
        ("%", []),
        ("", []),
    ],
)  # fmt: skip
def test_where_a_name_is_a_part_of_a_path(search: References, text: str, expected: list[str]) -> None:
    assert [one for _, one in found(search, text)] == expected


def test_texts_have_nothing_to_do_with_their_neighbours(search: References) -> None:
    texts = (
        "x ann.csv",
        "ann.csv",
        "jo",
        "ann.csv",
        "",
        "s",
        "ann.",
        "csv",
        "x%4",
        "0ann.csv",
        "cv%20ann%40",
        "kaldor.com.md",
        "y/ann@kaldor.com",
        "/",
    )
    assert found(search, *texts) == [(0, "ann.csv"), (1, "ann.csv"), (3, "ann.csv"), (12, "ann@kaldor.com")]


def test_a_piece_of_a_batch(search: References) -> None:
    batch = one_batch([(cut(Block(["ann.csv é", "é ann.csv", "joann.csv", "ann.csv"]), Limits()), Identity(0, "x", "text/plain"))])
    assert [(hit.row, hit.start) for hit in search.scan_text(batch.slice(1, 3))] == [(0, 2), (2, 0)]
