"""Readers, one file or folder per format, which turn bytes into blocks of text with locations. This registry lists the readable formats.

A reader is imported when the first file of its kind comes: importing all of them takes as long as everything else that a worker needs.
"""

from __future__ import annotations

import functools
import importlib

from veritensor_ray import media_types
from veritensor_ray.extract.sniff import Kind
from veritensor_ray.extract.source import Reader

READERS: dict[str, str] = {  # media type to `module:function`, below this package
    media_types.JSON: "data.json_reader:read_json",
    media_types.JSONL: "data.json_reader:read_jsonl",
    media_types.NOTEBOOK: "data.notebook:read_notebook",
    media_types.HTML: "markup.html:read_html",
    media_types.XHTML: "markup.html:read_xhtml",
    media_types.SVG: "markup.html:read_xhtml",
    media_types.XML: "markup.xml:read_xml",
    media_types.TEX: "markup.latex:read_latex",
    media_types.SUBRIP: "markup.subtitles:read_blocks",
    media_types.VTT: "markup.subtitles:read_blocks",
    media_types.SSA: "markup.subtitles:read_lines",
    media_types.MICRODVD: "markup.subtitles:read_lines",
    media_types.RTF: "rtf:read_rtf",
    media_types.CSV: "data.table:read_csv",
    media_types.TSV: "data.table:read_csv",
    media_types.PARQUET: "data.arrow:read_parquet",
    media_types.ARROW_FILE: "data.arrow:read_arrow_file",
    media_types.ARROW_STREAM: "data.arrow:read_arrow_stream",
    media_types.AVRO: "data.avro:read_avro",
    media_types.ORC: "data.orc:read_orc",
    media_types.SQLITE: "data.sqlite_reader:read_sqlite",
    media_types.WARC: "data.warc:read_warc",
    media_types.TFRECORD: "data.tfrecord:read_tfrecord",
    media_types.ZIP: "containers.zip_reader:read_zip",
    media_types.PYTORCH: "containers.zip_reader:read_zip",
    media_types.NPZ: "containers.zip_reader:read_zip",
    media_types.TAR: "containers.tar:read_tar",
    media_types.SEVENZIP: "containers.sevenzip:read_7z",
    media_types.PICKLE: "models.pickle_strings:read_pickle",
    media_types.SAFETENSORS: "models.safetensors_reader:read_safetensors",
    media_types.GGUF: "models.gguf:read_gguf",
    media_types.ONNX: "models.onnx_reader:read_onnx",
    media_types.NPY: "models.numpy_reader:read_npy",
    media_types.HDF5: "models.hdf5:read_hdf5",
    media_types.FAISS: "models.numbers:read_numbers",
    media_types.PDF: "pdf:read_pdf",
    media_types.MESSAGE: "mail.messages:read_mail",
    media_types.MAILBOX: "mail.messages:read_mailbox",
    media_types.OUTLOOK: "mail.outlook:read_outlook",
    media_types.PNG: "images.image:read_image",
    media_types.JPEG: "images.image:read_image",
    media_types.GIF: "images.image:read_image",
    media_types.WEBP: "images.image:read_image",
    media_types.BMP: "images.image:read_image",
    media_types.TIFF: "images.image:read_image",
    media_types.DOCX: "office.docx:read_docx",
    media_types.XLSX: "office.xlsx:read_xlsx",
    media_types.PPTX: "office.pptx:read_pptx",
    media_types.XLSB: "office.xlsx:read_xlsb",
    **dict.fromkeys(media_types.ODF_TYPES, "office.odf:read_odf"),
    media_types.FLAT_ODF: "office.odf:read_flat",
    media_types.EPUB: "office.books:read_epub",
    media_types.IWORK: "office.books:read_iwork",
    media_types.DOC: "office.ole:read_ole",
    media_types.XLS: "office.ole:read_ole",
    media_types.PPT: "office.ole:read_ole",
    media_types.OLE: "office.ole:read_ole",
    media_types.OLE_LOCKED: "office.ole:read_ole",
}
_TEXT = "text:read_text"


def reader_for(kind: Kind) -> Reader | None:
    """The reader for a kind of file. Every kind of text has one."""
    found = READERS.get(kind.media_type) or (_TEXT if kind.is_text else None)
    return _imported(found) if found else None


def import_all() -> None:
    """Import every reader, so that an incomplete installation is reported before the first file. Raises ImportError."""
    for path in {_TEXT, *READERS.values()}:
        _imported(path)


@functools.cache
def _imported(path: str) -> Reader:
    module, _, name = path.partition(":")
    reader: Reader = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return reader
