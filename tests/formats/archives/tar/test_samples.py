"""Which tars are a WebDataset, by the names of their files alone."""

from __future__ import annotations

import pytest

from tests.cases import each
from veritensor_ray.formats.archives.tar.samples import SampleKeys, sample_key

PAIRS = ["0/a.txt", "0/a.json", "0/b.json", "0/b.txt"]


@each(
    ("names", "expected"),
    [
        (PAIRS, {"0/a": 0, "0/b": 1}),
        (["a.seg.png", "a.jpg", "b.jpg", "b.seg.png", "b.txt"], {"a": 0, "b": 1}),
        (["a.jpg", "a.txt"], {}),  # a single sample proves nothing
        (["a.jpg", "b.jpg"], {}),  # nor do files that stand alone
        (["a.jpg", "a.txt", "b.jpg", "b.json"], {}),  # no two fields in common
        ([*PAIRS, "0/a.cls"], {}),  # a sample that comes again
        ([*PAIRS, "0/b.txt"], {}),  # a field that comes again
        ([*PAIRS, "README"], {}),
        ([*PAIRS, "0/.hidden"], {}),
        ([*PAIRS, ""], {}),
        ([], {}),
    ],
)
def test_recognition(names: list[str], expected: dict[str, int]) -> None:
    keys = SampleKeys()
    for name in names:
        keys.add(name)
    assert keys.numbers() == expected


@pytest.mark.parametrize(("name", "key"), [("x/000.seg.png", "x/000"), ("a.b/c", None), (".x", None), ("x/.y.z", None), ("a\n.x", "a\n")])
def test_keys(name: str, key: str | None) -> None:
    assert sample_key(name) == key
