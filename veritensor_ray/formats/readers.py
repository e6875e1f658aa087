"""Readers, one file or folder per format, which turn bytes into blocks of text with locations. This registry lists the readable formats.

A reader is imported when the first file of its kind comes: importing all of them takes as long as everything else that a worker needs.
"""

from __future__ import annotations

import functools
import importlib

from veritensor_ray.core import media_types
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Reader

READERS: dict[str, str] = {  # media type to `module:function`, below this package
    media_types.JSON: "json.read:read_json",
    media_types.JSONL: "json.read:read_jsonl",
    media_types.NOTEBOOK: "notebook.read:read_notebook",
    media_types.HTML: "markup.html:read_html",
    media_types.XHTML: "markup.html:read_xhtml",
    media_types.SVG: "markup.html:read_xhtml",
    media_types.XML: "markup.xml:read_xml",
    media_types.TEX: "text.latex:read_latex",
    media_types.SUBRIP: "text.subtitles:read_blocks",
    media_types.VTT: "text.subtitles:read_blocks",
    media_types.SSA: "text.subtitles:read_lines",
    media_types.MICRODVD: "text.subtitles:read_lines",
    media_types.RTF: "rtf:read_rtf",
    media_types.CSV: "csv.read:read_csv",
    media_types.TSV: "csv.read:read_csv",
    media_types.PARQUET: "columnar.arrow.read:read_parquet",
    media_types.ARROW_FILE: "columnar.arrow.read:read_arrow_file",
    media_types.ARROW_STREAM: "columnar.arrow.read:read_arrow_stream",
    media_types.AVRO: "columnar.avro.read:read_avro",
    media_types.ORC: "columnar.orc.read:read_orc",
    media_types.SQLITE: "sqlite.read:read_sqlite",
    media_types.WARC: "web_archives.read:read_warc",
    media_types.TFRECORD: "records.read:read_tfrecord",
    media_types.ZIP: "archives.zip.read:read_zip",
    media_types.PYTORCH: "archives.zip.read:read_zip",
    media_types.NPZ: "archives.zip.read:read_zip",
    media_types.TAR: "archives.tar.read:read_tar",
    media_types.SEVENZIP: "archives.sevenzip.read:read_7z",
    media_types.PICKLE: "model_files.pickle.read:read_pickle",
    media_types.SAFETENSORS: "model_files.safetensors.read:read_safetensors",
    media_types.GGUF: "model_files.gguf.read:read_gguf",
    media_types.ONNX: "model_files.onnx.read:read_onnx",
    media_types.NPY: "model_files.numpy.read:read_npy",
    media_types.HDF5: "model_files.hdf5.read:read_hdf5",
    media_types.FAISS: "model_files.faiss:read_numbers",
    media_types.PDF: "pdf.read:read_pdf",
    media_types.MESSAGE: "mail.read:read_mail",
    media_types.MAILBOX: "mail.read:read_mailbox",
    media_types.OUTLOOK: "mail.outlook:read_outlook",
    media_types.PNG: "images.read:read_image",
    media_types.JPEG: "images.read:read_image",
    media_types.GIF: "images.read:read_image",
    media_types.WEBP: "images.read:read_image",
    media_types.BMP: "images.read:read_image",
    media_types.TIFF: "images.read:read_image",
    media_types.DOCX: "office.word.read:read_docx",
    media_types.XLSX: "office.excel.read:read_xlsx",
    media_types.PPTX: "office.powerpoint.read:read_pptx",
    media_types.XLSB: "office.excel.read:read_xlsb",
    **dict.fromkeys(media_types.ODF_TYPES, "office.opendocument.read:read_odf"),
    media_types.FLAT_ODF: "office.opendocument.read:read_flat",
    media_types.EPUB: "office.books:read_epub",
    media_types.IWORK: "office.books:read_iwork",
    media_types.DOC: "office.ole.read:read_ole",
    media_types.XLS: "office.ole.read:read_ole",
    media_types.PPT: "office.ole.read:read_ole",
    media_types.OLE: "office.ole.read:read_ole",
    media_types.OLE_LOCKED: "office.ole.read:read_ole",
}
_TEXT = "text.read:read_text"


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
    reader: Reader = getattr(importlib.import_module(f"veritensor_ray.formats.{module}"), name)
    return reader
