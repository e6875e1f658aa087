"""What the guard against impossible lengths lets pass: structures of the format that only look like them."""

from __future__ import annotations

import io

import pytest

from veritensor_ray.formats.model_files.hdf5.structure import Guarded


@pytest.mark.parametrize(
    ("at", "data", "kept"),
    [
        (100, b"SNOD\x01\x00\x02\x00\x08" + bytes(20), True),  # as Keras writes it if its texts of variable length are at byte 2048
        (98, bytes(3) + b"\x08\x00\x10\x00\x00\x04\x03\x00\x08" + bytes(6) + b"\x01\x00\x00\x00", True),  # the layout of a virtual dataset
        (100, bytes(4) + b"\xff\xff\xff\x7f\x00\x08" + bytes(6) + b"\x01\x00\x00\x00", False),  # a text of two gigabytes
    ],
)
def test_structures_that_look_like_lengths(at: int, data: bytes, kept: bool) -> None:
    file = bytearray(4096)
    file[at : at + len(data)] = data
    file[2048:2064] = b"GCOL\x01\x00\x00\x00\x10" + bytes(7)
    guarded = Guarded(io.BytesIO(bytes(file)))
    guarded.seek(at)
    assert (guarded.read(len(data)) == data) is kept
