"""Readers, one file or folder a format: bytes to blocks of text with locations. This registry is the list of what can be read."""

from __future__ import annotations

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
from veritensor_ray.media_types import NPZ, PYTORCH, TFRECORD

READERS: dict[str, Reader] = {
    "application/json": json_reader.read_json,
    "application/jsonl": json_reader.read_jsonl,
    "application/x-ipynb+json": notebook.read_notebook,
    "text/html": html.read_html,
    "application/xhtml+xml": html.read_xhtml,
    "image/svg+xml": html.read_xhtml,
    "text/xml": xml.read_xml,
    "text/x-tex": latex.read_latex,
    "application/x-subrip": subtitles.read_blocks,
    "text/vtt": subtitles.read_blocks,
    "text/x-ssa": subtitles.read_lines,
    "text/x-microdvd": subtitles.read_lines,
    "application/rtf": rtf.read_rtf,
    "text/csv": table.read_csv,
    "text/tab-separated-values": table.read_csv,
    "application/vnd.apache.parquet": arrow.read_parquet,
    "application/vnd.apache.arrow.file": arrow.read_arrow_file,
    "application/vnd.apache.arrow.stream": arrow.read_arrow_stream,
    "application/vnd.apache.avro": avro.read_avro,
    "application/vnd.apache.orc": orc.read_orc,
    "application/vnd.sqlite3": sqlite_reader.read_sqlite,
    "application/warc": warc.read_warc,
    TFRECORD: tfrecord.read_tfrecord,
    "application/zip": zip_reader.read_zip,
    PYTORCH: zip_reader.read_zip,
    NPZ: zip_reader.read_zip,
    "application/x-tar": tar.read_tar,
    "application/x-7z-compressed": sevenzip.read_7z,
    "application/x-pickle": pickle_strings.read_pickle,
    "application/x-safetensors": safetensors_reader.read_safetensors,
    "application/x-gguf": gguf.read_gguf,
    "application/x-onnx": onnx_reader.read_onnx,
    "application/x-npy": numpy_reader.read_npy,
    "application/x-hdf5": hdf5.read_hdf5,
    "application/x-faiss": numbers.read_numbers,
    "application/pdf": pdf.read_pdf,
    "message/rfc822": messages.read_mail,
    "application/mbox": messages.read_mailbox,
    "application/vnd.ms-outlook": outlook.read_outlook,
    "image/png": image.read_image,
    "image/jpeg": image.read_image,
    "image/gif": image.read_image,
    "image/webp": image.read_image,
    "image/bmp": image.read_image,
    "image/tiff": image.read_image,
    **OFFICE,
}


def reader_for(kind: Kind) -> Reader | None:
    """The reader for a kind of file; any text has one."""
    found = READERS.get(kind.media_type)
    return found or (text.read_text if kind.is_text else None)
