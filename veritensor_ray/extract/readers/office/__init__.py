"""Readers of office documents by media type: OOXML, OpenDocument and the formats before them."""

from __future__ import annotations

from veritensor_ray.extract.readers.office import books, docx, odf, ole, pptx, xlsx
from veritensor_ray.extract.source import Reader
from veritensor_ray.media_types import IWORK

_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument."

OFFICE: dict[str, Reader] = {
    f"{_OOXML}.wordprocessingml.document": docx.read_docx,
    f"{_OOXML}.spreadsheetml.sheet": xlsx.read_xlsx,
    f"{_OOXML}.presentationml.presentation": pptx.read_pptx,
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": xlsx.read_xlsb,
    **{
        f"{_ODF}{kind}{template}": odf.read_odf
        for kind in ("text", "spreadsheet", "presentation", "graphics", "chart", "formula", "image")
        for template in ("", "-template")
    },
    f"{_ODF}text-master": odf.read_odf,
    f"{_ODF}text-web": odf.read_odf,
    f"{_ODF}database": odf.read_odf,
    "application/vnd.oasis.opendocument.flat-xml": odf.read_flat,
    "application/epub+zip": books.read_epub,
    IWORK: books.read_iwork,
    "application/msword": ole.read_ole,
    "application/vnd.ms-excel": ole.read_ole,
    "application/vnd.ms-powerpoint": ole.read_ole,
    "application/x-ole-storage": ole.read_ole,
    "application/x-ole-encrypted": ole.read_ole,
}
