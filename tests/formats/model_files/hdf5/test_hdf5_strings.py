"""The chunks of a dataset are asked for all at once."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import h5py
import numpy as np
import pytest

from tests.formats.reading import reader_source
from veritensor_ray.core.media_types import HDF5
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.model_files.hdf5 import hdf5_strings
from veritensor_ray.formats.model_files.hdf5.hdf5_strings import Hdf5Strings


class _Counted:
    """An object that counts which of its attributes are asked for."""

    def __init__(self, inner: Any, asked: Counter[str]) -> None:
        self._inner, self._asked = inner, asked

    def __getattr__(self, name: str) -> Any:
        self._asked[name] += 1
        found = getattr(self._inner, name)
        return _Counted(found, self._asked) if name == "id" else found


@pytest.mark.parametrize(("most", "claimed"), [(100_000, 1000), (10, 10)])
def test_each_chunk_is_claimed(most: int, claimed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_strings, "_REMEMBERED", most)
    out, asked = io.BytesIO(), Counter[str]()
    with h5py.File(out, "w") as root:
        made = root.create_dataset("a", data=np.arange(4000, dtype="i4"), chunks=(4,))
        root.flush()
        source = reader_source(out.getvalue(), Kind(HDF5))
        assert list(Hdf5Strings(source).data(_Counted(made, asked), False)) == []
    assert source.account.bytes["values"] == claimed * 16
    assert asked["get_chunk_info"] == 0
    assert asked["chunk_iter"] == 1


NOON = b"m\t\rk"  # a time of 2026 whose bytes are text


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (b"OHDR\x02\x20" + 4 * NOON, False),
        (b"OHDR\x02\x20" + 3 * NOON + b"n\t\rk", False),
        (b"\x00/R4xOCHK\x10\x10", False),
        (b"OHDR\x02\x20" + b"a secret of mine", True),
        (b"OHDR\x02\x00" + 4 * NOON, True),  # it has no times
    ],
    ids=["times", "a second later", "a checksum", "no times", "no times by its flags"],
)
def test_structure_that_looks_like_text_is_no_text(data: bytes, left: bool) -> None:
    source = reader_source(data, Kind(HDF5))
    Hdf5Strings(source).claim(len(data))
    unclaimed = [data[start:end] for start, end in source.account.unclaimed(len(data))]
    assert any(len(one) >= 8 for one in unclaimed) == left
