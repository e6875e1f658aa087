"""Entries of a zip or an OLE file to what the file really is."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from tests.cases import each
from tests.formats.office.building import FILES
from veritensor_ray.core.config import Limits
from veritensor_ray.core.format_table import mismatch
from veritensor_ray.core.media_types import NPZ, PYTORCH
from veritensor_ray.formats.archives.zip import structure as zip_format
from veritensor_ray.formats.archives.zip.read import read_zip
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member, Source
from veritensor_ray.formats.recognition import Recognised, recognise

OOXML, ODF = "application/vnd.openxmlformats-officedocument", "application/vnd.oasis.opendocument"
TYPES = "[Content_Types].xml"


def real(name: str) -> bytes:
    """A document that an office program wrote."""
    return (FILES / name).read_bytes()


def zipped(*names: str, **contents: str) -> bytes:
    """A zip of entries that are empty unless given."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in (*names, *contents):
            archive.writestr(name, contents.get(name, ""))
    return out.getvalue()


def numpy() -> bytes:
    """An .npz."""
    out = io.BytesIO()
    np.savez(out, a=np.zeros(3))
    return out.getvalue()


def checkpoint() -> bytes:
    """A torch zip."""
    import torch

    out = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, out)
    return out.getvalue()


@each(
    ("data", "media_type", "extensions"),
    [
        (real("letter.docx"), f"{OOXML}.wordprocessingml.document", ".docx"),
        (real("sheets.xlsx"), f"{OOXML}.spreadsheetml.sheet", ".xlsx"),
        (real("slides.pptx"), f"{OOXML}.presentationml.presentation", ".pptx"),
        (real("letter.odt"), f"{ODF}.text", ".odt"),
        (real("sheets.ods"), f"{ODF}.spreadsheet", ".ods"),
        (numpy(), NPZ, ".npz"),
        (zipped("data.pkl"), PYTORCH, ".pt"),
        (zipped(TYPES, "word/document2.xml"), f"{OOXML}.wordprocessingml.document", ".docx .docm"),
        (zipped(TYPES, "/word\\document.xml"), f"{OOXML}.wordprocessingml.document", ".docx"),
        (zipped("word/document.xml"), "application/zip", ".zip"),
        (zipped(TYPES, "word/other.xml"), "application/zip", ".zip"),
        (zipped(mimetype="application/epub+zip"), "application/epub+zip", ".epub"),
        (zipped(mimetype="text/html"), "application/zip", ".zip"),
        (zipped(mimetype="x" * 1000), "application/zip", ".zip"),
        (zipped("a/b/data.pkl"), "application/zip", ".zip"),
        (zipped(), "application/zip", ".zip .jar"),
    ],
)
def test_what_a_zip_is(data: bytes, media_type: str, extensions: str) -> None:
    assert_kind(data, media_type, extensions)


def test_what_torch_writes_is_a_checkpoint() -> None:
    assert_kind(checkpoint(), PYTORCH, ".pt .pth .zip .pkl")


def assert_kind(data: bytes, media_type: str, extensions: str) -> None:
    assert recognise(io.BytesIO(data), "").kind == Kind(media_type)
    for extension in extensions.split():
        assert not mismatch(extension, media_type)
    assert mismatch(".png", media_type)


def test_damage_leaves_it_a_zip() -> None:
    data = real("letter.docx")
    for at in range(0, len(data), 997):
        assert recognise(io.BytesIO(data[:at]), "").kind == Kind("application/zip" if at else "text/plain", None if at else "utf-8")


def test_what_is_no_container_is_what_its_bytes_say() -> None:
    assert recognise(io.BytesIO(b"words"), "") == Recognised(Kind("text/plain", "utf-8"), 5)


def test_a_directory_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = 0
    unpack = zip_format._CENTRAL.unpack_from

    class Counting:
        size = zip_format._CENTRAL.size

        def unpack_from(self, data: bytes, at: int) -> tuple[Any, ...]:
            nonlocal parsed
            parsed += 1
            return unpack(data, at)

    monkeypatch.setattr(zip_format, "_CENTRAL", Counting())
    data = zipped(*(f"folder/{i}" for i in range(500)))
    file = io.BytesIO(data)
    found = recognise(file, "")
    assert (found.kind, found.size, file.tell()) == (Kind("application/zip"), len(data), 0)
    assert found.directory is not None
    source = Source(file, found.kind, Limits(), directory=found.directory)
    assert sum(isinstance(item, Member) for item in read_zip(source)) == 500
    assert parsed == 500
