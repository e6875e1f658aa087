"""Entries of a zip or an OLE file to what the file really is."""

from __future__ import annotations

import io
import time
import zipfile

import docx
import numpy as np
import openpyxl
import pptx
import pytest
import torch
from odf.opendocument import OpenDocumentSpreadsheet, OpenDocumentText

from veritensor_ray.extract.refine import refined
from veritensor_ray.extract.sniff import Kind, sniff
from veritensor_ray.media_types import NPZ, PYTORCH, mismatch

OOXML, ODF = "application/vnd.openxmlformats-officedocument", "application/vnd.oasis.opendocument"
TYPES = "[Content_Types].xml"


def saved(what: object, save: str = "save") -> bytes:
    """The bytes that a document's own library writes."""
    out = io.BytesIO()
    getattr(what, save)(out)
    return out.getvalue()


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
    out = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "media_type", "extensions"),
    [
        (saved(docx.Document()), f"{OOXML}.wordprocessingml.document", ".docx"),
        (saved(openpyxl.Workbook()), f"{OOXML}.spreadsheetml.sheet", ".xlsx"),
        (saved(pptx.Presentation()), f"{OOXML}.presentationml.presentation", ".pptx"),
        (saved(OpenDocumentText()), f"{ODF}.text", ".odt"),
        (saved(OpenDocumentSpreadsheet()), f"{ODF}.spreadsheet", ".ods"),
        (numpy(), NPZ, ".npz"),
        (checkpoint(), PYTORCH, ".pt .pth .zip .pkl"),
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
    kind = refined(sniff(data, ""), io.BytesIO(data))
    assert kind == Kind(media_type)
    for extension in extensions.split():
        assert not mismatch(extension, media_type)
    assert mismatch(".png", media_type)


def test_damage_leaves_it_a_zip() -> None:
    data = saved(docx.Document())
    for at in range(0, len(data), 997):
        assert refined(Kind("application/zip"), io.BytesIO(data[:at])) == Kind("application/zip")


def test_other_kinds_and_streams_stay_what_they_are() -> None:
    assert refined(Kind("text/plain", "utf-8"), io.BytesIO(b"x")) == Kind("text/plain", "utf-8")


def test_many_entries_are_listed_fast() -> None:
    file = io.BytesIO(zipped(*(f"folder/{i}" for i in range(20_000))))
    started = time.perf_counter()
    assert refined(Kind("application/zip"), file) == Kind("application/zip")
    assert time.perf_counter() - started < 2
    assert file.tell() == 0
