"""The process of `conditions`: it opens the copy of the tables, and returns the numbers of the rows that meet a condition."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from veritensor_ray.core.errors import UsageError
from veritensor_ray.pipeline.bounded.serving import Answer, Bounds, main
from veritensor_ray.results.results import meeting
from veritensor_ray.view.database import connected

_MEMORY, _SPILLED = "1GB", "8GB"


@functools.cache
def _opened(file: Path) -> Any:
    spilled = file.parent / "spilled-by-conditions"
    shutil.rmtree(spilled, ignore_errors=True)  # of a process that was ended
    limits = {"memory_limit": _MEMORY, "temp_directory": str(spilled), "max_temp_directory_size": _SPILLED}
    opening = connected(file, read_only=True, limits=limits)
    atexit.register(opening.__exit__, None, None, None)
    return opening.__enter__()


def rows(bounds: Bounds, file: str, where: str) -> Answer:
    """Return the numbers of the findings that meet a condition. Without memory for it, the process ends."""
    import duckdb

    connection = _opened(Path(file))  # whose threads do not count
    bounds.bind()
    try:
        chosen = f"SELECT n::UINTEGER AS n FROM {meeting(connection, where, 'numbered')}"  # noqa: S608  # a checked condition
        table, out = connection.sql(chosen).to_arrow_table(), pa.BufferOutputStream()
        with pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
        return {}, out.getvalue().to_pybytes()
    except (MemoryError, duckdb.OutOfMemoryException):
        _end()
    except UsageError as error:
        if isinstance(error.__context__, duckdb.OutOfMemoryException):
            _end()
        raise
    except duckdb.Error as error:
        raise UsageError(f"The condition failed: {str(error).partition(chr(10))[0]}") from None


def _end() -> NoReturn:
    sys.stderr.write("Out of memory\n")
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main({"rows": rows}, int(sys.argv[1]))
