"""The guess of what an artifact takes: by type, for each file and for its bytes."""

from __future__ import annotations

import pytest

from veritensor_ray.corpus.effort import effort


@pytest.mark.parametrize(
    ("more", "less"),
    [
        (("a.md", 2_000_000), ("a.md", 1_000_000)),
        (("a.csv", 1_000_000), ("a.html", 1_000_000)),
        (("a.md", 1_000_000), ("a.mp4", 1_000_000)),
        (("a.png", 1_000), ("a.txt", 1_000)),
        (("A.IPYNB", 1_000), ("a.txt", 1_000)),
        (("no extension", 0), ("b.mp3", 0)),
    ],
)
def test_what_takes_longer(more: tuple[str, int], less: tuple[str, int]) -> None:
    assert effort(*more) > effort(*less) > 0
