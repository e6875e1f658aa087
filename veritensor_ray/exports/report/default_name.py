"""The file of a report that nobody named: an earlier one is replaced only if it is a report on the same output."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from veritensor_ray.core.errors import UsageError
from veritensor_ray.results.results import Results


def default_name(results: Results, name: str, how: str) -> str:
    """Return the name, for a file in the working directory. Raises UsageError, which says how to name a file, if it holds anything else."""
    path, expected = Path(name), mark(results)
    if path.is_file() and _end(path, len(expected)) != expected:
        raise UsageError(f"{name} exists and is not a report on {_output(results)}; name another file {how}, or this one to replace it")
    return name


def mark(results: Results) -> bytes:
    """Return the last line of an HTML report, which says on which output it is."""
    return f"\n<!-- on {hashlib.sha256(_output(results).encode()).hexdigest()[:32]} -->\n".encode()


def _output(results: Results) -> str:
    return str(results.run.get("output") or results.store.uri)


def _end(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size), os.SEEK_SET)
        return file.read(size)
