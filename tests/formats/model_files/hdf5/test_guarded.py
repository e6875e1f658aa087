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


@pytest.mark.parametrize(("values", "kept"), [(9, True), (1800, False)])
def test_the_end_of_a_text_and_the_head_of_the_next_one(values: int, kept: bool) -> None:
    """A text of seven bytes is followed by a zero and the number of the next one, so the eighth looks like a pointer to value 1792 at byte 2048."""
    objects = b"".join(number.to_bytes(8, "little") + (7).to_bytes(8, "little") + b"[EMAIL]\0" for number in range(1, values + 1))
    heap = b"GCOL\x01\0\0\0" + (16 + len(objects)).to_bytes(8, "little") + objects
    guarded = Guarded(io.BytesIO(bytes(2048) + heap))
    guarded.seek(2048)
    assert (guarded.read(len(heap)) == heap) is kept
    assert (guarded.too_long == 0) is kept
