"""Where digits stand close together."""

from __future__ import annotations

import pytest

from veritensor_ray.engines.pii.clusters import clusters, digits_of


@pytest.mark.parametrize(
    ("text", "apart", "least", "expected"),
    [
        ("", 1, 1, []),
        ("none", 1, 1, []),
        ("in 1984 and 20", 1, 4, ["1984"]),
        ("030 90 18 20", 2, 6, ["030 90 18 20"]),
        ("030 90--18", 2, 4, ["030 90"]),
        ("ä1", 1, 1, ["1"]),
        ("漢\U0001f60012/3", 2, 3, ["12/3"]),
        ("\u0661\u0662\u0663", 1, 1, []),
        ("/09:", 2, 2, ["09"]),
    ],
)
def test_clusters(text: str, apart: int, least: int, expected: list[str]) -> None:
    assert [text[start:end] for start, end in clusters(digits_of(text), apart, least)] == expected
