"""Open the DuckDB file of a copy. It does not depend on what is in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from veritensor_ray.core.safe_imports import Guard

_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


@contextlib.contextmanager
def connected(file: Path, *, read_only: bool, limits: Mapping[str, str]) -> Iterator[Any]:
    """Open the file. What does not fit into the memory of `limits`, settings of DuckDB, spills to a folder beside it.

    If the file is opened read-only, queries can reach nothing else.
    """
    with Guard():
        import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {**_OFFLINE, "temp_directory": str(file.parent / "spilled"), **limits}
    with duckdb.connect(file, read_only=read_only, config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        if read_only:
            connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield connection
