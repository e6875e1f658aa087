"""Texts and streams among numbers."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from tests.cases import each
from tests.formats.images.test_read import saved
from tests.formats.residue.accounts import PLANTED, found
from veritensor_ray.formats.residue.among_numbers import streams_among_numbers, texts_among_numbers

TEXT = "written to jane.doe@vault-mail.org"
GRADIENT = bytes(range(40, 100)) + bytes(value // 3 + 40 for value in range(150))
NOISE = b"\xff\xfe\x80"


def in_units(text: str, code: str) -> bytes:
    return struct.pack(f"{code[0]}{len(text)}{code[1]}", *map(ord, text))


@pytest.mark.parametrize(
    ("code", "name"),
    [("<B", None), ("<H", "utf-16"), (">H", "utf-16"), ("<I", "utf-32"), (">I", "utf-32"), ("<Q", "numbers"), (">Q", "numbers")],
)
def test_letters_in_numbers_of_any_width_are_text(code: str, name: str | None) -> None:
    data = NOISE + in_units(TEXT, code) + NOISE
    ((at, size, text, via),) = texts_among_numbers(data)
    assert (text, via) == (TEXT, name)
    assert NOISE + data[at : at + size] + NOISE in (data, NOISE + in_units(TEXT, code).lstrip(b"\0") + NOISE)


@each("code", ["<B", "<H", ">H", "<I", ">I", "<Q", ">Q"])
@each("before", range(9))
def test_letters_are_found_wherever_they_stand_in_a_large_tensor(code: str, before: int) -> None:
    noise = np.random.default_rng(before).standard_normal(4096).tobytes()
    data = noise + noise[:before] + NOISE + in_units(TEXT, code) + NOISE + noise
    assert [one.text for one in texts_among_numbers(data)] == [TEXT]


@pytest.mark.parametrize(
    "data",
    [GRADIENT, b"too short to be one", NOISE.join([b"nor are these"] * 9), b"abcabc" * 99, bytes(99), in_units("a" * 50, "<H"), b""],
    ids=["gradient", "short", "many short ones", "a pattern", "zeros", "the same number", "nothing"],
)
def test_what_numbers_make_by_chance_is_not_text(data: bytes) -> None:
    assert list(texts_among_numbers(data)) == []


def test_streams_begin_where_their_magics_stand() -> None:
    parts = [NOISE, zlib.compress(b"some"), NOISE, gzip.compress(b"thing"), NOISE, zlib.compress(b"more", 9)]
    assert streams_among_numbers(b"".join(parts)) == [sum(map(len, parts[:number])) for number in (1, 3, 5)]


@pytest.mark.parametrize("before", [0, 1, (1 << 18) - 1, 1 << 18])
def test_a_magic_is_found_once_wherever_it_stands(before: int) -> None:
    assert streams_among_numbers(bytes(before) + zlib.compress(b"some") + NOISE) == [before]


def over(kind: str) -> Callable[[bytes], bytes]:
    """Return a function that writes over the last pixels of an image without compression."""
    image = saved(kind)
    return lambda hidden: image[: -len(hidden) - 10] + hidden + image[-10:]


def tensors(hidden: bytes) -> bytes:
    header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (len(hidden) + 6, len(hidden) + 6)
    return struct.pack("<Q", len(header)) + header + NOISE + hidden + NOISE


def array(hidden: bytes) -> bytes:
    out = io.BytesIO()
    np.save(out, np.frombuffer(NOISE + hidden + NOISE, "i1"))
    return out.getvalue()


BUILDS = {
    "pixels of a BMP": ("a.bmp", over("BMP")),
    "tensor": ("a.safetensors", tensors),
    "array": ("a.npy", array),
}
FORMS = {
    "": PLANTED,
    "UTF-16": PLANTED.decode().encode("utf-16-le"),
    "zlib": zlib.compress(PLANTED),
    "gzip": gzip.compress(PLANTED),
}


@each("form", FORMS.values(), ids=FORMS)
@each(("name", "build"), BUILDS.values(), ids=BUILDS)
def test_values_are_searched(name: str, build: Callable[[bytes], bytes], form: bytes) -> None:
    assert not found(build(b"\x01\x02\x80"), name)
    assert found(build(form), name)
