"""Readers of office documents by media type: OOXML, OpenDocument and the formats before them."""

from __future__ import annotations

from veritensor_ray.extract.readers.office import books, docx, odf, ole, pptx, xlsx
from veritensor_ray.extract.source import Reader
from veritensor_ray.media_types import DOC, DOCX, EPUB, FLAT_ODF, IWORK, ODF_TYPES, OLE, OLE_LOCKED, PPT, PPTX, XLS, XLSB, XLSX

OFFICE: dict[str, Reader] = {
    DOCX: docx.read_docx,
    XLSX: xlsx.read_xlsx,
    PPTX: pptx.read_pptx,
    XLSB: xlsx.read_xlsb,
    **dict.fromkeys(ODF_TYPES, odf.read_odf),
    FLAT_ODF: odf.read_flat,
    EPUB: books.read_epub,
    IWORK: books.read_iwork,
    DOC: ole.read_ole,
    XLS: ole.read_ole,
    PPT: ole.read_ole,
    OLE: ole.read_ole,
    OLE_LOCKED: ole.read_ole,
}
