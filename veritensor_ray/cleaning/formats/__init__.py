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

from veritensor_ray import media_types
from veritensor_ray.cleaning.actions import CannotRewriteError
from veritensor_ray.cleaning.orders import Orders
from veritensor_ray.extract.source import Source

Rewriter = Callable[[Source, BinaryIO, Orders], None]

REWRITERS: dict[str, str] = {  # media type to `module:function`, below this package
    media_types.JSON: "json:rewrite_json",
    media_types.JSONL: "json:rewrite_jsonl",
    media_types.NOTEBOOK: "notebook:rewrite_notebook",
    media_types.CSV: "csv:rewrite_csv",
    media_types.TSV: "csv:rewrite_csv",
    media_types.PARQUET: "parquet:rewrite_parquet",
    media_types.ARROW_FILE: "arrow:rewrite_arrow_file",
    media_types.ARROW_STREAM: "arrow:rewrite_arrow_stream",
    media_types.HTML: "markup:rewrite_html",
    media_types.XHTML: "markup:rewrite_xml",
    media_types.SVG: "markup:rewrite_xml",
    media_types.XML: "markup:rewrite_xml",
    media_types.ZIP: "zip:rewrite_zip",
    media_types.TAR: "tar:rewrite_tar",
    **dict.fromkeys(media_types.COMPRESSED, "compressed:rewrite_compressed"),
    media_types.DOCX: "office:rewrite_docx",
    media_types.XLSX: "office:rewrite_xlsx",
    media_types.PPTX: "office:rewrite_pptx",
}
_TEXT = "text:rewrite_text"


def rewrite(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the file with the ordered changes to `out`. Raises CannotRewriteError, ReadError."""
    path = REWRITERS.get(source.kind.media_type) or (_TEXT if source.kind.is_text else None)
    if path is None:
        raise CannotRewriteError(f"files of type {source.kind.media_type} are not rewritten")
    _imported(path)(source, out, orders)


@functools.cache
def _imported(path: str) -> Rewriter:
    module, _, name = path.partition(":")
    rewriter: Rewriter = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return rewriter
