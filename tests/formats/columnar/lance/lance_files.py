"""Writes Lance files with the library."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa


def lance_file(table: pa.Table, **options: Any) -> bytes:
    """A file outside of any dataset."""
    from lance.file import LanceFileWriter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.lance")
        with LanceFileWriter(str(path), table.schema, **options) as writer:
            for batch in table.to_batches():
                writer.write_batch(batch)
        return path.read_bytes()
