"""Entries of a zip or an OLE file to what the file really is."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from tests.clock import AtMost
from tests.extract.readers.office.building import FILES
from veritensor_ray.extract.refine import refined
from veritensor_ray.extract.sniff import Kind, sniff
from veritensor_ray.media_types import NPZ, PYTORCH, mismatch

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


@pytest.mark.parametrize(
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
    kind = refined(sniff(data, ""), io.BytesIO(data))
    assert kind == Kind(media_type)
    for extension in extensions.split():
        assert not mismatch(extension, media_type)
    assert mismatch(".png", media_type)


def test_damage_leaves_it_a_zip() -> None:
    data = real("letter.docx")
    for at in range(0, len(data), 997):
        assert refined(Kind("application/zip"), io.BytesIO(data[:at])) == Kind("application/zip")


def test_other_kinds_and_streams_stay_what_they_are() -> None:
    assert refined(Kind("text/plain", "utf-8"), io.BytesIO(b"x")) == Kind("text/plain", "utf-8")


def test_many_entries_are_listed_fast(at_most: AtMost) -> None:
    file = io.BytesIO(zipped(*(f"folder/{i}" for i in range(20_000))))
    with at_most(2):
        assert refined(Kind("application/zip"), file) == Kind("application/zip")
    assert file.tell() == 0
