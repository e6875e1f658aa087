"""Readers, one file a format: bytes to blocks of text with locations. This registry is the list of what can be read."""

from __future__ import annotations

from veritensor_ray.extract.readers import arrow, image, json_reader, notebook, table, text
from veritensor_ray.extract.sniff import Kind
from veritensor_ray.extract.source import Reader

READERS: dict[str, Reader] = {
    "application/json": json_reader.read_json,
    "application/jsonl": json_reader.read_jsonl,
    "application/x-ipynb+json": notebook.read_notebook,
    "text/csv": table.read_csv,
    "text/tab-separated-values": table.read_csv,
    "application/vnd.apache.parquet": arrow.read_parquet,
    "application/vnd.apache.arrow.file": arrow.read_arrow_file,
    "application/vnd.apache.arrow.stream": arrow.read_arrow_stream,
    "image/png": image.read_image,
    "image/jpeg": image.read_image,
    "image/gif": image.read_image,
    "image/webp": image.read_image,
    "image/bmp": image.read_image,
    "image/tiff": image.read_image,
}


def reader_for(kind: Kind) -> Reader | None:
    """The reader for a kind of file; any text has one."""
    found = READERS.get(kind.media_type)
    return found or (text.read_text if kind.is_text else None)
