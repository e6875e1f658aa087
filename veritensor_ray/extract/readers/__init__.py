"""Readers, one file or folder a format: bytes to blocks of text with locations. This registry is the list of what can be read."""

from __future__ import annotations

from veritensor_ray import media_types
from veritensor_ray.extract.readers import pdf, rtf, text
from veritensor_ray.extract.readers.containers import sevenzip, tar, zip_reader
from veritensor_ray.extract.readers.data import arrow, avro, json_reader, notebook, orc, sqlite_reader, table, tfrecord, warc
from veritensor_ray.extract.readers.images import image
from veritensor_ray.extract.readers.mail import messages, outlook
from veritensor_ray.extract.readers.markup import html, latex, subtitles, xml
from veritensor_ray.extract.readers.models import gguf, hdf5, numbers, numpy_reader, onnx_reader, pickle_strings, safetensors_reader
from veritensor_ray.extract.readers.office import OFFICE
from veritensor_ray.extract.sniff import Kind
from veritensor_ray.extract.source import Reader

READERS: dict[str, Reader] = {
    media_types.JSON: json_reader.read_json,
    media_types.JSONL: json_reader.read_jsonl,
    media_types.NOTEBOOK: notebook.read_notebook,
    media_types.HTML: html.read_html,
    media_types.XHTML: html.read_xhtml,
    media_types.SVG: html.read_xhtml,
    media_types.XML: xml.read_xml,
    media_types.TEX: latex.read_latex,
    media_types.SUBRIP: subtitles.read_blocks,
    media_types.VTT: subtitles.read_blocks,
    media_types.SSA: subtitles.read_lines,
    media_types.MICRODVD: subtitles.read_lines,
    media_types.RTF: rtf.read_rtf,
    media_types.CSV: table.read_csv,
    media_types.TSV: table.read_csv,
    media_types.PARQUET: arrow.read_parquet,
    media_types.ARROW_FILE: arrow.read_arrow_file,
    media_types.ARROW_STREAM: arrow.read_arrow_stream,
    media_types.AVRO: avro.read_avro,
    media_types.ORC: orc.read_orc,
    media_types.SQLITE: sqlite_reader.read_sqlite,
    media_types.WARC: warc.read_warc,
    media_types.TFRECORD: tfrecord.read_tfrecord,
    media_types.ZIP: zip_reader.read_zip,
    media_types.PYTORCH: zip_reader.read_zip,
    media_types.NPZ: zip_reader.read_zip,
    media_types.TAR: tar.read_tar,
    media_types.SEVENZIP: sevenzip.read_7z,
    media_types.PICKLE: pickle_strings.read_pickle,
    media_types.SAFETENSORS: safetensors_reader.read_safetensors,
    media_types.GGUF: gguf.read_gguf,
    media_types.ONNX: onnx_reader.read_onnx,
    media_types.NPY: numpy_reader.read_npy,
    media_types.HDF5: hdf5.read_hdf5,
    media_types.FAISS: numbers.read_numbers,
    media_types.PDF: pdf.read_pdf,
    media_types.MESSAGE: messages.read_mail,
    media_types.MAILBOX: messages.read_mailbox,
    media_types.OUTLOOK: outlook.read_outlook,
    media_types.PNG: image.read_image,
    media_types.JPEG: image.read_image,
    media_types.GIF: image.read_image,
    media_types.WEBP: image.read_image,
    media_types.BMP: image.read_image,
    media_types.TIFF: image.read_image,
    **OFFICE,
}


def reader_for(kind: Kind) -> Reader | None:
    """The reader for a kind of file; any text has one."""
    found = READERS.get(kind.media_type)
    return found or (text.read_text if kind.is_text else None)
