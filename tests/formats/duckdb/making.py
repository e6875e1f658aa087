"""DuckDB files, made by DuckDB itself."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb


def database(*statements: str, version: str = "v1.2.0", block: int = 16384) -> bytes:
    """A database after those statements, of which each is a transaction."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.duckdb")
        with duckdb.connect(config={"threads": 2}) as made:
            made.execute(f"ATTACH '{path}' AS a (STORAGE_VERSION '{version}', BLOCK_SIZE {block})")
            made.execute("USE a")
            for statement in statements:
                made.execute(statement)
            made.execute("CHECKPOINT; USE memory; DETACH a")
        return path.read_bytes()


def opened(data: bytes, folder: Path) -> duckdb.DuckDBPyConnection:
    """A connection to a copy of the database."""
    path = folder / f"{len([*folder.iterdir()])}.duckdb"
    path.write_bytes(data)
    return duckdb.connect(path, read_only=True)
