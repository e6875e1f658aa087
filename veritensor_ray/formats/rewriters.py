"""Rewriters, one module or folder for each format: each reads a file and writes it again with the ordered changes, and nothing else changed.

`common` holds what several formats share.

A rewriter is a function of a source (an open file at its beginning), a binary file to write to, and the orders. It raises
CannotRewriteError if the format cannot express an order. Orders that it leaves undone make the caller hold the file back. A rewriter is
imported when the first file of its kind has to be changed; files without orders are copied and never come here.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import BinaryIO

from veritensor_ray.core import media_types
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders

Rewriter = Callable[[Source, BinaryIO, Orders], None]

REWRITERS: dict[str, str] = {  # media type to `module:function`, below this package
    media_types.JSON: "json.rewrite:rewrite_json",
    media_types.JSONL: "json.rewrite:rewrite_jsonl",
    media_types.NOTEBOOK: "notebook.rewrite:rewrite_notebook",
    media_types.CSV: "csv.rewrite:rewrite_csv",
    media_types.TSV: "csv.rewrite:rewrite_csv",
    media_types.PARQUET: "columnar.parquet.rewrite:rewrite_parquet",
    media_types.ARROW_FILE: "columnar.arrow.rewrite:rewrite_arrow_file",
    media_types.ARROW_STREAM: "columnar.arrow.rewrite:rewrite_arrow_stream",
    media_types.HTML: "markup.rewrite:rewrite_html",
    media_types.XHTML: "markup.rewrite:rewrite_xml",
    media_types.SVG: "markup.rewrite:rewrite_xml",
    media_types.XML: "markup.rewrite:rewrite_xml",
    media_types.ZIP: "archives.zip.rewrite:rewrite_zip",
    media_types.TAR: "archives.tar.rewrite:rewrite_tar",
    **dict.fromkeys(media_types.COMPRESSED, "compressed.rewrite:rewrite_compressed"),
    media_types.DOCX: "office.rewrite:rewrite_docx",
    media_types.XLSX: "office.rewrite:rewrite_xlsx",
    media_types.PPTX: "office.rewrite:rewrite_pptx",
}
_TEXT = "text.rewrite:rewrite_text"


def rewrite(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the file with the ordered changes to `out`. Raises CannotRewriteError, ReadError."""
    path = REWRITERS.get(source.kind.media_type) or (_TEXT if source.kind.is_text else None)
    if path is None:
        raise CannotRewriteError(f"files of type {source.kind.media_type} are not rewritten")
    _imported(path)(source, out, orders)


@functools.cache
def _imported(path: str) -> Rewriter:
    module, _, name = path.partition(":")
    rewriter: Rewriter = getattr(importlib.import_module(f"veritensor_ray.formats.{module}"), name)
    return rewriter
