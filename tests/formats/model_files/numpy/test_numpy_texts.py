"""The ranges of an item of an array that no field names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from veritensor_ray.formats.model_files.numpy.numpy_texts import unnamed_bytes

DEEP = [("a", [("b", [("c", [("d", "u1")], (1000,))], (1000,))], (64,))]


@pytest.mark.parametrize(
    ("dtype", "unnamed"),
    [
        ("f4", []),
        ([("x", "f4"), ("y", "V9")], [(4, 13)]),
        ([("x", [("y", "f4"), ("z", "V2")], (3,))], [(4, 6), (10, 12), (16, 18)]),
        ([("x", [("y", "f4"), ("z", [])], (3,))], []),
        ({"names": ["x", "y"], "formats": ["f4", "S9"], "offsets": [0, 40], "itemsize": 50}, [(4, 40), (49, 50)]),
        (DEEP, [(4089, 64_000_000)]),  # seven of the 4096 fields are around others
        ([("x", DEEP), ("y", "V9")], [(4088, 64_000_009)]),
    ],
)
def test_ranges_without_a_name(dtype: Any, unnamed: list[tuple[int, int]]) -> None:
    assert unnamed_bytes(np.dtype(dtype)) == unnamed
