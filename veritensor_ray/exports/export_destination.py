"""Write something that was made from results to a file, which appears only when it is complete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.uris import is_local, local_path, real_bases
from veritensor_ray.exports import ExportFormat
from veritensor_ray.exports.selection import Selection
from veritensor_ray.results.results import Results
from veritensor_ray.stores.outputs import OutputStore


def export(selection: Selection, format: ExportFormat, to: str) -> int:
    """Write findings to a file or to an object in a store, and return its size in bytes.

    Raises UsageError as `written` does, or CannotRunError.
    """
    with written(to, selection.results) as file:
        format.write(selection, file)
        return file.tell()


@contextlib.contextmanager
def written(to: str, results: Results) -> Iterator[BinaryIO]:
    """Open a file that appears under its name when the block ends without an error, and replaces an earlier one. Its mode is 0600.

    Raises UsageError for a name inside the corpus or inside the results, for a folder that does not exist, and for anything that exists
    and is not a regular file; CannotRunError if it cannot be written.
    """
    try:
        _check_apart(to, results)
        folder, name = _parts(to)
        with OutputStore(folder, results.store.stores).writer(name) as file:
            yield file
    except OSError as error:
        raise CannotRunError(f"{to} cannot be written: {error.strerror or type(error).__name__}. Choose a different file") from None


def _parts(to: str) -> tuple[str, str]:
    """Return the folder and the name in it. Raises UsageError for names that `written` refuses."""
    if not is_local(to):
        folder, _, name = to.rpartition("/")
        if to.startswith(("http://", "https://")):
            raise UsageError(f"{to} cannot be written, because HTTP addresses are only read; name a file or an object in a store")
        if not name or folder.endswith(":/"):  # s3://name is a bucket
            raise UsageError(f"{to} is a folder; name an object in it")
        return folder, name
    path = local_path(to)
    if path.is_dir():
        raise UsageError(f"{to} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"{to} cannot be created, because there is no folder {path.parent}; create the folder first")
    if path.is_symlink() or (path.exists() and not path.is_file()):  # written by root, the file would even replace /dev/stdout
        raise UsageError(f"{to} is a link, a pipe or a device; name a regular file")
    return str(path.parent), path.name


def _check_apart(to: str, results: Results) -> None:
    """Raise UsageError for a name inside a source or inside the results, whose files would no longer be those of the audit."""
    sources, outputs = results.run.get("sources") or [], [results.store.uri, str(results.run.get("output") or results.store.uri)]
    for what, folders in (("the corpus", sources), ("the results", outputs)):
        if is_local(to):
            path, guard = local_path(to), Guard(*real_bases(folders))
            inside = guard.within(str(path)) or guard.within(os.path.join(os.path.realpath(path.parent), path.name))  # noqa: PTH118
        else:
            inside = any(to.startswith(f"{folder.rstrip('/')}/") for folder in folders)
        if inside:
            raise UsageError(f"{to} lies inside {what}, where exports do not belong; choose a file elsewhere")
